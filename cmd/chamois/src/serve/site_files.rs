//! A site's own certificate for the HTTPS port, and its own CA for client certificates: `api.https-certificate`, `api.https-key` and
//! `api.client-ca`.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rpc::tls::{ServerCertificate, is_authority};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::config::ApiConfig;

/// No such file is larger, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What others than owner and group may do with a private key: nothing.
const OTHERS: u32 = 0o007;

/// What is wrong with a file, and which key names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) key: &'static str,
    pub(super) problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

impl std::error::Error for Problem {}

/// What the HTTPS port presents: own certificate first, and its key.
pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What the files hold, checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SiteFiles {
    pub(super) https: Option<Pair>,
    /// CAs whose client certificates are accepted beside those of the cluster's own.
    pub(super) client_ca: Vec<CertificateDer<'static>>,
}

impl SiteFiles {
    /// Reads what the configuration names; nothing where it names nothing.
    ///
    /// # Errors
    /// Naming the key, the file and the remedy; never what is in a private key.
    pub(super) fn load(api: &ApiConfig) -> Result<Self, Problem> {
        let (https, client_ca) = (https(api)?, client_ca(api)?);
        Ok(Self { https, client_ca })
    }
}

/// [`SiteFiles::https`] alone.
///
/// # Errors
/// As [`SiteFiles::load`].
pub(super) fn https(api: &ApiConfig) -> Result<Option<Pair>, Problem> {
    match (&api.https_certificate, &api.https_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => pair(certificate, key).map(Some),
        (Some(_), None) => Err(wrong("api.https-key", "it is missing beside `https-certificate`")),
        (None, Some(_)) => Err(wrong("api.https-certificate", "it is missing beside `https-key`")),
    }
}

/// [`SiteFiles::client_ca`] alone.
///
/// # Errors
/// As [`SiteFiles::load`].
pub(super) fn client_ca(api: &ApiConfig) -> Result<Vec<CertificateDer<'static>>, Problem> {
    match &api.client_ca {
        None => Ok(Vec::new()),
        Some(file) => authorities(file),
    }
}

/// A certificate chain and the key of its first certificate.
fn pair(certificate: &Path, key_file: &Path) -> Result<Pair, Problem> {
    let chain = certificates("api.https-certificate", certificate)?;
    let pem = read("api.https-key", key_file, true)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let problem = format!("{} is no private key in PEM", key_file.display());
        wrong("api.https-key", problem)
    })?;
    match ServerCertificate::new(chain.clone(), key.clone_key()) {
        Ok(_) => Ok((chain, key)),
        Err(error) => {
            let problem = format!(
                "{} is not the key of the first certificate of {} ({error})",
                key_file.display(),
                certificate.display()
            );
            Err(wrong("api.https-key", problem))
        }
    }
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let found = certificates("api.client-ca", file)?;
    match found.iter().all(is_authority) {
        true => Ok(found),
        false => {
            let problem = format!(
                "a certificate of {} is not a CA's; name the CA that signs client certificates, and nothing else",
                file.display()
            );
            Err(wrong("api.client-ca", problem))
        }
    }
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = read(key, file, false)?;
    let found = std::str::from_utf8(&pem).ok().and_then(auth::certificates);
    found.ok_or_else(|| {
        let problem = format!(
            "{} has no CERTIFICATE block in PEM, or a damaged one",
            file.display()
        );
        wrong(key, problem)
    })
}

fn read(key: &'static str, file: &Path, is_private: bool) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: std::io::Error| {
        let problem = format!(
            "cannot read {}: {error}; let the user that runs chamois read it",
            file.display()
        );
        wrong(key, problem)
    };
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.permissions().mode();
    if is_private && mode & OTHERS != 0 {
        let problem = format!(
            "{} has mode {:04o}, so every user may use it; set 0600 or 0640",
            file.display(),
            mode & 0o7777
        );
        return Err(wrong(key, problem));
    }
    let mut content = Vec::new();
    opened
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    Ok(content)
}

fn wrong(key: &'static str, problem: impl Into<String>) -> Problem {
    Problem {
        key,
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::path::PathBuf;
    use std::time::SystemTime;

    use auth::pki::CertificateAuthority;

    use super::*;

    struct Files {
        dir: tempfile::TempDir,
        api: ApiConfig,
    }

    impl Files {
        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn write(&self, name: &str, text: &str, mode: u32) {
            std::fs::write(self.path(name), text).unwrap();
            std::fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        }

        fn problem(&self) -> String {
            SiteFiles::load(&self.api).unwrap_err().to_string()
        }
    }

    fn files() -> Files {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let text = format!(
            "grpc-listen = \"127.0.0.1:1\"\nhttps-listen = \"127.0.0.1:2\"\nhttps-certificate = {:?}\nhttps-key = {:?}\n\
             client-ca = {:?}\n",
            at("https.pem"),
            at("https.key"),
            at("ca.pem")
        );
        let api = toml::from_str(&text).unwrap();
        let ca = CertificateAuthority::generate("site", SystemTime::now()).unwrap();
        let issued = ca
            .issue_member(1, vec!["web.example".into()], SystemTime::now())
            .unwrap();
        let files = Files { dir, api };
        files.write("https.pem", &issued.certificate_pem, 0o644);
        files.write("https.key", &issued.key_pem, 0o600);
        files.write("ca.pem", ca.certificate_pem(), 0o644);
        files
    }

    #[test]
    fn a_sites_files_are_read_and_none_need_be_there() {
        let mut files = files();
        let loaded = SiteFiles::load(&files.api).unwrap();
        assert!(loaded.https.is_some());
        assert_eq!(loaded.client_ca.len(), 1);
        assert!(!format!("{loaded:?}").contains("BEGIN"), "no key is shown");
        (
            files.api.https_certificate,
            files.api.https_key,
            files.api.client_ca,
        ) = (None, None, None);
        assert_eq!(SiteFiles::load(&files.api).unwrap(), SiteFiles::default());
    }

    #[test]
    fn one_half_without_the_other_is_named() {
        let mut files = files();
        let key = files.api.https_key.take();
        assert!(files.problem().starts_with("api.https-key: it is missing"));
        (files.api.https_certificate, files.api.https_key) = (None, key);
        assert!(
            files
                .problem()
                .starts_with("api.https-certificate: it is missing")
        );
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_key_and_file() {
        let files = files();
        files.write("https.key", &auth::pki::new_member_key().unwrap().0, 0o600);
        let problem = files.problem();
        assert!(
            problem.starts_with("api.https-key: ") && problem.contains("is not the key of"),
            "{problem}"
        );
        files.write("https.key", "no key", 0o600);
        assert!(files.problem().contains("no private key"));
        files.write("https.pem", "no certificate", 0o644);
        assert!(files.problem().starts_with("api.https-certificate: "));
    }

    /// Vault CVE-2024-2048.
    #[test]
    fn what_is_no_ca_is_not_trusted() {
        let files = files();
        std::fs::copy(files.path("https.pem"), files.path("ca.pem")).unwrap();
        assert!(files.problem().contains("is not a CA's"), "{}", files.problem());
    }

    #[test]
    fn a_private_key_that_every_user_may_read_is_refused() {
        let files = files();
        files.write(
            "https.key",
            &std::fs::read_to_string(files.path("https.key")).unwrap(),
            0o644,
        );
        assert!(files.problem().contains("set 0600"), "{}", files.problem());
    }
}
