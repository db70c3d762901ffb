//! The name of a field-replaceable unit, as HSM makes it of what is printed on it.

use model::{HmsType, Xname};
use state::smd::fru_id_of_place;

/// What firmware says where nobody has entered a serial number, letters and digits only.
const NO_SERIALS: [&str; 12] = [
    "na",
    "none",
    "null",
    "unknown",
    "default",
    "defaultstring",
    "notspecified",
    "notavailable",
    "notapplicable",
    "tobefilledbyoem",
    "systemserialnumber",
    "0123456789",
];
/// Longest name, bytes; HSM's column is that wide.
const FRU_ID_BYTES_MAX: usize = 255;

/// `<type>.<manufacturer>.<part number>.<serial number>`, letters and digits only. A unit without a serial number, with what
/// firmware says instead of one, or with neither manufacturer nor part number, cannot be told from others: its name is that
/// of its place.
///
/// Source: SMD `getStandardFRUID` (pkg/redfish).
pub(crate) fn fru_id(place: &Xname, manufacturer: &str, part_number: &str, serial_number: &str) -> String {
    let [manufacturer, part_number, serial_number] = [manufacturer, part_number, serial_number].map(cleaned);
    let has_maker = !manufacturer.is_empty() || !part_number.is_empty();
    let is_told = is_serial(&serial_number) && has_maker;
    let hms_type: HmsType = place.hms_type();
    let parts = [hms_type.as_str(), &manufacturer, &part_number, &serial_number];
    let named: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let name = named.join(".");
    if is_told && name.len() <= FRU_ID_BYTES_MAX {
        name
    } else {
        fru_id_of_place(place.as_str())
    }
}

/// Whether a cleaned text tells one unit from others.
fn is_serial(cleaned: &str) -> bool {
    let cleaned = cleaned.to_ascii_lowercase();
    let is_one_character = cleaned.len() > 1 && cleaned.chars().all(|c| cleaned.starts_with(c));
    let is_nothing =
        cleaned.is_empty() || is_one_character || cleaned == "0" || NO_SERIALS.contains(&cleaned.as_str());
    !is_nothing
}

fn cleaned(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(manufacturer: &str, part_number: &str, serial_number: &str) -> String {
        fru_id(
            &"x0c0s0b0n0".parse().unwrap(),
            manufacturer,
            part_number,
            serial_number,
        )
    }

    #[test]
    fn names_are_those_of_hsm() {
        assert_eq!(
            of("HPE", "P16690-B21", "MXQ 03000B1"),
            "Node.HPE.P16690B21.MXQ03000B1"
        );
        assert_eq!(
            of("Intel Corporation", "", "QSBP1"),
            "Node.IntelCorporation.QSBP1"
        );
        assert_eq!(of("", "J42036-203", "7"), "Node.J42036203.7");
        for (manufacturer, part_number, serial_number) in [
            ("HPE", "P16690-B21", ""),
            ("", "", "MXQ03000B1"),
            (" - ", "", "MXQ03000B1"),
            ("HPE", "", "---"),
            ("HPE", "", &"1".repeat(256)),
        ] {
            assert_eq!(of(manufacturer, part_number, serial_number), "FRUIDforx0c0s0b0n0");
        }
    }

    #[test]
    fn what_firmware_says_instead_of_a_serial_number_tells_nothing() {
        for serial in [
            "0",
            "00000000",
            "Default string",
            "To be filled by O.E.M.",
            "N/A",
            "0123456789",
        ] {
            assert_eq!(of("HPE", "P16690-B21", serial), "FRUIDforx0c0s0b0n0", "{serial}");
        }
        for serial in ["7", "MXQ0", "001"] {
            assert_eq!(of("HPE", "", serial), format!("Node.HPE.{serial}"));
        }
    }
}
