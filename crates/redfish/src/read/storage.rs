//! Drives, of the controllers of `Storage`, or the devices of `SimpleStorage` where that names none.

use futures::future::join_all;
use serde_json::Value;

use crate::read::parts::{self, DRIVE};
use crate::read::reading::{Member, Reading};
use crate::{Part, value};

/// All drives of a system, in the order of the controllers; [`Part::group`] says of which.
pub(crate) async fn drives(reading: &Reading<'_>, system: &Value) -> Vec<Part> {
    let drives = of(reading, system, "Storage", "Drives").await;
    match drives.is_empty() {
        true => of(reading, system, "SimpleStorage", "Devices").await,
        false => drives,
    }
}

async fn of(reading: &Reading<'_>, system: &Value, collection: &str, list: &str) -> Vec<Part> {
    let controllers = reading.members(system, collection).await;
    let drives = controllers
        .iter()
        .map(|controller| drives_of(reading, &controller.value, list));
    let mut all: Vec<Part> = Vec::new();
    for (group, drives) in (0_u32..).zip(join_all(drives).await) {
        for drive in &drives {
            // a drive behind two controllers is one drive
            if drive.uri.is_empty() || all.iter().all(|known| known.uri != drive.uri) {
                all.push(Part {
                    group,
                    ..parts::part(drive, DRIVE)
                });
            }
        }
    }
    all
}

async fn drives_of(reading: &Reading<'_>, controller: &Value, list: &str) -> Vec<Member> {
    let in_links = format!("Links/{list}");
    let path = value::first_path(controller, [list, &in_links]);
    reading.members(controller, path).await
}
