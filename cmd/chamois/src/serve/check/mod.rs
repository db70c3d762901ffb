//! Everything that can be known to fail before a port is bound: `chamois serve --check` stops after it.

mod acme;
mod audit;
mod dhcp_rules;
mod discovery;
mod files;
mod host;
mod ipv6;
mod listing;
mod membership;
mod networks;
mod ports;
mod secrets;

pub use self::host::{Host, Interface};
pub use self::listing::answers_on;
pub use self::membership::Listed;

use super::config::{Config, ConfigError};

/// Checks a configuration against itself, the member list and this host.
///
/// # Errors
/// `ConfigError::Check` with every problem found, so that one run of `--check` shows them all.
pub fn check(config: &Config, listed: &Listed, host: &Host) -> Result<(), ConfigError> {
    let mut problems = Problems::default();
    membership::check(config, listed, &mut problems);
    ports::check(config, &mut problems);
    networks::check(config, listed, host, &mut problems);
    files::check(config, &mut problems);
    discovery::check(config, &mut problems);
    audit::check(config, &mut problems);
    acme::check(config, &mut problems);
    secrets::check(config, &mut problems);
    if problems.0.is_empty() {
        Ok(())
    } else {
        Err(ConfigError::Check { problems: problems.0 })
    }
}

/// What was found so far; each line starts with the key it is about.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, key: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("{key}: {problem}"));
    }
}
