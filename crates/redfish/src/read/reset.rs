//! Resets: where they are told, and which kinds a resource takes.

use serde_json::Value;

use crate::read::reading::Reading;
use crate::value;

/// Where `action` is told, as a path on this BMC; empty: nowhere.
pub(crate) fn target(reading: &Reading<'_>, from: &Value, action: &str) -> String {
    reading.path(value::link(from, &format!("Actions/{action}/target")))
}

/// The values that the parameter `ResetType` of `action` takes: said with the action, or by its ActionInfo.
pub(crate) async fn types(reading: &Reading<'_>, from: &Value, action: &str) -> Vec<String> {
    let action = value::at(from, &format!("Actions/{action}"));
    let said = value::texts(action, "ResetType@Redfish.AllowableValues");
    if !said.is_empty() {
        return said;
    }
    match reading.linked(action, "@Redfish.ActionInfo").await {
        Some(info) => of_info(&info),
        None => Vec::new(),
    }
}

fn of_info(info: &Value) -> Vec<String> {
    let parameters = value::list(info, "Parameters").iter();
    let mut resets = parameters.filter(|parameter| value::text(parameter, "Name") == "ResetType");
    resets
        .next()
        .map(|parameter| value::texts(parameter, "AllowableValues"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_action_info_names_the_kinds() {
        let info = json!({"Parameters": [
            {"Name": "Other", "AllowableValues": ["x"]},
            {"Name": "ResetType", "AllowableValues": ["On", "ForceOff", null]},
        ]});
        assert_eq!(of_info(&info), ["On", "ForceOff"]);
    }

    #[test]
    fn nonsense_names_none() {
        for info in [
            json!({}),
            json!({"Parameters": 7}),
            json!({"Parameters": [null, 7]}),
            json!({"Parameters": {"Name": "ResetType"}}),
        ] {
            assert!(of_info(&info).is_empty(), "{info}");
        }
    }
}
