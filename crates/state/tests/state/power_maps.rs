//! Where components get their power from.

use model::Rejection;
use proto::smd::v1::PowerMap;
use proto::smd::v1::smd_command::{DeletePowerMaps, PutPowerMaps};
use state::bounds::SUPPLIES_PER_COMPONENT_MAX;

use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";

pub fn map(id: &str, powered_by: &[&str]) -> PowerMap {
    PowerMap {
        id: id.into(),
        powered_by: powered_by.iter().map(|id| (*id).to_owned()).collect(),
        meta: None,
    }
}

pub fn put(maps: Vec<PowerMap>) -> PutPowerMaps {
    PutPowerMaps {
        maps,
        ..Default::default()
    }
}

fn delete(ids: &[&str]) -> DeletePowerMaps {
    DeletePowerMaps {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        all: ids.is_empty(),
        ..Default::default()
    }
}

#[test]
fn maps_are_created_replaced_and_deleted() {
    let mut log = Log::latest();
    let applied = log.ok(put(vec![
        map("X0c0s00b0n0", &["x0m0p0v1", "X0m0p0v02"]),
        map("x1", &["x0m0p0v3"]),
    ]));
    assert_eq!(applied.created, [NODE, "x1"]);
    let stored = log.state.smd.power_map(&NODE.parse().unwrap()).unwrap();
    let expected = PowerMap {
        meta: log.created(),
        ..map(NODE, &["x0m0p0v1", "x0m0p0v2"])
    };
    assert_eq!(*stored, expected, "in the order given");
    assert_eq!(log.ok(put(vec![map(NODE, &["x0m1p0v1"])])).updated, [NODE]);
    let stored = log.state.smd.power_map(&NODE.parse().unwrap()).unwrap();
    assert_eq!(stored.powered_by, ["x0m1p0v1"]);
    assert_eq!(log.ok(delete(&[NODE])).deleted, [NODE]);
    assert_eq!(
        log.refused(delete(&[NODE])),
        Rejection::not_found("power map", NODE)
    );
    assert_eq!(log.ok(delete(&[])).deleted_count, 1);
    assert!(matches!(log.refused(delete(&[])), Rejection::NotFound { .. }));
}

#[test]
fn bad_maps_are_refused_by_place() {
    let mut log = Log::latest();
    let many = vec!["x0m0p0v1"; SUPPLIES_PER_COMPONENT_MAX + 1];
    for (maps, field) in [
        (vec![], "maps"),
        (vec![map("nowhere", &["x0m0p0v1"])], "maps[0].id"),
        (vec![map(NODE, &[])], "maps[0].powered_by"),
        (vec![map(NODE, &["nowhere"])], "maps[0].powered_by"),
        (vec![map(NODE, &many)], "maps[0].powered_by"),
        (
            vec![map(NODE, &["x0m0p0v1"]), map(NODE, &["x0m0p0v2"])],
            "maps[1].id",
        ),
    ] {
        assert_eq!(log.invalid(put(maps)).0, field);
    }
    assert_eq!(log.state.smd.power_maps().count(), 0);
}
