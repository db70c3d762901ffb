//! Values of the configuration that need more than TOML's own types; each error says what is accepted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use audit::{JsonLinesTarget, SyslogTarget};
use model::{IpNet, Ipv4Net, Ipv6Net};
use serde::de::{Deserialize, Deserializer, Error};

/// An address and port to listen on, e.g. `10.97.1.1:7441`.
pub(super) fn listen_address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    let address: SocketAddr = text.parse().map_err(|_| {
        D::Error::custom(format!(
            "`{text}` is not an address with a port; accepted is e.g. `10.97.1.1:7441` or `[fd00::1]:7441`"
        ))
    })?;
    if address.port() == 0 {
        return Err(D::Error::custom(format!(
            "`{text}` has port 0; name the port that clients are to use"
        )));
    }
    Ok(address)
}

/// As many as any certificate of a host has; more are a mistake.
const HOST_NAMES_MAX: usize = 32;
/// RFC 1035, 2.3.4, without the dot at the end.
const HOST_NAME_BYTES_MAX: usize = 253;

/// A list of DNS names, in small letters then.
pub(super) fn host_names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    if texts.len() > HOST_NAMES_MAX {
        let count = texts.len();
        return Err(D::Error::custom(format!(
            "{count} names; at most {HOST_NAMES_MAX} are accepted"
        )));
    }
    let mut names: Vec<String> = Vec::new();
    for text in texts {
        let name = text.to_ascii_lowercase();
        if !is_host_name(&name) {
            return Err(D::Error::custom(format!(
                "`{text}` is not a host's name; accepted is e.g. `smd.hpc.example.org`, without wildcard, port or dot at the end"
            )));
        }
        if names.contains(&name) {
            return Err(D::Error::custom(format!("`{name}` is there twice; name it once")));
        }
        names.push(name);
    }
    Ok(names)
}

/// Labels of letters, digits and inner hyphens (RFC 1123, 2.1); not an address.
fn is_host_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        let fits = !label.is_empty() && label.len() <= 63;
        fits && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let ends_in_number = name.rsplit('.').next().is_none_or(is_number);
    name.len() <= HOST_NAME_BYTES_MAX && !ends_in_number && name.split('.').all(is_label)
}

/// The same, where nothing need be listened to.
pub(super) fn optional_listen_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    listen_address(from).map(Some)
}

/// Fewer entries between two snapshots than this would make them all that the disk does.
const SNAPSHOT_ENTRIES_MIN: u64 = 100;
/// More would outgrow what a start can replay.
const SNAPSHOT_ENTRIES_MAX: u64 = 10_000_000;

/// How many entries there are between two snapshots.
pub(super) fn snapshot_entries<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let entries = u64::deserialize(from)?;
    if (SNAPSHOT_ENTRIES_MIN..=SNAPSHOT_ENTRIES_MAX).contains(&entries) {
        return Ok(entries);
    }
    Err(D::Error::custom(format!(
        "{entries} is not accepted; name {SNAPSHOT_ENTRIES_MIN} to {SNAPSHOT_ENTRIES_MAX} entries, or leave it out"
    )))
}

/// Where syslog messages go; an empty text: nowhere.
pub(super) fn syslog_target<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SyslogTarget>, D::Error> {
    let text = String::deserialize(from)?;
    match text.as_str() {
        "" => Ok(None),
        target => target.parse().map(Some).map_err(D::Error::custom),
    }
}

/// Where JSON lines go; an empty text: nowhere.
pub(super) fn json_lines_target<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<JsonLinesTarget>, D::Error> {
    let text = String::deserialize(from)?;
    match text.as_str() {
        "" => Ok(None),
        target => target.parse().map(Some).map_err(D::Error::custom),
    }
}

/// An IPv4 address.
pub(super) fn ipv4<'de, D: Deserializer<'de>>(from: D) -> Result<Ipv4Addr, D::Error> {
    parse_ipv4(&String::deserialize(from)?)
}

/// An IPv4 address that may be absent.
pub(super) fn optional_ipv4<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Ipv4Addr>, D::Error> {
    ipv4(from).map(Some)
}

/// An IPv6 address that may be absent.
pub(super) fn optional_ipv6<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Ipv6Addr>, D::Error> {
    parse_ipv6(&String::deserialize(from)?).map(Some)
}

/// A list of IPv6 addresses.
pub(super) fn addresses_v6<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Ipv6Addr>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| parse_ipv6(text)).collect()
}

/// A list of IPv6 networks.
pub(super) fn networks_v6<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Ipv6Net>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parsed = texts.iter().map(|text| text.parse().map_err(D::Error::custom));
    parsed.collect()
}

/// A list of IPv4 addresses.
pub(super) fn ipv4_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Ipv4Addr>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| parse_ipv4(text)).collect()
}

/// A list of IPv4 networks.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Ipv4Net>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|problem| D::Error::custom(format!("`{text}` is not a network: {problem}")))
        })
        .collect()
}

/// A list of networks of either version of IP.
pub(super) fn ip_networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parsed = texts.iter().map(|text| {
        text.parse()
            .map_err(|problem| D::Error::custom(format!("`{text}` is not a network: {problem}")))
    });
    parsed.collect()
}

/// A table from member id to IPv4 address. TOML's keys are text, so the ids are parsed here.
pub(super) fn addresses_by_member<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<u64, Ipv4Addr>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(from)?;
    texts
        .iter()
        .map(|(id, address)| {
            let member = id.parse().map_err(|_| {
                D::Error::custom(format!("`{id}` is not a member id; accepted is a number from 1"))
            })?;
            Ok((member, parse_ipv4(address)?))
        })
        .collect()
}

fn parse_ipv6<E: Error>(text: &str) -> Result<Ipv6Addr, E> {
    text.parse().map_err(|_| {
        E::custom(format!(
            "`{text}` is not an IPv6 address; accepted is e.g. `fd00:97::1`"
        ))
    })
}

fn parse_ipv4<E: Error>(text: &str) -> Result<Ipv4Addr, E> {
    text.parse().map_err(|_| {
        E::custom(format!(
            "`{text}` is not an IPv4 address; accepted is e.g. `10.97.1.1`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::is_host_name;

    /// They are put into certificates: what is no name there makes none.
    #[test]
    fn names_of_hosts_are_labels_and_no_addresses() {
        for name in ["smd", "smd.hpc.example.org", "1a.example", "a-b.c2"] {
            assert!(is_host_name(name), "{name}");
        }
        let long = ["a".repeat(64), vec!["a".repeat(60); 5].join(".")];
        let wrong = [
            "",
            ".",
            "a.",
            "-a",
            "a-",
            "a b",
            "*.a",
            "a:80",
            "10.97.1.1",
            "a_b",
            "fd00::1",
            "a..b",
        ];
        for name in wrong.into_iter().chain(long.iter().map(String::as_str)) {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
