//! A certificate as a client has it: `NAME.pem`, its key `NAME.key` beside it, and `ca.pem` with the CAs to trust. For their owner alone,
//! and replaced whole or not at all.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::auth::v1::IssueCertificateResponse;
use rpc::tls::{BACKDATED_BY, SpiffeId, validity};
use rustls_pki_types::CertificateDer;

use crate::error::{CliError, Kind};

/// Where the three files are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) certificate: CertificateDer<'static>,
    /// `user/<name>`, `service/<name>`, `node/<xname>`; or why it is nobody's.
    pub(super) principal: String,
    pub(super) issued: SystemTime,
    pub(super) ends: SystemTime,
}

impl Read {
    /// From when on it should be replaced.
    pub(super) fn half_life(&self) -> SystemTime {
        self.issued + self.ends.duration_since(self.issued).unwrap_or_default() / 2
    }
}

impl Files {
    pub(super) fn of(certificate: &Path) -> Self {
        Self {
            certificate: certificate.to_owned(),
        }
    }

    pub(super) fn key(&self) -> PathBuf {
        self.certificate.with_extension("key")
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.certificate.with_file_name("ca.pem")
    }

    /// Refuses to touch what is there.
    ///
    /// # Errors
    /// `Conflict` naming the file.
    pub(super) fn require_none(&self) -> Result<(), CliError> {
        for file in [self.certificate.clone(), self.key()] {
            if file.exists() {
                let text = format!("{} exists already; nothing is overwritten", file.display());
                let remedy = "Renew it with `chamois certificate renew`, or name another file with --out.";
                return Err(CliError::new(Kind::Conflict, text).with_remedy(remedy));
            }
        }
        Ok(())
    }

    /// Writes the certificate and the CAs.
    ///
    /// # Errors
    /// Naming the file.
    pub(super) fn store(&self, answer: &IssueCertificateResponse) -> Result<(), CliError> {
        // the CAs first: who presents a certificate of a new one must trust it
        write(&self.ca(), &answer.authorities_pem)?;
        write(&self.certificate, &answer.certificate_pem)
    }

    /// The first certificate of the file.
    ///
    /// # Errors
    /// `Usage` naming the file.
    pub(super) fn read(&self) -> Result<Read, CliError> {
        let refused = |cause: String| {
            let text = format!(
                "cannot read the certificate {}: {cause}",
                self.certificate.display()
            );
            CliError::new(Kind::Usage, text)
        };
        let pem = std::fs::read_to_string(&self.certificate).map_err(|error| refused(error.to_string()))?;
        let found = auth::certificates(&pem).and_then(|found| found.into_iter().next());
        let certificate = found.ok_or_else(|| refused("it holds no CERTIFICATE block".to_owned()))?;
        let (from, ends) = validity(&certificate).ok_or_else(|| refused("it has no validity".to_owned()))?;
        let principal = match SpiffeId::of(&certificate) {
            Ok(name) => name.principal().unwrap_or_else(|| name.to_string()),
            Err(error) => error.to_string(),
        };
        Ok(Read {
            certificate,
            principal,
            // what the cluster signs begins earlier than it was made; of a site's own CA that may not be so
            issued: (from + BACKDATED_BY).min(ends),
            ends,
        })
    }
}

/// Puts a file in its place when all of it is on disk.
///
/// # Errors
/// Naming the file.
pub(super) fn write(path: &Path, content: &str) -> Result<(), CliError> {
    auth::write_token(path, content)
        .map_err(|error| CliError::other(&format!("cannot write {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A certificate of `ada`, made a day ago or now.
    fn issued(now: SystemTime) -> IssueCertificateResponse {
        let ca = auth::pki::CertificateAuthority::generate("demo", now).unwrap();
        let issued = ca.issue_user("ada", now).unwrap();
        IssueCertificateResponse {
            certificate_pem: issued.certificate_pem,
            authorities_pem: ca.certificate_pem().to_owned(),
            expires_at_ms: 0,
        }
    }

    #[test]
    fn files_are_for_their_owner_alone_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::of(&dir.path().join("ada.pem"));
        files.require_none().unwrap();
        for _ in 0..2 {
            files.store(&issued(SystemTime::now())).unwrap();
        }
        for file in [&files.certificate, &files.ca()] {
            let mode = std::fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
        assert_eq!(files.require_none().unwrap_err().kind(), Kind::Conflict);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            2,
            "nothing is left over"
        );
        let nowhere = dir.path().join("none/ada.pem");
        assert!(write(&nowhere, "x").unwrap_err().to_string().contains("ada.pem"));
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_when_it_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::of(&dir.path().join("ada.pem"));
        assert_eq!(files.read().unwrap_err().kind(), Kind::Usage);
        let now = SystemTime::now();
        files.store(&issued(now)).unwrap();
        let read = files.read().unwrap();
        assert_eq!(read.principal, "user/ada");
        let until_due = read.half_life().duration_since(now).unwrap();
        assert!((11 * HOUR..=12 * HOUR).contains(&until_due), "{until_due:?}");
        let until_end = read.ends.duration_since(now).unwrap();
        assert!((23 * HOUR..=24 * HOUR).contains(&until_end), "{until_end:?}");
    }

    #[test]
    fn the_key_is_beside_the_certificate() {
        let files = Files::of(Path::new("/etc/x/coresmd.pem"));
        assert_eq!(files.key(), Path::new("/etc/x/coresmd.key"));
        assert_eq!(files.ca(), Path::new("/etc/x/ca.pem"));
    }
}
