//! The identity of a member that joined a cluster that there was.

use std::path::Path;

use crate::cluster_file::{ClusterFile, ClusterMember};
use crate::init_static::{InitError, KEYS_FOLDER, private, public, write_all};

/// What the cluster has given it, and the key that it made itself.
#[derive(Clone)]
pub struct JoinedMember {
    /// The cluster's name.
    pub cluster: String,
    /// The CA's certificate, PEM.
    pub ca_pem: String,
    /// Its own certificate, PEM.
    pub certificate_pem: String,
    /// Its own key, PEM; nobody else has it.
    pub key_pem: String,
    /// The key that unseals secrets, PEM.
    pub kek_pem: String,
    /// The key that checks tokens, PEM.
    pub token_pem: String,
    /// The members, itself included.
    pub members: Vec<ClusterMember>,
}

impl std::fmt::Debug for JoinedMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JoinedMember of {}", self.cluster)
    }
}

/// Writes the folder `out` (`identity-dir`), whole or not at all.
///
/// # Errors
/// If `out` exists or cannot be written.
pub fn write_joined(member: &JoinedMember, out: &Path) -> Result<(), InitError> {
    if out.symlink_metadata().is_ok() {
        return Err(InitError::Exists(out.to_owned()));
    }
    let cluster = ClusterFile {
        cluster: member.cluster.clone(),
        joined: true,
        members: member.members.clone(),
    };
    let mut files = vec![
        public("ca.pem", &member.ca_pem),
        public("member.pem", &member.certificate_pem),
        private("member.key", &member.key_pem),
        public("token.pem", &member.token_pem),
        public("cluster.toml", &cluster.to_text()?),
    ];
    if !member.kek_pem.is_empty() {
        files.push(private("kek.key", &member.kek_pem));
    }
    write_all(out, KEYS_FOLDER, &files)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::pki::{CertificateAuthority, new_member_key};
    use crate::{MemberIdentity, Sealer, TokenKey};

    /// It must never take itself for a founder: it would make a second cluster of the same name.
    #[test]
    fn what_joined_is_loaded_as_joined() {
        let now = SystemTime::now();
        let ca = CertificateAuthority::generate("prod", now).unwrap();
        let (key_pem, public_key) = new_member_key().unwrap();
        let member = JoinedMember {
            cluster: "prod".into(),
            ca_pem: ca.certificate_pem().into(),
            certificate_pem: ca
                .certify_member(4, vec!["10.97.1.4".into()], &public_key, now)
                .unwrap(),
            key_pem,
            kek_pem: Sealer::generate().unwrap().to_pem().unwrap(),
            token_pem: TokenKey::generate().unwrap().public_pem(),
            members: vec![ClusterMember {
                id: 4,
                address: "10.97.1.4:7440".into(),
                api_address: "10.97.1.4:7441".into(),
                public_key,
            }],
        };
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("identity");
        write_joined(&member, &out).unwrap();
        let identity = MemberIdentity::load(&out).unwrap();
        assert_eq!((identity.id, identity.joined), (4, true));
        assert!(identity.authority.is_none() && identity.join_token.is_none());
        assert!(matches!(write_joined(&member, &out), Err(InitError::Exists(_))));
        let without = JoinedMember {
            kek_pem: String::new(),
            ..member
        };
        let out = folder.path().join("without");
        write_joined(&without, &out).unwrap();
        assert!(
            !out.join("kek.key").exists(),
            "an empty file would be taken for a damaged one"
        );
        let refused = MemberIdentity::load(&out).unwrap_err().to_string();
        assert!(refused.contains("[secrets]"), "{refused}");
    }
}
