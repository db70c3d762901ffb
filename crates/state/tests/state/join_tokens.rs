//! Members that join: tokens and ids.

use proto::cluster::v1::cluster_command::{AdmitMember, Bootstrap, CreateJoinToken, SetFeatureLevel};
use proto::cluster::v1::{JoinToken, member_kind};
use state::State;

use crate::cluster;
use crate::support::{Log, START_MS};

const ID: &str = "00c0ffee00c0ffee";
/// Less than the lapse of the log's own session.
const VALID_MS: u64 = 1_800_000;

fn token(id: &str, uses: u32) -> JoinToken {
    JoinToken {
        id: id.into(),
        secret_sha256: vec![7; 32],
        expires_at_ms: START_MS + VALID_MS,
        uses,
        kind: member_kind::Kind::Voter.into(),
        admitted: Vec::new(),
    }
}

fn create(token: JoinToken) -> CreateJoinToken {
    CreateJoinToken { token: Some(token) }
}

pub fn admit(key: u8) -> AdmitMember {
    AdmitMember {
        token_id: ID.into(),
        secret_sha256: vec![7; 32],
        public_key: vec![key; 91],
        id_at_least: 4,
    }
}

/// A first entry that brings a token for two members.
pub fn bootstrap() -> Bootstrap {
    Bootstrap {
        feature_level: 2,
        next_member_id: 2,
        join_token: Some(token(ID, 2)),
        ..cluster::bootstrap("prod")
    }
}

/// A cluster at the level that knows of joining, with one token for two members.
fn ready() -> Log {
    let mut log = Log::new();
    log.ok(bootstrap());
    log
}

/// An id that was ever a member's may stand in votes and logs of a disk in a drawer.
#[test]
fn ids_rise_and_are_never_given_twice() {
    let mut log = ready();
    assert_eq!(
        log.ok(admit(1)).value,
        "4",
        "three founders were there without a token"
    );
    assert_eq!(log.ok(admit(2)).value, "5");
    assert_eq!(log.state.cluster.next_member_id(), 6);
    log.ok(create(token("1111111111111111", 1)));
    let later = AdmitMember {
        token_id: "1111111111111111".into(),
        ..admit(3)
    };
    assert_eq!(
        log.ok(later).value,
        "6",
        "although the membership may hold none of them any more"
    );
}

/// The answer to the first request may have been lost on its way.
#[test]
fn a_key_that_was_admitted_is_given_its_id_again_and_uses_nothing_up() {
    let mut log = ready();
    assert_eq!(log.ok(admit(1)).value, "4");
    assert_eq!(log.ok(admit(1)).value, "4");
    assert_eq!(log.ok(admit(2)).value, "5");
    assert_eq!(
        log.invalid(admit(3)).0,
        "token",
        "two were admitted, more it may not"
    );
    assert_eq!(log.ok(admit(2)).value, "5", "a repeat is none more");
}

#[test]
fn a_wrong_secret_an_unknown_id_and_an_ended_token_are_refused_alike() {
    let mut log = ready();
    let wrong = AdmitMember {
        secret_sha256: vec![8; 32],
        ..admit(1)
    };
    let unknown = AdmitMember {
        token_id: "2222222222222222".into(),
        ..admit(1)
    };
    let refusals = [log.invalid(wrong), log.invalid(unknown)];
    log.now_ms = START_MS + VALID_MS;
    let ended = log.invalid(admit(1));
    assert_eq!(ended.0, "token");
    assert!(refusals.iter().all(|refusal| *refusal == ended), "{refusals:?}");
    assert_eq!(log.state.cluster.next_member_id(), 2, "nobody was admitted");
}

#[test]
fn what_is_no_token_names_its_field() {
    let mut log = ready();
    let fresh = || token("1111111111111111", 1);
    let cases = [
        (
            "token.id",
            JoinToken {
                id: "X".into(),
                ..fresh()
            },
        ),
        ("token.id", token(ID, 1)),
        (
            "token.secret_sha256",
            JoinToken {
                secret_sha256: vec![1],
                ..fresh()
            },
        ),
        (
            "token.expires_at_ms",
            JoinToken {
                expires_at_ms: START_MS,
                ..fresh()
            },
        ),
        (
            "token.expires_at_ms",
            JoinToken {
                expires_at_ms: START_MS + 500 * 24 * VALID_MS,
                ..fresh()
            },
        ),
        ("token.uses", token("1111111111111111", 0)),
        ("token.kind", JoinToken { kind: 77, ..fresh() }),
    ];
    for (field, token) in cases {
        assert_eq!(log.invalid(create(token)).0, field);
    }
    assert_eq!(
        log.invalid(AdmitMember {
            public_key: Vec::new(),
            ..admit(1)
        })
        .0,
        "public_key"
    );
}

/// Old versions know neither the command nor its row.
#[test]
fn below_level_two_nobody_joins() {
    let mut log = Log::new();
    log.ok(cluster::bootstrap("prod"));
    log.refused(create(token(ID, 1)));
    log.refused(admit(1));
    log.ok(SetFeatureLevel { level: 2 });
    log.ok(create(token(ID, 1)));
}

#[test]
fn tokens_that_have_ended_are_forgotten_when_the_next_comes() {
    let mut log = ready();
    log.now_ms = START_MS + VALID_MS;
    let next = JoinToken {
        expires_at_ms: START_MS + 2 * VALID_MS,
        ..token("1111111111111111", 1)
    };
    log.ok(create(next));
    assert_eq!(log.state.cluster.join_token(ID), None);
    assert!(log.state.cluster.join_token("1111111111111111").is_some());
}

/// A restored cluster must not be taken for the one that it was: no revision is met twice, no token opens it.
#[test]
fn another_cluster_has_the_content_but_neither_id_nor_tokens() {
    let mut log = ready();
    log.ok(admit(1));
    let before = log.state.applied_index();
    let other = log
        .state
        .clone()
        .into_another_cluster("feedfeedfeedfeed".into(), 1 << 32, 4);
    assert_eq!(other.cluster_id(), "feedfeedfeedfeed");
    assert_eq!(other.applied_index(), before + (1 << 32));
    assert_eq!(other.cluster.join_token(ID), None);
    assert_eq!(other.cluster.next_member_id(), 5);
    assert_eq!(
        other.cluster.secret("advert-key"),
        log.state.cluster.secret("advert-key")
    );
    let again = State::from_rows(other.rows()).unwrap();
    assert_eq!(again.digest(), other.digest(), "the digest is that of its rows");
}
