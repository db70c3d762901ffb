//! Hardware as a discovery finds it: which of it is a unit that is somewhere else already.

use model::{HmsType, Rejection, Xname};
use proto::smd::v1::{HardwareEntry, HardwareFruRecord};

use super::Smd;
use super::hardware_frus::fru_id_of_place;
use crate::bounds::{HARDWARE_PER_ENDPOINT_MAX, check_count};
use crate::changes::Changes;
use crate::log_position::LogPosition;

impl Smd {
    /// Stores the hardware that was found behind the Redfish endpoint `behind`.
    pub(super) fn store_found_hardware(
        &mut self,
        found: &[HardwareEntry],
        behind: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        check_count("hardware", found.len(), HARDWARE_PER_ENDPOINT_MAX)?;
        let told_apart: Vec<HardwareEntry> =
            found.iter().map(|entry| self.told_apart(entry, behind)).collect();
        let checked = self.hardware.check(&told_apart)?;
        self.hardware.put_checked(checked, at, changes);
        Ok(())
    }

    /// The entry with a name of its own for its unit. The nodes of a chassis often have the chassis' serial number, each of
    /// them, and so have machines that are emulated: what another endpoint has found stays where it is, and what is
    /// found here is another unit, named after its place. Only a UUID tells that it is the same one, and has moved.
    fn told_apart(&self, entry: &HardwareEntry, behind: &str) -> HardwareEntry {
        let mut entry = entry.clone();
        if let Some(fru) = entry.fru.as_mut()
            && self.is_behind_another(&fru.fru_id, behind)
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
    fn is_behind_another(&self, fru_id: &str, behind: &str) -> bool {
        let place = self.hardware.place_of(fru_id);
        let endpoint = place.and_then(|place| self.endpoint_telling_of(place));
        endpoint.is_some_and(|endpoint| endpoint.as_str() != behind)
    }

    /// The Redfish endpoint that tells of what is in a place. An enclosure is told of by the BMC of its number.
    fn endpoint_telling_of(&self, place: &Xname) -> Option<Xname> {
        let begin = match place.hms_type() {
            HmsType::NodeEnclosure => bmc_of(place),
            _ => Some(place.clone()),
        };
        std::iter::successors(begin, Xname::parent).find_map(|id| match self.component_endpoints.get(&id) {
            Some(endpoint) => endpoint.redfish_endpoint_id.parse().ok(),
            None => self.redfish_endpoints.get(&id).map(|_| id),
        })
    }
}

fn bmc_of(enclosure: &Xname) -> Option<Xname> {
    let (slot, number) = enclosure.as_str().rsplit_once('e')?;
    format!("{slot}b{number}").parse().ok()
}
