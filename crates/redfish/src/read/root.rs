//! The service root.

use serde_json::Value;

use crate::{ServiceRoot, value};

/// Members of which a service root has at least one.
const SIGNS: [&str; 6] = [
    "RedfishVersion",
    "Systems",
    "Managers",
    "Chassis",
    "SessionService",
    "AccountService",
];

/// Whether an answer is a service root and not that of something else which speaks JSON.
pub(crate) fn is_service_root(root: &Value) -> bool {
    value::text(root, "@odata.type").contains("ServiceRoot")
        || SIGNS.iter().any(|sign| root.get(*sign).is_some())
}

/// What it says.
pub(crate) fn service_root(root: &Value) -> ServiceRoot {
    let offered = value::at(root, "ProtocolFeaturesSupported/ExpandQuery");
    let mut vendor = value::text(root, "Vendor");
    if vendor.is_empty() {
        let oem = value::at(root, "Oem").as_object();
        vendor = oem.and_then(|oem| oem.keys().next()).cloned().unwrap_or_default();
    }
    ServiceRoot {
        redfish_version: value::text(root, "RedfishVersion"),
        uuid: value::text(root, "UUID"),
        vendor,
        product: value::text(root, "Product"),
        expands: value::flag(offered, "Levels").unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_root_says_who_made_it() {
        let root = service_root(&json!({
            "RedfishVersion": "1.6.0", "UUID": "51b90f18", "Vendor": "HPE", "Product": "ProLiant",
            "ProtocolFeaturesSupported": {"ExpandQuery": {"Levels": true}},
        }));
        assert_eq!((root.vendor.as_str(), root.expands), ("HPE", true));
        let old = service_root(&json!({"RedfishVersion": null, "Oem": {"Hp": {}}}));
        assert_eq!((old.vendor.as_str(), old.expands), ("Hp", false));
        assert_eq!(old.redfish_version, "");
    }

    #[test]
    fn other_json_is_no_root() {
        assert!(is_service_root(
            &json!({"@odata.type": "#ServiceRoot.v1_5_1.ServiceRoot"})
        ));
        assert!(is_service_root(&json!({"RedfishVersion": "1.0"})));
        assert!(!is_service_root(&json!({"status": "ok"})));
        assert!(!is_service_root(
            &json!({"@odata.type": "#Chassis.v1_0_0.Chassis"})
        ));
    }
}
