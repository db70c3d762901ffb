//! Keys and who holds them: the cluster's CA, members' identities, the administrator's token, and sealed
//! secrets. Knows no state and no log; `OVERVIEW.md` beside `Cargo.toml` shows who uses what.

mod boot_token;
mod cluster_file;
mod first_member;
mod init_static;
mod join_token;
mod joined_member;
mod member_identity;
mod pem;
pub mod pki;
mod recovery_kit;
mod sealing;
mod static_file;
mod token_issue;
mod token_issuer;

pub use boot_token::{Boot, BootTokenError, BootTokens};
pub use cluster_file::ClusterMember;
pub use first_member::{FirstMember, FirstReport, init_first};
pub use init_static::{InitError, Report, init_static};
pub use join_token::{JoinToken, NotAJoinToken, secret_digest};
pub use joined_member::{JoinedMember, write_joined};
pub use member_identity::{AuthorityKey, LoadError, MemberIdentity};
pub use recovery_kit::{KitError, KitKeys, RecoveryKit};
pub use sealing::{KekError, SECRET_LENGTH_MAX, SealError, Sealer, Secret};
pub use static_file::StaticFileError;
pub use token_issue::{TOKEN_VALID_FOR, TokenError, TokenKey};
pub use token_issuer::{TokenIssuer, write_token};
