//! Which xname a BMC gets: the one that it has already, or the first that a rule gives; and who else has it.

use discovery::identity::Seen;
use model::{MacAddr, Xname};
use proto::discovery::v1::Bmc;
use proto::smd::v1::RedfishEndpoint;
use redfish::{Address, Inventory};
use state::State;

use crate::bmcs::host_of;
use crate::reading::Failure;

/// What tells a BMC from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Of its manager; lower case with colons, empty if it shows none.
    pub(crate) mac: String,
    /// Of its manager, else its enclosure, else its first system.
    pub(crate) serial: String,
    /// Of the service, else its manager.
    pub(crate) uuid: String,
}

impl Marks {
    /// Those that its tree shows.
    pub(crate) fn of(inventory: &Inventory) -> Marks {
        let managers = inventory.managers.iter();
        let mut nics = managers.clone().flat_map(|manager| &manager.interfaces);
        let mac = nics.find_map(|nic| nic.mac.parse::<MacAddr>().ok());
        let serials = managers.clone().map(|manager| &manager.serial);
        let serials = serials.chain(inventory.chassis.iter().map(|chassis| &chassis.serial));
        let serials = serials.chain(inventory.systems.iter().map(|system| &system.serial));
        let uuids = [&inventory.root.uuid]
            .into_iter()
            .chain(managers.map(|manager| &manager.uuid));
        Marks {
            mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
            serial: first(serials),
            uuid: first(uuids).to_lowercase(),
        }
    }
}

fn first<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let mut texts = texts.map(|text| text.trim()).filter(|text| !text.is_empty());
    texts.next().unwrap_or_default().to_owned()
}

/// The xname of the BMC at `address`, which shows `key` and `marks`; `named` is the one that a request gives it.
///
/// # Errors
/// That no rule gives one, or that another BMC has it: both are named.
pub(crate) fn xname_for(
    state: &State,
    named: Option<&Xname>,
    address: &Address,
    key: &str,
    marks: &Marks,
) -> Result<Xname, Failure> {
    let xname = named
        .cloned()
        .or_else(|| known(state, address, key, marks))
        .or_else(|| by_rules(state, address, marks))
        .ok_or_else(|| without_rule(address, marks))?;
    check_free(state, &xname, address, key, marks)?;
    Ok(xname)
}

/// The one that was assigned to it, or that a BMC with its UUID, or at its address, has. Some makers give all their BMCs one UUID, and
/// several may be behind one address: what was found elsewhere with another key is not asked.
fn known(state: &State, address: &Address, key: &str, marks: &Marks) -> Option<Xname> {
    let found = state.discovery.bmc(&address.to_string());
    let assigned = found.and_then(|found| found.xname.parse().ok());
    let text = address.to_string();
    let with = |is_it: &dyn Fn(&RedfishEndpoint) -> bool| {
        let endpoints = state.smd.redfish_endpoints().filter(|endpoint| is_it(endpoint));
        let mut xnames = endpoints.filter_map(|endpoint| endpoint.id.parse::<Xname>().ok());
        xnames.find(|xname| {
            let holder = state.discovery.bmc_of(xname);
            let is_it = |holder: &Bmc| !key.is_empty() && holder.key_sha256 == key;
            holder.is_none_or(|holder| holder.address == text || is_it(holder))
        })
    };
    let has_uuid = |endpoint: &RedfishEndpoint| {
        !endpoint.uuid.is_empty() && endpoint.uuid.eq_ignore_ascii_case(&marks.uuid)
    };
    let is_there = |endpoint: &RedfishEndpoint| {
        host_of(endpoint)
            .parse::<Address>()
            .is_ok_and(|at| at == *address)
    };
    assigned.or_else(|| with(&has_uuid)).or_else(|| with(&is_there))
}

fn by_rules(state: &State, address: &Address, marks: &Marks) -> Option<Xname> {
    let rules = state.discovery.rules().map(AsRef::as_ref);
    let seen = Seen {
        address,
        mac: &marks.mac,
        serial: &marks.serial,
        uuid: &marks.uuid,
    };
    discovery::identity::by_rules(rules, &seen, &|seen: &Seen<'_>| by_interface(state, seen))
}

/// The controller whose Ethernet interface has this address or MAC.
fn by_interface(state: &State, seen: &Seen<'_>) -> Option<Xname> {
    let by_address = seen.address.ip().and_then(|ip| state.smd.interface_by_ip(ip));
    let by_mac = || state.smd.interface(&seen.mac.parse().ok()?);
    let interface = by_address.or_else(by_mac)?;
    let owner: Xname = interface.component_id.parse().ok()?;
    owner.hms_type().is_controller().then_some(owner)
}

fn without_rule(address: &Address, marks: &Marks) -> Failure {
    let shown = |name: &str, value: &str| match value {
        "" => String::new(),
        value => format!(", {name} {value}"),
    };
    Failure::new(
        "no-xname",
        format!(
            "no rule gives an xname to {address}{}{}{}",
            shown("MAC", &marks.mac),
            shown("serial number", &marks.serial),
            shown("UUID", &marks.uuid)
        ),
        format!("write one with `chamois discover rule put`, or `chamois bmc assign {address} XNAME`"),
    )
}

/// One xname, one BMC. One that moved to another address is still itself if it holds the key of the one that was there; its
/// UUID alone is only what it says.
fn check_free(
    state: &State,
    xname: &Xname,
    address: &Address,
    key: &str,
    marks: &Marks,
) -> Result<(), Failure> {
    let text = address.to_string();
    let holder = state
        .discovery
        .bmc_of(xname)
        .filter(|holder| holder.address != text);
    if let Some(holder) = holder {
        let is_same = !key.is_empty()
            && !marks.uuid.is_empty()
            && holder.key_sha256 == key
            && holder.uuid == marks.uuid;
        return match is_same {
            true => Ok(()),
            false => Err(taken(xname, &holder.address, &text)),
        };
    }
    let endpoint = state.smd.redfish_endpoint(xname);
    let is_other =
        |uuid: &str| !uuid.is_empty() && !marks.uuid.is_empty() && !uuid.eq_ignore_ascii_case(&marks.uuid);
    let is_elsewhere = |host: String| {
        host.parse::<Address>()
            .is_ok_and(|at| at.host() != address.host())
    };
    match endpoint {
        Some(known) if is_other(&known.uuid) && is_elsewhere(host_of(&known)) => {
            Err(taken(xname, &host_of(&known), &text))
        }
        Some(_) | None => Ok(()),
    }
}

/// That the BMC at `claimant` is another one than that which has the xname.
pub(crate) fn taken(xname: &Xname, holder: &str, claimant: &str) -> Failure {
    Failure::new(
        "collision",
        format!("{xname} belongs to the BMC at {holder}; {claimant} is another one and cannot have it"),
        format!(
            "correct the rule with `chamois discover rule put`; if the BMC moved or was replaced: `chamois bmc delete {holder}`"
        ),
    )
}

#[cfg(test)]
mod tests {
    use redfish::{Chassis, Manager, Nic, System};

    use super::*;

    fn inventory() -> Inventory {
        let nic = |mac: &str| Nic {
            mac: mac.to_owned(),
            ..Nic::default()
        };
        Inventory {
            managers: vec![Manager {
                uuid: "ABCD-1".to_owned(),
                interfaces: vec![nic("none"), nic("02:00:00:00:0A:01")],
                ..Manager::default()
            }],
            chassis: vec![Chassis {
                serial: " C1 ".to_owned(),
                ..Chassis::default()
            }],
            systems: vec![System {
                serial: "S1".to_owned(),
                ..System::default()
            }],
            ..Inventory::default()
        }
    }

    #[test]
    fn marks_are_what_tells_most() {
        let marks = Marks::of(&inventory());
        let expected = Marks {
            mac: "02:00:00:00:0a:01".to_owned(),
            serial: "C1".to_owned(),
            uuid: "abcd-1".to_owned(),
        };
        assert_eq!(marks, expected);
        assert_eq!(Marks::of(&Inventory::default()), Marks::default());
    }

    #[test]
    fn without_a_rule_the_reason_shows_what_a_rule_could_go_by() {
        let address = "10.1.0.7".parse().unwrap();
        let failed = xname_for(&State::new(), None, &address, "", &Marks::of(&inventory())).unwrap_err();
        assert_eq!(
            failed.reason,
            "no rule gives an xname to 10.1.0.7:443, MAC 02:00:00:00:0a:01, serial number C1, UUID abcd-1"
        );
        assert!(
            failed.remedy.contains("`chamois discover rule put`"),
            "{}",
            failed.remedy
        );
    }

    #[test]
    fn a_name_that_is_given_needs_no_rule() {
        let (address, named) = ("10.1.0.7".parse().unwrap(), "x0c0s0b0".parse().unwrap());
        let xname = xname_for(&State::new(), Some(&named), &address, "", &Marks::default());
        assert_eq!(xname, Ok(named));
    }
}
