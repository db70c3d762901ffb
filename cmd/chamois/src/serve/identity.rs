//! Who this member is, and what a new cluster begins with: from the directory that `chamois init` wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use auth::{AuthorityKey, JoinToken, KekSource, KekStore, LoadError, MemberIdentity, SealError, Sealer};
use proto::cluster::v1::{self as v1, ClusterCommand, cluster_command};
use raft::{FoundingMembers, MemberNode};
use rpc::tls::{Material, PinnedKeys};
use state::cluster::FEATURE_LEVEL_KNOWN;

use super::check::Listed;
use crate::member_node::member_node;
use crate::random;

/// Name of the secret that signs the members' address adverts.
pub(super) const ADVERT_KEY: &str = "advert-key";
/// Name of the secret that signs members' certificates.
pub(super) const CA_KEY: &str = "ca-key";
/// The token that `init` prints is good for an hour after the first start, milliseconds.
const FIRST_TOKEN_VALID_MS: u64 = 3_600_000;
/// It admits the second to the fifth member.
const FIRST_TOKEN_USES: u32 = 4;
/// A new secret's version.
const FIRST_VERSION: u32 = 1;

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file is missing, malformed or does not fit the others.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The directory is another member's.
    #[error(
        "identity-dir is that of member {found}, but `member.id` is {configured}: set `member.id = {found}`, or name member \
         {configured}'s identity directory"
    )]
    OtherMember {
        /// What the configuration says.
        configured: u64,
        /// What the certificate says.
        found: u64,
    },
}

/// This member's identity.
pub(super) struct Identity {
    dir: PathBuf,
    cluster: String,
    id: u64,
    /// Certificate, key and CA.
    pub(super) material: Material,
    /// The CA's certificate and the key that checks tokens, PEM: a member that joins is given both.
    pub(super) ca_pem: String,
    /// See `ca_pem`.
    pub(super) token_pem: String,
    /// The members' keys.
    pub(super) pins: PinnedKeys,
    /// Opens what is sealed in the state.
    pub(super) sealer: Sealer,
    /// The same keys where they are kept.
    pub(super) keks: KekStore,
    /// Checks bearer tokens.
    pub(super) tokens: rpc::token::Verifier,
    /// The members that were known when the identity was made.
    listed: BTreeMap<u64, MemberNode>,
    joined: bool,
    authority: Option<AuthorityKey>,
    join_token: Option<JoinToken>,
}

impl Identity {
    /// Loads and checks the directory of member `id`; the keys that open secrets come from `keks`.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub(super) fn load(dir: &Path, id: u64, keks: KekSource) -> Result<Self, IdentityError> {
        let loaded = MemberIdentity::load_with(dir, &keks)?;
        if loaded.id != id {
            return Err(IdentityError::OtherMember {
                configured: id,
                found: loaded.id,
            });
        }
        let members = loaded.members.into_iter();
        let listed = members.map(|member| (member.id, member_node(member)));
        Ok(Self {
            dir: dir.to_owned(),
            listed: listed.collect(),
            joined: loaded.joined,
            authority: loaded.authority,
            join_token: loaded.join_token,
            cluster: loaded.cluster,
            id,
            material: loaded.material,
            ca_pem: loaded.ca_pem,
            token_pem: loaded.token_pem,
            pins: loaded.pins,
            keks: KekStore::new(dir, keks, loaded.sealer.clone()),
            sealer: loaded.sealer,
            tokens: loaded.tokens,
        })
    }

    /// What the checks need to know.
    pub(super) fn listed(&self) -> Listed {
        let own = self.listed.get(&self.id);
        let port = |node: &MemberNode| node.peer_address.rsplit(':').next()?.parse().ok();
        Listed {
            cluster: self.cluster.clone(),
            ids: self.listed.keys().copied().collect(),
            peer_port: own.and_then(port),
        }
    }

    /// The members that an empty store begins with; none where the member joined a cluster that there was.
    pub(super) fn founding_members(&self) -> FoundingMembers {
        let members = match self.joined {
            true => BTreeMap::new(),
            false => self.listed.clone(),
        };
        FoundingMembers {
            members,
            identity_dir: self.dir.clone(),
        }
    }

    /// The first entry of a new cluster: its name, the sealed key of the adverts, and what `init` has left for it. Every
    /// founding member offers one with a key of its own; the first in the log counts.
    pub(super) fn bootstrap(&self) -> Result<ClusterCommand, SealError> {
        let mut key = [0; 32];
        random::fill(&mut key);
        let seal = |name: &str, secret: &[u8]| self.sealer.seal(name, FIRST_VERSION, secret);
        let authority = self.authority.as_ref();
        let join_token = self.join_token.as_ref().map(|token| v1::JoinToken {
            id: token.id(),
            secret_sha256: token.secret_sha256().to_vec(),
            expires_at_ms: since_epoch_ms() + FIRST_TOKEN_VALID_MS,
            uses: FIRST_TOKEN_USES,
            kind: v1::member_kind::Kind::Voter.into(),
            admitted: Vec::new(),
        });
        let bootstrap = cluster_command::Bootstrap {
            cluster_name: self.cluster.clone(),
            advert_key: Some(seal(ADVERT_KEY, &key)?),
            feature_level: FEATURE_LEVEL_KNOWN,
            ca_key: authority
                .map(|key| seal(CA_KEY, key.ca_key.as_bytes()))
                .transpose()?,
            // no member signs tokens: the key stays with the first host and in the recovery kit
            token_key: None,
            join_token,
            next_member_id: self.listed.keys().max().map_or(1, |id| id + 1),
        };
        Ok(ClusterCommand {
            change: Some(cluster_command::Change::Bootstrap(bootstrap)),
        })
    }
}

/// By this host's clock; 0 before the epoch.
pub(super) fn since_epoch_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn identities() -> tempfile::TempDir {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let mut text = "cluster = \"demo\"\n".to_owned();
        for id in 1..=3 {
            text += &format!(
                "[[member]]\nid = {id}\naddress = \"127.9.1.{id}:7440\"\napi-address = \"127.9.1.{id}:7441\"\n"
            );
        }
        std::fs::write(dir.path().join("static.toml"), text).unwrap();
        let file = dir.path().join("static.toml");
        auth::init_static(&file, &dir.path().join("out"), SystemTime::now()).unwrap();
        dir
    }

    #[test]
    fn the_checks_learn_cluster_members_and_port() {
        let dir = identities();
        let identity = Identity::load(&dir.path().join("out/member-2"), 2, KekSource::File).unwrap();
        let listed = identity.listed();
        assert_eq!((listed.cluster.as_str(), listed.peer_port), ("demo", Some(7440)));
        assert_eq!(listed.ids, [1, 2, 3]);
    }

    /// Two hosts with one identity would be one member twice.
    #[test]
    fn another_members_directory_is_refused_by_name() {
        let dir = identities();
        let error = Identity::load(&dir.path().join("out/member-3"), 2, KekSource::File)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("set `member.id = 3`") && error.contains("member 2's identity directory"),
            "{error}"
        );
    }

    /// Sealed before it reaches the log, and openable by every founding member.
    #[test]
    fn the_first_entry_carries_a_key_that_any_member_can_open() {
        let dir = identities();
        let load = |id: u64| {
            let dir = dir.path().join(format!("out/member-{id}"));
            Identity::load(&dir, id, KekSource::File).unwrap()
        };
        let command = load(1).bootstrap().unwrap();
        let Some(cluster_command::Change::Bootstrap(bootstrap)) = command.change else {
            panic!("{command:?}")
        };
        let sealed = bootstrap.advert_key.unwrap();
        let secret = load(3).sealer.open(&sealed).unwrap();
        assert_eq!(secret.bytes().len(), 32);
        assert!(
            !sealed
                .ciphertext
                .windows(32)
                .any(|window| window == secret.bytes())
        );
    }
}
