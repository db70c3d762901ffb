//! Which xname a BMC has, for `magellan collect`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use model::Xname;
use redfish::Address;
use serde::Deserialize;

use super::format::read;
use crate::Invalid;
use crate::identity::check_controller;

/// The one key that Magellan knows.
const MAP_KEY: &str = "bmc-ip-addr";

/// What `--bmc-id-map` gives: xnames by address or host name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap(BTreeMap<String, Xname>);

#[derive(Deserialize)]
struct File {
    map_key: String,
    id_map: BTreeMap<String, String>,
}

impl IdMap {
    /// Reads a map, in JSON or YAML.
    ///
    /// # Errors
    /// `Invalid` for another key than `bmc-ip-addr`, for what is no xname of a controller, and for an xname that two BMCs have:
    /// both are named.
    pub fn read(text: &str) -> Result<IdMap, Invalid> {
        let file: File = read("bmc-id-map", text)?;
        if file.map_key != MAP_KEY {
            return Err(Invalid::new(
                "map_key",
                format!("write {MAP_KEY}; no other key is known"),
            ));
        }
        let mut map = BTreeMap::new();
        let mut owners: BTreeMap<Xname, &String> = BTreeMap::new();
        for (host, xname) in &file.id_map {
            let xname = check_controller(&format!("id_map.{host}"), xname)?;
            if let Some(other) = owners.insert(xname.clone(), host) {
                let problem = format!("{other} and {host} would both be {xname}; give each its own");
                return Err(Invalid::new("id_map", problem));
            }
            map.insert(normal(host), xname);
        }
        Ok(IdMap(map))
    }

    /// The xname of a BMC; `None`: it is not in the map, and Magellan leaves it out.
    #[must_use]
    pub fn xname_of(&self, address: &Address) -> Option<&Xname> {
        self.0.get(&normal(address.host()))
    }
}

fn normal(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host,
    }
}

/// The xname that Magellan computes of an address where it is given no map. Bits 8 to 15 are in none of its numbers, so that BMCs
/// of neighbouring networks of 256 addresses collide: whoever uses it has to look for that.
///
/// Source: cabinet `(ip >> 19) & 0x1FFF`, chassis `(ip >> 16) & 7`, slot `ip >> 24`, BMC `ip & 0xFF`; measured with v0.5.0.
#[must_use]
pub fn computed_xname(address: Ipv4Addr) -> Option<Xname> {
    let bits = address.to_bits();
    let (cabinet, chassis, slot, bmc) = ((bits >> 19) & 0x1FFF, (bits >> 16) & 7, bits >> 24, bits & 0xFF);
    format!("x{cabinet}c{chassis}s{slot}b{bmc}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(map: &IdMap, address: &str) -> Option<String> {
        map.xname_of(&address.parse().unwrap()).map(ToString::to_string)
    }

    #[test]
    fn a_map_is_read_in_both_formats() {
        let json =
            r#"{"map_key":"bmc-ip-addr","id_map":{"10.0.0.1":"X1000c0s00b0","BMC-2.lab":"x1000c0s1b0"}}"#;
        let yaml = "map_key: bmc-ip-addr\nid_map:\n  10.0.0.1: x1000c0s0b0\n  bmc-2.lab: x1000c0s1b0\n";
        for text in [json, yaml] {
            let map = IdMap::read(text).unwrap();
            assert_eq!(at(&map, "https://10.0.0.1:8443").as_deref(), Some("x1000c0s0b0"));
            assert_eq!(at(&map, "bmc-2.lab").as_deref(), Some("x1000c0s1b0"));
            assert_eq!(at(&map, "10.0.0.2"), None);
        }
    }

    #[test]
    fn a_map_that_cannot_be_meant_is_refused() {
        for (text, expected) in [
            ("{", "bmc-id-map: "),
            ("{}", "bmc-id-map: "),
            (r#"{"map_key":"mac","id_map":{}}"#, "map_key: write bmc-ip-addr"),
            (
                r#"{"map_key":"bmc-ip-addr","id_map":{"10.0.0.1":"node-a"}}"#,
                "id_map.10.0.0.1: ",
            ),
            (
                r#"{"map_key":"bmc-ip-addr","id_map":{"10.0.0.1":"x0c0s0b0n0"}}"#,
                "id_map.10.0.0.1: x0c0s0b0n0 is a Node",
            ),
            (
                r#"{"map_key":"bmc-ip-addr","id_map":{"10.0.0.1":"x0c0s0b0","10.0.0.2":"x0c0s0b00"}}"#,
                "id_map: 10.0.0.1 and 10.0.0.2 would both be x0c0s0b0",
            ),
        ] {
            let refused = IdMap::read(text).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn without_a_map_the_xname_is_computed_and_may_collide() {
        let of = |address: &str| computed_xname(address.parse().unwrap()).unwrap().to_string();
        assert_eq!(of("127.0.24.9"), "x4064c0s127b9");
        assert_eq!(of("127.0.25.9"), "x4064c0s127b9");
        assert_eq!(of("10.7.0.200"), "x320c7s10b200");
        assert!(computed_xname(Ipv4Addr::BROADCAST).is_some());
    }
}
