//! Signing keys and CAs: published before they sign, good until the last of what they signed has ended.

use model::Rejection;
use proto::auth::v1::auth_command::{ActivateAuthority, EndSigningKeys, RemoveAuthority, RotateSigningKey};
use proto::auth::v1::certificate_authority::Stage as CaStage;
use proto::auth::v1::signing_key::Stage;
use proto::auth::v1::{CertificateAuthority, SigningKey};
use state::State;
use state::bounds::SIGNING_KEYS_MAX;

use crate::auth_support::{
    DAY_MS, HOUR_MS, MINUTE_MS, add, authority, first_keys, key, key_id, later, other_authority, rotate,
    sealed,
};
use crate::support::Log;

/// With a key that signs, `a`, and a next one, `b`.
fn ready() -> Log {
    let mut log = Log::latest();
    log.ok(first_keys('a', 'b'));
    log
}

fn stages(log: &Log) -> Vec<(String, Stage)> {
    let keys = log.state.auth.signing_keys();
    keys.map(|key| (key.id[..1].to_owned(), key.stage())).collect()
}

fn are(stages: &[(&str, Stage)]) -> Vec<(String, Stage)> {
    stages
        .iter()
        .map(|(letter, stage)| ((*letter).to_owned(), *stage))
        .collect()
}

fn urgent(rotate: RotateSigningKey) -> RotateSigningKey {
    RotateSigningKey {
        urgent: true,
        ..rotate
    }
}

fn conflict(log: &mut Log, rotate: RotateSigningKey) -> String {
    match later(log, rotate) {
        Err(Rejection::Conflict { detail }) => detail,
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn rotation_moves_three_keys_at_once() {
    let mut log = Log::latest();
    assert_eq!(log.state.auth.active_key(), None);
    let made = log.ok(first_keys('a', 'b'));
    assert_eq!(made.created, [key_id('a'), key_id('b')]);
    let expected = SigningKey {
        stage_since_ms: log.now_ms,
        meta: log.created(),
        ..key('a', Stage::Active)
    };
    assert_eq!(log.state.auth.active_key().as_deref(), Some(&expected));
    log.now_ms += HOUR_MS;
    let moved = later(&mut log, rotate('a', 'c')).unwrap();
    assert_eq!(
        (moved.created, moved.updated),
        (vec![key_id('c')], vec![key_id('a'), key_id('b')])
    );
    let now = [("a", Stage::Retiring), ("b", Stage::Active), ("c", Stage::Next)];
    assert_eq!(stages(&log), are(&now));
    let active = log.state.auth.active_key().unwrap();
    assert_eq!(
        (active.id.clone(), active.stage_since_ms),
        (key_id('b'), log.now_ms)
    );
    let created = active.meta.clone().unwrap().created.unwrap();
    assert_eq!(created.revision, 1, "it was made with the first entry");
}

/// Both have seen that it is time; the second must not throw away what the first has published.
#[test]
fn a_second_leader_gets_conflict() {
    let mut log = ready();
    assert!(conflict(&mut log, first_keys('c', 'd')).contains(&key_id('a')));
    log.now_ms += HOUR_MS;
    later(&mut log, rotate('a', 'c')).unwrap();
    let detail = conflict(&mut log, urgent(rotate('a', 'd')));
    assert!(detail.contains(&key_id('b')), "{detail}");
    let mut empty = Log::latest();
    assert!(conflict(&mut empty, rotate('a', 'b')).contains("there is no key yet"));
    let both = RotateSigningKey {
        if_active: key_id('a'),
        ..first_keys('a', 'b')
    };
    conflict(&mut empty, both);
}

/// A member that lags would refuse what the new key signs.
#[test]
fn next_is_published_for_an_hour() {
    let mut log = ready();
    log.now_ms += HOUR_MS - 1;
    assert!(conflict(&mut log, rotate('a', 'c')).contains("60 minutes"));
    later(&mut log.clone(), urgent(rotate('a', 'c'))).unwrap();
    log.now_ms += 1;
    later(&mut log, rotate('a', 'c')).unwrap();
    // counted anew for each
    log.now_ms += HOUR_MS - 1;
    conflict(&mut log, rotate('b', 'd'));
}

#[test]
fn retiring_ends_by_log_time() {
    let mut log = ready();
    log.now_ms += HOUR_MS;
    later(&mut log, rotate('a', 'c')).unwrap();
    log.now_ms += 16 * MINUTE_MS - 1;
    let none = later(&mut log, EndSigningKeys {}).unwrap();
    assert_eq!((none.updated.len(), none.deleted.len()), (0, 0));
    log.now_ms += 1;
    assert_eq!(later(&mut log, EndSigningKeys {}).unwrap().updated, [key_id('a')]);
    assert_eq!(stages(&log)[0], ("a".to_owned(), Stage::Retired));
    log.now_ms += 90 * DAY_MS - 1;
    later(&mut log, EndSigningKeys {}).unwrap();
    assert_eq!(stages(&log).len(), 3);
    log.now_ms += 1;
    assert_eq!(later(&mut log, EndSigningKeys {}).unwrap().deleted, [key_id('a')]);
    assert_eq!(stages(&log), are(&[("b", Stage::Active), ("c", Stage::Next)]));
}

/// The key was stolen: what it has signed is refused with the entry.
#[test]
fn distrust_retires_at_once() {
    let distrust = |rotate: RotateSigningKey| RotateSigningKey {
        distrust_active: true,
        ..rotate
    };
    let first = distrust(urgent(first_keys('a', 'b')));
    assert_eq!(Log::latest().invalid(first).0, "distrust_active");
    let mut log = ready();
    log.now_ms += HOUR_MS;
    let refused = later(&mut log, distrust(rotate('a', 'c')))
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("distrust_active: "), "{refused}");
    later(&mut log, distrust(urgent(rotate('a', 'c')))).unwrap();
    assert_eq!(stages(&log)[0], ("a".to_owned(), Stage::Retired));
}

/// A backup of next week must not open a key of today.
#[test]
fn a_retiring_key_has_no_private_half() {
    let mut log = ready();
    later(&mut log, urgent(rotate('a', 'c'))).unwrap();
    let has: Vec<bool> = log
        .state
        .auth
        .signing_keys()
        .map(|key| key.private_key.is_some())
        .collect();
    assert_eq!(has, [false, true, true]);
}

/// A rotation that finds no room must not have begun.
#[test]
fn so_many_keys_are_published_and_retired_ones_make_room() {
    let mut log = Log::latest();
    log.ok(first_keys('0', '1'));
    let letters: Vec<char> = ('0'..='9').chain('a'..='z').collect();
    let pair = |n: usize| urgent(rotate(letters[n], letters[n + 2]));
    for n in 0..SIGNING_KEYS_MAX - 2 {
        later(&mut log, pair(n)).unwrap();
    }
    assert_eq!(stages(&log).len(), SIGNING_KEYS_MAX);
    assert!(conflict(&mut log, pair(SIGNING_KEYS_MAX - 2)).contains("16 minutes"));
    log.now_ms += 16 * MINUTE_MS;
    later(&mut log, EndSigningKeys {}).unwrap();
    later(&mut log, pair(SIGNING_KEYS_MAX - 2)).unwrap();
    assert_eq!(stages(&log).len(), SIGNING_KEYS_MAX);
    assert!(
        log.state.auth.signing_keys().all(|key| key.id != key_id('0')),
        "the first of the oldest"
    );
}

#[test]
fn a_key_that_could_not_be_used_is_refused_by_its_field() {
    let mut log = ready();
    let next = |key: SigningKey| {
        urgent(RotateSigningKey {
            next: Some(key),
            ..rotate('a', 'c')
        })
    };
    let base = || key('c', Stage::Next);
    let mut short = base();
    short.id.pop();
    let mut elsewhere = base();
    elsewhere.private_key = Some(sealed("signing-key/other"));
    let mut version = base();
    version.private_key.as_mut().unwrap().version = 2;
    let mut empty = base();
    empty.private_key.as_mut().unwrap().ciphertext.clear();
    for (field, wrong) in [
        ("next.id", short),
        ("next.id", key('b', Stage::Next)),
        ("next.stage", key('c', Stage::Active)),
        (
            "next.public_key",
            SigningKey {
                public_key: vec![],
                ..base()
            },
        ),
        (
            "next.private_key",
            SigningKey {
                private_key: None,
                ..base()
            },
        ),
        ("next.private_key.name", elsewhere),
        ("next.private_key.version", version),
        ("next.private_key.ciphertext", empty),
    ] {
        assert_eq!(log.invalid(next(wrong)).0, field);
    }
    let nothing = RotateSigningKey {
        if_active: key_id('a'),
        ..RotateSigningKey::default()
    };
    assert_eq!(log.invalid(nothing).0, "next");
    assert_eq!(Log::latest().invalid(first_keys('a', 'a')).0, "next.id");
}

fn activate(authority: &CertificateAuthority, urgent: bool) -> ActivateAuthority {
    ActivateAuthority {
        id: authority.id.clone(),
        urgent,
    }
}

fn ca_stages(log: &Log) -> Vec<(String, CaStage, bool)> {
    let all = log.state.auth.authorities();
    all.map(|ca| (ca.id.clone(), ca.stage(), ca.private_key.is_some()))
        .collect()
}

/// Every member trusts a CA before it meets a certificate of it, and goes on trusting the one before.
#[test]
fn a_ca_is_trusted_for_an_hour_before_it_signs() {
    let (first, second) = (authority(), other_authority());
    let mut log = Log::latest();
    log.ok(add(first.clone()));
    assert!(matches!(
        log.refused(activate(&first, false)),
        Rejection::Conflict { .. }
    ));
    log.ok(activate(&first, true));
    assert_eq!(
        log.ok(activate(&first, false)).unchanged,
        std::slice::from_ref(&first.id)
    );
    log.ok(add(second.clone()));
    log.now_ms += HOUR_MS;
    later(&mut log, activate(&second, false)).unwrap();
    let expected = [
        (first.id.clone(), CaStage::Retiring, false),
        (second.id.clone(), CaStage::Active, true),
    ];
    assert_eq!(ca_stages(&log), expected);
    let remove = |id: &str| RemoveAuthority { id: id.into() };
    assert!(matches!(
        log.refused(remove(&second.id)),
        Rejection::Conflict { .. }
    ));
    assert_eq!(log.ok(remove(&first.id)).deleted, std::slice::from_ref(&first.id));
    assert!(matches!(
        log.refused(remove(&first.id)),
        Rejection::NotFound { .. }
    ));
    assert!(matches!(
        log.refused(activate(&first, true)),
        Rejection::NotFound { .. }
    ));
    log.ok(add(first.clone()));
    log.ok(activate(&first, true));
    assert!(
        matches!(log.refused(activate(&second, true)), Rejection::Conflict { .. }),
        "it has signed before"
    );
}

#[test]
fn a_ca_is_one_certificate_under_its_digest() {
    let mut log = Log::latest();
    let base = authority;
    for (field, wrong) in [
        (
            "authority.id",
            CertificateAuthority {
                id: other_authority().id,
                ..base()
            },
        ),
        (
            "authority.certificate_pem",
            CertificateAuthority {
                certificate_pem: String::new(),
                ..base()
            },
        ),
        (
            "authority.certificate_pem",
            CertificateAuthority {
                certificate_pem: "AQID".into(),
                ..base()
            },
        ),
        (
            "authority.stage",
            CertificateAuthority {
                stage: CaStage::Active.into(),
                ..base()
            },
        ),
        (
            "authority.private_key.name",
            CertificateAuthority {
                private_key: Some(sealed("ca-key")),
                ..base()
            },
        ),
    ] {
        assert_eq!(log.invalid(add(wrong)).0, field);
    }
    // a site's own CA signs elsewhere
    let own = CertificateAuthority {
        private_key: None,
        ..base()
    };
    log.ok(add(own.clone()));
    assert!(matches!(
        log.refused(activate(&own, true)),
        Rejection::Conflict { .. }
    ));
    assert!(matches!(log.refused(add(own)), Rejection::AlreadyExists { .. }));
}

/// Its tokens would be good in the cluster that it was copied from, and the other way round.
#[test]
fn another_cluster_has_no_keys_of_this_one() {
    let mut log = ready();
    log.ok(add(authority()));
    let other = log
        .state
        .clone()
        .into_another_cluster("feedfeedfeedfeed".into(), 1 << 32, 4);
    assert_eq!(other.auth.signing_keys().count(), 0);
    assert_eq!(
        other.auth.authorities().count(),
        1,
        "certificates name the cluster by its name"
    );
    let again = State::from_rows(other.rows()).unwrap();
    assert_eq!(again.digest(), other.digest());
}
