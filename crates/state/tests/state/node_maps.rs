//! Defaults of nodes: unique NIDs, and what a component is given when it is created.

use model::Rejection;
use prost_types::value::Kind;
use prost_types::{ListValue, Value};
use proto::smd::v1::smd_command::{DeleteNodeMaps, PutNodeMaps};
use proto::smd::v1::{Component, NodeMap};
use state::bounds::NODE_INFO_BYTES_MAX;

use crate::create_components::{component, create, with_nid};
use crate::support::Log;

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";

pub fn map(id: &str, nid: u64) -> NodeMap {
    NodeMap {
        id: id.into(),
        nid,
        ..Default::default()
    }
}

pub fn put(maps: Vec<NodeMap>) -> PutNodeMaps {
    PutNodeMaps {
        maps,
        ..Default::default()
    }
}

fn stored(log: &Log, id: &str) -> NodeMap {
    let found = log.state.smd.node_map(&id.parse().unwrap());
    found.unwrap().as_ref().clone()
}

fn component_of(log: &Log, id: &str) -> Component {
    let found = log.state.smd.component(&id.parse().unwrap());
    found.unwrap().as_ref().clone()
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.into())),
    }
}

#[test]
fn maps_are_created_and_replaced_in_smds_spelling() {
    let mut log = Log::latest();
    let given = NodeMap {
        role: "compute".into(),
        sub_role: "WORKER".into(),
        node_info: Some(text("anything")),
        ..map("X0c0s00b0n0", 7)
    };
    assert_eq!(log.ok(put(vec![given])).created, [A]);
    let expected = NodeMap {
        role: "Compute".into(),
        sub_role: "Worker".into(),
        node_info: Some(text("anything")),
        meta: log.created(),
        ..map(A, 7)
    };
    assert_eq!(stored(&log, A), expected);
    let applied = log.ok(put(vec![map(B, 8), map(A, 9)]));
    assert_eq!(
        (applied.created, applied.updated),
        (vec![B.to_owned()], vec![A.to_owned()])
    );
    let replaced = stored(&log, A);
    assert_eq!(
        (replaced.nid, replaced.role.as_str(), replaced.node_info),
        (9, "", None)
    );
    assert_eq!(replaced.meta.unwrap().created, expected.meta.unwrap().created);
    log.ok(put(vec![map("x0c0s2b0n0", 7)]));
}

/// SMD: 409. Both nodes are named.
#[test]
fn a_nid_has_one_map() {
    let mut log = Log::latest();
    log.ok(put(vec![map(A, 1), map(B, 2)]));
    for maps in [
        vec![map("x0c0s2b0n0", 1)],
        vec![map("x0c0s3b0n0", 5), map("x0c0s4b0n0", 5)],
    ] {
        let refused = log.refused(put(maps));
        let text = refused.to_string();
        assert!(matches!(refused, Rejection::AlreadyExists { .. }), "{text}");
        assert!(text.contains("existing xname ID that has the same NID"), "{text}");
    }
    assert_eq!(log.state.smd.node_maps().count(), 2, "all or nothing");
    log.ok(put(vec![map(A, 2), map(B, 1)]));
    assert_eq!(
        (stored(&log, A).nid, stored(&log, B).nid),
        (2, 1),
        "they may swap"
    );
}

#[test]
fn a_new_node_is_given_what_its_map_says() {
    let mut log = Log::latest();
    let service = NodeMap {
        role: "Service".into(),
        sub_role: "Master".into(),
        ..map(A, 40)
    };
    log.ok(put(vec![service, map(B, 41)]));
    log.ok(create(vec![component(A), component(B)]));
    let (a, b) = (component_of(&log, A), component_of(&log, B));
    assert_eq!(
        (a.nid, a.role.as_str(), a.sub_role.as_str()),
        (Some(40), "Service", "Master")
    );
    assert_eq!(
        (b.nid, b.role.as_str(), b.sub_role.as_str()),
        (Some(41), "Compute", "")
    );
    log.ok(put(vec![map("x0c0s2b0n0", 50)]));
    let given = Component {
        role: "Application".into(),
        ..with_nid("x0c0s2b0n0", 3)
    };
    log.ok(create(vec![given]));
    let c = component_of(&log, "x0c0s2b0n0");
    assert_eq!(
        (c.nid, c.role.as_str()),
        (Some(3), "Application"),
        "what is given counts more"
    );
}

/// Else a node that comes up first would take what is meant for one that comes later.
#[test]
fn the_allocator_leaves_the_nids_of_maps_alone() {
    let mut log = Log::latest();
    log.ok(put(vec![map(A, 1), map(B, 3)]));
    log.ok(create(vec![
        component("x0c0s2b0n0"),
        component("x0c0s3b0n0"),
        component(B),
    ]));
    let nid = |id| component_of(&log, id).nid;
    assert_eq!(
        [nid("x0c0s2b0n0"), nid("x0c0s3b0n0"), nid(B)],
        [Some(2), Some(4), Some(3)]
    );
}

#[test]
fn a_mapped_nid_that_somebody_has_refuses_the_creation() {
    let mut log = Log::latest();
    log.ok(create(vec![with_nid(B, 7)]));
    log.ok(put(vec![map(A, 7)]));
    let refused = log.refused(create(vec![component(A)])).to_string();
    assert!(
        refused.contains(B) && refused.contains(A) && refused.contains("node map"),
        "{refused}"
    );
    log.ok(create(vec![with_nid(A, 8)]));
}

#[test]
fn maps_are_of_nodes_and_bounded() {
    let mut log = Log::latest();
    let info = |value| NodeMap {
        node_info: Some(value),
        ..map(A, 1)
    };
    let nested = (0..40).fold(text("x"), |inner, _| Value {
        kind: Some(Kind::ListValue(ListValue { values: vec![inner] })),
    });
    for (given, field) in [
        (map("x0c0s0b0", 1), "maps[0].id"),
        (map("nowhere", 1), "maps[0].id"),
        (map(A, 0), "maps[0].nid"),
        (info(text(&"x".repeat(NODE_INFO_BYTES_MAX))), "maps[0].node_info"),
        (info(nested), "maps[0].node_info"),
    ] {
        assert_eq!(log.invalid(put(vec![given])).0, field);
    }
    assert_eq!(log.invalid(put(vec![])).0, "maps");
    assert_eq!(log.invalid(put(vec![map(A, 1), map(A, 2)])).0, "maps[1].id");
}

#[test]
fn maps_are_deleted_one_by_one_or_all() {
    let mut log = Log::latest();
    log.ok(put(vec![map(A, 1), map(B, 2)]));
    let delete = |ids: &[&str]| DeleteNodeMaps {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        all: ids.is_empty(),
        ..Default::default()
    };
    let missing = log.refused(delete(&[A, "x0c0s9b0n0"]));
    assert_eq!(missing, Rejection::not_found("node map", "x0c0s9b0n0"));
    assert_eq!(log.ok(delete(&[A])).deleted, [A]);
    log.ok(put(vec![map("x0c0s2b0n0", 1)]));
    assert_eq!(log.ok(delete(&[])).deleted_count, 2);
    assert!(matches!(log.refused(delete(&[])), Rejection::NotFound { .. }));
}
