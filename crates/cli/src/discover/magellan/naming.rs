//! Which xname each BMC has: by a map, or as Magellan computes it of the address; never one for two.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::Args;
use discovery::magellan::{IdMap, computed_xname};
use model::Xname;
use redfish::Address;

use super::failures::Failure;
use super::form;
use crate::error::{CliError, Kind};

/// Options of `crawl` and `collect`.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct MapArgs {
    /// Xnames by address: {"map_key":"bmc-ip-addr","id_map":{"10.1.0.7":"x1000c0s0b0"}}, or @FILE with that; default: computed
    #[arg(short = 'm', long, value_name = "JSON|@FILE")]
    bmc_id_map: Option<String>,
}

impl MapArgs {
    /// # Errors
    /// `Usage` for a map that is none.
    pub(super) fn read(&self) -> Result<Option<IdMap>, CliError> {
        let Some(argument) = &self.bmc_id_map else {
            return Ok(None);
        };
        let map = IdMap::read(&form::data(argument)?);
        map.map(Some)
            .map_err(|invalid| CliError::new(Kind::Usage, format!("--bmc-id-map: {invalid}")))
    }
}

/// A BMC that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) address: Address,
    pub(super) xname: Xname,
    /// The key that it showed in a scan; empty: it is not known.
    pub(super) key_sha256: String,
}

/// The BMCs that have an xname of their own, in order, and those that have not.
pub(super) fn name(bmcs: Vec<(Address, String)>, map: Option<&IdMap>) -> (Vec<Named>, Vec<Failure>) {
    let (mut named, mut failures) = (Vec::new(), Vec::new());
    for (address, key_sha256) in bmcs {
        match xname_of(&address, map) {
            Some(xname) => named.push(Named {
                address,
                xname,
                key_sha256,
            }),
            None => failures.push(nameless(&address, map.is_some())),
        }
    }
    let mut owners: BTreeMap<Xname, Vec<Address>> = BTreeMap::new();
    for bmc in &named {
        owners
            .entry(bmc.xname.clone())
            .or_default()
            .push(bmc.address.clone());
    }
    owners.retain(|_, addresses| addresses.len() > 1);
    named.retain(|bmc| !owners.contains_key(&bmc.xname));
    failures.extend(
        owners
            .iter()
            .map(|(xname, addresses)| collision(xname, addresses)),
    );
    (named, failures)
}

fn xname_of(address: &Address, map: Option<&IdMap>) -> Option<Xname> {
    match (map, address.ip().map(|ip| ip.to_canonical())) {
        (Some(map), _) => map.xname_of(address).cloned(),
        (None, Some(IpAddr::V4(address))) => computed_xname(address),
        (None, Some(IpAddr::V6(_)) | None) => None,
    }
}

fn nameless(address: &Address, has_map: bool) -> Failure {
    let reason = match has_map {
        true => "it is not in the map",
        false => "an xname can be computed of an IPv4 address only",
    };
    Failure {
        place: address.to_string(),
        word: "no-xname",
        reason: reason.to_owned(),
        remedy: "name it in --bmc-id-map".to_owned(),
    }
}

fn collision(xname: &Xname, addresses: &[Address]) -> Failure {
    let places: Vec<String> = addresses.iter().map(Address::to_string).collect();
    Failure {
        place: places.join(" and "),
        word: "collision",
        reason: format!("they would all be {xname}"),
        remedy: "name them in --bmc-id-map: Magellan's computed xnames leave out a part of the address"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bmcs(places: &[&str]) -> Vec<(Address, String)> {
        places
            .iter()
            .map(|place| (place.parse().unwrap(), String::new()))
            .collect()
    }

    /// Measured: Magellan gives both the xname x4064c0s127b9.
    #[test]
    fn two_bmcs_are_never_one() {
        let (named, failures) = name(bmcs(&["127.0.24.9", "127.0.25.9", "127.0.24.10"]), None);
        assert_eq!(named.len(), 1);
        assert_eq!(named[0].xname.as_str(), "x4064c0s127b10");
        assert_eq!(failures.len(), 1);
        let failure = &failures[0];
        assert!(
            failure.place.contains("127.0.24.9:443 and 127.0.25.9:443"),
            "{failure:?}"
        );
        assert!(failure.reason.contains("x4064c0s127b9"), "{failure:?}");
    }

    #[test]
    fn with_a_map_only_what_is_in_it_is_read_and_the_rest_is_told() {
        let map = r#"{"map_key":"bmc-ip-addr","id_map":{"10.0.0.1":"x1000c0s0b0"}}"#;
        let args = MapArgs {
            bmc_id_map: Some(map.to_owned()),
        };
        let map = args.read().unwrap();
        let (named, failures) = name(bmcs(&["10.0.0.1", "10.0.0.2"]), map.as_ref());
        assert_eq!(named[0].xname.as_str(), "x1000c0s0b0");
        assert_eq!(
            (failures[0].word, failures[0].place.as_str()),
            ("no-xname", "10.0.0.2:443")
        );
    }

    #[test]
    fn a_host_name_needs_a_map() {
        let (named, failures) = name(bmcs(&["bmc-1.example", "[fd00::7]"]), None);
        assert_eq!((named.len(), failures.len()), (0, 2));
        let wrong = MapArgs {
            bmc_id_map: Some("[]".to_owned()),
        };
        assert!(wrong.read().unwrap_err().to_string().contains("--bmc-id-map"));
        assert!(MapArgs::default().read().unwrap().is_none());
    }
}
