//! `[secrets]`: where this member has the keys from that open what is sealed in the state.

use std::time::Duration;

use auth::{KekCommand, KekSource};
use serde::Deserialize;

/// `[secrets]` of the configuration. Without a key of it, `kek.key` in the identity directory is read and, when keys are rotated,
/// written.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretsConfig {
    /// Name of the systemd credential that holds the keys (`LoadCredential=` or `LoadCredentialEncrypted=` of the unit); empty: none.
    /// The member reads it only: before a rotation the operator puts the new key there, on every member.
    pub kek_credential: String,
    /// Program and arguments that print the keys on standard output (PKCS#8 PEM, X25519), as a client of a vault does; no shell reads
    /// them. Empty: none. Not together with `kek-credential`. It is run at the start, and when `chamois secrets` asks.
    pub kek_command: Vec<String>,
    /// Seconds after which that command is ended with all that it has started, 1 to 15: other members wait for it in a rotation.
    pub kek_command_timeout_s: u64,
}

impl Default for SecretsConfig {
    fn default() -> Self {
        Self {
            kek_credential: String::new(),
            kek_command: Vec::new(),
            kek_command_timeout_s: 10,
        }
    }
}

impl SecretsConfig {
    /// Where keys come from.
    pub fn kek_source(&self) -> KekSource {
        if !self.kek_credential.is_empty() {
            return KekSource::Credential(self.kek_credential.clone());
        }
        match self.kek_command.is_empty() {
            true => KekSource::File,
            false => KekSource::Command(KekCommand {
                argv: self.kek_command.clone(),
                timeout: Duration::from_secs(self.kek_command_timeout_s),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_the_file_unless_something_else_is_named() {
        let mut config = SecretsConfig::default();
        assert_eq!(config.kek_source(), KekSource::File);
        config.kek_command = vec!["/usr/bin/vault-client".into(), "kek".into()];
        let KekSource::Command(command) = config.kek_source() else {
            panic!("{:?}", config.kek_source())
        };
        assert_eq!(
            (command.argv.len(), command.timeout),
            (2, Duration::from_secs(10))
        );
        let config = SecretsConfig {
            kek_credential: "kek".into(),
            ..SecretsConfig::default()
        };
        assert_eq!(config.kek_source(), KekSource::Credential("kek".into()));
    }
}
