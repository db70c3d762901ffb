//! dnsmasq's `dhcp-host`.

use std::net::IpAddr;

use model::MacAddr;

use super::found::{Place, Reservation};
use super::options::Taken;

/// `[MAC…][,id:…][,set:…][,tag:…][,address][,name][,lease][,ignore]`, in nearly any order; one reservation for each MAC.
///
/// # Errors
/// What is accepted.
pub(super) fn read(at: &Place, value: &str, reservations: &mut Vec<Reservation>) -> Result<Taken, String> {
    let mut host = Host::default();
    for part in value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        host.take(part)?;
    }
    if host.is_ignored {
        return Ok(Taken::No(
            "a MAC that is to get no answer is not imported as such: without the line it is a stranger's",
        ));
    }
    if host.macs.is_empty() {
        return Ok(Taken::No(match host.has_id {
            true => "a client is known by its MAC here, not by its id; write the MAC",
            false => "a host is known by its MAC here, not by the name that it says; write the MAC",
        }));
    }
    let of = |mac: MacAddr| Reservation {
        at: at.clone(),
        mac,
        addresses: host.addresses.clone(),
        hostname: host.name.clone(),
    };
    reservations.extend(host.macs.iter().copied().map(of));
    Ok(match host.has_more {
        true => Taken::No(
            "MAC, address and name are imported; its tags, id and lease time are not: the subnet has them",
        ),
        false => Taken::Yes,
    })
}

#[derive(Default)]
struct Host {
    macs: Vec<MacAddr>,
    addresses: Vec<IpAddr>,
    name: String,
    has_id: bool,
    is_ignored: bool,
    /// Something that is not imported.
    has_more: bool,
}

impl Host {
    fn take(&mut self, part: &str) -> Result<(), String> {
        let bare = part
            .strip_prefix('[')
            .and_then(|part| part.strip_suffix(']'))
            .unwrap_or(part);
        if let Ok(mac) = part.parse() {
            self.macs.push(mac);
        } else if let Ok(address) = bare.parse() {
            self.addresses.push(address);
        } else if part == "ignore" {
            self.is_ignored = true;
        } else if part.starts_with("id:") {
            (self.has_id, self.has_more) = (true, true);
        } else if ["set:", "tag:", "net:"].iter().any(|kind| part.starts_with(kind)) || is_lease(part) {
            self.has_more = true;
        } else if part.contains(':') {
            let shown = crate::import::diff::quoted(part);
            return Err(format!(
                "`{shown}` is not a MAC address; wildcards and hardware types are not imported, write e.g. 02:00:00:00:00:a1"
            ));
        } else {
            part.clone_into(&mut self.name);
        }
        Ok(())
    }
}

/// dnsmasq takes what is only digits and a unit for a lease time, hence no name.
fn is_lease(part: &str) -> bool {
    let digits = part.trim_end_matches(['s', 'm', 'h', 'd', 'w']);
    part == "infinite"
        || (!digits.is_empty()
            && digits.len() + 1 >= part.len()
            && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (String, Taken) {
        let mut reservations = Vec::new();
        let taken = super::read(&Place::new("d", 1), value, &mut reservations).unwrap();
        let drawn = reservations
            .iter()
            .map(|of| format!("{} {:?} {}", of.mac, of.addresses, of.hostname));
        (drawn.collect::<Vec<_>>().join(" / "), taken)
    }

    #[test]
    fn every_form_of_the_manual_is_read() {
        for (value, expected, is_whole) in [
            (
                "02:00:00:00:00:0A,nid1,10.0.0.1",
                "02:00:00:00:00:0a [10.0.0.1] nid1",
                true,
            ),
            (
                "02-00-00-00-00-0a , 10.0.0.1",
                "02:00:00:00:00:0a [10.0.0.1] ",
                true,
            ),
            (
                "02:00:00:00:00:0a,02:00:00:00:00:0b,10.0.0.1,nid1,12h",
                "02:00:00:00:00:0a [10.0.0.1] nid1 / 02:00:00:00:00:0b [10.0.0.1] nid1",
                false,
            ),
            (
                "02:00:00:00:00:0a,set:red,nid1,infinite",
                "02:00:00:00:00:0a [] nid1",
                false,
            ),
            ("id:01:02,02:00:00:00:00:0a,n", "02:00:00:00:00:0a [] n", false),
            (
                "02:00:00:00:00:0a,10.0.0.1,[fd00::1]",
                "02:00:00:00:00:0a [10.0.0.1, fd00::1] ",
                true,
            ),
        ] {
            let (drawn, taken) = read(value);
            assert_eq!(
                (drawn.as_str(), taken == Taken::Yes),
                (expected, is_whole),
                "{value}"
            );
        }
    }

    #[test]
    fn a_host_without_a_mac_says_what_to_do() {
        for (value, why) in [
            ("nid1,10.0.0.1", "not by the name"),
            ("id:01:02:03,10.0.0.1", "not by its id"),
            ("02:00:00:00:00:0a,ignore", "to get no answer"),
        ] {
            let (drawn, Taken::No(told)) = read(value) else {
                panic!("{value} is taken")
            };
            assert!(drawn.is_empty() && told.contains(why), "{value}: {told}");
        }
    }

    /// `11:22:*` is a pattern, `06-…` token ring; neither may become a name.
    #[test]
    fn a_pattern_is_no_name() {
        for value in ["02:00:00:*:*:*,10.0.0.1", "1-02:00:00:00:00:0a,10.0.0.1"] {
            let refused = super::read(&Place::new("d", 1), value, &mut Vec::new()).unwrap_err();
            assert!(refused.contains("is not a MAC address"), "{refused}");
        }
    }
}
