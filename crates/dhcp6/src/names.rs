//! Names of nodes as DNS writes them: option 24 and 39.

use std::net::Ipv4Addr;

use dhcp::ipv4_addresses;
use proto::smd::v1::EthernetInterface;
use state::State;

/// Longest name, bytes on the wire (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 255;
const LABEL_BYTES_MAX: usize = 63;

/// The domain that the interface's name is in: that of the subnet of its IPv4 address, as crates/dns has it, else that of
/// the network it asks on.
pub(crate) fn domain(state: &State, interface: &EthernetInterface, service: Ipv4Addr) -> Option<String> {
    ipv4_addresses(interface)
        .chain([service])
        .filter_map(|address| state.dhcp.subnet_of(address))
        .map(|subnet| subnet.domain.clone())
        .find(|domain| !domain.is_empty())
}

/// A name in labels, with its end; `None` for what DNS cannot write.
pub(crate) fn wire(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.trim_end_matches('.').split('.') {
        let len = u8::try_from(label.len()).ok()?;
        if label.is_empty() || label.len() > LABEL_BYTES_MAX {
            return None;
        }
        bytes.push(len);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    (bytes.len() <= NAME_BYTES_MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_labels() {
        assert_eq!(
            wire("nid0001.demo.example").unwrap(),
            b"\x07nid0001\x04demo\x07example\x00"
        );
        assert_eq!(wire("demo.").unwrap(), b"\x04demo\x00");
    }

    #[test]
    fn what_dns_cannot_write_is_left_out() {
        let long = ["a".repeat(63).as_str(); 4].join(".");
        for wrong in ["", ".", "a..b", &"a".repeat(64), &long] {
            assert_eq!(wire(wrong), None, "{wrong}");
        }
    }
}
