//! cloud-init's NoCloud data source in a booted node: four documents in its order and with its patience, then phone-home.

use std::fmt;
use std::net::Ipv4Addr;

use serde_yaml_ng::Value;
use tokio::time::sleep;

use crate::http_client::{CLOUD_INIT, FetchError, HttpClient};
use crate::node::NodeSpec;
use crate::outage::Outage;
use crate::pace::Pace;
use crate::url::Url;

/// Tries of one document, pauses of a second between them: one and ten retries (`DataSourceNoCloud`).
const DOCUMENT_TRIES: u32 = 11;
const DOCUMENT_PAUSE_S: u32 = 1;
/// `cc_phone_home.py`: tries and the pause between them.
const PHONE_HOME_TRIES: u32 = 10;
const PHONE_HOME_PAUSE_S: u32 = 3;

/// The documents in the order in which cloud-init asks for them.
const NETWORK_CONFIG: &str = "network-config";
const META_DATA: &str = "meta-data";
const USER_DATA: &str = "user-data";
const VENDOR_DATA: &str = "vendor-data";

/// Why a node is not set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloudInitError {
    #[error("{what}: no answer in {tries} tries, the last one: {last}")]
    GaveUp {
        what: String,
        tries: u32,
        last: FetchError,
    },
    #[error("{document}: {problem}")]
    Wrong { document: &'static str, problem: String },
}

/// What the documents say, after they were found to be this node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Documents {
    pub(crate) instance_id: String,
    pub(crate) hostname: String,
    /// Where to phone home, if the documents ask for it.
    pub(crate) phone_home: Option<Url>,
}

/// A booted node.
pub(crate) struct CloudInit<'a> {
    pub(crate) node: &'a NodeSpec,
    pub(crate) address: Ipv4Addr,
    pub(crate) pace: Pace,
}

impl CloudInit<'_> {
    /// Fetches and checks the four documents below `base`. Chamois promises all four, so a missing one is an error
    /// here, though a real cloud-init goes on without two of them (after ten seconds each).
    pub(crate) async fn documents(
        &self,
        base: &Url,
        outage: &mut Outage,
    ) -> Result<Documents, CloudInitError> {
        let network_config = self.document(base, NETWORK_CONFIG, outage).await?;
        self.check_network_config(&network_config)?;
        let meta_data = self.document(base, META_DATA, outage).await?;
        let (instance_id, hostname) = self.check_meta_data(&meta_data)?;
        let user_data = self.document(base, USER_DATA, outage).await?;
        let vendor_data = self.document(base, VENDOR_DATA, outage).await?;
        let mut phone_home = None;
        for (document, text) in [(USER_DATA, &user_data), (VENDOR_DATA, &vendor_data)] {
            phone_home = phone_home_url(document, text, &instance_id)?.or(phone_home);
        }
        Ok(Documents {
            instance_id,
            hostname,
            phone_home,
        })
    }

    /// Posts the form of the phone_home module.
    pub(crate) async fn phone_home(
        &self,
        url: &Url,
        documents: &Documents,
        outage: &mut Outage,
    ) -> Result<(), CloudInitError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("pub_key_rsa", "N/A")
            .append_pair("pub_key_ecdsa", "N/A")
            .append_pair(
                "pub_key_ed25519",
                &format!("ssh-ed25519 LAB root@{}", documents.hostname),
            )
            .append_pair("instance_id", &documents.instance_id)
            .append_pair("hostname", &documents.hostname)
            .append_pair("fqdn", &documents.hostname)
            .finish();
        let mut last = None;
        for attempt in 0..PHONE_HOME_TRIES {
            if attempt > 0 {
                sleep(self.pace.seconds(PHONE_HOME_PAUSE_S)).await;
            }
            match self.client().post(url, &form, outage).await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(gave_up(url, PHONE_HOME_TRIES, last))
    }

    async fn document(
        &self,
        base: &Url,
        document: &'static str,
        outage: &mut Outage,
    ) -> Result<String, CloudInitError> {
        let url = base.join(document);
        let mut last = None;
        for attempt in 0..DOCUMENT_TRIES {
            if attempt > 0 {
                sleep(self.pace.seconds(DOCUMENT_PAUSE_S)).await;
            }
            match self.client().document(&url, outage).await {
                Ok((bytes, _)) => {
                    return String::from_utf8(bytes.into()).map_err(|_| wrong(document, "it is not UTF-8"));
                }
                Err(error) => last = Some(error),
            }
        }
        Err(gave_up(document, DOCUMENT_TRIES, last))
    }

    /// Each request has a client, and so a connection, of its own.
    fn client(&self) -> HttpClient {
        HttpClient::new(self.address, CLOUD_INIT, self.pace)
    }

    fn check_network_config(&self, text: &str) -> Result<(), CloudInitError> {
        let document = yaml(NETWORK_CONFIG, text)?;
        let Some(mac) = find(&document, "macaddress").and_then(Value::as_str) else {
            return Err(wrong(NETWORK_CONFIG, "no macaddress in it"));
        };
        same(NETWORK_CONFIG, "macaddress", mac, self.node.mac)
    }

    /// Returns instance-id and hostname.
    fn check_meta_data(&self, text: &str) -> Result<(String, String), CloudInitError> {
        let document = yaml(META_DATA, text)?;
        let text_of = |key: &str| document.get(key).and_then(Value::as_str);
        let Some(instance_id) = text_of("instance-id").filter(|id| !id.is_empty()) else {
            return Err(wrong(META_DATA, "no instance-id in it"));
        };
        let hostname = text_of("local-hostname").unwrap_or_default();
        same(META_DATA, "local-hostname", hostname, &self.node.hostname)?;
        for (key, own) in [
            ("local_ipv4", self.address.to_string()),
            ("location", self.node.xname.to_string()),
        ] {
            if let Some(found) = find(&document, key).and_then(Value::as_str) {
                same(META_DATA, key, found, own)?;
            }
        }
        Ok((instance_id.to_owned(), hostname.to_owned()))
    }
}

fn gave_up(what: impl fmt::Display, tries: u32, last: Option<FetchError>) -> CloudInitError {
    CloudInitError::GaveUp {
        what: what.to_string(),
        tries,
        last: last.expect("there was at least one try"),
    }
}

fn wrong(document: &'static str, problem: impl Into<String>) -> CloudInitError {
    CloudInitError::Wrong {
        document,
        problem: problem.into(),
    }
}

/// The heart of the judge: a document of another node is a failure, however well-formed.
fn same(
    document: &'static str,
    key: &str,
    found: &str,
    own: impl fmt::Display,
) -> Result<(), CloudInitError> {
    let own = own.to_string();
    if found == own {
        return Ok(());
    }
    Err(wrong(
        document,
        format!("{key} is {found:?}, this node's is {own:?}: another node's data"),
    ))
}

fn yaml(document: &'static str, text: &str) -> Result<Value, CloudInitError> {
    serde_yaml_ng::from_str(text).map_err(|error| wrong(document, format!("not YAML: {error}")))
}

/// The first value under `key` anywhere in a document.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Mapping(mapping) => mapping
            .get(key)
            .or_else(|| mapping.values().find_map(|inner| find(inner, key))),
        Value::Sequence(items) => items.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

/// The `phone_home.url` of a cloud-config; `$INSTANCE_ID` in it is replaced as cloud-init does.
fn phone_home_url(
    document: &'static str,
    text: &str,
    instance_id: &str,
) -> Result<Option<Url>, CloudInitError> {
    if !text.starts_with("#cloud-config") {
        return Err(wrong(document, "it does not begin with #cloud-config"));
    }
    let config = yaml(document, text)?;
    let Some(phone_home) = config.get("phone_home") else {
        return Ok(None);
    };
    let url = phone_home.get("url").and_then(Value::as_str).unwrap_or_default();
    let url = url.replace("$INSTANCE_ID", instance_id).parse();
    url.map(Some)
        .map_err(|error| wrong(document, format!("phone_home: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn node() -> NodeSpec {
        NodeSpec {
            xname: "x0c0s0b0n0".parse().unwrap(),
            mac: "02:00:00:00:00:05".parse().unwrap(),
            nid: 5,
            address: Ipv4Addr::new(127, 9, 16, 5),
            hostname: "de0005".into(),
        }
    }

    fn check<T>(work: impl FnOnce(&CloudInit<'_>) -> Result<T, CloudInitError>) -> Result<T, String> {
        let node = node();
        let pace = Pace::with_second(Duration::from_millis(1));
        work(&CloudInit {
            node: &node,
            address: node.address,
            pace,
        })
        .map_err(|error| error.to_string())
    }

    const META: &str = "instance-id: i-1\nlocal-hostname: de0005\ninstance_data:\n  v1:\n    local_ipv4: 127.9.16.5\n    \
        vendor_data:\n      location: x0c0s0b0n0\n";

    #[test]
    fn own_meta_data_is_accepted() {
        assert_eq!(
            check(|node| node.check_meta_data(META)),
            Ok(("i-1".into(), "de0005".into()))
        );
        let short = "instance-id: i-1\nlocal-hostname: de0005\n";
        assert!(
            check(|node| node.check_meta_data(short)).is_ok(),
            "the rest is optional"
        );
    }

    #[test]
    fn another_nodes_meta_data_is_refused() {
        for (own, other) in [
            ("de0005", "de0006"),
            ("127.9.16.5", "127.9.16.6"),
            ("x0c0s0b0n0", "x0c0s0b0n1"),
        ] {
            let error = check(|node| node.check_meta_data(&META.replace(own, other))).unwrap_err();
            assert!(
                error.contains("another node's data") && error.contains(other),
                "{error}"
            );
        }
        assert!(
            check(|node| node.check_meta_data("local-hostname: de0005"))
                .unwrap_err()
                .contains("instance-id")
        );
        assert!(
            check(|node| node.check_meta_data(": {"))
                .unwrap_err()
                .contains("not YAML")
        );
    }

    #[test]
    fn the_network_configuration_must_name_the_boot_nic() {
        let config = "version: 2\nethernets:\n  boot:\n    match:\n      macaddress: \"02:00:00:00:00:05\"\n";
        assert!(check(|node| node.check_network_config(config)).is_ok());
        let other = config.replace(":05", ":06");
        assert!(
            check(|node| node.check_network_config(&other))
                .unwrap_err()
                .contains("another node's data")
        );
        assert!(
            check(|node| node.check_network_config("{}"))
                .unwrap_err()
                .contains("no macaddress")
        );
    }

    #[test]
    fn the_place_to_phone_home_is_found_in_a_cloud_config() {
        let config =
            "#cloud-config\nphone_home:\n  url: http://127.9.0.1:8081/phone-home/$INSTANCE_ID\n  post: all\n";
        let url = phone_home_url(VENDOR_DATA, config, "i-1").unwrap().unwrap();
        assert_eq!(url.to_string(), "http://127.9.0.1:8081/phone-home/i-1");
        assert_eq!(phone_home_url(USER_DATA, "#cloud-config\n", "i-1").unwrap(), None);
        assert!(phone_home_url(USER_DATA, "<html>", "i-1").is_err());
        assert!(phone_home_url(USER_DATA, "#cloud-config\nphone_home: {url: ftp://x}\n", "i-1").is_err());
    }
}
