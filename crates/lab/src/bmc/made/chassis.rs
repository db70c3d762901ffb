//! The enclosure, and its power supplies.

use serde_json::{Value, json};

use super::{Made, Plan, healthy, link};

pub(super) fn add(made: &mut Made, plan: &Plan) {
    let uri = "/redfish/v1/Chassis/1";
    made.collection("/redfish/v1/Chassis", "Chassis", ["1"]);
    let systems: Vec<Value> = plan
        .systems
        .iter()
        .map(|(id, _)| link(&format!("/redfish/v1/Systems/{id}")))
        .collect();
    made.put(
        uri,
        "Chassis.v1_16_0",
        "Chassis",
        json!({
            "ChassisType": plan.chassis,
            "Manufacturer": "Lab",
            "Model": plan.model,
            "SKU": "LAB-0001",
            "AssetTag": "",
            "PartNumber": "LAB-P-0001",
            "SerialNumber": plan.serial("chassis"),
            "PowerState": "On",
            "Status": healthy(),
            "Power": link(&format!("{uri}/Power")),
            "Links": {"ComputerSystems": systems, "ManagedBy": [link("/redfish/v1/Managers/BMC")]},
        }),
    );
    let supplies: Vec<Value> = (0..plan.supplies).map(|place| supply(plan, uri, place)).collect();
    made.put(
        &format!("{uri}/Power"),
        "Power.v1_7_0",
        "Power",
        json!({
            "PowerControl": [{
                "@odata.id": format!("{uri}/Power#/PowerControl/0"),
                "MemberId": "0",
                "Name": "Chassis power control",
                "PowerConsumedWatts": 240,
                "PowerCapacityWatts": 1600,
            }],
            "PowerSupplies": supplies,
        }),
    );
}

fn supply(plan: &Plan, uri: &str, place: usize) -> Value {
    json!({
        "@odata.id": format!("{uri}/Power#/PowerSupplies/{place}"),
        "MemberId": place.to_string(),
        "Name": format!("Power supply {place}"),
        "Manufacturer": "Lab",
        "Model": "Lab PSU 1600",
        "PartNumber": "LAB-P-1600",
        "SerialNumber": plan.serial(&format!("supply {place}")),
        "PowerCapacityWatts": 1600,
        "Status": healthy(),
    })
}
