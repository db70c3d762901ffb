//! What `StartFirmwareUpdate` asks for, checked before anything is begun.

use bmcs::{Bmcs, What};
use model::Xname;
use proto::firmware::v1::FirmwareUpdate;
use rpc::{Error, invalid};
use state::State;

use crate::image::Image;
use crate::stages;

const CONCURRENCY_MAX: u32 = 256;
const DEADLINE_S: std::ops::RangeInclusive<u32> = 60..=14_400;
/// BMCs and ids that an error names.
const NAMED_MAX: usize = 5;

/// The BMCs that an update is for, sorted.
///
/// # Errors
/// `Invalid` naming the field, `NotFound` for a boot file that there is not, and those of [`Bmcs::expand`].
pub(crate) fn targets(bmcs: &Bmcs, update: &FirmwareUpdate) -> Result<Vec<String>, Error> {
    let state = bmcs.store().state();
    check_image(&state, &update.image_uri)?;
    check_bounds(update)?;
    if update.targets.is_empty() {
        return Err(invalid("targets", "it is empty; name BMCs, e.g. x1000c0s0b0"));
    }
    let targets = bmcs.expand("targets", &update.targets, What::Bmcs)?;
    check_ids(&state, &update.firmware_ids, &targets)?;
    Ok(targets)
}

fn check_image(state: &State, uri: &str) -> Result<(), Error> {
    match Image::parse(uri).map_err(|problem| invalid("image_uri", problem))? {
        Image::File(name) if state.boot_files.get(name.as_str()).is_none() => Err(Error::NotFound {
            kind: "boot file".to_owned(),
            id: name.to_string(),
        }),
        Image::File(_) | Image::Uri(_) => Ok(()),
    }
}

fn check_bounds(update: &FirmwareUpdate) -> Result<(), Error> {
    if let Some(problem) = stages::problem(&update.steps) {
        return Err(invalid("steps", problem));
    }
    if update.concurrency_max > CONCURRENCY_MAX {
        let problem = format!(
            "{} is too many; write 0 to {CONCURRENCY_MAX}",
            update.concurrency_max
        );
        return Err(invalid("concurrency_max", problem));
    }
    if update.deadline_s != 0 && !DEADLINE_S.contains(&update.deadline_s) {
        let (least, most) = (DEADLINE_S.start(), DEADLINE_S.end());
        let problem = format!("{} is none; write {least} to {most} seconds", update.deadline_s);
        return Err(invalid("deadline_s", problem));
    }
    Ok(())
}

/// A BMC that lacks one of the ids would be told something else than is meant.
fn check_ids(state: &State, ids: &[String], targets: &[String]) -> Result<(), Error> {
    let mut missing = Vec::new();
    for target in targets {
        let inventory = target
            .parse::<Xname>()
            .ok()
            .and_then(|bmc| state.discovery.firmware(&bmc));
        for id in ids {
            let found = inventory.and_then(|inventory| inventory.firmware.iter().find(|one| one.id == *id));
            match found {
                Some(firmware) if !firmware.uri.is_empty() => {}
                Some(_) => missing.push(format!("{id} of {target} cannot be named to it")),
                None if inventory.is_none() => missing.push(format!("{target} was not crawled yet")),
                None => missing.push(format!("{target} has no {}", id.escape_debug())),
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let more = match missing.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    missing.truncate(NAMED_MAX);
    let problem = format!(
        "{}{more}; see `GET /chamois/v1/firmware` for what there is",
        missing.join(", ")
    );
    Err(invalid("firmware_ids", problem))
}

#[cfg(test)]
mod tests {
    use raft::Store;

    use super::*;
    use crate::fake_bmc::{BMC, bmcs, inventory};

    async fn scene() -> Bmcs {
        let store = Store::in_memory();
        inventory(&store, BMC, "127.0.0.1:443").await;
        inventory(&store, "x0c0s1b0", "127.0.0.2:443").await;
        bmcs(store)
    }

    fn good() -> FirmwareUpdate {
        FirmwareUpdate {
            image_uri: "http://10.1.0.1/bios.bin".to_owned(),
            targets: vec![BMC.to_owned()],
            firmware_ids: vec!["BIOS".to_owned()],
            steps: vec![1],
            ..FirmwareUpdate::default()
        }
    }

    #[tokio::test]
    async fn targets_are_the_bmcs_that_are_meant() {
        let bmcs = scene().await;
        assert_eq!(targets(&bmcs, &good()).unwrap(), [BMC]);
        let both = FirmwareUpdate {
            targets: vec!["x0c0s[0-1]b0".to_owned()],
            concurrency_max: CONCURRENCY_MAX,
            deadline_s: 14_400,
            ..good()
        };
        assert_eq!(targets(&bmcs, &both).unwrap(), ["x0c0s0b0", "x0c0s1b0"]);
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused_by_its_field() {
        let bmcs = scene().await;
        let wrong = [
            (
                FirmwareUpdate {
                    image_uri: "bios.bin".to_owned(),
                    ..good()
                },
                "image_uri: ",
            ),
            (
                FirmwareUpdate {
                    image_uri: "file:bios.bin".to_owned(),
                    ..good()
                },
                "no such boot file: bios.bin",
            ),
            (
                FirmwareUpdate {
                    steps: vec![10, 1],
                    ..good()
                },
                "steps: 1 comes after 10",
            ),
            (
                FirmwareUpdate {
                    concurrency_max: 257,
                    ..good()
                },
                "concurrency_max: 257",
            ),
            (
                FirmwareUpdate {
                    deadline_s: 59,
                    ..good()
                },
                "deadline_s: 59",
            ),
            (
                FirmwareUpdate {
                    deadline_s: 14_401,
                    ..good()
                },
                "deadline_s: 14401",
            ),
            (
                FirmwareUpdate {
                    targets: Vec::new(),
                    ..good()
                },
                "targets: it is empty",
            ),
            (
                FirmwareUpdate {
                    targets: vec!["x7c0s0b0".to_owned()],
                    ..good()
                },
                "targets: ",
            ),
            (
                FirmwareUpdate {
                    firmware_ids: vec!["GPU".to_owned()],
                    ..good()
                },
                "firmware_ids: x0c0s0b0 has no GPU",
            ),
        ];
        for (update, begin) in wrong {
            let told = targets(&bmcs, &update).unwrap_err().to_string();
            assert!(told.starts_with(begin), "{told}");
        }
    }

    #[tokio::test]
    async fn many_that_lack_an_id_are_counted() {
        let bmcs = scene().await;
        let ids: Vec<String> = (0..8).map(|number| format!("GPU{number}")).collect();
        let update = FirmwareUpdate {
            firmware_ids: ids,
            ..good()
        };
        let told = targets(&bmcs, &update).unwrap_err().to_string();
        assert!(told.contains("and 3 more"), "{told}");
    }
}
