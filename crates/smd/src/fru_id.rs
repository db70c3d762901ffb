//! The name of a field-replaceable unit, as HSM makes it of what is printed on it.

use model::{HmsType, Xname};

/// Longest name, bytes; HSM's column is that wide.
const FRU_ID_BYTES_MAX: usize = 255;

/// `<type>.<manufacturer>.<part number>.<serial number>`, letters and digits only. A unit without a serial number, or with
/// neither manufacturer nor part number, cannot be told from others: its name is that of its place.
///
/// Source: SMD `getStandardFRUID` (pkg/redfish).
pub(crate) fn fru_id(place: &Xname, manufacturer: &str, part_number: &str, serial_number: &str) -> String {
    let [manufacturer, part_number, serial_number] = [manufacturer, part_number, serial_number].map(cleaned);
    let has_maker = !manufacturer.is_empty() || !part_number.is_empty();
    let is_told = !serial_number.is_empty() && has_maker;
    let hms_type: HmsType = place.hms_type();
    let parts = [hms_type.as_str(), &manufacturer, &part_number, &serial_number];
    let named: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let name = named.join(".");
    if is_told && name.len() <= FRU_ID_BYTES_MAX {
        name
    } else {
        untold(place)
    }
}

/// The name of a unit that nothing tells from others.
pub(crate) fn untold(place: &Xname) -> String {
    format!("FRUIDfor{place}")
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
}
