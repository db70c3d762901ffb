//! `chamois init --cluster NAME --address HOST`: the first member of a new cluster, from which others are joined; or the
//! first member of one that is restored, with the keys of a recovery kit.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::cluster_file::{ClusterFile, ClusterMember};
use crate::init_static::{InitError, NewFile, OPEN_FOLDER, private, public, write_all};
use crate::join_token::JoinToken;
use crate::pki::CertificateAuthority;
use crate::recovery_kit::{KitKeys, RecoveryKit};
use crate::sealing::{KekError, Sealer};
use crate::token_issue::{TOKEN_VALID_FOR, TokenKey};

/// `sub` of the first token.
const ADMINISTRATOR: &str = "admin";

/// The member that a cluster begins with.
#[derive(Clone, Debug)]
pub struct FirstMember {
    /// The cluster's name; it cannot be changed later.
    pub cluster: String,
    /// The member's id: 1, or in a restored cluster one that was never used.
    pub id: u64,
    /// `host:port` of its peer port and its gRPC API, as others dial them.
    pub address: String,
    /// `host:port` of its gRPC API.
    pub api_address: String,
    /// Every host name and address that its certificate is good for.
    pub names: Vec<String>,
    /// More files to be written into the folder, such as the configuration: name and text.
    pub files: Vec<(String, String)>,
}

/// What was made; the command line prints it.
#[derive(Debug)]
pub struct FirstReport {
    /// The member's identity (`identity-dir`).
    pub identity: PathBuf,
    /// The administrator's bearer token.
    pub token: PathBuf,
    /// When that token ends.
    pub token_expires: SystemTime,
    /// What restores need; to be moved away. Not made where one was given.
    pub recovery_kit: Option<PathBuf>,
    /// Lets the next members in.
    pub join_token: JoinToken,
}

/// Makes the folder `out` with identity, administrator's token and, unless `kit` is given, new keys and their kit.
/// `out` is whole or absent.
///
/// # Errors
/// If `out` exists, or anything cannot be made or written.
pub fn init_first(
    member: &FirstMember,
    kit: Option<&RecoveryKit>,
    out: &Path,
    now: SystemTime,
) -> Result<FirstReport, InitError> {
    if out.symlink_metadata().is_ok() {
        return Err(InitError::Exists(out.to_owned()));
    }
    let fresh = match kit {
        Some(_) => None,
        None => Some(new_kit(&member.cluster, now)?),
    };
    let used = kit.or(fresh.as_ref()).ok_or(InitError::Kit)?;
    let keys = used.keys().map_err(|_| InitError::Kit)?;
    let join_token = join_token(&keys.ca)?;
    let mut files = identity(member, used, &keys, &join_token, now)?;
    files.push(public("ca.pem", keys.ca.certificate_pem()));
    files.push(private(
        "admin.token",
        &keys.token_key.issue(&member.cluster, ADMINISTRATOR, now)?,
    ));
    files.extend(member.files.iter().map(|(name, text)| public(name, text)));
    if let Some(kit) = &fresh {
        files.push(private("recovery-kit.toml", &kit.to_text()?));
    }
    write_all(out, OPEN_FOLDER, &files)?;
    Ok(FirstReport {
        identity: out.join("identity"),
        token: out.join("admin.token"),
        token_expires: now + TOKEN_VALID_FOR,
        recovery_kit: fresh.map(|_| out.join("recovery-kit.toml")),
        join_token,
    })
}

fn new_kit(cluster: &str, now: SystemTime) -> Result<RecoveryKit, InitError> {
    let ca = CertificateAuthority::generate(cluster, now)?;
    Ok(RecoveryKit {
        cluster: cluster.to_owned(),
        ca_certificate: ca.certificate_pem().to_owned(),
        ca_key: ca.key_pem(),
        kek: Sealer::generate()?.to_pem().ok_or(KekError::Form)?,
        token_key: TokenKey::generate()?.to_pem(),
    })
}

fn join_token(ca: &CertificateAuthority) -> Result<JoinToken, InitError> {
    let certificate =
        CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).map_err(|_| InitError::Kit)?;
    Ok(JoinToken::generate(&certificate)?)
}

fn identity(
    member: &FirstMember,
    kit: &RecoveryKit,
    keys: &KitKeys,
    join_token: &JoinToken,
    now: SystemTime,
) -> Result<Vec<NewFile>, InitError> {
    let issued = keys.ca.issue_member(member.id, member.names.clone(), now)?;
    let cluster = ClusterFile {
        cluster: member.cluster.clone(),
        joined: false,
        members: vec![ClusterMember {
            id: member.id,
            address: member.address.clone(),
            api_address: member.api_address.clone(),
            public_key: issued.public_key.clone(),
        }],
    };
    let files = [
        public("ca.pem", keys.ca.certificate_pem()),
        public("member.pem", &issued.certificate_pem),
        private("member.key", &issued.key_pem),
        private("kek.key", &kit.kek),
        private("ca.key", &kit.ca_key),
        private("token.key", &kit.token_key),
        public("token.pem", &keys.token_key.public_pem()),
        private("join.token", &join_token.to_string()),
        public("cluster.toml", &cluster.to_text()?),
    ];
    let below = |file: NewFile| NewFile {
        path: Path::new("identity").join(&file.path),
        ..file
    };
    Ok(files.into_iter().map(below).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::MemberIdentity;

    fn first() -> FirstMember {
        FirstMember {
            cluster: "prod".into(),
            id: 1,
            address: "10.97.1.1:7440".into(),
            api_address: "10.97.1.1:7441".into(),
            names: vec!["10.97.1.1".into()],
            files: vec![("chamois.toml".into(), "cluster = \"prod\"\n".into())],
        }
    }

    #[test]
    fn the_first_member_has_all_that_a_cluster_needs() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("chamois");
        let report = init_first(&first(), None, &out, SystemTime::now()).unwrap();
        let identity = MemberIdentity::load(&report.identity).unwrap();
        assert_eq!(
            (identity.cluster.as_str(), identity.id, identity.joined),
            ("prod", 1, false)
        );
        assert_eq!(identity.join_token.as_ref(), Some(&report.join_token));
        assert!(report.join_token.is_of(&identity.material.ca[0]));
        let kit =
            RecoveryKit::parse(&std::fs::read_to_string(report.recovery_kit.unwrap()).unwrap()).unwrap();
        assert_eq!(identity.authority.unwrap().ca_key, kit.ca_key);
        let token = std::fs::read_to_string(&report.token).unwrap();
        identity.tokens.verify(&token).unwrap();
        assert!(out.join("chamois.toml").is_file());
    }

    /// The service runs as another user than root, who made the folder, and owns only `identity`.
    #[test]
    fn another_user_reads_the_configuration_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("chamois");
        init_first(&first(), None, &out, SystemTime::now()).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&out), mode(&out.join("identity"))), (0o755, 0o700));
        assert_eq!(mode(&out.join("chamois.toml")), 0o644);
        let mut secrets = 0;
        for below in [&out, &out.join("identity")] {
            for entry in std::fs::read_dir(below).unwrap() {
                let path = entry.unwrap().path();
                let is_open = mode(&path) & 0o077 != 0;
                let name = path.file_name().unwrap().to_str().unwrap();
                let is_secret = path.is_file()
                    && (std::fs::read_to_string(&path).unwrap().contains("PRIVATE")
                        || name.ends_with("token")
                        || name == "recovery-kit.toml");
                assert!(!(is_secret && is_open), "{name} can be read by others");
                secrets += usize::from(is_secret);
            }
        }
        // member's, CA's, token's and sealing key, both tokens, the kit
        assert_eq!(secrets, 7);
    }

    /// Secrets in a snapshot are sealed for the old keys, and administrators have the old CA.
    #[test]
    fn with_a_kit_the_keys_are_the_old_ones_and_no_new_kit_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let kit = new_kit("prod", SystemTime::now()).unwrap();
        let member = FirstMember { id: 7, ..first() };
        let report = init_first(&member, Some(&kit), &folder.path().join("new"), SystemTime::now()).unwrap();
        assert!(report.recovery_kit.is_none());
        let identity = MemberIdentity::load(&report.identity).unwrap();
        assert_eq!((identity.id, identity.sealer.to_pem()), (7, Some(kit.kek)));
    }

    #[test]
    fn an_existing_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let error = init_first(&first(), None, folder.path(), SystemTime::now()).unwrap_err();
        assert!(matches!(error, InitError::Exists(_)), "{error}");
    }
}
