//! The service root.

use serde_json::json;

use super::{Made, Plan, link};

pub(super) fn add(made: &mut Made, plan: &Plan) {
    made.put(
        "/redfish/v1",
        "ServiceRoot.v1_9_0",
        "Root service",
        json!({
            "RedfishVersion": "1.15.0",
            "UUID": plan.uuid("root"),
            "Vendor": "Lab",
            "Product": plan.model,
            "ProtocolFeaturesSupported": {
                "ExpandQuery": {"ExpandAll": true, "Levels": true, "Links": true, "NoLinks": true, "MaxLevels": 6},
                "FilterQuery": false,
                "SelectQuery": false,
            },
            "Systems": link("/redfish/v1/Systems"),
            "Managers": link("/redfish/v1/Managers"),
            "Chassis": link("/redfish/v1/Chassis"),
            "SessionService": link("/redfish/v1/SessionService"),
            "AccountService": link("/redfish/v1/AccountService"),
            "UpdateService": link("/redfish/v1/UpdateService"),
            "Tasks": link("/redfish/v1/TaskService"),
            "EventService": link("/redfish/v1/EventService"),
            "Links": {"Sessions": link("/redfish/v1/SessionService/Sessions")},
        }),
    );
}
