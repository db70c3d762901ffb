//! Makes the hardware of BMCs that share a tree differ: serial numbers, UUIDs and MACs.

use serde_json::Value;

use crate::rng::Rng;

/// Properties that name one piece of hardware.
const UNITS: [&str; 6] = [
    "UUID",
    "SerialNumber",
    "MACAddress",
    "PermanentMACAddress",
    "ServiceTag",
    "SystemUUID",
];

/// Whether something in `value` would be changed by [`differ`].
pub(crate) fn names_a_unit(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| (is_unit(name) && value.is_string()) || names_a_unit(value)),
        Value::Array(values) => values.iter().any(names_a_unit),
        _ => false,
    }
}

/// Replaces what names one piece of hardware. The same text with the same seed gives the same text, so that what refers to each
/// other still does.
pub(crate) fn differ(value: &mut Value, seed: u64) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match value {
                    Value::String(text) if is_unit(name) && !text.trim().is_empty() => {
                        *text = other(text, seed)
                    }
                    _ => differ(value, seed),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| differ(value, seed)),
        _ => {}
    }
}

fn is_unit(name: &str) -> bool {
    UNITS.contains(&name)
}

/// Its form stays.
fn other(text: &str, seed: u64) -> String {
    let folded = text.to_ascii_lowercase(); // a MAC is the same in either case
    let mix = u64::from(crc32fast::hash(folded.as_bytes())) | seed << 32;
    let number = Rng::new(mix).next();
    if text.len() == 17 && text.parse::<model::MacAddr>().is_ok() {
        let [.., a, b, c, d, e] = number.to_be_bytes();
        return model::MacAddr([0x02, a, b, c, d, e]).to_string();
    }
    match text.get(..24) {
        Some(start) if text.len() == 36 && text.as_bytes()[23] == b'-' => {
            format!("{start}{:012x}", number & 0xffff_ffff_ffff)
        }
        _ => format!("{}-{seed:04}", text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hardware() -> Value {
        json!({
            "UUID": "36383150-3036-584D-5132-303031384E42",
            "SerialNumber": "MXQ2001 ",
            "Id": "1",
            "Ports": [{"MACAddress": "94:40:C9:5C:86:BC", "SerialNumber": ""}, {"MACAddress": null}],
        })
    }

    fn of(seed: u64) -> Value {
        let mut value = hardware();
        differ(&mut value, seed);
        value
    }

    #[test]
    fn what_names_a_unit_differs_and_keeps_its_form() {
        let (one, two) = (of(1), of(2));
        for name in ["/UUID", "/SerialNumber", "/Ports/0/MACAddress"] {
            let texts = [hardware(), one.clone(), two.clone()].map(|value| value.pointer(name).cloned());
            assert!(texts[0] != texts[1] && texts[1] != texts[2], "{name}");
        }
        assert_eq!(one["UUID"].as_str().unwrap().len(), 36);
        assert_eq!(one["SerialNumber"], "MXQ2001-0001");
        let mac: model::MacAddr = one["Ports"][0]["MACAddress"].as_str().unwrap().parse().unwrap();
        assert_eq!(mac.0[0], 2);
        for same in ["/Id", "/Ports/0/SerialNumber", "/Ports/1/MACAddress"] {
            assert_eq!(one.pointer(same), hardware().pointer(same), "{same}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_hardware() {
        assert_eq!(of(7), of(7));
        assert_eq!(other("94:40:c9:5c:86:bc", 7), other("94:40:C9:5C:86:BC", 7));
    }

    #[test]
    fn only_resources_that_would_change_are_marked() {
        assert!(names_a_unit(&hardware()));
        assert!(!names_a_unit(
            &json!({"Id": "1", "UUID": null, "Links": [{"a": 1}]})
        ));
    }
}
