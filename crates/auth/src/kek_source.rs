//! Where a member has its key encryption keys from.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::kek_command;
use crate::member_identity::{COPY_AGAIN, Files, LoadError};
use crate::sealing::Sealer;

/// The file in the identity directory.
pub(crate) const KEK_FILE: &str = "kek.key";
/// What systemd sets for a service that is given credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// A member that joins is given no file where the others have their keys from elsewhere.
const NO_FILE: &str = "set identity-dir to the folder that `chamois init` or `chamois join` wrote for this member; if the other members \
    have their keys from a credential or a command, name the same in `[secrets]` (kek-credential, kek-command)";
/// Anybody but the owner.
const OTHERS: u32 = 0o077;

/// Where a member has its key encryption keys from: X25519 keys in PKCS#8 PEM, one after the other, the one that seals first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KekSource {
    /// `kek.key` in the identity directory; the member writes it when keys are rotated.
    #[default]
    File,
    /// A systemd credential of this name. The operator changes it.
    Credential(String),
    /// What a command prints. The operator changes that.
    Command(KekCommand),
}

/// A command that prints keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KekCommand {
    /// Program and arguments; no shell reads them.
    pub argv: Vec<String>,
    /// It is ended after so long.
    pub timeout: Duration,
}

impl fmt::Display for KekSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KekSource::File => f.write_str("file"),
            KekSource::Credential(name) => write!(f, "credential {name}"),
            // arguments may say where a vault is, and how one gets in
            KekSource::Command(command) => write!(f, "command {}", program(command)),
        }
    }
}

fn program(command: &KekCommand) -> &str {
    command.argv.first().map_or("", String::as_str)
}

impl KekSource {
    /// Reads the keys; `dir` is the identity directory. Blocks as long as a command runs.
    ///
    /// # Errors
    /// Names the file or program, what is wrong, and what to do; never what was read.
    pub fn read(&self, dir: &Path) -> Result<Sealer, LoadError> {
        match self {
            KekSource::File => from_file(dir),
            KekSource::Credential(name) => {
                from_credential(name, std::env::var_os(CREDENTIALS_DIRECTORY).as_deref())
            }
            KekSource::Command(command) => from_command(command),
        }
    }
}

fn from_file(dir: &Path) -> Result<Sealer, LoadError> {
    let files = Files { dir };
    let pem = files.read(KEK_FILE).map_err(|error| match error.is_missing() {
        true => LoadError {
            remedy: NO_FILE.to_owned(),
            ..error
        },
        false => error,
    })?;
    let path = dir.join(KEK_FILE);
    let is_open = |file: std::fs::Metadata| file.permissions().mode() & OTHERS != 0;
    if path.metadata().is_ok_and(is_open) {
        let remedy = format!("run: chmod 600 {}", path.display());
        return Err(files.wrong(
            KEK_FILE,
            "a private key that others than its owner may read",
            &remedy,
        ));
    }
    Sealer::from_pem(&pem).map_err(|error| files.wrong(KEK_FILE, &error, COPY_AGAIN))
}

fn from_credential(name: &str, dir: Option<&OsStr>) -> Result<Sealer, LoadError> {
    let remedy = format!(
        "give the service LoadCredential={name}:FILE or LoadCredentialEncrypted={name}:FILE (systemctl edit chamois), \
         FILE with the keys of kek.key"
    );
    let Some(dir) = dir else {
        let files = Files { dir: Path::new("") };
        return Err(files.wrong(name, "systemd has given this process no credentials", &remedy));
    };
    let files = Files { dir: Path::new(dir) };
    let pem = files.read(name).map_err(|error| LoadError {
        remedy: remedy.clone(),
        ..error
    })?;
    Sealer::from_pem(&pem).map_err(|error| files.wrong(name, &error, &remedy))
}

fn from_command(command: &KekCommand) -> Result<Sealer, LoadError> {
    let files = Files { dir: Path::new("") };
    let wrong = |problem: &str| {
        let remedy = "run it as the user of `chamois serve`: it must print the keys of kek.key (`secrets.kek-command`)";
        files.wrong(program(command), problem, remedy)
    };
    let pem = kek_command::output_of(command).map_err(|problem| wrong(&problem))?;
    Sealer::from_pem(&pem).map_err(|error| wrong(&format!("what it prints is {error}")))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn with_key(mode: u32) -> (tempfile::TempDir, Sealer) {
        let (dir, sealer) = (tempfile::tempdir().unwrap(), Sealer::generate().unwrap());
        let path = dir.path().join(KEK_FILE);
        std::fs::write(&path, sealer.to_pem().unwrap()).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, sealer)
    }

    /// So it is after `chamois join` where keys are given by the operator.
    #[test]
    fn a_file_that_is_not_there_points_to_where_keys_may_come_from() {
        let dir = tempfile::tempdir().unwrap();
        let refused = KekSource::File.read(dir.path()).unwrap_err().to_string();
        for part in ["kek.key", "[secrets]", "kek-command"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }

    #[test]
    fn a_file_is_read_if_nobody_else_may() {
        let (dir, sealer) = with_key(0o600);
        let read = KekSource::File.read(dir.path()).unwrap();
        assert_eq!(read.sealing_id(), sealer.sealing_id());
        for mode in [0o640, 0o604, 0o620] {
            let (dir, _) = with_key(mode);
            let refused = KekSource::File.read(dir.path()).unwrap_err().to_string();
            assert!(refused.contains("chmod 600"), "{mode:o}: {refused}");
        }
    }

    #[test]
    fn a_credential_is_read_from_the_directory_that_systemd_names() {
        let (dir, sealer) = with_key(0o400);
        let read = from_credential(KEK_FILE, Some(dir.path().as_os_str())).unwrap();
        assert_eq!(read.sealing_id(), sealer.sealing_id());
        for refused in [
            from_credential("other", Some(dir.path().as_os_str())),
            from_credential("other", None),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert!(
                refused.contains("other") && refused.contains("LoadCredentialEncrypted=other:"),
                "{refused}"
            );
        }
    }

    fn command(argv: &[&str]) -> KekSource {
        KekSource::Command(KekCommand {
            argv: argv.iter().map(ToString::to_string).collect(),
            timeout: Duration::from_secs(5),
        })
    }

    #[test]
    fn a_command_gives_keys_and_its_output_is_in_no_error() {
        let (dir, sealer) = with_key(0o600);
        let path = dir.path().join(KEK_FILE);
        let cat = command(&["/bin/cat", path.to_str().unwrap()]);
        assert_eq!(cat.read(dir.path()).unwrap().sealing_id(), sealer.sealing_id());
        assert_eq!(cat.to_string(), "command /bin/cat");
        let refused = command(&["/bin/echo", "s3cret"]).read(dir.path()).unwrap_err();
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains("not an X25519 private key"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
