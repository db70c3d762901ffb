//! dnsmasq's `dhcp-range`.

use std::net::{Ipv4Addr, Ipv6Addr};

use proto::dhcp::v1::subnet::UnknownClients;

use super::found::{FoundPool, Place, network_of};
use super::options::address;

/// A range as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenRange {
    pub(super) at: Place,
    pub(super) what: String,
    /// Set for clients in it, and the interface's name: options ask for them.
    pub(super) tags: Vec<String>,
    /// Only clients with one of these get an address of it.
    wanted: Vec<String>,
    pub(super) first: Ipv4Addr,
    /// `None`: only hosts that are named get an address.
    last: Option<Ipv4Addr>,
    /// `None`: that of an interface, which the file does not say.
    pub(super) prefix_length: Option<u32>,
    /// Seconds.
    pub(super) lease_time_s: Option<u32>,
    pub(super) is_infinite: bool,
}

impl GivenRange {
    /// The pool that it makes; none for static ones and those that are for some clients only.
    pub(super) fn pool(&self) -> Option<FoundPool> {
        let last = self.last.filter(|_| self.wanted.is_empty())?;
        Some(FoundPool {
            range: self.first..=last,
            lease_time_s: self.lease_time_s,
            unknown: UnknownClients::Address,
        })
    }
}

/// `[tag:x,][set:x,]first[,last|static|proxy][,netmask[,broadcast]][,lease]`; `None` for one of IPv6.
///
/// # Errors
/// What is accepted.
pub(super) fn read(at: &Place, value: &str) -> Result<Option<GivenRange>, String> {
    let mut range = GivenRange {
        at: at.clone(),
        what: format!("dhcp-range={value}"),
        tags: Vec::new(),
        wanted: Vec::new(),
        first: Ipv4Addr::UNSPECIFIED,
        last: None,
        prefix_length: None,
        lease_time_s: None,
        is_infinite: false,
    };
    let mut parts = value.split(',').map(str::trim).peekable();
    while let Some((kind, tag)) = parts.peek().and_then(|part| tag_of(part)) {
        match kind {
            "set" | "interface" => range.tags.push(tag.to_owned()),
            _ => range.wanted.push(tag.to_owned()),
        }
        parts.next();
    }
    let first = parts.next().unwrap_or_default();
    if first.parse::<Ipv6Addr>().is_ok() {
        return Ok(None);
    }
    range.first = address(first)?;
    let mut masks = Vec::new();
    for part in parts {
        match part {
            "static" => range.last = None,
            "proxy" => {
                return Err(
                    "a proxy gives no addresses; leave the line out and keep that server's".to_owned(),
                );
            }
            "" => {}
            part => match part.parse::<Ipv4Addr>() {
                Ok(address) if range.last.is_none() && masks.is_empty() && !is_mask(address) => {
                    range.last = Some(address)
                }
                Ok(address) => masks.push(address),
                Err(_) => lease(part, &mut range)?,
            },
        }
    }
    if let Some(mask) = masks.first() {
        range.prefix_length = Some(u32::from(network_of(range.first, *mask)?.prefix_len()));
    }
    Ok(Some(range))
}

/// A last address does not begin with so many ones.
fn is_mask(address: Ipv4Addr) -> bool {
    address.octets()[0] == u8::MAX
}

fn tag_of(part: &str) -> Option<(&str, &str)> {
    let (kind, tag) = part.split_once(':')?;
    matches!(kind, "tag" | "set" | "net" | "interface").then_some((kind, tag))
}

fn lease(text: &str, range: &mut GivenRange) -> Result<(), String> {
    match text {
        "infinite" => range.is_infinite = true,
        text => range.lease_time_s = Some(seconds(text)?),
    }
    Ok(())
}

/// `3600`, `45m`, `12h`, `2d`, `1w`.
///
/// # Errors
/// What is accepted.
fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || {
        let shown = crate::import::diff::quoted(text);
        format!(
            "`{shown}` is no netmask, address or lease time; write e.g. 255.255.0.0, 3600, 45m, 12h, 2d or infinite"
        )
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" | "S" => 1,
        "m" | "M" => 60,
        "h" | "H" => 3600,
        "d" | "D" => 86_400,
        "w" | "W" => 604_800,
        _ => return Err(wrong()),
    };
    let count: u32 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(value: &str) -> GivenRange {
        read(&Place::new("d", 1), value).unwrap().unwrap()
    }

    fn drawn(value: &str) -> String {
        let range = range(value);
        format!(
            "{} {:?} /{:?} {:?} {:?}",
            range.first,
            range.pool().map(|pool| pool.range.end().to_string()),
            range.prefix_length,
            range.lease_time_s,
            range.tags
        )
    }

    #[test]
    fn every_form_of_the_manual_is_read() {
        for (value, expected) in [
            (
                "10.0.0.50,10.0.0.150",
                "10.0.0.50 Some(\"10.0.0.150\") /None None []",
            ),
            (
                "10.0.0.50,10.0.0.150,12h",
                "10.0.0.50 Some(\"10.0.0.150\") /None Some(43200) []",
            ),
            (
                "set:red, 10.0.0.50 ,10.0.0.150,255.255.255.0 , 45m",
                "10.0.0.50 Some(\"10.0.0.150\") /Some(24) Some(2700) [\"red\"]",
            ),
            (
                "interface:eth1,10.0.0.50,10.0.0.150,255.255.0.0,10.0.255.255,2d",
                "10.0.0.50 Some(\"10.0.0.150\") /Some(16) Some(172800) [\"eth1\"]",
            ),
            ("10.0.0.0,static,255.255.255.0", "10.0.0.0 None /Some(24) None []"),
            ("10.0.0.0,static", "10.0.0.0 None /None None []"),
            (
                "tag:blue,10.0.0.50,10.0.0.60,255.255.255.0,600",
                "10.0.0.50 None /Some(24) Some(600) []",
            ),
        ] {
            assert_eq!(drawn(value), expected, "{value}");
        }
        assert!(range("10.0.0.1,10.0.0.9,infinite").is_infinite);
        let at = Place::new("d", 1);
        assert_eq!(read(&at, "fd00::1,fd00::99,64,12h"), Ok(None));
    }

    #[test]
    fn what_cannot_be_says_what_can() {
        for (value, why) in [
            ("", "`(without a name)` is not an IPv4 address"),
            ("ten", "`ten` is not an IPv4 address"),
            (
                "10.0.0.1,10.0.0.9,soon",
                "`soon` is no netmask, address or lease time",
            ),
            ("10.0.0.1,10.0.0.9,99999999w", "`99999999w` is no netmask"),
            ("10.0.0.1,10.0.0.9,255.0.255.0", "255.0.255.0 is no netmask"),
            ("10.0.0.0,proxy", "a proxy gives no addresses"),
        ] {
            let refused = read(&Place::new("d", 1), value).unwrap_err();
            assert!(refused.starts_with(why), "{value}: {refused}");
        }
    }
}
