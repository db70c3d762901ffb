//! The update service: what is installed, and where an update is told.

use serde_json::Value;

use crate::read::reading::{Member, Reading};
use crate::read::reset;
use crate::{FirmwareItem, value};

/// Firmware, and the URI of SimpleUpdate.
pub(crate) async fn read(reading: &Reading<'_>, root: &Value) -> (Vec<FirmwareItem>, String) {
    let Some(service) = reading.linked(root, "UpdateService").await else {
        return (Vec::new(), String::new());
    };
    let members = reading.members(&service, "FirmwareInventory").await;
    let target = reset::target(reading, &service, "#UpdateService.SimpleUpdate");
    (members.iter().map(item).collect(), target)
}

fn item(member: &Member) -> FirmwareItem {
    let value = &member.value;
    FirmwareItem {
        uri: member.uri.clone(),
        id: value::text(value, "Id"),
        name: value::text(value, "Name"),
        version: value::text(value, "Version"),
        updateable: value::flag(value, "Updateable").unwrap_or(false),
    }
}
