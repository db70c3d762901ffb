//! Instance-ids.

use model::Xname;
use proto::cloud_init::v1::Instance;
use proto::cloud_init::v1::cloud_init_command::AssignInstanceId;
use proto::raft::v1::entry::Command;

use crate::support::{IntoCommand, Log, entry, session};

pub fn assign(node: &str) -> AssignInstanceId {
    AssignInstanceId { node: node.into() }
}

#[test]
fn a_node_gets_one_id_and_keeps_it() {
    let mut log = Log::new();
    let applied = log.ok(assign("X0c0s0b0n0"));
    let node: Xname = "x0c0s0b0n0".parse().unwrap();
    let hex = applied.value.strip_prefix("i-").unwrap();
    assert!(
        hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        "{}",
        applied.value
    );
    let expected = Instance {
        node: node.to_string(),
        instance_id: applied.value.clone(),
        meta: log.created(),
    };
    assert_eq!(*log.state.cloud_init.instance(&node).unwrap(), expected);
    // Another member proposes it for the same first request, with other random bytes.
    let again = log.ok(assign("x0c0s0b0n0"));
    assert_eq!(
        (again.value, again.unchanged),
        (applied.value.clone(), vec![node.to_string()])
    );
    assert_ne!(log.ok(assign("x0c0s1b0n0")).value, applied.value);
}

#[test]
fn only_nodes_get_ids() {
    let mut log = Log::new();
    let (field, problem) = log.invalid(assign("x0c0s0b0"));
    assert_eq!(
        (field.as_str(), problem.contains("NodeBMC")),
        ("node", true),
        "{problem}"
    );
    assert_eq!(log.invalid(assign("n0")).0, "node");
}

/// An id made of nothing would be the same for every node.
#[test]
fn without_the_leaders_random_bytes_there_is_no_id() {
    let mut log = Log::new();
    let command: Command = assign("x0c0s0b0n0").into_command();
    let mut entry = entry(1, log.now_ms, session(7, 1, 0), command);
    entry.header.as_mut().unwrap().random.truncate(15);
    let rejection = state::rejection(&log.apply_entry(&entry).outcome).unwrap();
    assert!(
        rejection.to_string().starts_with("header.random: "),
        "{rejection}"
    );
}
