//! What a scan found, as `magellan scan` and `magellan list` show it.

use redfish::Address;
use serde::{Deserialize, Serialize};

use super::format::{Format, read};
use super::go_json;
use crate::{Found, Invalid};

/// A place that answered.
///
/// Source: Magellan's `RemoteAsset` (pkg/scan.go).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteAsset {
    /// Scheme and host, e.g. `https://10.0.0.1`.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `tcp`.
    #[serde(default)]
    pub protocol: String,
    /// Whether it answered.
    #[serde(default)]
    pub state: bool,
    /// RFC 3339.
    #[serde(default)]
    pub timestamp: String,
    /// `Redfish` or `JAWS`; empty: it was not asked.
    #[serde(default, alias = "servicetype", skip_serializing_if = "String::is_empty")]
    pub service_type: String,
}

/// The same with the keys that Go's YAML makes of the names of its fields.
#[derive(Serialize)]
struct YamlRow<'a> {
    host: &'a str,
    port: u16,
    protocol: &'a str,
    state: bool,
    timestamp: &'a str,
    servicetype: &'a str,
}

impl RemoteAsset {
    /// What was found at `timestamp`.
    #[must_use]
    pub fn of(found: &Found, timestamp: &str) -> RemoteAsset {
        let host = found.address.host();
        let scheme = if found.address.is_plain() { "http" } else { "https" };
        let host = match host.contains(':') {
            true => format!("{scheme}://[{host}]"),
            false => format!("{scheme}://{host}"),
        };
        let service_type = match found.service.as_str() {
            "jaws" => "JAWS",
            _ => "Redfish",
        };
        RemoteAsset {
            host,
            port: found.address.port(),
            protocol: "tcp".to_owned(),
            state: true,
            timestamp: timestamp.to_owned(),
            service_type: service_type.to_owned(),
        }
    }

    /// Where to crawl it.
    ///
    /// # Errors
    /// `Invalid` for a host that is none.
    pub fn address(&self) -> Result<Address, Invalid> {
        let text = format!("{}:{}", self.host.trim_end_matches('/'), self.port);
        match text.parse::<Address>() {
            Ok(address) => Ok(address),
            Err(problem) => Err(Invalid::new("host", problem.to_string())),
        }
    }

    /// A line of `magellan list`.
    #[must_use]
    pub fn line(&self) -> String {
        let RemoteAsset {
            host,
            protocol,
            timestamp,
            service_type,
            ..
        } = self;
        format!("{host} {protocol} {timestamp} {service_type}")
    }

    fn yaml(&self) -> YamlRow<'_> {
        YamlRow {
            host: &self.host,
            port: self.port,
            protocol: &self.protocol,
            state: self.state,
            timestamp: &self.timestamp,
            servicetype: &self.service_type,
        }
    }
}

/// The rows that `magellan scan -F` prints.
#[must_use]
pub fn write_assets(assets: &[RemoteAsset], format: Format) -> String {
    match format {
        Format::Json => go_json::to_string(&assets),
        Format::Yaml => {
            let rows: Vec<YamlRow<'_>> = assets.iter().map(RemoteAsset::yaml).collect();
            serde_yaml_ng::to_string(&rows).expect("rows of texts and numbers can be written")
        }
    }
}

/// Reads such rows back, in either format.
///
/// # Errors
/// `Invalid` with the line where it stops to be a list of them.
pub fn read_assets(text: &str) -> Result<Vec<RemoteAsset>, Invalid> {
    read("assets", text)
}

#[cfg(test)]
mod tests {
    use redfish::ServiceRoot;

    use super::*;

    const WHEN: &str = "2025-08-06T12:00:00.5Z";

    fn found(address: &str, service: &str) -> Found {
        Found {
            address: address.parse().unwrap(),
            service: service.into(),
            root: ServiceRoot::default(),
            key_sha256: String::new(),
        }
    }

    fn two() -> Vec<RemoteAsset> {
        let found = [found("10.0.0.1", "redfish"), found("[fd00::7]:8443", "jaws")];
        found.iter().map(|one| RemoteAsset::of(one, WHEN)).collect()
    }

    #[test]
    fn rows_are_written_as_magellan_does() {
        let json = write_assets(&two()[..1], Format::Json);
        let expected = r#"[
  {
    "host": "https://10.0.0.1",
    "port": 443,
    "protocol": "tcp",
    "state": true,
    "timestamp": "2025-08-06T12:00:00.5Z",
    "service_type": "Redfish"
  }
]"#;
        assert_eq!(json, expected);
        let yaml = write_assets(&two()[1..], Format::Yaml);
        for line in ["  port: 8443", "  state: true", "  servicetype: JAWS"] {
            assert!(yaml.lines().any(|one| one == line), "{yaml}");
        }
        assert_eq!(
            two()[0].line(),
            "https://10.0.0.1 tcp 2025-08-06T12:00:00.5Z Redfish"
        );
    }

    #[test]
    fn what_is_written_is_read() {
        for format in [Format::Json, Format::Yaml] {
            let written = write_assets(&two(), format);
            let back = read_assets(&written).unwrap();
            assert_eq!(back, two(), "{written}");
            let addresses: Vec<String> = back
                .iter()
                .map(|one| one.address().unwrap().to_string())
                .collect();
            assert_eq!(addresses, ["10.0.0.1:443", "[fd00::7]:8443"]);
        }
        assert_eq!(write_assets(&[], Format::Json), "[]");
    }

    /// Magellan's own files have no service type before v0.5.1.
    #[test]
    fn older_rows_are_read_and_broken_ones_named() {
        let old = r#"[{"host":"https://10.0.0.1","port":443,"protocol":"tcp","state":true,"timestamp":"2025-08-06T12:00:00Z"}]"#;
        assert_eq!(read_assets(old).unwrap()[0].service_type, "");
        for broken in ["[{\"host\":1}]", "{}", "[{\"host\":\"a\",\"port\":70000}]"] {
            let refused = read_assets(broken).unwrap_err().to_string();
            assert!(refused.starts_with("assets: "), "{refused}");
        }
        let plain = RemoteAsset::of(&found("http://10.0.0.1:8000", "redfish"), WHEN);
        assert_eq!(plain.host, "http://10.0.0.1");
        assert!(plain.address().unwrap().is_plain());
        let nowhere = RemoteAsset {
            host: "https://a b".into(),
            ..two()[0].clone()
        };
        assert!(nowhere.address().is_err());
    }
}
