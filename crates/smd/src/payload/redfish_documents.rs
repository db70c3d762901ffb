//! Payloads without `SchemaVersion`: Redfish's own documents, as Magellan sent them before it had a schema.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::smd::v1::{InventoryDetail, PayloadInterface};
use rpc::Error;

use super::systems::System;

/// Each system in the words of today's payload.
///
/// # Errors
/// `Invalid` for a system that has no document: it is one of today's payload, whose `SchemaVersion` was forgotten.
///
/// Source: SMD's parseRedfishEndpointData.
pub(super) fn systems(details: &[InventoryDetail]) -> Result<Vec<System>, Error> {
    let system = |(place, detail): (usize, &InventoryDetail)| {
        let Some(data) = &detail.data else {
            let problem = format!(
                "Systems[{place}] has no Data; write SchemaVersion 1 if it is not Redfish's own document"
            );
            return Err(rpc::invalid("SchemaVersion", problem));
        };
        let state = text(data, &["Status", "State"]);
        Ok(System {
            enabled: state.is_empty() || state == "Enabled",
            detail: InventoryDetail {
                parts: detail.parts.clone(),
                ..from_document(data, &detail.redfish_interfaces)
            },
        })
    };
    details.iter().enumerate().map(system).collect()
}

fn from_document(data: &Struct, nics: &[Struct]) -> InventoryDetail {
    InventoryDetail {
        uri: text(data, &["@odata.id"]),
        uuid: text(data, &["UUID"]),
        name: text(data, &["Name"]),
        system_type: text(data, &["SystemType"]),
        manufacturer: text(data, &["Manufacturer"]),
        model: text(data, &["Model"]),
        serial: text(data, &["SerialNumber"]),
        bios_version: text(data, &["BiosVersion"]),
        power_state: text(data, &["PowerState"]),
        processor_type: text(data, &["ProcessorSummary", "Model"]),
        processor_count: number(data, &["ProcessorSummary", "Count"]) as i64,
        memory_total: number(data, &["MemorySummary", "TotalSystemMemoryGiB"]),
        actions: texts(
            data,
            &[
                "Actions",
                "#ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues",
            ],
        ),
        ethernet_interfaces: nics.iter().map(interface).collect(),
        ..InventoryDetail::default()
    }
}

fn interface(nic: &Struct) -> PayloadInterface {
    let addresses = at(nic, &["IPv4Addresses"]).map(list).unwrap_or_default();
    let address = addresses.iter().find_map(|one| match &one.kind {
        Some(Kind::StructValue(one)) => Some(text(one, &["Address"])),
        _ => None,
    });
    PayloadInterface {
        uri: text(nic, &["@odata.id"]),
        mac: text(nic, &["MACAddress"]),
        ip: address.unwrap_or_default(),
        name: text(nic, &["Id"]),
        description: text(nic, &["Description"]),
        enabled: matches!(at(nic, &["InterfaceEnabled"]), Some(Kind::BoolValue(true))),
    }
}

fn at<'a>(object: &'a Struct, path: &[&str]) -> Option<&'a Kind> {
    let (first, rest) = path.split_first()?;
    let kind = object.fields.get(*first)?.kind.as_ref()?;
    match kind {
        kind if rest.is_empty() => Some(kind),
        Kind::StructValue(inner) => at(inner, rest),
        _ => None,
    }
}

fn list(kind: &Kind) -> &[Value] {
    match kind {
        Kind::ListValue(list) => &list.values,
        _ => &[],
    }
}

/// The text there, or none.
fn text(object: &Struct, path: &[&str]) -> String {
    match at(object, path) {
        Some(Kind::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

fn texts(object: &Struct, path: &[&str]) -> Vec<String> {
    let values = at(object, path).map(list).unwrap_or_default();
    let text = |value: &Value| match &value.kind {
        Some(Kind::StringValue(text)) => Some(text.clone()),
        _ => None,
    };
    values.iter().filter_map(text).collect()
}

fn number(object: &Struct, path: &[&str]) -> f64 {
    match at(object, path) {
        Some(Kind::NumberValue(number)) => *number,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn object(fields: &[(&str, Kind)]) -> Struct {
        let fields = fields.iter().cloned();
        Struct {
            fields: fields.map(|(key, kind)| (key.to_owned(), value(kind))).collect(),
        }
    }

    fn string(text: &str) -> Kind {
        Kind::StringValue(text.to_owned())
    }

    fn listed(kinds: Vec<Kind>) -> Kind {
        Kind::ListValue(prost_types::ListValue {
            values: kinds.into_iter().map(value).collect(),
        })
    }

    fn document() -> Struct {
        let reset = object(&[(
            "ResetType@Redfish.AllowableValues",
            listed(vec![string("On"), string("ForceOff")]),
        )]);
        object(&[
            ("@odata.id", string("/redfish/v1/Systems/1")),
            ("UUID", string("aa")),
            ("SystemType", string("Physical")),
            ("SerialNumber", string("S1")),
            (
                "Status",
                Kind::StructValue(object(&[("State", string("Disabled"))])),
            ),
            (
                "ProcessorSummary",
                Kind::StructValue(object(&[
                    ("Count", Kind::NumberValue(2.0)),
                    ("Model", string("EPYC")),
                ])),
            ),
            (
                "Actions",
                Kind::StructValue(object(&[("#ComputerSystem.Reset", Kind::StructValue(reset))])),
            ),
        ])
    }

    #[test]
    fn a_document_is_read_in_the_words_of_todays_payload() {
        let address = object(&[("Address", string("10.0.0.1"))]);
        let nic = object(&[
            ("MACAddress", string("94:40:C9:5C:86:BC")),
            ("IPv4Addresses", listed(vec![Kind::StructValue(address)])),
            ("InterfaceEnabled", Kind::BoolValue(true)),
        ]);
        let detail = InventoryDetail {
            data: Some(document()),
            redfish_interfaces: vec![nic],
            ..Default::default()
        };
        let systems = systems(&[detail]).unwrap();
        assert!(!systems[0].enabled);
        let detail = &systems[0].detail;
        assert_eq!((detail.uuid.as_str(), detail.serial.as_str()), ("aa", "S1"));
        assert_eq!(
            (detail.processor_count, detail.processor_type.as_str()),
            (2, "EPYC")
        );
        assert_eq!(detail.actions, ["On", "ForceOff"]);
        let nic = &detail.ethernet_interfaces[0];
        assert_eq!(
            (nic.mac.as_str(), nic.ip.as_str(), nic.enabled),
            ("94:40:C9:5C:86:BC", "10.0.0.1", true)
        );
    }

    /// BMCs write anything anywhere: what has another type is not there.
    #[test]
    fn odd_types_are_not_there() {
        let odd = object(&[
            ("UUID", Kind::NumberValue(1.0)),
            ("Status", string("OK")),
            ("Actions", listed(vec![])),
        ]);
        let detail = InventoryDetail {
            data: Some(odd),
            ..Default::default()
        };
        let systems = systems(&[detail]).unwrap();
        assert!(systems[0].enabled && systems[0].detail == InventoryDetail::default());
    }

    #[test]
    fn a_forgotten_schema_version_is_named() {
        let problem = systems(&[InventoryDetail::default()]).err().unwrap().to_string();
        assert!(
            problem.contains("SchemaVersion") && problem.contains("Systems[0]"),
            "{problem}"
        );
    }
}
