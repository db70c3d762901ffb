//! The key that a CA has given to bind accounts to one of its customers, from its file.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::serve::config::AcmeConfig;
use crate::serve::secret_file;

/// RFC 8555, 7.3.4.
#[derive(PartialEq, Eq)]
pub(in crate::serve) struct Binding {
    pub(super) key_id: String,
    pub(super) key: Vec<u8>,
}

/// The binding of a configuration, if it has one.
///
/// # Errors
/// Naming the key of the configuration, the file and the remedy; never what is in the file.
pub(in crate::serve) fn load(config: &AcmeConfig) -> Result<Option<Binding>, String> {
    match (&config.eab_key_id, &config.eab_key_file) {
        (None, None) => Ok(None),
        (Some(key_id), Some(file)) => {
            let key = read(file).map_err(|problem| format!("eab-key-file: {problem}"))?;
            let key_id = key_id.clone();
            Ok(Some(Binding { key_id, key }))
        }
        (Some(_), None) => Err("eab-key-file: it is missing beside `eab-key-id`".to_owned()),
        (None, Some(_)) => Err("eab-key-id: it is missing beside `eab-key-file`".to_owned()),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let text = secret_file::read(file)?;
    let key = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    let key = key.ok().filter(|key| !key.is_empty());
    key.ok_or_else(|| {
        let shown = file.display();
        format!("{shown} must have the key alone, in base64url as the CA gave it")
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::serve::acme::tests::config;

    #[test]
    fn a_key_is_read_and_whatever_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("eab.key");
        let write = |text: &str, mode| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        };
        let mut config = config("");
        assert!(load(&config).unwrap().is_none());
        config.eab_key_id = Some("kid-1".to_owned());
        assert!(
            load(&config)
                .err()
                .unwrap()
                .starts_with("eab-key-file: it is missing")
        );
        config.eab_key_file = Some(file.clone());
        assert!(
            load(&config)
                .err()
                .unwrap()
                .starts_with("eab-key-file: cannot read /")
        );
        write("AQID\n", 0o600);
        assert_eq!(load(&config).unwrap().unwrap().key, [1, 2, 3]);
        write("AQID", 0o640);
        assert!(load(&config).err().unwrap().contains("set 0600"));
        write("c4n4ry+c4n4ry", 0o600);
        let problem = load(&config).err().unwrap();
        assert!(
            problem.contains("base64url") && !problem.contains("c4n4ry"),
            "{problem}"
        );
        config.eab_key_id = None;
        assert!(
            load(&config)
                .err()
                .unwrap()
                .starts_with("eab-key-id: it is missing")
        );
    }
}
