//! The recovery kit: what a snapshot cannot be restored without. One file, to be kept where no member is.

use serde::{Deserialize, Serialize};

use crate::pki::CertificateAuthority;
use crate::sealing::Sealer;
use crate::token_issue::TokenKey;

const HEADER: &str = "# The recovery kit of this cluster. Keep it offline and apart from the snapshots: with both, everything can be read\n\
                      # and signed; without it no snapshot can be restored.\n";

/// Why a file is no recovery kit.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// Not TOML, or a key is missing or unknown.
    #[error("not a recovery kit: {0}")]
    Form(#[from] toml::de::Error),
    /// A key that cannot be used.
    #[error("the recovery kit's {0} cannot be used; is the file whole?")]
    Key(&'static str),
}

/// The keys of a cluster. `{:?}` shows none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecoveryKit {
    /// The cluster's name.
    pub cluster: String,
    /// The CA's certificate, PEM.
    pub ca_certificate: String,
    /// The CA's key, PEM.
    pub ca_key: String,
    /// The key that unseals secrets, PEM.
    pub kek: String,
    /// The key that signs tokens, PEM.
    pub token_key: String,
}

impl std::fmt::Debug for RecoveryKit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecoveryKit({})", self.cluster)
    }
}

/// A kit's keys, ready for use.
#[derive(Debug)]
pub struct KitKeys {
    /// Signs certificates.
    pub ca: CertificateAuthority,
    /// Unseals secrets.
    pub sealer: Sealer,
    /// Signs tokens.
    pub token_key: TokenKey,
}

impl RecoveryKit {
    /// Reads the file's text.
    ///
    /// # Errors
    /// `Form` names the line and the key.
    pub fn parse(text: &str) -> Result<Self, KitError> {
        Ok(toml::from_str(text)?)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never for what `parse` gives.
    pub fn to_text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEADER}{}", toml::to_string(self)?))
    }

    /// The keys.
    ///
    /// # Errors
    /// `Key` names the one that is none.
    pub fn keys(&self) -> Result<KitKeys, KitError> {
        let ca = CertificateAuthority::from_pem(&self.cluster, &self.ca_certificate, &self.ca_key)
            .map_err(|_| KitError::Key("ca-key"))?;
        let sealer = Sealer::from_pem(self.kek.as_bytes()).map_err(|_| KitError::Key("kek"))?;
        let token_key = TokenKey::from_pem(&self.token_key).map_err(|_| KitError::Key("token-key"))?;
        Ok(KitKeys {
            ca,
            sealer,
            token_key,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn kit() -> RecoveryKit {
        let ca = CertificateAuthority::generate("prod", SystemTime::now()).unwrap();
        RecoveryKit {
            cluster: "prod".into(),
            ca_certificate: ca.certificate_pem().into(),
            ca_key: ca.key_pem(),
            kek: Sealer::generate().unwrap().to_pem().unwrap(),
            token_key: TokenKey::generate().unwrap().to_pem(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_its_keys_work() {
        let kit = kit();
        let read = RecoveryKit::parse(&kit.to_text().unwrap()).unwrap();
        assert_eq!(read, kit);
        let keys = read.keys().unwrap();
        assert_eq!(keys.ca.key_pem(), kit.ca_key);
        let sealed = keys.sealer.seal("a", 1, b"secret").unwrap();
        assert_eq!(keys.sealer.open(&sealed).unwrap().bytes(), b"secret");
    }

    #[test]
    fn a_file_that_is_cut_or_foreign_says_what_is_wrong() {
        let kit = kit();
        let text = kit.to_text().unwrap();
        let cut = text.split("token-key").next().unwrap();
        assert!(
            RecoveryKit::parse(cut)
                .unwrap_err()
                .to_string()
                .contains("token-key")
        );
        let foreign = RecoveryKit {
            kek: kit.ca_key.clone(),
            ..kit
        };
        assert!(foreign.keys().unwrap_err().to_string().contains("kek"));
    }

    #[test]
    fn debug_shows_no_key() {
        let kit = kit();
        let shown = format!("{kit:?} {:?}", kit.keys().unwrap());
        assert!(
            !shown.contains("PRIVATE") && shown.starts_with("RecoveryKit(prod)"),
            "{shown}"
        );
    }
}
