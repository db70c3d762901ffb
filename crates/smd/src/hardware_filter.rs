//! The filters of HSM's GET Inventory/Hardware and Inventory/HardwareByFRU.

use model::{HmsType, Xname};
use proto::smd::v1::{
    HardwareFruRecord, HardwareLocationRecord, ListHardwareFrusRequest, ListHardwareRequest,
};
use rpc::Error;
use tonic::Status;

use crate::filter::OneOf;
use crate::hardware_types::type_of_place;
use crate::membership_filter::MembershipFilter;

/// Which units are wanted: every key must admit one.
#[derive(Clone, Debug)]
pub(crate) struct FruFilter {
    fru_id: OneOf<String>,
    hms_type: OneOf<String>,
    manufacturer: OneOf<String>,
    part_number: OneOf<String>,
    serial_number: OneOf<String>,
}

impl FruFilter {
    /// # Errors
    /// `INVALID_ARGUMENT` with HSM's text for a type that is none.
    pub(crate) fn parse(request: &ListHardwareFrusRequest) -> Result<FruFilter, Status> {
        let text = |text: &str| Ok(text.to_owned());
        Ok(FruFilter {
            fru_id: OneOf::parse(&request.fru_id, text)?,
            hms_type: types(&request.r#type)?,
            manufacturer: OneOf::parse(&request.manufacturer, text)?,
            part_number: OneOf::parse(&request.part_number, text)?,
            serial_number: OneOf::parse(&request.serial_number, text)?,
        })
    }

    pub(crate) fn admits(&self, fru: &HardwareFruRecord) -> bool {
        self.fru_id.admits(&fru.fru_id)
            && self.hms_type.admits(&fru.r#type)
            && self.manufacturer.admits(&fru.manufacturer)
            && self.part_number.admits(&fru.part_number)
            && self.serial_number.admits(&fru.serial_number)
    }
}

/// Which places are wanted: every key must admit one, those of its unit too. An empty place has a unit without texts.
#[derive(Clone, Debug)]
pub(crate) struct HardwareFilter {
    id: OneOf<String>,
    fru: FruFilter,
    partition: MembershipFilter,
}

impl HardwareFilter {
    /// # Errors
    /// `INVALID_ARGUMENT` with HSM's text for a value that is none.
    pub(crate) fn parse(request: ListHardwareRequest) -> Result<HardwareFilter, Status> {
        let fru = ListHardwareFrusRequest {
            fru_id: request.fru_id,
            r#type: request.r#type,
            manufacturer: request.manufacturer,
            part_number: request.part_number,
            serial_number: request.serial_number,
            ..ListHardwareFrusRequest::default()
        };
        Ok(HardwareFilter {
            id: xnames(&request.id)?,
            fru: FruFilter::parse(&fru)?,
            partition: MembershipFilter::parse(&[], &request.partition)?,
        })
    }

    pub(crate) fn admits(
        &self,
        place: &HardwareLocationRecord,
        fru: Option<&HardwareFruRecord>,
        partition: Option<&str>,
    ) -> bool {
        let of_empty_place;
        let fru = match fru {
            Some(fru) => fru,
            None => {
                of_empty_place = HardwareFruRecord {
                    r#type: type_of_place(place).to_string(),
                    ..HardwareFruRecord::default()
                };
                &of_empty_place
            }
        };
        self.id.admits(&place.id)
            && self.fru.admits(fru)
            && self.partition.admits(std::iter::empty(), partition)
    }
}

/// # Errors
/// `Invalid xname`.
pub(crate) fn xnames(values: &[String]) -> Result<OneOf<String>, Status> {
    let xname = |text: &str| {
        let parsed: Result<Xname, _> = text.parse();
        parsed
            .map(|xname| xname.to_string())
            .map_err(|problem| rpc::invalid("Invalid xname", problem))
    };
    Ok(OneOf::parse(values, xname)?)
}

/// # Errors
/// `Invalid HMS type`.
pub(crate) fn types(values: &[String]) -> Result<OneOf<String>, Status> {
    let hms_type = |text: &str| -> Result<String, Error> {
        let parsed: Result<HmsType, _> = text.parse();
        parsed
            .map(|hms_type| hms_type.to_string())
            .map_err(|problem| rpc::invalid("Invalid HMS type", problem))
    };
    Ok(OneOf::parse(values, hms_type)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> HardwareLocationRecord {
        HardwareLocationRecord {
            id: "x0c0s0b0n0".into(),
            ..HardwareLocationRecord::default()
        }
    }

    fn unit() -> HardwareFruRecord {
        HardwareFruRecord {
            fru_id: "Node.HPE.P1.S1".into(),
            r#type: "Node".into(),
            manufacturer: "HPE".into(),
            part_number: "P1".into(),
            serial_number: "S1".into(),
            ..HardwareFruRecord::default()
        }
    }

    type Set = fn(&mut ListHardwareRequest, String);

    fn filter(set: Set, value: &str) -> Result<HardwareFilter, Status> {
        let mut request = ListHardwareRequest::default();
        set(&mut request, value.to_owned());
        HardwareFilter::parse(request)
    }

    /// One line per key: what it must admit, what not, and what of these an empty place is admitted by.
    #[test]
    fn each_key_admits_its_values_and_no_others() {
        type Values = &'static [&'static str];
        let keys: [(&str, Set, Values, Values, Values); 7] = [
            (
                "id",
                |r, v| r.id.push(v),
                &["X0c0s00b0n0", "!x0c0s0b0n1"],
                &["x0c0s0b0"],
                &["X0c0s00b0n0", "!x0c0s0b0n1"],
            ),
            (
                "type",
                |r, v| r.r#type.push(v),
                &["node", "!Drive"],
                &["NodeBMC", "!Node"],
                &["node", "!Drive"],
            ),
            (
                "manufacturer",
                |r, v| r.manufacturer.push(v),
                &["HPE"],
                &["hpe", "!HPE"],
                &["!HPE"],
            ),
            ("partnumber", |r, v| r.part_number.push(v), &["P1"], &["P"], &[]),
            (
                "serialnumber",
                |r, v| r.serial_number.push(v),
                &["S1", "!"],
                &["", "S2"],
                &[""],
            ),
            (
                "fruid",
                |r, v| r.fru_id.push(v),
                &["Node.HPE.P1.S1"],
                &["Node"],
                &[],
            ),
            (
                "partition",
                |r, v| r.partition.push(v),
                &["p1", "!p2"],
                &["NULL", "p2"],
                &["!p2", "NULL"],
            ),
        ];
        for (key, set, admitted, refused, of_empty) in keys {
            for value in admitted.iter().chain(refused) {
                let filter = filter(set, value).unwrap();
                let is_admitted = admitted.contains(value);
                assert_eq!(
                    filter.admits(&place(), Some(&unit()), Some("p1")),
                    is_admitted,
                    "{key}={value}"
                );
                assert_eq!(
                    filter.admits(&place(), None, None),
                    of_empty.contains(value),
                    "{key}={value}"
                );
            }
        }
    }

    #[test]
    fn bad_values_get_the_texts_of_hsm() {
        let cases: [(Set, &str, &str); 3] = [
            (|r, v| r.id.push(v), "zz", "Invalid xname: "),
            (|r, v| r.r#type.push(v), "Blade", "Invalid HMS type: "),
            (|r, v| r.partition.push(v), "a b", "bad query param: "),
        ];
        for (set, value, text) in cases {
            let error = filter(set, value).unwrap_err();
            assert_eq!(error.code(), tonic::Code::InvalidArgument);
            assert!(error.message().starts_with(text), "{error:?}");
        }
    }
}
