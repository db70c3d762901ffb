//! Boots that have used their token: one peer, a quarter of an hour, and never again.

use model::{Rejection, Xname};
use proto::cloud_init::v1::BootSession;
use proto::cloud_init::v1::cloud_init_command::OpenBootSession;
use state::bounds::BOOT_SESSION_MS;
use state::cloud_init::BootAccess;

use crate::boot_records;
use crate::support::{Log, START_MS};

const NODE: &str = "x0c0s0b0n0";
const BOOT: &str = "00000000000000b1";
const LATER: &str = "00000000000000b2";

/// As the node with this address, with a token that is good for an hour from the beginning of the log on.
pub fn open(node: &str, boot_id: &str) -> OpenBootSession {
    OpenBootSession {
        node: node.into(),
        boot_id: boot_id.into(),
        address: "10.97.3.1".into(),
        token_expires_at_ms: START_MS + 60 * 60 * 1000,
    }
}

fn node() -> Xname {
    NODE.parse().unwrap()
}

fn detail(rejection: Rejection) -> String {
    match rejection {
        Rejection::Conflict { detail } => detail,
        other => panic!("refused otherwise: {other}"),
    }
}

#[test]
fn the_first_use_opens_it_and_a_repeat_of_the_same_peer_changes_nothing() {
    let mut log = Log::latest();
    assert_eq!(
        log.state
            .cloud_init
            .boot_access(&node(), &open(NODE, BOOT), log.now_ms),
        BootAccess::New
    );
    assert_eq!(log.ok(open(NODE, BOOT)).created, [NODE]);
    let expected = BootSession {
        node: NODE.into(),
        boot_id: BOOT.into(),
        address: "10.97.3.1".into(),
        opened_at_ms: START_MS,
        ends_at_ms: START_MS + BOOT_SESSION_MS,
        token_expires_at_ms: START_MS + 60 * 60 * 1000,
    };
    assert_eq!(*log.state.cloud_init.boot_session(&node()).unwrap(), expected);
    log.now_ms += BOOT_SESSION_MS - 1;
    assert_eq!(log.ok(open(NODE, BOOT)).unchanged, [NODE]);
    assert_eq!(
        log.state
            .cloud_init
            .boot_access(&node(), &open(NODE, BOOT), log.now_ms),
        BootAccess::Open
    );
    assert_eq!(
        *log.state.cloud_init.boot_session(&node()).unwrap(),
        expected,
        "a retry does not make it longer"
    );
}

#[test]
fn another_peer_is_refused() {
    let mut log = Log::latest();
    log.ok(open(NODE, BOOT));
    let thief = OpenBootSession {
        address: "10.97.3.9".into(),
        ..open(NODE, BOOT)
    };
    assert!(matches!(
        log.state.cloud_init.boot_access(&node(), &thief, log.now_ms),
        BootAccess::Refused(_)
    ));
    let refused = detail(log.refused(thief));
    assert!(
        refused.contains(NODE) && refused.contains("another peer"),
        "{refused}"
    );
}

/// The token itself is good for longer: what has ended must not be opened with it once more.
#[test]
fn it_ends_with_the_phone_home_or_by_time_and_stays_ended() {
    for phones_home in [true, false] {
        let mut log = Log::latest();
        log.ok(open(NODE, BOOT));
        if phones_home {
            log.ok(boot_records::command(boot_records::record(NODE, LATER)));
            assert_eq!(
                log.ok(open(NODE, BOOT)).unchanged,
                [NODE],
                "another boot's phone-home ends nothing"
            );
            log.ok(boot_records::command(boot_records::record(NODE, BOOT)));
        } else {
            log.now_ms += BOOT_SESSION_MS;
        }
        let refused = detail(log.refused(open(NODE, BOOT)));
        assert!(refused.contains("phoned home"), "{refused}");
    }
}

#[test]
fn the_next_boot_takes_its_place_and_the_one_before_gets_nothing_more() {
    let mut log = Log::latest();
    log.ok(open(NODE, BOOT));
    let refused = detail(log.refused(open(NODE, LATER)));
    assert!(
        refused.contains("later boot"),
        "as early as the one that is there: {refused}"
    );
    let later = OpenBootSession {
        token_expires_at_ms: START_MS + 60 * 60 * 1000 + 1,
        ..open(NODE, LATER)
    };
    assert_eq!(log.ok(later.clone()).updated, [NODE]);
    let refused = detail(log.refused(open(NODE, BOOT)));
    assert!(refused.contains("later boot"), "{refused}");
    assert_eq!(log.ok(later).unchanged, [NODE]);
}

#[test]
fn what_no_token_can_be_for_is_refused_by_name() {
    let expired = OpenBootSession {
        token_expires_at_ms: START_MS,
        ..open(NODE, BOOT)
    };
    assert_eq!(Log::latest().invalid(expired).0, "token_expires_at_ms");
    let mut log = Log::latest();
    for (field, wrong) in [
        ("node", open("x0c0s0b0", BOOT)),
        ("boot_id", open(NODE, "B1")),
        ("boot_id", open(NODE, "00000000000000B1")),
        (
            "address",
            OpenBootSession {
                address: "somewhere".into(),
                ..open(NODE, BOOT)
            },
        ),
        (
            "address",
            OpenBootSession {
                address: "::0".into(),
                ..open(NODE, BOOT)
            },
        ),
    ] {
        assert_eq!(log.invalid(wrong).0, field);
    }
    let before = Log::new().refused(open(NODE, BOOT));
    assert!(
        matches!(before, Rejection::FeatureLevel { needed: 4, .. }),
        "{before}"
    );
}
