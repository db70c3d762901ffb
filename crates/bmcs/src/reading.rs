//! One BMC is read: where it is, what it says, which xname it gets, and what SMD will store of it.

use discovery::Crawled;
use jobs::Outcome;
use model::Xname;
use proto::discovery::v1::Bmc;
use proto::smd::v1::RedfishEndpointPayload;
use redfish::{Address, Limits};
use state::State;

use crate::Bmcs;
use crate::bmcs::REDFISH;
use crate::identity::{self, Marks};
use crate::known_endpoint::{self, DISCOVER_OK};

/// `Bmc.crawl_status` of one of which nothing is missing.
pub(crate) const WHOLE: &str = "ok";

/// Why a BMC is not in the inventory, or not anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// As `Bmc.crawl_status` has it.
    pub(crate) word: String,
    pub(crate) reason: String,
    pub(crate) remedy: String,
    /// A key that it showed instead of the known one.
    pub(crate) other_key: String,
}

impl Failure {
    pub(crate) fn new(word: &str, reason: impl Into<String>, remedy: impl Into<String>) -> Failure {
        Failure {
            word: word.to_owned(),
            reason: reason.into(),
            remedy: remedy.into(),
            other_key: String::new(),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::failed(self.reason.clone(), self.remedy.clone())
    }
}

impl From<&redfish::Error> for Failure {
    fn from(error: &redfish::Error) -> Failure {
        let other_key = match error {
            redfish::Error::KeyChanged { shown, .. } => shown.clone(),
            _ => String::new(),
        };
        Failure {
            other_key,
            ..Failure::new(error.word(), error.to_string(), error.remedy())
        }
    }
}

/// Where a target of a crawl is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: Address,
    /// If the target is an xname.
    pub(crate) xname: Option<Xname>,
}

/// A BMC that was read and has its xname.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) xname: Xname,
    pub(crate) crawled: Crawled,
    pub(crate) marks: Marks,
    /// What SMD stores of it.
    pub(crate) payload: RedfishEndpointPayload,
}

/// Where `target` is: an xname, or an address.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn place_of(bmcs: &Bmcs, target: &str) -> Result<Place, Failure> {
    if let Ok(xname) = target.parse::<Xname>() {
        let address = bmcs.address_of(&xname).map_err(|error| {
            let remedy = "scan its network, or set FQDN of its Redfish endpoint";
            Failure::new("unreachable", format!("{xname} has no address: {error}"), remedy)
        })?;
        return Ok(Place {
            address,
            xname: Some(xname),
        });
    }
    let address = target.parse();
    let address = address.map_err(|problem: <Address as std::str::FromStr>::Err| {
        Failure::new(
            "unreachable",
            problem.to_string(),
            "write `address:port` or an xname",
        )
    })?;
    Ok(Place { address, xname: None })
}

/// Reads the BMC at `place` whole and finds its xname. Nothing is stored, but for a key that was seen.
///
/// # Errors
/// Why it could not be read, or which xname it cannot have.
pub(crate) async fn read(bmcs: &Bmcs, place: &Place, limits: &Limits) -> Result<Read, Failure> {
    let Place { address, xname } = place;
    let assigned = || {
        let state = bmcs.store().state();
        let found = state.discovery.bmc(&address.to_string());
        found.and_then(|found| found.xname.parse::<Xname>().ok())
    };
    let known = xname.clone().or_else(assigned);
    let login = bmcs.login(known.as_ref(), address).map_err(|error| {
        let remedy = "give this member the key with `chamois secrets`, or set the password again";
        Failure::new("credentials", error.to_string(), remedy)
    })?;
    let user = login.as_ref().map(|login| login.user.clone()).unwrap_or_default();
    let trust = bmcs.trust(known.as_ref(), address);
    let crawled = discovery::crawl(bmcs.connector(), address, login, trust, limits).await;
    let crawled = crawled.map_err(|error| failure_at(bmcs, known.as_ref(), address, &error))?;
    let marks = Marks::of(&crawled.inventory);
    let state = bmcs.store().state();
    let xname = identity::xname_for(&state, xname.as_ref(), address, &crawled.key_sha256, &marks)?;
    let mut payload = discovery::payload(&crawled.inventory, &xname, address, &user);
    if let Some(before) = state.smd.redfish_endpoint(&xname) {
        known_endpoint::keep(&before, &mut payload);
    }
    let now_ms = bmcs.store().cluster_time_ms();
    let version = &crawled.inventory.root.redfish_version;
    payload.discovery_info = Some(known_endpoint::info(now_ms, DISCOVER_OK, version));
    payload.password.clear();
    if is_fqdn_of_another(&state, &xname, &payload.fqdn) {
        // several BMCs behind one address: the port tells them apart
        payload.fqdn = address.to_string();
    }
    Ok(Read {
        xname,
        crawled,
        marks,
        payload,
    })
}

fn is_fqdn_of_another(state: &State, xname: &Xname, fqdn: &str) -> bool {
    let owner = state.smd.redfish_endpoint_by_fqdn(fqdn);
    owner.is_some_and(|owner| owner.id != xname.as_str())
}

/// One that shows another key at another address than where the BMC was found is not that BMC with a new key.
fn failure_at(bmcs: &Bmcs, known: Option<&Xname>, address: &Address, error: &redfish::Error) -> Failure {
    match (error, known) {
        (redfish::Error::KeyChanged { .. }, Some(xname)) => match bmcs.found_elsewhere(xname, address) {
            Some(found) => identity::taken(xname, &found.address, &address.to_string()),
            None => Failure::from(error),
        },
        _ => Failure::from(error),
    }
}

impl Read {
    /// [`WHOLE`], or `partial` if something could not be read.
    pub(crate) fn word(&self) -> &'static str {
        match self.crawled.inventory.problems.is_empty() {
            true => WHOLE,
            false => "partial",
        }
    }

    /// What was found, for a person; of a partial reading what is missing first.
    pub(crate) fn summary(&self) -> String {
        let inventory = &self.crawled.inventory;
        let found = format!(
            "{} systems, {} resources",
            inventory.systems.len(),
            inventory.resources
        );
        match inventory.problems.as_slice() {
            [] => found,
            [first, ..] => {
                let count = inventory.problems.len();
                format!(
                    "{found}; {count} could not be read, e.g. {}: {}",
                    first.uri, first.problem
                )
            }
        }
    }

    /// The row of the BMC at `address`.
    pub(crate) fn row(&self, address: &Address) -> Bmc {
        let root = &self.crawled.inventory.root;
        Bmc {
            address: address.to_string(),
            service: REDFISH.to_owned(),
            xname: self.xname.to_string(),
            redfish_version: root.redfish_version.clone(),
            uuid: self.marks.uuid.clone(),
            vendor: root.vendor.clone(),
            product: root.product.clone(),
            serial: self.marks.serial.clone(),
            mac: self.marks.mac.clone(),
            key_sha256: self.crawled.key_sha256.clone(),
            crawl_status: self.word().to_owned(),
            crawl_reason: self.summary(),
            ..Bmc::default()
        }
    }
}

/// The row of a BMC whose crawl failed: what is known of it stays.
pub(crate) fn failed_row(address: &Address, failure: &Failure) -> Bmc {
    Bmc {
        address: address.to_string(),
        key_sha256: failure.other_key.clone(),
        crawl_status: failure.word.clone(),
        crawl_reason: failure.reason.clone(),
        crawl_remedy: failure.remedy.clone(),
        ..Bmc::default()
    }
}

#[cfg(test)]
mod tests {
    use redfish::{Inventory, Problem, System};

    use super::*;

    fn read_with(problems: Vec<Problem>) -> Read {
        let inventory = Inventory {
            systems: vec![System::default()],
            resources: 31,
            problems,
            ..Inventory::default()
        };
        Read {
            xname: "x0c0s0b0".parse().unwrap(),
            crawled: Crawled {
                inventory,
                key_sha256: "ab".repeat(32),
                requests: 35,
            },
            marks: Marks::default(),
            payload: RedfishEndpointPayload::default(),
        }
    }

    #[test]
    fn a_partial_reading_says_what_is_missing() {
        let whole = read_with(Vec::new());
        assert_eq!(
            (whole.word(), whole.summary().as_str()),
            ("ok", "1 systems, 31 resources")
        );
        let problem = Problem {
            uri: "/redfish/v1/Chassis/1/Power".to_owned(),
            problem: "no answer".to_owned(),
        };
        let partial = read_with(vec![problem]);
        assert_eq!(partial.word(), "partial");
        let summary = partial.summary();
        assert!(
            summary.ends_with("1 could not be read, e.g. /redfish/v1/Chassis/1/Power: no answer"),
            "{summary}"
        );
        let row = partial.row(&"10.1.0.7".parse().unwrap());
        assert_eq!(
            (row.crawl_status.as_str(), row.service.as_str()),
            ("partial", "redfish")
        );
        assert_eq!(row.xname, "x0c0s0b0");
    }

    /// The key that it shows must not replace the one that is believed: the state keeps both apart.
    #[test]
    fn a_changed_key_is_told_with_the_failure() {
        let error = redfish::Error::KeyChanged {
            known: "a".repeat(64),
            shown: "b".repeat(64),
        };
        let failure = Failure::from(&error);
        assert_eq!(
            (failure.word.as_str(), failure.other_key.as_str()),
            ("key-changed", "b".repeat(64).as_str())
        );
        let row = failed_row(&"10.1.0.7".parse().unwrap(), &failure);
        assert_eq!(row.key_sha256, "b".repeat(64));
        assert!(
            row.xname.is_empty() && row.service.is_empty(),
            "it need not have answered"
        );
    }
}
