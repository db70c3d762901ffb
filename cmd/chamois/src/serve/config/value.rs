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
