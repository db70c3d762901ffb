//! Another key seals: everything is sealed anew, and nothing is lost on the way.

use model::Rejection;
use proto::cluster::v1::cluster_command::reseal_secrets::Resealed;
use proto::cluster::v1::cluster_command::{ResealSecrets, RetireSealingKey, RotateSealingKey};
use proto::cluster::v1::{SealedSecret, SealingKeys};
use state::bounds::{RETIRED_KEYS_MAX, SECRETS_RESEALED_MAX};
use state::cluster::FEATURE_LEVEL_AUTH;
use state::{State, ciphertext_mark, sealed_for, sealing_key_id};

use crate::auth_support::{add, authority, first_keys, provider, put_provider};
use crate::bmc_credentials;
use crate::redfish_endpoints::{bmc, post, put, sealed};
use crate::support::Log;

const NEW_KEY: [u8; 32] = [9; 32];
/// The key that sealed before the cluster named any.
const FIRST: &str = "00112233445566ff";

fn rotate(public_key: [u8; 32], if_active: &str) -> RotateSealingKey {
    RotateSealingKey {
        public_key: public_key.to_vec(),
        if_active: if_active.into(),
    }
}

/// The secret as somebody with the key would seal it.
fn for_key(public_key: [u8; 32], secret: &SealedSecret) -> SealedSecret {
    let id = sealing_key_id(&public_key);
    let id = (0..8).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap());
    let ciphertext = [vec![2], id.collect(), vec![5; 60]].concat();
    SealedSecret {
        ciphertext,
        ..secret.clone()
    }
}

fn anew(public_key: [u8; 32], secret: &SealedSecret) -> Resealed {
    Resealed {
        was: ciphertext_mark(secret).to_vec(),
        sealed: Some(for_key(public_key, secret)),
    }
}

/// One secret of each kind: a password, a signing key and its successor, a client secret, the key of a CA, the
/// password of all BMCs, and one that a rotation is about to set.
fn with_secrets() -> Log {
    let mut log = Log::latest();
    let endpoint = bmc("x0c0s0b0", "bmc0.lab");
    log.ok(post(vec![with_password(endpoint, sealed("x0c0s0b0"))]));
    log.ok(first_keys('a', 'b'));
    log.ok(put_provider(provider("site")));
    log.ok(add(authority()));
    log.ok(bmc_credentials::put("default", "root"));
    log.ok(bmc_credentials::put_next("x0c0s1b0"));
    log
}

fn with_password(
    endpoint: proto::smd::v1::smd_command::DiscoveredEndpoint,
    password: SealedSecret,
) -> proto::smd::v1::smd_command::DiscoveredEndpoint {
    proto::smd::v1::smd_command::DiscoveredEndpoint {
        password: Some(password),
        ..endpoint
    }
}

fn all(state: &State) -> Vec<SealedSecret> {
    state.sealed().cloned().collect()
}

fn reseal(log: &Log) -> ResealSecrets {
    reseal_for(NEW_KEY, log)
}

fn reseal_for(key: [u8; 32], log: &Log) -> ResealSecrets {
    let due = log.state.to_be_resealed().map(|secret| anew(key, secret));
    ResealSecrets {
        secrets: due.collect(),
    }
}

fn retire(id: &str) -> RetireSealingKey {
    RetireSealingKey { id: id.into() }
}

fn conflict(rejection: &Rejection) -> &str {
    match rejection {
        Rejection::Conflict { detail } => detail,
        other => panic!("refused otherwise: {other}"),
    }
}

#[test]
fn every_kind_of_secret_is_sealed_anew_before_the_old_key_retires() {
    let mut log = with_secrets();
    let names: Vec<String> = all(&log.state).into_iter().map(|secret| secret.name).collect();
    for kind in [
        "bmc/x0c0s0b0",
        "signing-key/",
        "oidc-client/site",
        "ca-key/",
        "bmc-credential/default",
        "bmc-next/x0c0s1b0",
    ] {
        assert!(
            names.iter().any(|name| name.starts_with(kind)),
            "{kind}: {names:?}"
        );
    }
    assert_eq!(log.state.to_be_resealed().count(), 0, "nobody has rotated");
    log.ok(rotate(NEW_KEY, FIRST));
    assert_eq!(log.state.to_be_resealed().count(), names.len());
    let early = log.refused(retire(FIRST));
    assert!(conflict(&early).contains("still sealed for"), "{early}");
    let applied = log.ok(reseal(&log.clone()));
    assert_eq!(applied.updated.len(), names.len());
    let id = sealing_key_id(&NEW_KEY);
    assert!(
        all(&log.state)
            .iter()
            .all(|secret| sealed_for(secret).as_ref() == Some(&id))
    );
    log.ok(retire(FIRST));
    let keys = SealingKeys {
        active_id: id,
        public_key: NEW_KEY.to_vec(),
        since_ms: log.now_ms,
        retiring_id: String::new(),
        retired_ids: vec![FIRST.into()],
    };
    assert_eq!(log.state.cluster.sealing_keys(), Some(&keys));
    assert_eq!(log.ok(retire(FIRST)).unchanged, [FIRST], "a repeat");
}

/// A password that was changed while the leader sealed the one before.
#[test]
fn what_was_written_meanwhile_is_not_overwritten() {
    let mut log = with_secrets();
    log.ok(rotate(NEW_KEY, FIRST));
    let late = reseal(&log);
    let newer = SealedSecret {
        version: 2,
        ..for_key(NEW_KEY, &sealed("x0c0s0b0"))
    };
    log.ok(put(with_password(bmc("x0c0s0b0", "bmc0.lab"), newer.clone())));
    let applied = log.ok(late);
    assert_eq!(applied.unchanged, ["bmc/x0c0s0b0"]);
    assert_eq!(*log.state.cluster.secret("bmc/x0c0s0b0").unwrap(), newer);
}

/// A member that lags behind seals for the key before: taken while that one can be sealed anew, refused when it is gone.
#[test]
fn what_is_sealed_for_a_retired_key_is_refused() {
    let mut log = with_secrets();
    log.ok(rotate(NEW_KEY, FIRST));
    let unnamed = SealedSecret {
        version: 2,
        ..sealed("x0c0s0b0")
    };
    log.ok(put(with_password(bmc("x0c0s0b0", "bmc0.lab"), unnamed.clone())));
    let again = reseal(&log);
    log.ok(again);
    log.ok(retire(FIRST));
    let refused = log.refused(put(with_password(bmc("x0c0s0b0", "bmc0.lab"), unnamed)));
    assert!(conflict(&refused).contains("repeat the request"), "{refused}");
    let refused = log.refused(add(authority()));
    assert!(matches!(
        refused,
        Rejection::Conflict { .. } | Rejection::AlreadyExists { .. }
    ));
    let named = SealedSecret {
        version: 3,
        ..for_key(NEW_KEY, &sealed("x0c0s0b0"))
    };
    log.ok(put(with_password(bmc("x0c0s0b0", "bmc0.lab"), named)));
}

#[test]
fn one_rotation_at_a_time_from_the_key_that_seals() {
    let mut log = with_secrets();
    assert_eq!(log.invalid(rotate(NEW_KEY, "first")).0, "if_active");
    assert_eq!(
        log.invalid(RotateSealingKey {
            public_key: vec![1; 31],
            if_active: FIRST.into()
        })
        .0,
        "public_key"
    );
    log.ok(rotate(NEW_KEY, FIRST));
    let id = sealing_key_id(&NEW_KEY);
    let second = log.refused(rotate([8; 32], &id));
    assert!(conflict(&second).contains("still being sealed anew"), "{second}");
    let again = reseal(&log);
    log.ok(again);
    log.ok(retire(FIRST));
    let other = log.refused(rotate([8; 32], FIRST));
    assert!(conflict(&other).contains("seals, not"), "{other}");
    let same = log.refused(rotate(NEW_KEY, &id));
    assert!(conflict(&same).contains("seals already"), "{same}");
    log.ok(rotate([8; 32], &id));
    assert_eq!(log.state.cluster.sealing_keys().unwrap().retiring_id, id);
}

#[test]
fn what_is_not_sealed_for_the_key_that_seals_is_no_reseal() {
    let mut log = with_secrets();
    let secrets = all(&log.state);
    let of = |key: [u8; 32]| ResealSecrets {
        secrets: vec![anew(key, &secrets[0])],
    };
    let early = log.refused(of(NEW_KEY));
    assert!(conflict(&early).contains("rotate-kek"), "{early}");
    log.ok(rotate(NEW_KEY, FIRST));
    assert_eq!(log.invalid(of([8; 32])).0, "secrets.sealed");
    let many = ResealSecrets {
        secrets: vec![anew(NEW_KEY, &secrets[0]); SECRETS_RESEALED_MAX + 1],
    };
    assert_eq!(log.invalid(many).0, "secrets");
    let renamed = Resealed {
        sealed: Some(SealedSecret {
            name: "bmc/x1c0s0b0".into(),
            ..for_key(NEW_KEY, &secrets[0])
        }),
        ..anew(NEW_KEY, &secrets[0])
    };
    let applied = log.ok(ResealSecrets {
        secrets: vec![renamed],
    });
    assert_eq!(applied.unchanged, ["bmc/x1c0s0b0"], "there is none of that name");
}

/// Rotates from `active` to `next` and to the end.
fn rotate_to_the_end(log: &mut Log, next: [u8; 32], active: &str) {
    log.ok(rotate(next, active));
    let again = reseal_for(next, log);
    log.ok(again);
    log.ok(retire(active));
}

/// It names no key, so it is sealed for the one that is long retired: nobody would open it again.
#[test]
fn a_secret_that_names_no_key_is_taken_during_the_first_rotation_alone() {
    let mut log = with_secrets();
    rotate_to_the_end(&mut log, NEW_KEY, FIRST);
    log.ok(rotate([8; 32], &sealing_key_id(&NEW_KEY)));
    let unnamed = SealedSecret {
        version: 2,
        ..sealed("x0c0s0b0")
    };
    let refused = log.refused(put(with_password(bmc("x0c0s0b0", "bmc0.lab"), unnamed.clone())));
    assert!(conflict(&refused).contains("repeat the request"), "{refused}");
    // a member that has not seen the second rotation names the key before
    let before = for_key(NEW_KEY, &unnamed);
    log.ok(put(with_password(bmc("x0c0s0b0", "bmc0.lab"), before)));
}

/// Members forget what is named here, and nothing else.
#[test]
fn retired_keys_are_named_and_bounded() {
    let mut log = with_secrets();
    let mut active = FIRST.to_owned();
    for round in 0..RETIRED_KEYS_MAX + 2 {
        let next = [100 + u8::try_from(round).unwrap(); 32];
        rotate_to_the_end(&mut log, next, &active);
        let retired = &log.state.cluster.sealing_keys().unwrap().retired_ids;
        assert_eq!(retired.last(), Some(&active));
        assert_eq!(retired.len(), RETIRED_KEYS_MAX.min(round + 1));
        active = sealing_key_id(&next);
    }
    // one that seals again is named once when it retires again
    let old = log.state.cluster.sealing_keys().unwrap().retired_ids[5].clone();
    let again = (0..RETIRED_KEYS_MAX + 2).map(|round| [100 + u8::try_from(round).unwrap(); 32]);
    let again = again.into_iter().find(|key| sealing_key_id(key) == old).unwrap();
    rotate_to_the_end(&mut log, again, &active);
    rotate_to_the_end(&mut log, [9; 32], &old);
    let retired = &log.state.cluster.sealing_keys().unwrap().retired_ids;
    assert_eq!(retired.iter().filter(|id| **id == old).count(), 1);
    assert_eq!(retired.last(), Some(&old));
}

/// A snapshot says which keys it needs, and the rows alone give the same state again (which `Log` checks at each entry).
#[test]
fn the_header_of_a_snapshot_names_the_keys() {
    let mut log = with_secrets();
    log.ok(rotate(NEW_KEY, FIRST));
    let restored = State::from_rows(log.state.rows()).unwrap();
    let keys = restored.cluster.sealing_keys().unwrap();
    assert_eq!(
        (keys.active_id.as_str(), keys.retiring_id.as_str()),
        (sealing_key_id(&NEW_KEY).as_str(), FIRST)
    );
}

/// Members of the release before would stop at it.
#[test]
fn an_older_cluster_keeps_its_key() {
    let mut log = Log::new();
    log.state = State::at_level(FEATURE_LEVEL_AUTH - 1);
    let refused = log.refused(rotate(NEW_KEY, FIRST));
    assert!(
        matches!(refused, Rejection::FeatureLevel { needed, .. } if needed == FEATURE_LEVEL_AUTH),
        "{refused}"
    );
}

/// A rotation that was on its way while the cluster's key retired would store what nobody can open.
#[test]
fn a_password_that_is_sealed_for_a_retired_key_is_refused() {
    let mut log = with_secrets();
    log.ok(rotate(NEW_KEY, FIRST));
    log.ok(reseal(&log.clone()));
    log.ok(retire(FIRST));
    for refused in [
        log.refused(bmc_credentials::put("group:a", "root")),
        log.refused(bmc_credentials::put_next("x0c0s2b0")),
        log.refused(bmc_credentials::keep("x0c0s1b0")),
    ] {
        assert!(conflict(&refused).contains("is retired"), "{refused}");
    }
}
