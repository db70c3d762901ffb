//! The file that a new key is kept in before anything is sealed for it: a recovery kit, or the key alone.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use auth::{RecoveryKit, Sealer};

use crate::error::{CliError, Kind};

/// Whoever reads it reads every secret.
const PRIVATE: u32 = 0o600;

/// A key that is on disk.
pub(super) struct NewKek {
    pub(super) id: String,
    pub(super) pem: String,
}

/// The key in `out`, which is made if it is not there: with the keys of the recovery kit `old` around it, or alone. A file that is
/// there is not changed, so that a command whose answer was lost may be repeated.
///
/// # Errors
/// `old` is no kit, or `out` neither kit nor key; the file cannot be written.
pub(super) fn kept(out: &Path, old: Option<&Path>) -> Result<NewKek, CliError> {
    let old = old.map(read_kit).transpose()?;
    let sealer = match std::fs::read_to_string(out) {
        Ok(text) => sealer_in(out, &text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => made(out, old.as_ref())?,
        Err(error) => return Err(failed("read", out, error)),
    };
    let id = sealer.sealing_id();
    let pem = sealer.key_pem(&id).ok_or_else(|| no_key(out))?;
    Ok(NewKek { id, pem })
}

fn made(out: &Path, old: Option<&RecoveryKit>) -> Result<Sealer, CliError> {
    let new = Sealer::generate().map_err(|error| CliError::other("no key can be made", error))?;
    let pem = new.to_pem().ok_or_else(|| no_key(out))?;
    let text = match old {
        Some(old) => with_kek(old, &pem)?,
        None => pem,
    };
    write_new(out, &text).map_err(|error| failed("write", out, error))?;
    Ok(new)
}

/// The same kit with another key before the one that sealed so far. That one stays for snapshots that were saved until everything
/// was sealed anew; the ones before it are left out, whoever needs them has the older kit.
fn with_kek(old: &RecoveryKit, new_pem: &str) -> Result<String, CliError> {
    let before = sealer_of(old)?;
    let before = before.key_pem(&before.sealing_id()).unwrap_or_default();
    let kit = RecoveryKit {
        kek: format!("{new_pem}{before}"),
        ..old.clone()
    };
    kit.to_text()
        .map_err(|error| CliError::other("the new recovery kit cannot be written", error))
}

fn read_kit(path: &Path) -> Result<RecoveryKit, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| failed("read", path, error))?;
    // what the parser says may quote the line that it stopped at, which is a key
    RecoveryKit::parse(&text).map_err(|_| {
        let text = format!("{} is no recovery kit", path.display());
        CliError::new(Kind::Usage, text)
            .with_remedy("Name the file that `chamois init` or the last rotation wrote.")
    })
}

fn sealer_of(kit: &RecoveryKit) -> Result<Sealer, CliError> {
    Sealer::from_pem(kit.kek.as_bytes())
        .map_err(|error| CliError::new(Kind::Usage, format!("the recovery kit's kek is {error}")))
}

/// Kit or key.
fn sealer_in(path: &Path, text: &str) -> Result<Sealer, CliError> {
    match RecoveryKit::parse(text) {
        Ok(kit) => sealer_of(&kit),
        Err(_) => Sealer::from_pem(text.as_bytes()).map_err(|_| {
            let text = format!(
                "{} is there and holds no key; nothing is overwritten",
                path.display()
            );
            CliError::new(Kind::Conflict, text).with_remedy("Name another file with --out.")
        }),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    std::fs::File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(what: &str, path: &Path, error: io::Error) -> CliError {
    CliError::other(&format!("cannot {what} {}", path.display()), error)
}

fn no_key(path: &Path) -> CliError {
    CliError::new(Kind::Other, format!("{} holds no private key", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn old_kit(dir: &Path) -> std::path::PathBuf {
        let kit = RecoveryKit {
            cluster: "prod".into(),
            ca_certificate: "ca".into(),
            ca_key: "ca-key".into(),
            kek: Sealer::generate().unwrap().to_pem().unwrap(),
            token_key: "token-key".into(),
        };
        let path = dir.join("old.toml");
        std::fs::write(&path, kit.to_text().unwrap()).unwrap();
        path
    }

    /// The key is on disk before any member has it, and a repeat does not make another one.
    #[test]
    fn a_new_kit_has_the_new_key_first_and_the_one_before() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let (old, out) = (old_kit(dir.path()), dir.path().join("new.toml"));
        let new = kept(&out, Some(old.as_path())).unwrap();
        assert_eq!(kept(&out, Some(old.as_path())).unwrap().id, new.id, "a repeat");
        let (old, kit) = (read_kit(&old).unwrap(), read_kit(&out).unwrap());
        assert_eq!(kit.kek, format!("{}{}", new.pem, old.kek));
        assert_eq!((kit.ca_key, kit.token_key), (old.ca_key, old.token_key));
        assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // the next one leaves the first key out
        let third = dir.path().join("third.toml");
        let newest = kept(&third, Some(out.as_path())).unwrap();
        assert_eq!(
            read_kit(&third).unwrap().kek,
            format!("{}{}", newest.pem, new.pem)
        );
    }

    #[test]
    fn without_a_kit_the_key_alone_is_written() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("kek.key");
        let new = kept(&out, None).unwrap();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), new.pem);
        assert_eq!(kept(&out, None).unwrap().id, new.id);
    }

    #[test]
    fn files_of_something_else_are_left_alone_and_not_quoted() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        std::fs::write(&other, "c4n4ry = \"x").unwrap();
        for refused in [
            kept(&other, None),
            kept(&dir.path().join("new"), Some(other.as_path())),
            kept(
                &dir.path().join("new"),
                Some(dir.path().join("missing").as_path()),
            ),
        ] {
            let refused = refused.err().unwrap().to_string();
            assert!(!refused.contains("c4n4ry"), "{refused}");
        }
        assert!(!dir.path().join("new").exists());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "c4n4ry = \"x");
    }
}
