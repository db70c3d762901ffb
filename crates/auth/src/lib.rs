//! Keys and who holds them: the cluster's CA, members' identities, the administrator's token, and sealed
//! secrets. Knows no state and no log; `OVERVIEW.md` beside `Cargo.toml` shows who uses what.

mod access_token;
mod authority_file;
mod boot_token;
mod certify;
mod cluster_file;
mod first_member;
mod init_static;
mod join_token;
mod joined_member;
mod jwks;
mod kek_command;
mod kek_source;
mod kek_store;
mod key_ring;
mod member_identity;
mod opaque_token;
mod pem;
pub mod pki;
mod recovery_kit;
mod sealing;
mod signing_key;
mod static_file;
mod token_issue;
mod token_issuer;

pub use access_token::{
    AccessClaims, AccessTokenError, check as check_access_token, check_times, is_access_token,
};
pub use authority_file::{NotOneAuthority, authority_id, certificates, fingerprint};
pub use boot_token::{Boot, BootTokenError, BootTokens};
pub use certify::{CertifyError, LEAF_VALID_FOR_MAX, LEAF_VALID_FOR_MIN};
pub use cluster_file::ClusterMember;
pub use first_member::{FirstMember, FirstReport, init_first};
pub use init_static::{InitError, Report, init_static};
pub use join_token::{JoinToken, NotAJoinToken, secret_digest};
pub use joined_member::{JoinedMember, write_joined};
pub use jsonwebtoken::DecodingKey;
pub use jwks::{JwkSet, PublicJwk};
pub use kek_source::{KekCommand, KekSource};
pub use kek_store::{KekStore, KekStoreError};
pub use key_ring::hex;
pub use member_identity::{AuthorityKey, LoadError, MemberIdentity};
pub use opaque_token::{NotAToken, OpaqueKind, OpaqueToken};
pub use recovery_kit::{KitError, KitKeys, RecoveryKit};
pub use sealing::{KekError, SECRET_LENGTH_MAX, SealError, Sealer, Secret};
pub use signing_key::SigningPair;
pub use static_file::StaticFileError;
pub use token_issue::{TOKEN_VALID_FOR, TokenError, TokenKey, random};
pub use token_issuer::{TokenIssuer, write_token};
