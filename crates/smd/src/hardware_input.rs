//! Hardware as clients send it: checked as HSM does, and brought into the form that is stored.

use model::{HmsType, Xname};
use proto::smd::v1::hardware_location::Status;
use proto::smd::v1::{HardwareEntry, HardwareFru, HardwareFruRecord, HardwareLocation};
use rpc::Error;
use serde_json::{Map, Value};

use crate::fru_id::fru_id;
use crate::hardware_types::{Lists as _, given_fru_info, given_location_info, stem};
use crate::uuid::told_uuid;

/// Bytes kept of each text that units are searched by; the info has it whole.
const KEY_BYTES_MAX: usize = 255;

/// The entry that a client sends as number `at` of `Hardware`. Type, ordinal and FRU ID follow from the rest, whatever the
/// client says.
///
/// Source: SMD `NewHWInvByLocs` (pkg/sm). Other than there, a place may be sent as empty.
///
/// # Errors
/// `Invalid` with HSM's text, and the field.
pub(crate) fn entry(given: &HardwareLocation, at: usize) -> Result<HardwareEntry, Error> {
    let invalid = |field: &str, problem: &str| rpc::invalid(&format!("Hardware[{at}].{field}"), problem);
    let parsed: Result<Xname, _> = given.id.parse();
    let id = parsed.map_err(|problem| {
        let problem = format!("ID is empty or not a valid xname: {problem}");
        invalid("ID", &problem)
    })?;
    let Some(stem) = stem(id.hms_type()) else {
        let problem = format!(
            "HMSType value not supported for this operation: no hardware is kept of a {}",
            id.hms_type()
        );
        return Err(invalid("ID", &problem));
    };
    if given.holds_any() {
        return Err(invalid("ID", "list what is within it as entries of Hardware"));
    }
    let is_empty = given.status() == Status::Empty;
    let info = match &given.info {
        None if is_empty => String::new(),
        None => {
            return Err(invalid(
                &info_key(stem, "LocationInfo"),
                "Component location info is empty",
            ));
        }
        Some(info) => info_text(given_location_info(info), stem, "LocationInfo", &invalid)?,
    };
    let fru = match &given.populated_fru {
        None if is_empty => None,
        None => return Err(invalid("PopulatedFRU", "PopulatedFRU must be populated")),
        Some(_) if is_empty => return Err(invalid("PopulatedFRU", "an empty place has none; leave it out")),
        Some(fru) => Some(fru_record(fru, &id, stem, &invalid)?),
    };
    Ok(HardwareEntry {
        id: id.to_string(),
        info,
        fru,
    })
}

/// What makes an error of a field and its problem.
type Invalid<'a> = dyn Fn(&str, &str) -> Error + 'a;

fn fru_record(
    given: &HardwareFru,
    place: &Xname,
    stem: &'static str,
    invalid: &Invalid<'_>,
) -> Result<HardwareFruRecord, Error> {
    let Some(info) = &given.info else {
        let field = format!("PopulatedFRU.{}", info_key(stem, "FRUInfo"));
        return Err(invalid(&field, "FRU info is empty"));
    };
    let within = |field: &str, problem: &str| invalid(&format!("PopulatedFRU.{field}"), problem);
    let info = info_text(given_fru_info(info), stem, "FRUInfo", &within)?;
    let fields: Map<String, Value> = serde_json::from_str(&info).unwrap_or_default();
    Ok(unit(place, &given.subtype, &fields))
}

/// The record of a unit that is in `place`, by what its info says.
pub(crate) fn unit(place: &Xname, subtype: &str, info: &Map<String, Value>) -> HardwareFruRecord {
    let text = |name: &str| {
        let named = info.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.and_then(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let manufacturer = match place.hms_type() {
        HmsType::NodeAccelRiser => text("Producer"), // Redfish has it so for assemblies
        _ => text("Manufacturer"),
    };
    let (part_number, serial_number) = (text("PartNumber"), text("SerialNumber"));
    HardwareFruRecord {
        fru_id: fru_id(place, manufacturer, part_number, serial_number),
        r#type: place.hms_type().to_string(),
        subtype: subtype.to_owned(),
        manufacturer: key_text(manufacturer),
        part_number: key_text(part_number),
        serial_number: key_text(serial_number),
        info: Value::Object(info.clone()).to_string(),
        meta: None,
        uuid: key_text(&told_uuid(text("UUID")).unwrap_or_default()),
    }
}

/// One line of at most `KEY_BYTES_MAX` bytes: BMCs pad their texts with all kinds of characters.
fn key_text(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).collect();
    let most = (0..=KEY_BYTES_MAX.min(kept.len())).rev();
    let end = most
        .into_iter()
        .find(|end| kept.is_char_boundary(*end))
        .unwrap_or(0);
    kept.truncate(end);
    kept
}

/// An info as it is stored: an object of the place's type, without blanks and with sorted keys.
fn info_text(
    (given_stem, text): (&'static str, &str),
    stem: &'static str,
    key: &str,
    invalid: &Invalid<'_>,
) -> Result<String, Error> {
    if given_stem != stem {
        let problem = format!(
            "it goes with another type of component; write {}",
            info_key(stem, key)
        );
        return Err(invalid(&info_key(given_stem, key), &problem));
    }
    let parsed: Result<Map<String, Value>, _> = serde_json::from_str(text);
    match parsed {
        Ok(object) => Ok(Value::Object(object).to_string()),
        Err(_) => Err(invalid(&info_key(stem, key), "it is not a JSON object")),
    }
}

fn info_key(stem: &str, key: &str) -> String {
    format!("{stem}{key}")
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::{hardware_fru, hardware_location};

    use super::*;

    fn given() -> HardwareLocation {
        let location = r#"{"Name":"Node0","Id":"Self"}"#;
        let fru = r#" { "SerialNumber" : "S 1", "manufacturer":"HPE\u0000", "PartNumber":"P-1", "uuid":"AA", "x":1.50 } "#;
        HardwareLocation {
            id: "X0c0s0b00n0".into(),
            info: Some(hardware_location::Info::NodeLocationInfo(location.into())),
            populated_fru: Some(HardwareFru {
                fru_id: "whatever".into(),
                r#type: "Drive".into(),
                subtype: "s".into(),
                info: Some(hardware_fru::Info::NodeFruInfo(fru.into())),
                ..HardwareFru::default()
            }),
            ..HardwareLocation::default()
        }
    }

    #[test]
    fn what_follows_from_the_rest_is_made_and_the_info_is_kept_in_one_form() {
        let entry = entry(&given(), 0).unwrap();
        assert_eq!(
            (entry.id.as_str(), entry.info.as_str()),
            ("x0c0s0b0n0", r#"{"Id":"Self","Name":"Node0"}"#)
        );
        let fru = entry.fru.unwrap();
        assert_eq!(fru.fru_id, "Node.HPE.P1.S1");
        assert_eq!((fru.r#type.as_str(), fru.subtype.as_str()), ("Node", "s"));
        assert_eq!(
            (
                fru.manufacturer.as_str(),
                fru.part_number.as_str(),
                fru.serial_number.as_str()
            ),
            ("HPE", "P-1", "S 1")
        );
        assert_eq!(fru.uuid, "aa");
        let info =
            r#"{"PartNumber":"P-1","SerialNumber":"S 1","manufacturer":"HPE\u0000","uuid":"AA","x":1.5}"#;
        assert_eq!(fru.info, info);
    }

    #[test]
    fn an_empty_place_needs_nothing_but_to_say_so() {
        let empty = HardwareLocation {
            id: "x0c0s0b0n0".into(),
            status: Status::Empty.into(),
            ..HardwareLocation::default()
        };
        assert_eq!(
            entry(&empty, 0).unwrap(),
            HardwareEntry {
                id: "x0c0s0b0n0".into(),
                ..HardwareEntry::default()
            }
        );
    }

    type Spoil = fn(&mut HardwareLocation);

    #[test]
    fn what_hsm_refuses_is_refused_in_its_words_and_by_field() {
        let cases: [(Spoil, &str); 10] = [
            (
                |given| given.id = "zz".into(),
                "Hardware[7].ID: ID is empty or not a valid xname: ",
            ),
            (
                |given| given.id.clear(),
                "Hardware[7].ID: ID is empty or not a valid xname: ",
            ),
            (
                |given| given.id = "x0c0s0b0n0v1".into(),
                "Hardware[7].ID: HMSType value not supported for this operation: no hardware is kept of a VirtualNode",
            ),
            (
                |given| given.info = None,
                "Hardware[7].NodeLocationInfo: Component location info is empty",
            ),
            (
                |given| given.id = "x0c0s0b0".into(),
                "Hardware[7].NodeLocationInfo: it goes with another type of component; write NodeBMCLocationInfo",
            ),
            (
                |given| given.info = Some(hardware_location::Info::NodeLocationInfo("[]".into())),
                "Hardware[7].NodeLocationInfo: it is not a JSON object",
            ),
            (
                |given| given.populated_fru = None,
                "Hardware[7].PopulatedFRU: PopulatedFRU must be populated",
            ),
            (
                |given| given.populated_fru.as_mut().unwrap().info = None,
                "Hardware[7].PopulatedFRU.NodeFRUInfo: FRU info is empty",
            ),
            (
                |given| given.status = Status::Empty.into(),
                "Hardware[7].PopulatedFRU: an empty place has none; leave it out",
            ),
            (
                |given| given.processors.push(HardwareLocation::default()),
                "Hardware[7].ID: list what is within it as entries of Hardware",
            ),
        ];
        for (spoil, text) in cases {
            let mut spoiled = given();
            spoil(&mut spoiled);
            let error = entry(&spoiled, 7).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    }

    #[test]
    fn a_riser_is_known_by_its_producer_and_long_texts_are_cut() {
        let place: Xname = "x0c0s0b0n0r0".parse().unwrap();
        let info = serde_json::json!({"Producer": "P", "SerialNumber": "é".repeat(200), "PartNumber": 5});
        let record = unit(&place, "", info.as_object().unwrap());
        assert_eq!(
            (record.manufacturer.as_str(), record.part_number.as_str()),
            ("P", "")
        );
        assert_eq!(record.serial_number, "é".repeat(127));
        assert_eq!(
            record.fru_id, "FRUIDforx0c0s0b0n0r0",
            "no letter or digit is left of the serial number"
        );
    }
}
