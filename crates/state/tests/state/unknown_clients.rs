//! MACs that have asked and that SMD does not know.

use proto::dhcp::v1::UnknownClient;
use proto::dhcp::v1::dhcp_command::NoteUnknownClients;

use crate::dhcp_leases::{A, B};
use crate::ethernet_interfaces::{MAC, create};
use crate::support::Log;

pub fn seen(mac: &str) -> UnknownClient {
    UnknownClient {
        mac: mac.into(),
        network: "10.97.0.0/16".into(),
        architecture: Some(7),
        vendor_class: "PXEClient".into(),
        ..UnknownClient::default()
    }
}

pub fn note(clients: &[UnknownClient]) -> NoteUnknownClients {
    NoteUnknownClients {
        clients: clients.to_vec(),
    }
}

fn macs(log: &Log) -> Vec<String> {
    log.state
        .dhcp
        .unknown_clients()
        .map(|client| client.mac.clone())
        .collect()
}

#[test]
fn an_unknown_mac_is_noted_with_the_times_of_the_log() {
    let mut log = Log::latest();
    log.ok(note(&[UnknownClient {
        first_seen_at_ms: 1,
        last_seen_at_ms: 2,
        ..seen("02-00-00-00-0A-01")
    }]));
    let first = UnknownClient {
        first_seen_at_ms: log.now_ms,
        last_seen_at_ms: log.now_ms,
        meta: log.created(),
        ..seen(A)
    };
    let stored = |log: &Log| log.state.dhcp.unknown_client(&A.parse().unwrap());
    assert_eq!(stored(&log).as_deref(), Some(&first));
    log.now_ms += 600_000;
    log.ok(note(&[UnknownClient {
        relay: "10.98.0.1".into(),
        ..seen(A)
    }]));
    let again = stored(&log).unwrap();
    assert_eq!(again.first_seen_at_ms, first.first_seen_at_ms);
    assert_eq!(
        (again.last_seen_at_ms, again.relay.as_str()),
        (log.now_ms, "10.98.0.1")
    );
}

#[test]
fn a_mac_that_smd_knows_or_comes_to_know_is_no_news() {
    let mut log = Log::latest();
    log.ok(create(MAC, "x0c0s0b0n0", &[]));
    log.ok(note(&[seen(MAC), seen(A), seen(B)]));
    assert_eq!(macs(&log), [A, B]);
    log.ok(create(A, "x0c0s1b0n0", &[]));
    assert_eq!(macs(&log), [B]);
}

/// Who makes MACs up makes no room for itself but by its own.
#[test]
fn there_is_room_for_so_many_and_the_most_silent_one_goes() {
    let mut log = Log::latest();
    let mac = |n: u32| format!("02:00:00:01:{:02x}:{:02x}", n >> 8, n & 255);
    let many: Vec<UnknownClient> = (0..4096).map(|n| seen(&mac(n))).collect();
    log.fill(many.chunks(256).map(note));
    log.now_ms += 1;
    log.fill([note(&[seen(&mac(0))])]);
    log.ok(note(&[seen(A)]));
    let macs = macs(&log);
    assert_eq!(macs.len(), 4096);
    assert!(macs.contains(&A.to_owned()) && macs.contains(&mac(0)) && !macs.contains(&mac(1)));
}

#[test]
fn wrong_notes_name_their_field() {
    let mut log = Log::latest();
    assert_eq!(log.invalid(note(&[seen("a")])).0, "mac");
    assert_eq!(log.invalid(note(&vec![seen(A); 257])).0, "clients");
    let hostname = "h".repeat(256);
    assert_eq!(
        log.invalid(note(&[UnknownClient { hostname, ..seen(A) }])).0,
        "hostname"
    );
}
