//! Reads a BMC's tree into an [`Inventory`]: everything that is needed, side by side, each resource once. What fails is noted and
//! missing, nothing more.

mod chassis;
mod devices;
mod firmware;
mod managers;
mod network;
mod parts;
pub(crate) mod reading;
pub(crate) mod reset;
pub(crate) mod root;
mod storage;
mod systems;

use futures::FutureExt;
use futures::future::join_all;
use serde_json::Value;

use crate::bmc::Bmc;
use crate::read::reading::Reading;
use crate::{Chassis, Error, Inventory, System, uri, value};

/// The collections without any of which there is no inventory.
const ROOTS: [&str; 3] = ["Systems", "Managers", "Chassis"];

/// Reads all of `bmc`, within the total time of its limits: what was not read by then is missing, and said in `problems`.
///
/// # Errors
/// The first reason, if neither systems nor managers nor chassis can be read; [`Error::NotRedfish`] if the root names none of these.
pub async fn read_inventory(bmc: &Bmc) -> Result<Inventory, Error> {
    let reading = Reading::new(bmc);
    let root = bmc.get(uri::ROOT).await?;
    let (hardware, managers, update, event_stream) = tokio::join!(
        hardware(&reading, &root).boxed(),
        managers::read(&reading, &root).boxed(),
        firmware::read(&reading, &root).boxed(),
        event_stream(&reading, &root).boxed(),
    );
    check_roots(&reading, &root).await?;
    let (systems, chassis) = hardware;
    let (firmware, simple_update) = update;
    Ok(Inventory {
        root: root::service_root(&root),
        systems,
        managers,
        chassis,
        firmware,
        simple_update,
        event_stream,
        resources: bmc.core().held.resources(),
        problems: reading.problems(),
    })
}

/// Systems and chassis: parts of a chassis may be those of its only system.
async fn hardware(reading: &Reading<'_>, root: &Value) -> (Vec<System>, Vec<Chassis>) {
    let (members, chassis_members) =
        tokio::join!(reading.members(root, "Systems"), reading.members(root, "Chassis"));
    let members = systems::distinct(members);
    let places = chassis::places(reading, &members, &chassis_members);
    let (mut systems, chassis) = tokio::join!(
        join_all(
            members
                .iter()
                .zip(&places)
                .map(|(member, own)| systems::read(reading, member, own).boxed())
        ),
        join_all(
            chassis_members
                .iter()
                .map(|member| chassis::read(reading, member).boxed())
        ),
    );
    for (system, own) in systems.iter_mut().zip(&places) {
        let own = chassis
            .iter()
            .filter(|chassis| own.iter().any(|place| place.uri() == chassis.uri));
        system.power_controls = own.flat_map(|chassis| chassis.power_controls.clone()).collect();
    }
    (systems, chassis)
}

async fn event_stream(reading: &Reading<'_>, root: &Value) -> String {
    let Some(service) = reading.linked(root, "EventService").await else {
        return String::new();
    };
    match value::flag(&service, "ServiceEnabled") {
        Some(false) => String::new(),
        _ => reading.path(value::link(&service, "ServerSentEventUri")),
    }
}

/// Whether at least one of the roots of the tree was read: else all that came is an empty inventory, which would be a lie.
async fn check_roots(reading: &Reading<'_>, root: &Value) -> Result<(), Error> {
    let mut first = None;
    for key in ROOTS {
        let collection = value::at(root, key);
        if value::is_inline(collection) {
            return Ok(());
        }
        let link = value::link_of(collection);
        if link.is_empty() {
            continue;
        }
        match reading.ask(link).await {
            Ok(_) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| Error::NotRedfish {
        address: reading.bmc().address().to_string(),
        problem: "its root names neither Systems nor Managers nor Chassis".to_owned(),
    }))
}
