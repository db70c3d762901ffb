//! Hardware as a discovery finds it: which of it is a unit that is somewhere else already, and which of what was there is gone.

use std::collections::BTreeSet;

use model::{HmsType, Rejection, Xname};
use proto::smd::v1::smd_command::DiscoveredEndpoint;
use proto::smd::v1::{HardwareEntry, HardwareFruRecord};

use super::Smd;
use super::hardware_frus::fru_id_of_place;
use crate::bounds::{COMPONENTS_PER_ENDPOINT_MAX, HARDWARE_PER_ENDPOINT_MAX, check_count};
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_DISCOVERY;
use crate::log_position::LogPosition;

impl Smd {
    /// Stores the hardware that was found behind the Redfish endpoint `behind`. What the endpoint says all of, it has no
    /// more than that. `level` is the cluster's.
    pub(super) fn store_found_hardware(
        &mut self,
        found: &DiscoveredEndpoint,
        behind: &str,
        level: u32,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        check_count("hardware", found.hardware.len(), HARDWARE_PER_ENDPOINT_MAX)?;
        let told_apart: Vec<HardwareEntry> = found
            .hardware
            .iter()
            .map(|entry| self.told_apart(entry, behind, level))
            .collect();
        let checked = self.hardware.check(&told_apart)?;
        let whole = wholes(&found.complete_below, behind)?;
        self.hardware.put_checked(checked, at, changes);
        for place in self.places_left(&whole, &found.hardware) {
            self.hardware.vacate(&place, at, changes);
        }
        Ok(())
    }

    /// The places below those of `whole` where a part is stored that is not among what was found.
    fn places_left(&self, whole: &[Xname], found: &[HardwareEntry]) -> Vec<Xname> {
        let found: BTreeSet<Xname> = found.iter().filter_map(|entry| entry.id.parse().ok()).collect();
        let stored = whole.iter().flat_map(|place| self.hardware.within(place));
        let with_part = stored.filter(|record| !record.fru_id.is_empty());
        let places = with_part.filter_map(|record| record.id.parse::<Xname>().ok());
        places
            .filter(|place| is_part(place.hms_type()) && !found.contains(place))
            .collect()
    }

    /// The entry with a name of its own for its unit. The nodes of a chassis often have the chassis' serial number, each of
    /// them, and so have machines that are emulated: what another endpoint has found stays where it is, and what is
    /// found here is another unit, named after its place. Only a UUID tells that it is the same one, and has moved.
    fn told_apart(&self, entry: &HardwareEntry, behind: &str, level: u32) -> HardwareEntry {
        let mut entry = entry.clone();
        if let Some(fru) = entry.fru.as_mut()
            && self.is_behind_another(&fru.fru_id, behind, level)
            && !self.is_same_machine(fru)
        {
            fru.fru_id = fru_id_of_place(&entry.id);
        }
        entry
    }

    fn is_same_machine(&self, fru: &HardwareFruRecord) -> bool {
        let known = self.hardware.frus.get(&fru.fru_id);
        !fru.uuid.is_empty() && known.is_some_and(|known| known.uuid == fru.uuid)
    }

    /// Whether a unit is where another Redfish endpoint than `behind` tells of it.
    fn is_behind_another(&self, fru_id: &str, behind: &str, level: u32) -> bool {
        let place = self.hardware.place_of(fru_id);
        let endpoint = place.and_then(|place| self.endpoint_telling_of(place, level));
        endpoint.is_some_and(|endpoint| endpoint.as_str() != behind)
    }

    /// The Redfish endpoint that tells of what is in a place. An enclosure, and what supplies it with power, is told of by the
    /// BMC of its number; the release before knew the latter for nobody's, and where a unit is must be the same on every member.
    fn endpoint_telling_of(&self, place: &Xname, level: u32) -> Option<Xname> {
        let begin = match place.hms_type() {
            HmsType::NodeEnclosure => bmc_of(place),
            HmsType::NodeEnclosurePowerSupply if level >= FEATURE_LEVEL_DISCOVERY => {
                place.parent().as_ref().and_then(bmc_of)
            }
            _ => Some(place.clone()),
        };
        std::iter::successors(begin, Xname::parent).find_map(|id| match self.component_endpoints.get(&id) {
            Some(endpoint) => endpoint.redfish_endpoint_id.parse().ok(),
            None => self.redfish_endpoints.get(&id).map(|_| id),
        })
    }
}

/// What a discovery finds below a node or an enclosure. Other hardware there was posted, and no crawl tells that it is gone.
fn is_part(kind: HmsType) -> bool {
    matches!(
        kind,
        HmsType::Processor
            | HmsType::Memory
            | HmsType::Drive
            | HmsType::NodeAccel
            | HmsType::NodeHsnNic
            | HmsType::NodeEnclosurePowerSupply
    )
}

/// The places of which an endpoint may say all: its nodes, and the enclosure of its number.
fn wholes(given: &[String], behind: &str) -> Result<Vec<Xname>, Rejection> {
    check_count("complete_below", given.len(), COMPONENTS_PER_ENDPOINT_MAX)?;
    let one = |text: &String| {
        let place: Xname = text
            .parse()
            .map_err(|error| Rejection::invalid("complete_below", error))?;
        let teller = match place.hms_type() {
            HmsType::Node => place.parent(),
            HmsType::NodeEnclosure => bmc_of(&place),
            _ => None,
        };
        match teller {
            Some(teller) if teller.as_str() == behind => Ok(place),
            _ => {
                let problem = format!("{place} is neither a node nor the enclosure of {behind}");
                Err(Rejection::invalid("complete_below", problem))
            }
        }
    };
    given.iter().map(one).collect()
}

fn bmc_of(enclosure: &Xname) -> Option<Xname> {
    let (slot, number) = enclosure.as_str().rsplit_once('e')?;
    format!("{slot}b{number}").parse().ok()
}
