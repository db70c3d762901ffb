//! The certificate on this member's disk: a start must not order another one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rpc::tls::{NamedCertificate, host_names, validity};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::order::Ordered;

/// Below `data-dir`.
const FOLDER: &str = "acme";
const FILE: &str = "https.pem";
/// The file while it is written.
const NEW_FILE: &str = "https.pem.new";
/// No such file is larger, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE: u32 = 0o600;
/// Begins the line of the file that names the directory it is from; PEM has no such lines.
const FROM: &str = "from: ";

/// A certificate with its key, checked for form.
pub(super) struct Kept {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Good from here to there.
    pub(super) good: (SystemTime, SystemTime),
    /// Sorted.
    names: Vec<String>,
    directory: String,
}

impl Kept {
    /// What was written, or what a CA has just given.
    fn parse(text: &str) -> Option<Self> {
        let directory = text.lines().next()?.strip_prefix(FROM)?.to_owned();
        let chain = auth::certificates(text)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
        let first = chain.first()?;
        let (good, mut names) = (validity(first)?, host_names(first));
        names.sort();
        Some(Self {
            chain,
            key,
            good,
            names,
            directory,
        })
    }

    /// Whether it is what the configuration asks for.
    pub(super) fn is_of(&self, directory: &str, names: &[String]) -> bool {
        let mut wanted = names.to_vec();
        wanted.sort();
        self.directory == directory && self.names == wanted
    }
}

/// Where a member keeps it.
#[derive(Clone)]
pub(super) struct Keeper(PathBuf);

impl Keeper {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self(data_dir.join(FOLDER))
    }

    /// What was stored last; nothing if there is nothing that can be used, which another order mends.
    pub(super) fn load(&self) -> Option<Kept> {
        let mut text = String::new();
        let file = File::open(self.0.join(FILE)).ok()?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        Kept::parse(&text)
    }

    /// Stores what a CA has given, for its owner alone; after a crash it is there wholly or not at all.
    ///
    /// # Errors
    /// It is no certificate with its own key, or the disk refuses; what was stored before stays then.
    pub(super) fn store(&self, directory: &str, ordered: &Ordered) -> Result<Kept, String> {
        let text = format!(
            "{FROM}{directory}\n{}\n{}\n",
            ordered.key.trim(),
            ordered.chain.trim()
        );
        let kept = Kept::parse(&text).ok_or("the CA has given no certificate that can be used")?;
        let tried = NamedCertificate::default().replace(kept.chain.clone(), kept.key.clone_key());
        tried.map_err(|_| "the CA has given a certificate that is not of the key of this order")?;
        let written = self.write(&text);
        written.map_err(|error| format!("cannot store the certificate in {}: {error}", self.0.display()))?;
        Ok(kept)
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE_FOLDER)
            .create(&self.0)?;
        let new = self.0.join(NEW_FILE);
        // one that is left of a crash may have another mode
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(PRIVATE).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, self.0.join(FILE))?;
        File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use auth::pki::CertificateAuthority;

    use super::*;

    const DIRECTORY: &str = "https://ca.example/dir";

    fn ordered(names: &[&str]) -> Ordered {
        let ca = CertificateAuthority::generate("ca", SystemTime::now()).unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let issued = ca.issue_member(1, names, SystemTime::now()).unwrap();
        Ordered {
            chain: issued.certificate_pem,
            key: issued.key_pem,
        }
    }

    #[test]
    fn what_is_stored_is_there_at_the_next_start_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(dir.path());
        assert!(keeper.load().is_none());
        let stored = keeper
            .store(DIRECTORY, &ordered(&["b.example", "a.example"]))
            .unwrap();
        let loaded = keeper.load().unwrap();
        assert_eq!((loaded.chain, loaded.good), (stored.chain, stored.good));
        assert_eq!(loaded.key, stored.key);
        let file = dir.path().join(FOLDER).join(FILE);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
        assert!(!dir.path().join(FOLDER).join(NEW_FILE).exists());
    }

    /// Another CA or another name is another certificate.
    #[test]
    fn it_is_what_was_asked_for_or_it_is_ordered_anew() {
        let dir = tempfile::tempdir().unwrap();
        let ordered = ordered(&["b.example", "a.example"]);
        let kept = Keeper::new(dir.path()).store(DIRECTORY, &ordered).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(kept.is_of(DIRECTORY, &names(&["a.example", "b.example"])));
        assert!(!kept.is_of(DIRECTORY, &names(&["a.example"])));
        assert!(!kept.is_of("https://other.example/dir", &names(&["a.example", "b.example"])));
    }

    /// A start must not lose a good pair to one that no port can present.
    #[test]
    fn a_certificate_of_another_key_is_not_stored() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(dir.path());
        let good = ordered(&["a.example"]);
        let stored = keeper.store(DIRECTORY, &good).unwrap();
        let mixed = Ordered {
            chain: ordered(&["a.example"]).chain,
            key: good.key,
        };
        let problem = keeper.store(DIRECTORY, &mixed).err().unwrap();
        assert!(problem.contains("not of the key"), "{problem}");
        assert_eq!(keeper.load().unwrap().chain, stored.chain);
    }

    #[test]
    fn what_is_no_certificate_is_not_stored_and_what_is_damaged_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(dir.path());
        let good = ordered(&["a.example"]);
        let bad = Ordered {
            chain: "nothing".to_owned(),
            key: good.key.clone(),
        };
        assert!(keeper.store(DIRECTORY, &bad).is_err());
        assert!(keeper.load().is_none());
        keeper.store(DIRECTORY, &good).unwrap();
        let file = dir.path().join(FOLDER).join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, &text[..text.len() / 2]).unwrap();
        assert!(keeper.load().is_none());
    }
}
