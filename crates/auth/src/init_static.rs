//! `chamois init --static FILE --out DIR`: makes the CA, every member's identity, the key that unseals
//! secrets, and an administrator's token.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, set_permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cluster_file::{ClusterFile, ClusterMember};
use crate::pki::{CertificateAuthority, PkiError};
use crate::sealing::{KekError, Sealer};
use crate::static_file::{StaticFile, StaticFileError};
use crate::token_issue::{TOKEN_VALID_FOR, TokenError, TokenKey};

/// `sub` of the first token.
const ADMINISTRATOR: &str = "admin";
/// File modes: what anyone may read, and what only the owner may.
const PUBLIC: u32 = 0o644;
pub(crate) const PRIVATE: u32 = 0o600;
/// A folder with keys only, which is handed over as a whole.
pub(crate) const KEYS_FOLDER: u32 = 0o700;
/// A folder of which others than the owner read a part: `chamois serve` runs as a user of its own and reads
/// `chamois.toml` in the folder that root has made. Every secret in it is private by itself.
pub(crate) const OPEN_FOLDER: u32 = 0o755;

/// What `init` did; the command line prints it.
#[derive(Debug)]
pub struct Report {
    /// The cluster's name.
    pub cluster: String,
    /// Ids of the members, in the order of the file.
    pub members: Vec<u64>,
    /// Each member's identity, to be copied to that member and nowhere else.
    pub identities: Vec<PathBuf>,
    /// The administrator's bearer token.
    pub token: PathBuf,
    /// When that token ends.
    pub token_expires: SystemTime,
    /// `host:port` of each member's gRPC API, in the order of the file.
    pub endpoints: Vec<String>,
    /// What works, but is probably not what was meant.
    pub warnings: Vec<String>,
}

/// Why `init` made nothing. DIR does not exist then.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// FILE could not be read.
    #[error("could not read {}", .path.display())]
    Read {
        /// FILE.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// FILE cannot be used.
    #[error("{}: {problem}", .path.display())]
    File {
        /// FILE.
        path: PathBuf,
        /// The key and what is accepted.
        problem: Box<StaticFileError>,
    },
    /// DIR exists: it may hold the only copy of a CA.
    #[error("{} exists already; nothing is overwritten: choose another folder, or move it away", .0.display())]
    Exists(PathBuf),
    /// DIR could not be written.
    #[error("could not write {}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The token could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key encryption key could not be made.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// The recovery kit holds keys that cannot be used.
    #[error("the recovery kit's keys cannot be used; is the file whole?")]
    Kit,
    /// cluster.toml could not be made.
    #[error("could not write cluster.toml")]
    ClusterFile(#[from] toml::ser::Error),
}

/// Makes the identities of all members listed in `file` under the new folder `out`, as of `now`.
///
/// Everything is written beside `out` first and renamed at the end, so that `out` is whole or absent.
///
/// # Errors
/// If `file` cannot be used, `out` exists, or anything cannot be made or written.
pub fn init_static(file: &Path, out: &Path, now: SystemTime) -> Result<Report, InitError> {
    let text = std::fs::read_to_string(file).map_err(|source| InitError::Read {
        path: file.to_owned(),
        source,
    })?;
    let parsed = StaticFile::parse(&text).map_err(|problem| InitError::File {
        path: file.to_owned(),
        problem: Box::new(problem),
    })?;
    if out.symlink_metadata().is_ok() {
        return Err(InitError::Exists(out.to_owned()));
    }
    let files = make(&parsed, now)?;
    write_all(out, KEYS_FOLDER, &files)?;
    Ok(Report {
        members: parsed.members.iter().map(|member| member.id).collect(),
        identities: parsed
            .members
            .iter()
            .map(|member| out.join(folder_of(member.id)))
            .collect(),
        token: out.join("admin.token"),
        token_expires: now + TOKEN_VALID_FOR,
        endpoints: parsed
            .members
            .iter()
            .map(|member| member.api_address.clone())
            .collect(),
        warnings: parsed.warnings(),
        cluster: parsed.cluster,
    })
}

/// One file to be written, path below `out`.
pub(crate) struct NewFile {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) content: String,
}

fn folder_of(id: u64) -> String {
    format!("member-{id}")
}

/// Makes everything in memory.
fn make(file: &StaticFile, now: SystemTime) -> Result<Vec<NewFile>, InitError> {
    let ca = CertificateAuthority::generate(&file.cluster, now)?;
    let token_key = TokenKey::generate()?;
    let kek = Sealer::generate()?
        .to_pem()
        .expect("a new key encryption key has its private half");
    let mut issued = Vec::new();
    for member in &file.members {
        issued.push((
            member,
            ca.issue_member(member.id, member.certificate_names(), now)?,
        ));
    }
    let members = issued.iter().map(|(member, issued)| ClusterMember {
        id: member.id,
        address: member.address.clone(),
        api_address: member.api_address.clone(),
        public_key: issued.public_key.clone(),
    });
    let cluster = ClusterFile {
        cluster: file.cluster.clone(),
        joined: false,
        members: members.collect(),
    }
    .to_text()?;

    let mut files = vec![
        public("ca.pem", ca.certificate_pem()),
        private("ca.key", &ca.key_pem()),
        public("cluster.toml", &cluster),
        public("token.pem", &token_key.public_pem()),
        private("token.key", &token_key.to_pem()),
        private(
            "admin.token",
            &token_key.issue(&file.cluster, ADMINISTRATOR, now)?,
        ),
    ];
    for (member, issued) in issued {
        let of_member = [
            public("ca.pem", ca.certificate_pem()),
            public("member.pem", &issued.certificate_pem),
            private("member.key", &issued.key_pem),
            private("kek.key", &kek),
            public("token.pem", &token_key.public_pem()),
            public("cluster.toml", &cluster),
        ];
        let folder = PathBuf::from(folder_of(member.id));
        files.extend(of_member.map(|file| NewFile {
            path: folder.join(&file.path),
            ..file
        }));
    }
    Ok(files)
}

pub(crate) fn public(name: &str, content: &str) -> NewFile {
    NewFile {
        path: name.into(),
        mode: PUBLIC,
        content: content.to_owned(),
    }
}

pub(crate) fn private(name: &str, content: &str) -> NewFile {
    NewFile {
        mode: PRIVATE,
        ..public(name, content)
    }
}

/// Writes all files to a folder beside `out`, which gets `mode`, then gives it its name. Folders in it are for keys.
pub(crate) fn write_all(out: &Path, mode: u32, files: &[NewFile]) -> Result<(), InitError> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = out.with_file_name(name);
    let written = write_files(&partial, mode, files).and_then(|()| {
        std::fs::rename(&partial, out).map_err(|source| InitError::Write {
            path: out.to_owned(),
            source,
        })
    });
    if written.is_err() {
        // Best effort: the error that matters is already at hand, and the folder's name says what it is.
        let _ = std::fs::remove_dir_all(&partial);
    }
    written
}

fn write_files(folder: &Path, mode: u32, files: &[NewFile]) -> Result<(), InitError> {
    let step = |path: &Path, result: io::Result<()>| {
        result.map_err(|source| InitError::Write {
            path: path.to_owned(),
            source,
        })
    };
    let make = |path: &Path| {
        let mut builder = DirBuilder::new();
        step(path, builder.recursive(true).mode(KEYS_FOLDER).create(path))
    };
    if let Some(above) = folder.parent() {
        step(above, std::fs::create_dir_all(above))?; // not of ours, so as the umask has it
    }
    make(folder)?;
    for file in files {
        let path = folder.join(&file.path);
        make(path.parent().unwrap_or(folder))?;
        step(&path, write_new(&path, file.mode, file.content.as_bytes()))?;
    }
    // Set, not asked for at its making: a umask must not take it away.
    step(folder, set_permissions(folder, Permissions::from_mode(mode)))?;
    step(folder, File::open(folder).and_then(|folder| folder.sync_all()))
}

/// Makes a file that is not there yet, with `mode` whatever the umask; it is on disk when this returns.
pub(crate) fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const FILE: &str = r#"
        cluster = "demo"
        [[member]]
        id = 1
        address = "127.0.0.1:7440"
        api-address = "127.0.0.1:7441"
        [[member]]
        id = 2
        address = "127.0.0.2:7440"
        api-address = "127.0.0.2:7441"
    "#;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_790_000_000)
    }

    /// A folder with FILE in it.
    fn folder(text: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("static.toml"), folder.path().join("out"));
        std::fs::write(&file, text).unwrap();
        (folder, file, out)
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn every_promised_file_is_there_and_keys_are_private() {
        let (_folder, file, out) = folder(FILE);
        let report = init_static(&file, &out, now()).unwrap();
        assert_eq!(
            (report.cluster.as_str(), report.members.as_slice()),
            ("demo", &[1, 2][..])
        );
        assert_eq!(report.identities, [out.join("member-1"), out.join("member-2")]);
        assert_eq!(report.token_expires, now() + Duration::from_secs(24 * 3600));
        assert!(
            report.warnings[0].starts_with("2 members"),
            "{:?}",
            report.warnings
        );
        for private in [
            "ca.key",
            "token.key",
            "admin.token",
            "member-1/member.key",
            "member-2/kek.key",
        ] {
            assert_eq!(mode(&out.join(private)), 0o600, "{private}");
        }
        assert_eq!(report.endpoints, ["127.0.0.1:7441", "127.0.0.2:7441"]);
        for public in [
            "ca.pem",
            "token.pem",
            "cluster.toml",
            "member-1/ca.pem",
            "member-1/member.pem",
            "member-2/token.pem",
            "member-2/cluster.toml",
        ] {
            assert!(out.join(public).is_file(), "{public}");
        }
        assert_eq!(mode(&out), 0o700);
    }

    /// Members differ only in their own certificate and key; the CA's and the token's key stay behind.
    #[test]
    fn a_member_gets_its_own_key_and_no_one_elses() {
        let (_folder, file, out) = folder(FILE);
        init_static(&file, &out, now()).unwrap();
        let read = |path: &str| std::fs::read_to_string(out.join(path)).unwrap();
        for same in ["ca.pem", "kek.key", "token.pem", "cluster.toml"] {
            assert_eq!(
                read(&format!("member-1/{same}")),
                read(&format!("member-2/{same}")),
                "{same}"
            );
        }
        assert_ne!(read("member-1/member.key"), read("member-2/member.key"));
        for entry in std::fs::read_dir(out.join("member-1")).unwrap() {
            let content = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            for secret in ["ca.key", "token.key", "admin.token", "member-2/member.key"] {
                assert!(
                    !content.contains(&read(secret)),
                    "{secret} is in member 1's identity"
                );
            }
        }
    }

    /// The folder may hold the only copy of a CA.
    #[test]
    fn an_existing_folder_is_left_alone() {
        let (_folder, file, out) = folder(FILE);
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("ca.key"), "precious").unwrap();
        let error = init_static(&file, &out, now()).unwrap_err().to_string();
        assert!(
            error.contains("exists already; nothing is overwritten"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(out.join("ca.key")).unwrap(), "precious");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    }

    /// Neither a bad file nor a full disk leaves half a cluster behind.
    #[test]
    fn a_failure_leaves_nothing_behind() {
        let (folder, file, out) = folder(&FILE.replace("id = 2", "id = 1"));
        let error = init_static(&file, &out, now()).unwrap_err().to_string();
        assert!(
            error.contains("static.toml: member id: 1 is given twice"),
            "{error}"
        );
        std::fs::write(&file, FILE).unwrap();
        let blocked = file.join("out"); // below a file: cannot be made
        assert!(matches!(
            init_static(&file, &blocked, now()),
            Err(InitError::Write { .. })
        ));
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["static.toml"]);
        let missing = folder.path().join("missing.toml");
        assert!(matches!(
            init_static(&missing, &out, now()),
            Err(InitError::Read { .. })
        ));
    }
}
