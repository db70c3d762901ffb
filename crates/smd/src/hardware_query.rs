//! HSM's GET Inventory/Hardware/Query: hardware below or above a component, by type, flat or nested.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{HmsType, Xname};
use proto::smd::v1::{HardwareInventory, HardwareLocation, HardwareLocationRecord, QueryHardwareRequest};
use state::smd::Smd;
use tonic::Status;

use crate::filter::{OneOf, parse_bool};
use crate::hardware_filter::types;
use crate::hardware_types::{Lists, above, partition_of, shown_location, type_of_place};
use crate::membership_filter::MembershipFilter;

/// HSM's words for everything.
const EVERYTHING: [&str; 2] = ["all", "s0"];

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct HardwareQuery {
    /// What is asked about, as the answer repeats it.
    name: String,
    /// `None` for everything.
    place: Option<Xname>,
    types: Option<OneOf<String>>,
    partition: MembershipFilter,
    children: bool,
    parents: bool,
    format: Format,
}

/// How hardware is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// By type.
    FullyFlat,
    /// By type, but what is in a node within the node, and outlets within their PDU.
    NestNodesOnly,
    /// Everything within what it is in. HSM names this format and does not have it.
    Hierarchical,
}

impl Format {
    const ALL: [Format; 3] = [Format::FullyFlat, Format::NestNodesOnly, Format::Hierarchical];

    fn name(self) -> &'static str {
        match self {
            Format::FullyFlat => "FullyFlat",
            Format::NestNodesOnly => "NestNodesOnly",
            Format::Hierarchical => "Hierarchical",
        }
    }

    fn parse(text: &str) -> Result<Format, Status> {
        if text.is_empty() {
            return Ok(Format::NestNodesOnly);
        }
        let named = Format::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(text));
        named.ok_or_else(|| {
            let accepted = Format::ALL.map(Format::name).join(", ");
            rpc::invalid("Invalid format", format!("write one of {accepted}")).into()
        })
    }

    /// Whether something of type `inner` is shown within something of type `outer` that it is in.
    fn nests(self, inner: HmsType, outer: HmsType) -> bool {
        match self {
            Format::FullyFlat => false,
            Format::Hierarchical => true,
            Format::NestNodesOnly => match outer {
                HmsType::Node => true,
                HmsType::CabinetPdu => {
                    matches!(
                        inner,
                        HmsType::CabinetPduOutlet | HmsType::CabinetPduPowerConnector
                    )
                }
                _ => false,
            },
        }
    }
}

impl HardwareQuery {
    /// # Errors
    /// `INVALID_ARGUMENT` with HSM's texts.
    pub(crate) fn parse(request: &QueryHardwareRequest) -> Result<HardwareQuery, Status> {
        let is_everything = EVERYTHING
            .iter()
            .any(|word| word.eq_ignore_ascii_case(&request.id));
        let place: Option<Xname> = if is_everything {
            None
        } else {
            let parsed = request.id.parse();
            Some(parsed.map_err(|problem| rpc::invalid("Invalid xname", problem))?)
        };
        let name = place
            .as_ref()
            .map_or_else(|| request.id.clone(), Xname::to_string);
        let mut partition = request.partition.clone();
        let of_partition = place
            .as_ref()
            .filter(|place| place.hms_type() == HmsType::Partition);
        partition.extend(of_partition.map(Xname::to_string));
        let place = place.filter(|place| place.hms_type() != HmsType::Partition);
        let parents = boolean("parents", &request.parents)?.unwrap_or(false);
        Ok(HardwareQuery {
            name,
            place,
            types: (!request.r#type.is_empty())
                .then(|| types(&request.r#type))
                .transpose()?,
            partition: MembershipFilter::parse(&[], &partition)?,
            children: boolean("children", &request.children)?.unwrap_or(!parents),
            parents,
            format: Format::parse(&request.format)?,
        })
    }

    /// The answer, but for the revision.
    pub(crate) fn answer(&self, smd: &Smd) -> HardwareInventory {
        let mut found = self.find(smd);
        found.retain(|record| {
            let partition = partition_of(&record.id, smd);
            self.partition.admits(std::iter::empty(), partition)
        });
        HardwareInventory {
            xname: self.name.clone(),
            format: self.format.name().to_owned(),
            ..arranged(&found, self.format, smd)
        }
    }

    /// Source: SMD `getHWInvByLocQuery` (internal/hmsds): with types and children, what is within something of these
    /// types; types count for nothing when both parents and children are asked for.
    fn find(&self, smd: &Smd) -> Vec<Arc<HardwareLocationRecord>> {
        let within: Vec<Arc<HardwareLocationRecord>> = match &self.place {
            Some(place) => smd.hardware_within(place).cloned().collect(),
            None => smd.hardware_locations().cloned().collect(),
        };
        let above = match &self.place {
            Some(place) if self.parents => above(place.as_str())
                .filter_map(|id| smd.hardware_location(&id.parse().ok()?))
                .collect(),
            _ => Vec::new(),
        };
        let is_asked = |record: &Arc<HardwareLocationRecord>| match &self.place {
            Some(place) => record.id == place.as_str(),
            None => true,
        };
        match (&self.types, self.children, self.parents) {
            (_, true, true) | (None, true, false) => above.into_iter().chain(within).collect(),
            (Some(types), true, false) => with_children(within, types),
            (Some(types), false, false) => within.into_iter().filter(|record| is_of(record, types)).collect(),
            (types, false, _) => above
                .into_iter()
                .chain(within.into_iter().filter(is_asked))
                .filter(|record| types.as_ref().is_none_or(|types| is_of(record, types)))
                .collect(),
        }
    }
}

fn boolean(name: &str, text: &str) -> Result<Option<bool>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = parse_bool(text)
        .map_err(|_| rpc::invalid(&format!("Invalid boolean for {name}"), "write true or false"));
    Ok(Some(parsed?))
}

fn is_of(record: &HardwareLocationRecord, types: &OneOf<String>) -> bool {
    let name = type_of_place(record).as_str();
    types.admits_if(|wanted| wanted == name)
}

/// Those of the given types, and what is within them.
fn with_children(
    records: Vec<Arc<HardwareLocationRecord>>,
    types: &OneOf<String>,
) -> Vec<Arc<HardwareLocationRecord>> {
    let wanted = records.iter().filter(|record| is_of(record, types));
    let wanted: BTreeSet<String> = wanted.map(|record| record.id.clone()).collect();
    let is_within = |record: &Arc<HardwareLocationRecord>| {
        wanted.contains(&record.id) || above(&record.id).any(|id| wanted.contains(id))
    };
    records.into_iter().filter(is_within).collect()
}

/// Puts each record into the list of its type: of the nearest record that it is nested in, or of the whole. What is deepest
/// is placed first, so that it goes with what it is in.
fn arranged(records: &[Arc<HardwareLocationRecord>], format: Format, smd: &Smd) -> HardwareInventory {
    let mut waiting: BTreeMap<&str, (HmsType, HardwareLocation)> = records
        .iter()
        .map(|record| {
            (
                record.id.as_str(),
                (type_of_place(record), shown_location(record, smd)),
            )
        })
        .collect();
    let mut order: Vec<&str> = waiting.keys().copied().collect();
    order.sort_by_key(|id| Reverse(above(id).count())); // stable: those of one type stay sorted
    let mut inventory = HardwareInventory::default();
    for id in order {
        let Some((hms_type, shown)) = waiting.remove(id) else {
            continue;
        };
        let nests = |outer: &&str| {
            let outer = waiting.get(*outer);
            outer.is_some_and(|(outer_type, _)| format.nests(hms_type, *outer_type))
        };
        let outer = above(id).find(nests);
        let list = match outer.and_then(|outer| waiting.get_mut(outer)) {
            Some((_, outer)) => outer.list(hms_type),
            None => inventory.list(hms_type),
        };
        list.into_iter().for_each(|list| list.push(shown.clone()));
    }
    inventory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(id: &str, set: impl Fn(&mut QueryHardwareRequest)) -> Result<HardwareQuery, String> {
        let mut request = QueryHardwareRequest {
            id: id.to_owned(),
            ..QueryHardwareRequest::default()
        };
        set(&mut request);
        HardwareQuery::parse(&request).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn children_come_by_default_unless_parents_are_asked_for() {
        let plain = query("X0c0s00b0", |_| {}).unwrap();
        assert_eq!(
            (plain.children, plain.parents, plain.format),
            (true, false, Format::NestNodesOnly)
        );
        assert_eq!(plain.place.unwrap().as_str(), "x0c0s0b0");
        let parents = query("x0", |request| request.parents = "T".into()).unwrap();
        assert_eq!((parents.children, parents.parents), (false, true));
        for all in ["all", "ALL", "s0"] {
            assert_eq!(query(all, |_| {}).unwrap().place, None, "{all}");
        }
    }

    #[test]
    fn bad_values_get_the_texts_of_hsm() {
        let of = |set: fn(&mut QueryHardwareRequest)| query("s0", set).unwrap_err();
        assert!(query("zz", |_| {}).unwrap_err().starts_with("Invalid xname: "));
        assert!(of(|request| request.r#type.push("Blade".into())).starts_with("Invalid HMS type: "));
        assert_eq!(
            of(|request| request.children = "x".into()),
            "Invalid boolean for children: write true or false"
        );
        assert_eq!(
            of(|request| request.parents = "x".into()),
            "Invalid boolean for parents: write true or false"
        );
        let format = of(|request| request.format = "Flat".into());
        assert_eq!(
            format,
            "Invalid format: write one of FullyFlat, NestNodesOnly, Hierarchical"
        );
        assert_eq!(
            query("s0", |r| r.format = "fullyflat".into()).unwrap().format,
            Format::FullyFlat
        );
    }
}
