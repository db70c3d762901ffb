//! `[bss.s3]`: the secret from its file, and who signs with it.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use bss::S3Signer;

use super::config::S3Config;
use super::secret_file;

/// The signer of a configuration, if there is one.
///
/// # Errors
/// Naming the key, the file and the remedy; never the secret.
pub(super) fn load(config: Option<&S3Config>) -> Result<Option<Arc<S3Signer>>, Error> {
    let Some(config) = config else {
        return Ok(None);
    };
    if config.region.is_empty() || config.access_key.is_empty() {
        return Err(refused("region and access-key must not be empty".to_owned()));
    }
    let secret = secret_file::read(&config.secret_file);
    let secret = secret.map_err(|problem| refused(format!("secret-file: {problem}")))?;
    let signer = S3Signer::new(&config.endpoint, &config.region, &config.access_key, &secret);
    let signer = signer.map_err(|problem| refused(format!("endpoint: {problem}")))?;
    Ok(Some(Arc::new(signer)))
}

fn refused(problem: String) -> Error {
    Error::new(ErrorKind::InvalidInput, problem)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    fn config(file: &Path) -> S3Config {
        S3Config {
            endpoint: "https://s3.example:9000".to_owned(),
            region: "us-east-1".to_owned(),
            access_key: "boot".to_owned(),
            secret_file: file.to_owned(),
        }
    }

    fn write(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_secret_that_only_its_owner_may_read_is_taken() {
        let file = write("c4n4ry\n", 0o600);
        let signer = load(Some(&config(file.path()))).unwrap().unwrap();
        assert!(!format!("{signer:?}").contains("c4n4ry"));
        assert!(load(None).unwrap().is_none());
    }

    /// A text that is shown to whoever starts the daemon must not have the secret in it.
    #[test]
    fn what_cannot_be_used_is_refused_by_key_and_file_without_the_secret() {
        let long = "c4n4ry".repeat(200);
        for (text, mode, says) in [
            ("c4n4ry", 0o640, "mode 0640"),
            ("c4n4ry", 0o604, "set 0600"),
            ("", 0o600, "the secret alone"),
            ("access c4n4ry", 0o600, "the secret alone"),
            (long.as_str(), 0o600, "at most 1024 bytes"),
        ] {
            let file = write(text, mode);
            let error = load(Some(&config(file.path()))).unwrap_err().to_string();
            assert!(error.contains("secret-file") && error.contains(says), "{error}");
            assert!(!error.contains("c4n4ry"), "{error}");
        }
        let missing = load(Some(&config(Path::new("/nowhere/s3")))).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/s3"), "{missing}");
        let file = write("c4n4ry", 0o600);
        let elsewhere = S3Config {
            endpoint: "s3.example".to_owned(),
            ..config(file.path())
        };
        let error = load(Some(&elsewhere)).unwrap_err().to_string();
        assert!(error.starts_with("endpoint: "), "{error}");
    }
}
