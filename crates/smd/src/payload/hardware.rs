//! The hardware of a payload: what a BMC says of its systems and of itself, as entries of the hardware inventory.
//!
//! Today's SMD throws all of it away. The keys of the infos are those that its own discovery would have written.

use std::collections::BTreeSet;

use model::{HmsType, Xname};
use proto::smd::v1::{HardwareEntry, InventoryDetail, PayloadManager};
use serde_json::{Map, Value, json};
use state::smd::fru_id_of_place;

use super::{path_of, text};
use crate::hardware_input::unit;

/// Trusted modules kept of one system.
const TRUSTED_MODULES_MAX: usize = 16;
/// The hardware behind a Redfish endpoint: its manager at the endpoint's own xname, each system at its node's, and the
/// enclosure of the first that tells of one. Each place and each unit is there once, as `state` demands.
pub(super) fn entries(
    endpoint: &Xname,
    manager: Option<&PayloadManager>,
    systems: &[(&InventoryDetail, &Xname)],
) -> Vec<HardwareEntry> {
    let of_manager = manager
        .filter(|_| endpoint.hms_type().has_hardware())
        .map(|manager| manager_entry(endpoint, manager));
    let of_enclosure = enclosure(endpoint).and_then(|place| {
        let told = systems.iter().find(|(system, _)| tells_of_chassis(system));
        told.map(|(system, _)| enclosure_entry(&place, system))
    });
    let of_systems = systems.iter().map(|(system, node)| system_entry(node, system));
    let mut units = BTreeSet::new();
    let mut entries: Vec<HardwareEntry> = of_manager
        .into_iter()
        .chain(of_enclosure)
        .chain(of_systems)
        .collect();
    for entry in &mut entries {
        // nodes of one chassis often have the chassis' serial number, each of them
        if let Some(fru) = entry.fru.as_mut().filter(|fru| !units.insert(fru.fru_id.clone())) {
            fru.fru_id = fru_id_of_place(&entry.id);
        }
    }
    entries
}

fn system_entry(node: &Xname, system: &InventoryDetail) -> HardwareEntry {
    let info = json!({
        "Id": last_segment(&system.uri),
        "Name": text(&system.name),
        "Description": "",
        "HostName": "",
        "ProcessorSummary": { "Count": system.processor_count, "Model": text(&system.processor_type) },
        "MemorySummary": { "TotalSystemMemoryGiB": number(system.memory_total) },
    });
    let mut fru = fields([
        ("AssetTag", ""),
        ("BiosVersion", &system.bios_version),
        ("Manufacturer", &system.manufacturer),
        ("Model", &system.model),
        ("PartNumber", ""),
        ("SKU", ""),
        ("SerialNumber", &system.serial),
        ("SystemType", &system.system_type),
        ("UUID", &system.uuid),
    ]);
    if !system.trusted_modules.is_empty() {
        let modules = system.trusted_modules.iter().take(TRUSTED_MODULES_MAX);
        fru.insert(
            "TrustedModules".to_owned(),
            modules.map(|module| Value::from(text(module))).collect(),
        );
    }
    entry(node, &info, &fru)
}

fn manager_entry(place: &Xname, manager: &PayloadManager) -> HardwareEntry {
    let info = json!({
        "Id": last_segment(&manager.uri),
        "Name": text(&manager.name),
        "Description": text(&manager.description),
        "FirmwareVersion": text(&manager.firmware_version),
        "DateTime": "",
        "DateTimeLocalOffset": "",
    });
    let fru = fields([
        ("ManagerType", &manager.r#type),
        ("Model", &manager.model),
        ("Manufacturer", ""),
        ("PartNumber", ""),
        ("SerialNumber", ""),
        ("UUID", &manager.uuid),
    ]);
    entry(place, &info, &fru)
}

fn enclosure_entry(place: &Xname, system: &InventoryDetail) -> HardwareEntry {
    let info = json!({ "Id": "", "Name": "", "Description": "", "HostName": "" });
    let fru = fields([
        ("AssetTag", &system.chassis_asset_tag),
        ("ChassisType", ""),
        ("Manufacturer", &system.chassis_manufacturer),
        ("Model", &system.chassis_model),
        ("PartNumber", ""),
        ("SKU", &system.chassis_sku),
        ("SerialNumber", &system.chassis_serial),
    ]);
    entry(place, &info, &fru)
}

fn entry(place: &Xname, info: &Value, fru: &Map<String, Value>) -> HardwareEntry {
    HardwareEntry {
        id: place.to_string(),
        info: info.to_string(),
        fru: Some(unit(place, "", fru)),
    }
}

fn tells_of_chassis(system: &InventoryDetail) -> bool {
    let texts = [
        &system.chassis_serial,
        &system.chassis_model,
        &system.chassis_manufacturer,
    ];
    texts.into_iter().any(|text| !text.is_empty())
}

/// The enclosure that a node's BMC is in: that of the same number.
fn enclosure(endpoint: &Xname) -> Option<Xname> {
    if endpoint.hms_type() != HmsType::NodeBmc {
        return None;
    }
    let (slot, number) = endpoint.as_str().rsplit_once('b')?;
    format!("{slot}e{number}").parse().ok()
}

fn fields<const N: usize>(texts: [(&str, &str); N]) -> Map<String, Value> {
    texts
        .into_iter()
        .map(|(key, value)| (key.to_owned(), text(value).into()))
        .collect()
}

/// A whole number without a fraction, as Redfish writes it.
fn number(number: f64) -> Value {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53
    if number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number) {
        (number as u64).into()
    } else {
        number.into()
    }
}

/// The id of a Redfish resource; none of a URI without a path.
fn last_segment(uri: &str) -> String {
    let path = path_of(uri);
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xname(text: &str) -> Xname {
        text.parse().unwrap()
    }

    fn system() -> InventoryDetail {
        let text = |text: &str| text.to_owned();
        InventoryDetail {
            uri: text("https://10.1.1.1/redfish/v1/Systems/Self"),
            uuid: text("32343531-0000-0000-0000-000000000001"),
            name: text("Computer System"),
            manufacturer: text("HPE"),
            model: text("ProLiant DL325 Gen10 Plus"),
            serial: text("MXQ03000B1"),
            system_type: text("Physical"),
            bios_version: text("A43 v2.40"),
            processor_count: 1,
            processor_type: text("AMD EPYC 7702P"),
            memory_total: 512.0,
            chassis_serial: text("CZ01"),
            chassis_manufacturer: text("HPE"),
            chassis_model: text("DL325"),
            ..InventoryDetail::default()
        }
    }

    fn manager() -> PayloadManager {
        let text = |text: &str| text.to_owned();
        PayloadManager {
            uri: text("https://10.1.1.1/redfish/v1/Managers/1/"),
            name: text("Manager"),
            model: text("iLO 5"),
            r#type: text("BMC"),
            firmware_version: text("iLO 5 v2.46"),
            ..PayloadManager::default()
        }
    }

    fn of(systems: &[(&str, InventoryDetail)]) -> Vec<HardwareEntry> {
        let nodes: Vec<Xname> = systems.iter().map(|(node, _)| xname(node)).collect();
        let placed: Vec<_> = systems.iter().map(|(_, system)| system).zip(&nodes).collect();
        entries(&xname("x0c0s1b2"), Some(&manager()), &placed)
    }

    fn fru_ids(entries: &[HardwareEntry]) -> Vec<(&str, &str)> {
        let ids = entries
            .iter()
            .map(|entry| (entry.id.as_str(), entry.fru.as_ref().unwrap().fru_id.as_str()));
        ids.collect()
    }

    #[test]
    fn a_payload_becomes_bmc_enclosure_and_node() {
        let entries = of(&[("x0c0s1b2n0", system())]);
        assert_eq!(
            fru_ids(&entries),
            [
                ("x0c0s1b2", "FRUIDforx0c0s1b2"),
                ("x0c0s1e2", "NodeEnclosure.HPE.CZ01"),
                ("x0c0s1b2n0", "Node.HPE.MXQ03000B1"),
            ]
        );
        let node = entries[2].fru.as_ref().unwrap();
        assert_eq!(
            entries[2].info,
            concat!(
                r#"{"Description":"","HostName":"","Id":"Self","MemorySummary":{"TotalSystemMemoryGiB":512},"#,
                r#""Name":"Computer System","ProcessorSummary":{"Count":1,"Model":"AMD EPYC 7702P"}}"#
            )
        );
        assert_eq!(
            node.info,
            concat!(
                r#"{"AssetTag":"","BiosVersion":"A43 v2.40","Manufacturer":"HPE","Model":"ProLiant DL325 Gen10 Plus","#,
                r#""PartNumber":"","SKU":"","SerialNumber":"MXQ03000B1","SystemType":"Physical","#,
                r#""UUID":"32343531-0000-0000-0000-000000000001"}"#
            )
        );
        let bmc = entries[0].fru.as_ref().unwrap();
        assert!(
            bmc.info.contains(r#""Model":"iLO 5""#)
                && entries[0].info.contains(r#""FirmwareVersion":"iLO 5 v2.46""#)
        );
        assert!(entries[0].info.contains(r#""Id":"1""#), "{}", entries[0].info);
    }

    /// `state` refuses a unit that is in two places; a payload of a BMC must not fail for that.
    #[test]
    fn nodes_with_one_serial_number_are_told_by_their_places() {
        let entries = of(&[("x0c0s1b2n0", system()), ("x0c0s1b2n1", system())]);
        assert_eq!(
            fru_ids(&entries)[2..],
            [
                ("x0c0s1b2n0", "Node.HPE.MXQ03000B1"),
                ("x0c0s1b2n1", "FRUIDforx0c0s1b2n1")
            ]
        );
    }

    /// Some clients put the credentials by which they reached a BMC into its URIs.
    #[test]
    fn a_uri_without_a_path_gives_no_id() {
        let uri = "https://root:secret@10.1.1.1/".to_owned();
        let bmc = PayloadManager {
            uri: uri.clone(),
            ..manager()
        };
        let node = InventoryDetail { uri, ..system() };
        let entries = entries(&xname("x0c0s1b2"), Some(&bmc), &[(&node, &xname("x0c0s1b2n0"))]);
        assert_eq!(entries.len(), 3);
        for entry in &entries {
            assert!(
                entry.info.contains(r#""Id":"""#) && !format!("{entry:?}").contains("secret"),
                "{entry:?}"
            );
        }
    }

    #[test]
    fn what_is_not_told_makes_no_entry() {
        let bare = InventoryDetail {
            trusted_modules: vec!["TPM2_0".to_owned()],
            memory_total: 503.5,
            ..InventoryDetail::default()
        };
        let entries = entries(&xname("x0c0s1b2"), None, &[(&bare, &xname("x0c0s1b2n0"))]);
        assert_eq!(fru_ids(&entries), [("x0c0s1b2n0", "FRUIDforx0c0s1b2n0")]);
        assert!(entries[0].info.contains(r#""TotalSystemMemoryGiB":503.5"#));
        assert!(
            entries[0]
                .fru
                .as_ref()
                .unwrap()
                .info
                .contains(r#""TrustedModules":["TPM2_0"]"#)
        );
        assert!(super::entries(&xname("x0c0w1"), None, &[]).is_empty());
    }

    /// A BMC may say anything, of any length.
    #[test]
    fn texts_and_numbers_are_bounded() {
        let (quotes, escapes) = ("\"".repeat(100_000), "\u{1b}[2J".repeat(100_000));
        let hostile = InventoryDetail {
            uri: quotes.clone(),
            uuid: quotes.clone(),
            name: "é".repeat(100_000),
            manufacturer: quotes.clone(),
            model: quotes.clone(),
            serial: escapes,
            system_type: quotes.clone(),
            bios_version: quotes.clone(),
            memory_total: f64::NAN,
            trusted_modules: vec![quotes; 5000],
            ..system()
        };
        let entries = of(&[("x0c0s1b2n0", hostile)]);
        for entry in &entries {
            let fru = entry.fru.as_ref().unwrap();
            let infos_max = entry.info.len().max(fru.info.len());
            assert!(infos_max <= state::bounds::HARDWARE_INFO_BYTES_MAX, "{infos_max}");
            assert!(fru.fru_id.len() <= 255 && !fru.info.contains("u001b"));
        }
        assert!(entries[2].info.contains(r#""TotalSystemMemoryGiB":null"#));
    }
}
