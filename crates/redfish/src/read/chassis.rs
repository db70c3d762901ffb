//! Chassis: what they are, their power, and which of them a system is in.

use futures::FutureExt;
use serde_json::Value;

use crate::read::parts::{self, POWER_SUPPLY};
use crate::read::reading::{Member, Reading};
use crate::{Chassis, Part, value};

/// A chassis that a system is in.
pub(crate) struct Place<'a> {
    pub(crate) member: &'a Member,
    /// Other systems are in it, too: what is in it is not surely this one's.
    pub(crate) is_shared: bool,
}

impl Place<'_> {
    pub(crate) fn uri(&self) -> &str {
        &self.member.uri
    }
}

/// The chassis of each system: those that it names, else those that name it, else the one with its `Id`.
pub(crate) fn places<'a>(
    reading: &Reading<'_>,
    systems: &[Member],
    chassis: &'a [Member],
) -> Vec<Vec<Place<'a>>> {
    let of_each: Vec<Vec<&Member>> = systems
        .iter()
        .map(|system| of_system(reading, system, chassis))
        .collect();
    let systems_in = |place: &Member| {
        let has_it = |own: &&Vec<&Member>| own.iter().any(|other| other.uri == place.uri);
        of_each.iter().filter(has_it).count()
    };
    let place = |member: &&'a Member| Place {
        member,
        is_shared: systems_in(member) > 1,
    };
    of_each
        .iter()
        .map(|own| own.iter().map(place).collect())
        .collect()
}

fn of_system<'a>(reading: &Reading<'_>, system: &Member, chassis: &'a [Member]) -> Vec<&'a Member> {
    let named = reading.links(&system.value, "Chassis");
    let own: Vec<&Member> = chassis
        .iter()
        .filter(|other| named.contains(&other.uri))
        .collect();
    if !own.is_empty() {
        return own;
    }
    let names_it = |other: &&Member| {
        reading
            .links(&other.value, "ComputerSystems")
            .contains(&system.uri)
    };
    let own: Vec<&Member> = chassis.iter().filter(names_it).collect();
    if !own.is_empty() {
        return own;
    }
    let id = value::text(&system.value, "Id");
    let has_its_id = |other: &&Member| !id.is_empty() && value::text(&other.value, "Id") == id;
    chassis.iter().filter(has_its_id).collect()
}

/// Reads one chassis.
pub(crate) async fn read(reading: &Reading<'_>, member: &Member) -> Chassis {
    let value = &*member.value;
    let (power_controls, power_supplies) = power(reading, value).boxed().await;
    Chassis {
        uri: member.uri.clone(),
        id: value::text(value, "Id"),
        name: value::text(value, "Name"),
        chassis_type: value::text(value, "ChassisType"),
        manufacturer: value::text(value, "Manufacturer"),
        model: value::text(value, "Model"),
        serial: value::text(value, "SerialNumber"),
        part_number: value::text(value, "PartNumber"),
        sku: value::text(value, "SKU"),
        asset_tag: value::text(value, "AssetTag"),
        health: value::text(value, "Status/Health"),
        systems: reading.links(value, "ComputerSystems"),
        power_controls,
        power_supplies,
    }
}

/// `PowerControl` and the power supplies, of the old resource or of the new one.
async fn power(reading: &Reading<'_>, chassis: &Value) -> (Vec<String>, Vec<Part>) {
    let mut controls = Vec::new();
    let mut supplies = Vec::new();
    if let Some(power) = reading.linked(chassis, "Power").await {
        controls = power_controls(&power, &reading.path(value::link(chassis, "Power")));
        supplies = reading.members(&power, "PowerSupplies").await;
    }
    if supplies.is_empty()
        && let Some(power) = reading.linked(chassis, "PowerSubsystem").await
    {
        supplies = reading.members(&power, "PowerSupplies").await;
    }
    let supplies = supplies
        .iter()
        .map(|member| parts::part(member, POWER_SUPPLY))
        .collect();
    (controls, supplies)
}

/// The URI of each `PowerControl`, as it is written; where none is, that which the standard gives it.
fn power_controls(power: &Value, uri: &str) -> Vec<String> {
    let controls = value::list(power, "PowerControl").iter().enumerate();
    controls
        .filter(|(_, control)| control.is_object())
        .map(|(place, control)| match value::link_of(control) {
            "" => format!("{uri}#/PowerControl/{place}"),
            link => link.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_power_control_has_a_uri_even_if_it_does_not_say_it() {
        let power = json!({"PowerControl": [
            {"@odata.id": "/redfish/v1/Chassis/1/Power#PowerControl/0"}, {"MemberId": "1"}, null, 7,
        ]});
        assert_eq!(
            power_controls(&power, "/redfish/v1/Chassis/1/Power"),
            [
                "/redfish/v1/Chassis/1/Power#PowerControl/0",
                "/redfish/v1/Chassis/1/Power#/PowerControl/1"
            ]
        );
        assert!(power_controls(&json!({"PowerControl": "none"}), "/p").is_empty());
    }
}
