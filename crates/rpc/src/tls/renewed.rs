//! A client certificate in files that somebody renews: read again when they change, so that a program outlives its certificates.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsError, crypto_provider};

/// How often the files are looked at, at most: two calls of `stat`.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A certificate chain and its private key in two PEM files; cheap to clone, and all clones change together.
#[derive(Clone, Debug)]
pub struct RenewedCertificate(Arc<Files>);

#[derive(Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
    held: Mutex<Held>,
}

/// What was read last.
#[derive(Debug)]
struct Held {
    certified: Arc<CertifiedKey>,
    /// When each of the files was written that it is from.
    written: [SystemTime; 2],
    looked_at: Instant,
    /// Counts what was read.
    turn: u64,
}

impl RenewedCertificate {
    /// The own certificate first in `chain`, and its key.
    ///
    /// # Errors
    /// Names the file that cannot be read or is not PEM; or the key does not fit the certificate.
    pub fn new(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let written = written(chain, key)?;
        let held = Held {
            certified: read(chain, key)?,
            written,
            looked_at: Instant::now(),
            turn: 0,
        };
        Ok(Self(Arc::new(Files {
            chain: chain.to_owned(),
            key: key.to_owned(),
            held: Mutex::new(held),
        })))
    }

    /// Changes when the certificate has: a connection that was made with another one should be left.
    pub(crate) fn turn(&self) -> u64 {
        self.looked(LOOK_PAUSE).turn
    }

    /// What the files hold; what they held before, while they are being written or cannot be read.
    fn looked(&self, pause: Duration) -> MutexGuard<'_, Held> {
        let Files { chain, key, held } = &*self.0;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked_at.elapsed() < pause {
            return held;
        }
        held.looked_at = Instant::now();
        let found = written(chain, key).and_then(|written| {
            let is_new = written != held.written;
            Ok((written, is_new.then(|| read(chain, key)).transpose()?))
        });
        match found {
            Ok((written, Some(certified))) => {
                held.certified = certified;
                held.written = written;
                held.turn += 1;
            }
            Ok((_, None)) => {}
            // between the two files of a renewal they do not fit: the next look will find them
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the client certificate cannot be read again; the one before is used"
            ),
        }
        held
    }
}

impl ResolvesClientCert for RenewedCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.looked(LOOK_PAUSE).certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn written(chain: &Path, key: &Path) -> Result<[SystemTime; 2], TlsError> {
    let of = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        modified.map_err(|source| unreadable(path, source))
    };
    Ok([of(chain)?, of(key)?])
}

fn read(chain_file: &Path, key_file: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let bytes = |path: &Path| std::fs::read(path).map_err(|source| unreadable(path, source));
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(chain_file)?).collect();
    let chain = found
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or(TlsError::Pem {
            what: "the client certificate file",
            block: "CERTIFICATE",
        })?;
    let key = PrivateKeyDer::from_pem_slice(&bytes(key_file)?).map_err(|_| TlsError::Pem {
        what: "the client key file",
        block: "PRIVATE KEY",
    })?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &crypto_provider())?))
}

fn unreadable(path: &Path, source: std::io::Error) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    /// A directory with a certificate and its key.
    struct Dir(tempfile::TempDir);

    impl Dir {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn chain(&self) -> PathBuf {
            self.0.path().join("ada.pem")
        }

        fn key(&self) -> PathBuf {
            self.0.path().join("ada.key")
        }

        /// Writes a new certificate, as of `second` after the epoch, and returns it.
        fn renew(&self, second: u64) -> CertificateDer<'static> {
            let pair = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            self.write(&self.key(), &pair.signing_key.serialize_pem(), second);
            self.write(&self.chain(), &pair.cert.pem(), second);
            pair.cert.der().clone()
        }

        fn write(&self, path: &Path, text: &str, second: u64) {
            std::fs::write(path, text).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(at).unwrap();
        }
    }

    fn shown(certificate: &RenewedCertificate) -> CertificateDer<'static> {
        certificate.looked(Duration::ZERO).certified.cert[0].clone()
    }

    #[test]
    fn what_is_renewed_is_shown_from_then_on() {
        let dir = Dir::new();
        let first = dir.renew(1);
        let certificate = RenewedCertificate::new(&dir.chain(), &dir.key()).unwrap();
        assert_eq!((shown(&certificate), certificate.turn()), (first, 0));
        let second = dir.renew(2);
        assert_eq!((shown(&certificate), certificate.turn()), (second, 1));
    }

    /// A renewal writes two files, and somebody may look between them.
    #[test]
    fn while_the_files_do_not_fit_the_one_before_is_shown() {
        let dir = Dir::new();
        let first = dir.renew(1);
        let certificate = RenewedCertificate::new(&dir.chain(), &dir.key()).unwrap();
        let key = std::fs::read_to_string(dir.key()).unwrap();
        let second = dir.renew(2);
        let new_key = std::fs::read_to_string(dir.key()).unwrap();
        for broken in [key.as_str(), "", "half a fi"] {
            dir.write(&dir.key(), broken, 3);
            assert_eq!(shown(&certificate), first, "{broken:?}");
        }
        std::fs::remove_file(dir.key()).unwrap();
        assert_eq!(shown(&certificate), first);
        dir.write(&dir.key(), &new_key, 4);
        assert_eq!(shown(&certificate), second);
    }

    #[test]
    fn the_file_that_cannot_be_used_is_named_at_the_start() {
        let dir = Dir::new();
        let refused = || {
            let error = RenewedCertificate::new(&dir.chain(), &dir.key()).unwrap_err();
            error.to_string()
        };
        assert!(refused().contains("ada.pem"), "{}", refused());
        dir.renew(1);
        dir.write(&dir.chain(), "no certificate", 1);
        assert!(refused().contains("the client certificate file"), "{}", refused());
    }
}
