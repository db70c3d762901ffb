//! The login that is kept on this machine: for its user only, and for one cluster only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
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
/// What a folder is for, and nobody but its owner.
const FOLDER_MODE: u32 = 0o700;
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

    /// `None` if there is none, or one that others could have read or written, or have put there: what is done with another one's login
    /// is done in his name, and he sees it.
    pub(crate) fn read(&self) -> Option<Login> {
        let file = File::open(&self.0).ok()?;
        // of what is open, whatever the name means by now
        let metadata = file.metadata().ok()?;
        if metadata.len() > BYTES_MAX {
            return None;
        }
        if metadata.permissions().mode() & OTHERS != 0 || !is_own(metadata.uid()) {
            eprintln!(
                "chamois: {} is another user's or can be read by others, so it does not count; delete it and log in again",
                self.0.display()
            );
            return None;
        }
        let mut content = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut content).ok()?;
        serde_json::from_slice(&content).ok()
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
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)?;
        let metadata = std::fs::metadata(folder)?;
        if !is_own(metadata.uid()) {
            let problem = format!("{} is another user's", folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        // one that was there before: whoever may write in it may put another login in place of this one
        match metadata.permissions().mode() & OTHERS {
            0 => Ok(()),
            _ => std::fs::set_permissions(folder, std::fs::Permissions::from_mode(FOLDER_MODE)),
        }
    }
}

fn is_own(uid: u32) -> bool {
    uid == nix::unistd::geteuid().as_raw()
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

    /// A folder that was made by something else may be open to everybody.
    #[test]
    fn a_folder_that_others_may_write_in_is_tightened() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::below(dir.path(), &ca(b"one"));
        let folder = kept.path().parent().unwrap();
        std::fs::create_dir(folder).unwrap();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        kept.write(&tokens()).unwrap();
        let mode = std::fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FOLDER_MODE);
        assert!(kept.read().is_some());
    }

    /// Somebody else's login would have this user work in his name.
    #[test]
    fn what_another_user_has_put_there_does_not_count() {
        assert!(is_own(nix::unistd::geteuid().as_raw()));
        assert!(!is_own(nix::unistd::geteuid().as_raw() + 1));
        if !nix::unistd::geteuid().is_root() {
            return; // nobody else's file can be made
        }
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::below(dir.path(), &ca(b"one"));
        kept.write(&tokens()).unwrap();
        std::os::unix::fs::chown(kept.path(), Some(65_534), None).unwrap();
        assert!(kept.read().is_none());
        std::os::unix::fs::chown(kept.path().parent().unwrap(), Some(65_534), None).unwrap();
        assert!(kept.write(&tokens()).is_err());
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
