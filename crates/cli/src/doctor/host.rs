//! This host's member, as far as its configuration says and may be read. It is read leniently: a configuration that `serve` refuses
//! is what a doctor is called for.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use toml::Value;

use super::finding::Finding;

/// What this host is to the cluster.
#[derive(Clone, Debug)]
pub(crate) enum Host {
    /// No member: there is no configuration.
    Other,
    /// A member's, whose configuration cannot be read; why.
    Unreadable(PathBuf, String),
    /// A member's.
    Member(Box<HostConfig>),
}

/// What the checks need of `chamois.toml`; what is not there is empty, and what `serve` takes then is filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostConfig {
    /// The file.
    pub(crate) file: PathBuf,
    pub(crate) cluster: String,
    pub(crate) id: u64,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) identity_dir: Option<PathBuf>,
    pub(crate) loaders_dir: Option<PathBuf>,
    /// Names that clients dial it by, beside its addresses (`api.names`).
    pub(crate) names: Vec<String>,
    /// Certificates of the site: `api.https-certificate`, `api.client-ca`.
    pub(crate) site_certificates: Vec<PathBuf>,
    pub(crate) http_port: u16,
    pub(crate) networks: Vec<Network>,
}

/// A `[[network]]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pub(crate) service_address: Option<IpAddr>,
    pub(crate) roles: Vec<String>,
}

impl Network {
    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}

impl Host {
    /// Reads the configuration.
    pub(crate) fn read(file: &Path) -> Self {
        match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::Other,
            Err(error) => Self::Unreadable(file.to_owned(), error.to_string()),
            Ok(text) => match text.parse::<toml::Table>() {
                Ok(table) => Self::Member(Box::new(HostConfig::of(file, &Value::Table(table)))),
                // the rest of such a message quotes the line, which may hold what is nobody's business
                Err(error) => Self::Unreadable(file.to_owned(), error.message().to_owned()),
            },
        }
    }

    /// The configuration, where there is one.
    pub(crate) fn config(&self) -> Option<&HostConfig> {
        match self {
            Self::Member(config) => Some(config),
            Self::Other | Self::Unreadable(..) => None,
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Other => vec![Finding::note(
                "this host",
                "no member's configuration here: what only a member's host can tell is not looked at",
            )],
            Self::Unreadable(file, why) => vec![Finding::error(
                file.display().to_string(),
                format!("cannot be read: {why}"),
                format!(
                    "As root: `chamois serve --check --config {}` says what is wrong with it.",
                    file.display()
                ),
            )],
            Self::Member(config) => vec![Finding::ok(
                "this host",
                format!(
                    "member {} of `{}`, by {}",
                    config.id,
                    config.cluster,
                    config.file.display()
                ),
            )],
        }
    }
}

impl HostConfig {
    fn of(file: &Path, value: &Value) -> Self {
        let at = |section: &str, key: &str| value.get(section).and_then(|section| section.get(key));
        let path = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .filter(|p| !p.is_empty())
                .map(PathBuf::from)
        };
        let site = ["https-certificate", "client-ca"].map(|key| path(at("api", key)));
        let port = at("boot", "http-port").and_then(Value::as_integer);
        Self {
            file: file.to_owned(),
            cluster: text(value.get("cluster")),
            id: at("member", "id")
                .and_then(Value::as_integer)
                .and_then(|id| id.try_into().ok())
                .unwrap_or(0),
            data_dir: path(value.get("data-dir")),
            identity_dir: path(value.get("identity-dir")),
            loaders_dir: path(at("dhcp", "loaders-dir")),
            names: list(at("api", "names")),
            site_certificates: site.into_iter().flatten().collect(),
            http_port: port
                .and_then(|port| port.try_into().ok())
                .unwrap_or(super::ports::HTTP_PORT),
            networks: value
                .get("network")
                .and_then(Value::as_array)
                .map(|all| all.iter().map(network).collect())
                .unwrap_or_default(),
        }
    }
}

fn network(value: &Value) -> Network {
    Network {
        service_address: value
            .get("service-address")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok()),
        roles: list(value.get("roles")),
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list(value: Option<&Value>) -> Vec<String> {
    let all = value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../deploy/examples/member-1.toml");

    /// The shipped example has every key: each that is read here is found in it.
    #[test]
    fn the_example_is_understood() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("chamois.toml");
        std::fs::write(&file, EXAMPLE).unwrap();
        let host = Host::read(&file);
        let config = host.config().unwrap();
        assert_eq!(
            (config.cluster.as_str(), config.id, config.http_port),
            ("prod", 1, 8081)
        );
        assert_eq!(
            config.data_dir.as_deref(),
            Some(Path::new("/var/lib/chamois/data"))
        );
        assert_eq!(config.loaders_dir.as_deref(), Some(Path::new("/usr/lib/ipxe")));
        let boot = &config.networks[0];
        assert_eq!(boot.service_address, Some("10.97.0.1".parse().unwrap()));
        assert!(boot.has_role("dhcp") && !boot.has_role("discovery"));
    }

    #[test]
    fn a_host_without_a_member_is_no_problem_and_a_broken_configuration_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("chamois.toml");
        assert_eq!(Host::read(&file).findings()[0].severity, Severity::Note);
        std::fs::write(&file, "cluster = \"hunter2\nid =").unwrap();
        let found = Host::read(&file).findings();
        assert_eq!(found[0].severity, Severity::Error);
        assert!(!found[0].what.contains("hunter2"), "{found:?}");
    }
}
