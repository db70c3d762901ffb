//! The hardware of a payload: what a BMC says of its systems and of itself, as entries of the hardware inventory.
//!
//! Today's SMD throws all of it away. The keys of the infos are those that its own discovery would have written.

use std::collections::BTreeSet;

use model::{HmsType, Xname};
use proto::smd::v1::{HardwareEntry, InventoryDetail, PayloadManager, PayloadPart};
use rpc::Error;
use serde_json::{Map, Value, json};
use state::smd::fru_id_of_place;

use super::parts::{self, Parts};
use super::{last_segment, text};
use crate::hardware_input::unit;

/// Trusted modules kept of one system.
const TRUSTED_MODULES_MAX: usize = 16;
/// Key in the location info of a node, an enclosure or a controller: how many of its parts HSM has no xnames for. They are not
/// stored.
const WITHOUT_XNAME: &str = "PartsWithoutXname";

/// The hardware behind a Redfish endpoint.
#[derive(Debug, Default)]
pub(super) struct Hardware {
    /// Each place and each unit once, as `state` demands.
    pub(super) entries: Vec<HardwareEntry>,
    /// Nodes and enclosure of which `entries` has all parts.
    pub(super) complete_below: Vec<Xname>,
}

/// What a payload says of hardware.
pub(super) struct Told<'a> {
    /// The endpoint.
    pub(super) endpoint: &'a Xname,
    pub(super) manager: Option<&'a PayloadManager>,
    /// Each system with its node.
    pub(super) systems: &'a [(&'a InventoryDetail, &'a Xname)],
    /// Parts of the enclosure.
    pub(super) parts: &'a [PayloadPart],
    /// Whether there are no other parts than these.
    pub(super) parts_are_complete: bool,
}

/// The hardware behind a Redfish endpoint: its manager at the endpoint's own xname, each system at its node's with its parts
/// below, and the enclosure of the first that tells of one with its own.
///
/// # Errors
/// `Invalid` for a part that cannot be meant.
pub(super) fn found(told: &Told<'_>) -> Result<Hardware, Error> {
    let mut found = Hardware::default();
    let enclosure = enclosure(told.endpoint);
    let without_enclosure = Parts {
        entries: Vec::new(),
        without_xname: if enclosure.is_none() { told.parts.len() } else { 0 },
    };
    let manager = told.manager.filter(|_| told.endpoint.hms_type().has_hardware());
    let of_manager = manager.map(|manager| manager_entry(told.endpoint, manager, &without_enclosure));
    found.entries.extend(of_manager);
    if let Some(place) = enclosure {
        add_enclosure(&place, told, &mut found)?;
    }
    for (system, node) in told.systems {
        let parts = parts::of(node, &system.parts, &format!("Systems[{node}].parts"))?;
        found.entries.push(system_entry(node, system, &parts));
        found.entries.extend(parts.entries);
        found.complete_below.push((*node).clone());
    }
    if !told.parts_are_complete {
        found.complete_below.clear();
    }
    tell_apart(&mut found.entries);
    Ok(found)
}

/// The enclosure is there if a system tells of its chassis, or if parts are in it.
fn add_enclosure(place: &Xname, told: &Told<'_>, found: &mut Hardware) -> Result<(), Error> {
    let parts = parts::of(place, told.parts, "parts")?;
    let silent = InventoryDetail::default();
    let mut systems = told.systems.iter().map(|(system, _)| *system);
    let teller = systems.find(|system| tells_of_chassis(system));
    if let Some(system) = teller.or((!told.parts.is_empty()).then_some(&silent)) {
        found.entries.push(enclosure_entry(place, system, &parts));
    }
    found.entries.extend(parts.entries);
    found.complete_below.push(place.clone());
    Ok(())
}

/// Nodes of one chassis often have the chassis' serial number, each of them, and modules of one kit that of the kit.
fn tell_apart(entries: &mut [HardwareEntry]) {
    let mut units = BTreeSet::new();
    for entry in entries {
        if let Some(fru) = entry.fru.as_mut().filter(|fru| !units.insert(fru.fru_id.clone())) {
            fru.fru_id = fru_id_of_place(&entry.id);
        }
    }
}

fn system_entry(node: &Xname, system: &InventoryDetail, parts: &Parts) -> HardwareEntry {
    let mut info = json!({
        "Id": last_segment(&system.uri),
        "Name": text(&system.name),
        "Description": "",
        "HostName": "",
        "ProcessorSummary": { "Count": system.processor_count, "Model": text(&system.processor_type) },
        "MemorySummary": { "TotalSystemMemoryGiB": number(system.memory_total) },
    });
    note(parts, &mut info);
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

fn manager_entry(place: &Xname, manager: &PayloadManager, parts: &Parts) -> HardwareEntry {
    let mut info = json!({
        "Id": last_segment(&manager.uri),
        "Name": text(&manager.name),
        "Description": text(&manager.description),
        "FirmwareVersion": text(&manager.firmware_version),
        "DateTime": "",
        "DateTimeLocalOffset": "",
    });
    note(parts, &mut info);
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

fn enclosure_entry(place: &Xname, system: &InventoryDetail, parts: &Parts) -> HardwareEntry {
    let mut info = json!({ "Id": "", "Name": "", "Description": "", "HostName": "" });
    note(parts, &mut info);
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

fn note(parts: &Parts, info: &mut Value) {
    if parts.without_xname > 0 {
        info[WITHOUT_XNAME] = parts.without_xname.into();
    }
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

#[cfg(test)]
mod tests {
    use proto::smd::v1::payload_part::Kind;

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

    fn entries(
        endpoint: &Xname,
        manager: Option<&PayloadManager>,
        systems: &[(&InventoryDetail, &Xname)],
    ) -> Vec<HardwareEntry> {
        let told = Told {
            endpoint,
            manager,
            systems,
            parts: &[],
            parts_are_complete: false,
        };
        let found = found(&told).unwrap();
        assert!(found.complete_below.is_empty());
        found.entries
    }

    fn part(kind: Kind, place: u32, serial: &str) -> PayloadPart {
        PayloadPart {
            kind: kind.into(),
            place,
            manufacturer: "Hynix".to_owned(),
            serial: serial.to_owned(),
            ..PayloadPart::default()
        }
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
        let found = entries(&xname("x0c0s1b2"), None, &[(&bare, &xname("x0c0s1b2n0"))]);
        assert_eq!(fru_ids(&found), [("x0c0s1b2n0", "FRUIDforx0c0s1b2n0")]);
        assert!(found[0].info.contains(r#""TotalSystemMemoryGiB":503.5"#));
        assert!(
            found[0]
                .fru
                .as_ref()
                .unwrap()
                .info
                .contains(r#""TrustedModules":["TPM2_0"]"#)
        );
        assert!(entries(&xname("x0c0w1"), None, &[]).is_empty());
    }

    /// Modules of one kit have one serial number; and a payload with power supplies has their enclosure.
    #[test]
    fn parts_are_below_what_they_are_in() {
        let (bmc, node) = (xname("x0c0s1b2"), xname("x0c0s1b2n0"));
        let system = InventoryDetail {
            parts: vec![
                part(Kind::Memory, 0, "K1"),
                part(Kind::Memory, 1, "K1"),
                part(Kind::Processor, 4, "P5"),
            ],
            ..InventoryDetail::default()
        };
        let mut told = Told {
            endpoint: &bmc,
            manager: None,
            systems: &[(&system, &node)],
            parts: &[part(Kind::PowerSupply, 1, "T2")],
            parts_are_complete: true,
        };
        let hardware = found(&told).unwrap();
        assert_eq!(
            fru_ids(&hardware.entries),
            [
                ("x0c0s1e2", "FRUIDforx0c0s1e2"),
                ("x0c0s1e2t1", "NodeEnclosurePowerSupply.Hynix.T2"),
                ("x0c0s1b2n0", "FRUIDforx0c0s1b2n0"),
                ("x0c0s1b2n0d0", "Memory.Hynix.K1"),
                ("x0c0s1b2n0d1", "FRUIDforx0c0s1b2n0d1"),
            ]
        );
        assert_eq!(hardware.complete_below, [xname("x0c0s1e2"), node.clone()]);
        let noted = |place: usize| hardware.entries[place].info.contains(r#""PartsWithoutXname":1"#);
        assert!(!noted(0) && noted(2), "of the fifth processor");
        told.parts_are_complete = false;
        assert!(found(&told).unwrap().complete_below.is_empty());
    }

    /// A chassis' controller tells of power supplies, too. They must not keep it out, nor be thrown away without a word.
    #[test]
    fn parts_without_an_enclosure_are_counted_at_the_controller() {
        let (controller, manager) = (xname("x0c0b0"), manager());
        let parts = [part(Kind::PowerSupply, 0, "T1"), part(Kind::PowerSupply, 1, "T2")];
        let told = Told {
            endpoint: &controller,
            manager: Some(&manager),
            systems: &[],
            parts: &parts,
            parts_are_complete: true,
        };
        let hardware = found(&told).unwrap();
        assert!(hardware.complete_below.is_empty());
        assert_eq!(hardware.entries.len(), 1);
        let info = &hardware.entries[0].info;
        assert!(info.contains(r#""PartsWithoutXname":2"#), "{info}");
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
