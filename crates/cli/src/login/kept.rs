//! The login that is kept on this machine: for its user only, and for one cluster only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use auth::{secret_digest, write_token};
use nix::fcntl::{Flock, FlockArg};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::answer::Tokens;

/// Bytes of the CA's digest in the file's name.
const NAME_BYTES: usize = 8;
/// A login has at most so many bytes; a larger file is another one.
const BYTES_MAX: u64 = 64 << 10;
/// Bits of a mode that others have.
const OTHERS: u32 = 0o077;

/// A file that may be there.
#[derive(Clone, Debug)]
pub(crate) struct Kept(PathBuf);

/// What is in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Of the access token, seconds since the Unix epoch by this machine's clock.
    pub(crate) expires_at_s: u64,
}

impl Kept {
    /// The login at the cluster with this CA, so that no token ever goes to another one; `None` where nothing says where to keep it.
    pub(crate) fn of(ca: &[CertificateDer<'static>]) -> Option<Kept> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))?;
        // the Base Directory specification: what is relative is ignored
        cache.is_absolute().then(|| Kept::below(&cache, ca))
    }

    fn below(cache: &Path, ca: &[CertificateDer<'static>]) -> Kept {
        let all: Vec<u8> = ca
            .iter()
            .flat_map(|certificate| certificate.iter().copied())
            .collect();
        let digest = secret_digest(&all);
        let name: Vec<String> = digest[..NAME_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Kept(cache.join("chamois").join(format!("{}.json", name.concat())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `None` if there is none, or one that others could have read or written.
    pub(crate) fn read(&self) -> Option<Login> {
        let metadata = std::fs::metadata(&self.0).ok()?;
        if metadata.len() > BYTES_MAX {
            return None;
        }
        if metadata.permissions().mode() & OTHERS != 0 {
            eprintln!(
                "chamois: {} can be read by others, so it does not count; delete it and log in again",
                self.0.display()
            );
            return None;
        }
        serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()
    }

    /// For its owner only, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(&self, tokens: &Tokens) -> io::Result<()> {
        self.make_folder()?;
        let login = Login {
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            expires_at_s: now_s().saturating_add(tokens.expires_in),
        };
        write_token(&self.0, &serde_json::to_string(&login)?)
    }

    /// # Errors
    /// If it is there and cannot be deleted.
    pub(crate) fn delete(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for other processes that renew the same login: a refresh token is good once.
    ///
    /// # Errors
    /// If there can be no lock.
    pub(super) fn lock(&self) -> io::Result<Flock<File>> {
        self.make_folder()?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.0.with_extension("lock"))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
    }

    fn make_folder(&self) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }
}

impl Login {
    /// Whether its access token is good for so long from now on, seconds.
    pub(super) fn lasts(&self, seconds: u64) -> bool {
        self.expires_at_s > now_s().saturating_add(seconds)
    }
}

/// The access token of the login at the cluster with this CA, if one is kept that has not ended.
pub(crate) fn access_token(ca: &[CertificateDer<'static>]) -> Option<String> {
    let login = Kept::of(ca)?.read()?;
    login.lasts(0).then_some(login.access_token)
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            access_token: "a".into(),
            refresh_token: "r".into(),
            expires_in: 600,
        }
    }

    fn ca(bytes: &[u8]) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from(bytes.to_vec())]
    }

    #[test]
    fn a_login_is_its_users_alone() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::below(dir.path(), &ca(b"one"));
        assert!(kept.read().is_none());
        kept.write(&tokens()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(kept.path()), 0o600);
        assert_eq!(mode(kept.path().parent().unwrap()), 0o700);
        let login = kept.read().unwrap();
        assert_eq!(login.refresh_token, "r");
        assert!(login.lasts(590) && !login.lasts(601));
        std::fs::set_permissions(kept.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(kept.read().is_none(), "others may have read it");
        kept.delete().unwrap();
        kept.delete().unwrap();
    }

    /// A token that goes to another cluster is that cluster's to use.
    #[test]
    fn each_cluster_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (
            Kept::below(dir.path(), &ca(b"one")),
            Kept::below(dir.path(), &ca(b"two")),
        );
        one.write(&tokens()).unwrap();
        assert!(two.read().is_none() && one.path() != two.path());
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::below(dir.path(), &ca(b"one"));
        let held = kept.lock().unwrap();
        let second = std::fs::File::open(kept.path().with_extension("lock")).unwrap();
        assert!(Flock::lock(second, FlockArg::LockExclusiveNonblock).is_err());
        drop(held);
    }
}
