//! The replaceable parts of a payload: processors, memory modules, drives, accelerators, adapters and power supplies, as
//! entries of the hardware inventory.

use std::collections::BTreeSet;

use model::Xname;
use proto::smd::v1::payload_part::Kind;
use proto::smd::v1::{HardwareEntry, PayloadPart};
use rpc::Error;
use serde_json::{Map, Value};

use super::{last_segment, text};
use crate::hardware_input::unit;

/// Bytes of one info of a part, as it is given: what Redfish says of a processor is below 2 KiB.
const INFO_BYTES_MAX: usize = 8 * 1024;

/// The parts of one node or enclosure.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// One for each place.
    pub(super) entries: Vec<HardwareEntry>,
    /// Those that have no place of their own: HSM has no xname for a fifth processor, nor two parts in one place.
    pub(super) without_xname: usize,
}

/// The parts in `holder`, a node or an enclosure. `field` is where they stand in the request.
///
/// # Errors
/// `Invalid` for a part without a kind, or with an info that is no JSON object or too long.
pub(super) fn of(holder: &Xname, given: &[PayloadPart], field: &str) -> Result<Parts, Error> {
    let mut places = BTreeSet::new();
    let mut parts = Parts::default();
    for (at, part) in given.iter().enumerate() {
        let field = format!("{field}[{at}]");
        if part.kind() == Kind::Unspecified {
            let problem = "it is missing; write e.g. KIND_MEMORY";
            return Err(rpc::invalid(&format!("{field}.kind"), problem));
        }
        let infos = (
            object(&part.info, &format!("{field}.info"))?,
            object(&part.fru_info, &format!("{field}.fru_info"))?,
        );
        match place(holder, part).filter(|place| places.insert(place.clone())) {
            Some(place) => parts.entries.push(entry(&place, part, infos)),
            None => parts.without_xname += 1,
        }
    }
    Ok(parts)
}

/// Where a part is; `None` where HSM has no xname for that.
///
/// Source: the recognition table of hms-xname 1.4.
fn place(holder: &Xname, part: &PayloadPart) -> Option<Xname> {
    let (group, number) = (part.group, part.place);
    let below = match part.kind() {
        Kind::Unspecified => return None,
        Kind::Processor => format!("p{number}"),
        Kind::Memory => format!("d{number}"),
        Kind::Drive => format!("g{group}k{number}"),
        Kind::NodeAccel => format!("a{number}"),
        Kind::NodeHsnNic => format!("h{number}"),
        Kind::PowerSupply => format!("t{number}"),
    };
    let place: Xname = format!("{holder}{below}").parse().ok()?;
    place.hms_type().has_hardware().then_some(place)
}

fn entry(
    place: &Xname,
    part: &PayloadPart,
    (mut info, mut fru): (Map<String, Value>, Map<String, Value>),
) -> HardwareEntry {
    put(&mut info, "Id", &last_segment(&part.uri));
    put(&mut info, "Name", &text(&part.name));
    let location = text(&part.location);
    if !location.is_empty() {
        put(&mut info, location_key(part.kind()), &location);
    }
    for (key, value) in [
        ("Manufacturer", &part.manufacturer),
        ("Model", &part.model),
        ("PartNumber", &part.part_number),
        ("SerialNumber", &part.serial),
    ] {
        put(&mut fru, key, &text(value));
    }
    HardwareEntry {
        id: place.to_string(),
        info: Value::Object(info).to_string(),
        fru: Some(unit(place, "", &fru)),
    }
}

/// The key under which Redfish tells where such a part is, as one text.
fn location_key(kind: Kind) -> &'static str {
    match kind {
        Kind::Processor | Kind::NodeAccel => "Socket",
        Kind::Memory => "DeviceLocator",
        Kind::Unspecified | Kind::Drive | Kind::NodeHsnNic | Kind::PowerSupply => "ServiceLabel",
    }
}

/// What the payload says itself counts, in whatever case the info has the key.
fn put(object: &mut Map<String, Value>, key: &str, value: &str) {
    object.retain(|known, _| !known.eq_ignore_ascii_case(key));
    object.insert(key.to_owned(), value.into());
}

/// An info; nothing at all is an empty object.
fn object(given: &str, field: &str) -> Result<Map<String, Value>, Error> {
    if given.len() > INFO_BYTES_MAX {
        let problem = format!(
            "it has {} bytes, at most {INFO_BYTES_MAX} are accepted",
            given.len()
        );
        return Err(rpc::invalid(field, problem));
    }
    if given.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(given).map_err(|_| rpc::invalid(field, "it is not a JSON object; write e.g. {}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xname(text: &str) -> Xname {
        text.parse().unwrap()
    }

    fn part(kind: Kind, place: u32) -> PayloadPart {
        PayloadPart {
            kind: kind.into(),
            place,
            ..PayloadPart::default()
        }
    }

    fn dimm() -> PayloadPart {
        PayloadPart {
            uri: "/redfish/v1/Systems/1/Memory/proc1dimm3/".to_owned(),
            name: "proc1dimm3".to_owned(),
            location: "PROC 1 DIMM 3".to_owned(),
            manufacturer: "HPE".to_owned(),
            part_number: "P03052-091".to_owned(),
            serial: "3A1B".to_owned(),
            info: r#"{ "CapacityMiB": 32768 }"#.to_owned(),
            fru_info: r#"{"MemoryDeviceType":"DDR4","serialnumber":"other"}"#.to_owned(),
            ..part(Kind::Memory, 2)
        }
    }

    fn places(holder: &str, given: &[PayloadPart]) -> (Vec<String>, usize) {
        let parts = of(&xname(holder), given, "parts").unwrap();
        let places = parts.entries.into_iter().map(|entry| entry.id);
        (places.collect(), parts.without_xname)
    }

    #[test]
    fn a_part_is_at_the_xname_of_its_kind_and_place() {
        let drive = PayloadPart {
            group: 1,
            ..part(Kind::Drive, 7)
        };
        let given = [
            part(Kind::Processor, 3),
            part(Kind::Memory, 31),
            drive,
            part(Kind::NodeAccel, 9),
            part(Kind::NodeHsnNic, 0),
        ];
        let expected = [
            "x0c0s1b2n0p3",
            "x0c0s1b2n0d31",
            "x0c0s1b2n0g1k7",
            "x0c0s1b2n0a9",
            "x0c0s1b2n0h0",
        ];
        let expected = expected.map(str::to_owned).to_vec();
        assert_eq!(places("x0c0s1b2n0", &given), (expected, 0));
        let supplies = [part(Kind::PowerSupply, 0), part(Kind::PowerSupply, 1)];
        let expected = vec!["x0c0s1e2t0".to_owned(), "x0c0s1e2t1".to_owned()];
        assert_eq!(places("x0c0s1e2", &supplies), (expected, 0));
    }

    /// HSM has four processors and four adapters in a node. What is in no place must be counted, not lost.
    #[test]
    fn what_has_no_xname_is_counted() {
        let given = [
            part(Kind::Processor, 4),
            part(Kind::NodeHsnNic, 4),
            part(Kind::PowerSupply, 0),
            part(Kind::Memory, 0),
            part(Kind::Memory, 0),
        ];
        assert_eq!(places("x0c0s1b2n0", &given), (vec!["x0c0s1b2n0d0".to_owned()], 4));
        assert_eq!(places("x0c0s1e2", &[part(Kind::Memory, 0)]), (Vec::new(), 1));
    }

    #[test]
    fn a_part_tells_what_it_is_and_where() {
        let parts = of(&xname("x0c0s1b2n0"), &[dimm()], "parts").unwrap();
        let entry = &parts.entries[0];
        let info = concat!(
            r#"{"CapacityMiB":32768,"DeviceLocator":"PROC 1 DIMM 3","#,
            r#""Id":"proc1dimm3","Name":"proc1dimm3"}"#
        );
        assert_eq!(entry.info, info);
        let fru = entry.fru.as_ref().unwrap();
        assert_eq!(
            (fru.fru_id.as_str(), fru.r#type.as_str()),
            ("Memory.HPE.P03052091.3A1B", "Memory")
        );
        let info = concat!(
            r#"{"Manufacturer":"HPE","MemoryDeviceType":"DDR4","Model":"","#,
            r#""PartNumber":"P03052-091","SerialNumber":"3A1B"}"#
        );
        assert_eq!(fru.info, info);
    }

    #[test]
    fn each_kind_has_the_key_that_redfish_has_for_its_place() {
        for (kind, holder, key) in [
            (Kind::Processor, "x0c0s1b2n0", r#""Socket":"A1""#),
            (Kind::Drive, "x0c0s1b2n0", r#""ServiceLabel":"A1""#),
            (Kind::PowerSupply, "x0c0s1e2", r#""ServiceLabel":"A1""#),
        ] {
            let given = PayloadPart {
                location: "A1".to_owned(),
                ..part(kind, 0)
            };
            let parts = of(&xname(holder), &[given], "parts").unwrap();
            assert!(parts.entries[0].info.contains(key), "{:?}", parts.entries[0]);
            let bare = of(&xname(holder), &[part(kind, 0)], "parts").unwrap();
            assert_eq!(bare.entries[0].info, r#"{"Id":"","Name":""}"#);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_field() {
        let cases = [
            (part(Kind::Unspecified, 0), "Systems[3].parts[1].kind: "),
            (
                PayloadPart {
                    info: "[]".to_owned(),
                    ..part(Kind::Memory, 0)
                },
                "Systems[3].parts[1].info: it is not a JSON object",
            ),
            (
                PayloadPart {
                    fru_info: format!("{{\"a\":\"{}\"}}", "x".repeat(INFO_BYTES_MAX)),
                    ..part(Kind::Memory, 0)
                },
                "Systems[3].parts[1].fru_info: it has 8200 bytes",
            ),
        ];
        for (wrong, text) in cases {
            let given = [dimm(), wrong];
            let refused = of(&xname("x0c0s1b2n0"), &given, "Systems[3].parts");
            let refused = refused.unwrap_err().to_string();
            assert!(refused.starts_with(text), "{refused}");
        }
    }

    /// A BMC may say anything, of any length; a host with a password in front of it among it.
    #[test]
    fn texts_are_bounded_and_uris_lose_their_hosts() {
        let given = PayloadPart {
            uri: "https://root:secret@10.1.1.1/".to_owned(),
            name: "é".repeat(100_000),
            location: "\u{1b}[2J".repeat(100_000),
            serial: "\"".repeat(100_000),
            ..part(Kind::Memory, 0)
        };
        let parts = of(&xname("x0c0s1b2n0"), &[given], "parts").unwrap();
        let shown = format!("{:?}", parts.entries[0]);
        assert!(shown.len() < 4096 && !shown.contains("secret"), "{shown}");
        assert!(!parts.entries[0].info.contains("u001b"));
    }
}
