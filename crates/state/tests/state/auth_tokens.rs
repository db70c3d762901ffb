//! Tokens, logins, devices, providers, and what was taken back of them.

use model::Rejection;
use proto::auth::v1::auth_command::{
    DeleteApiToken, DeleteProvider, EndSession, ForgetEnded, OpenSession, PutProvider,
};
use proto::auth::v1::{ApiToken, LoginSession, OidcProvider, Revocation};
use state::State;
use state::auth::Proof;
use state::bounds::{LOGIN_SESSIONS_PER_PRINCIPAL_MAX, OIDC_PROVIDERS_MAX};

use crate::auth_support::{
    DAY_MS, HOUR_MS, ID, MINUTE_MS, api_token, approve, create_token, later, login, open, policy, provider,
    put, put_provider, refresh, revoke, sealed, texts,
};
use crate::support::{Log, START_MS};

const ADA: &str = "user/ada";
const CODE: &str = "BCDFGHJK";

/// What an access token of the login proves.
fn of_login<'a>(principal: &'a str, session_id: &'a str, issued_at_ms: u64) -> Proof<'a> {
    Proof {
        principal,
        token_id: "t1",
        session_id,
        issued_at_ms,
        certificate_sha256: &[],
    }
}

fn of_api_token<'a>(principal: &'a str, token_id: &'a str) -> Proof<'a> {
    Proof {
        principal,
        token_id,
        session_id: "",
        issued_at_ms: 0,
        certificate_sha256: &[],
    }
}

fn numbered(n: usize) -> String {
    format!("{n:016x}")
}

#[test]
fn a_token_is_stored_as_its_digest_and_deleted() {
    let mut log = Log::latest();
    let given = ApiToken {
        permissions: texts(&["smd.read", "bss.*", "smd.read"]),
        ..api_token(ID, "service/prometheus")
    };
    assert_eq!(log.ok(create_token(given.clone())).created, [ID]);
    let stored = ApiToken {
        permissions: texts(&["bss.*", "smd.read"]),
        meta: log.created(),
        ..given.clone()
    };
    assert_eq!(log.state.auth.api_token(ID).as_deref(), Some(&stored));
    assert_eq!(log.invalid(create_token(given)).0, "token.id");
    assert_eq!(
        log.state.auth.revoked(&of_api_token("service/prometheus", ID)),
        None
    );
    let delete = DeleteApiToken { id: ID.into() };
    assert_eq!(log.ok(delete.clone()).deleted, [ID]);
    assert!(
        log.state
            .auth
            .revoked(&of_api_token("service/prometheus", ID))
            .is_some()
    );
    assert!(
        log.state
            .auth
            .revoked(&of_login("service/prometheus", ID, START_MS))
            .is_some(),
        "nor is what it was shown for"
    );
    assert!(matches!(log.refused(delete), Rejection::NotFound { .. }));
}

#[test]
fn ninety_days_at_most() {
    let mut log = Log::latest();
    for (expires_at_ms, fits) in [
        (START_MS, false),
        (START_MS + 1, true),
        (START_MS + 90 * DAY_MS, true),
        (START_MS + 90 * DAY_MS + 1, false),
    ] {
        let token = ApiToken {
            expires_at_ms,
            ..api_token(&numbered(usize::try_from(expires_at_ms % 1000).unwrap()), ADA)
        };
        match fits {
            true => drop(log.ok(create_token(token))),
            false => assert_eq!(log.invalid(create_token(token)).0, "token.expires_at_ms"),
        }
    }
    for (field, wrong) in [
        ("token.id", api_token("C0FFEE", ADA)),
        ("token.principal", api_token(ID, "user/*")),
        ("token.principal", api_token(ID, "token/admin")),
        (
            "token.secret_sha256",
            ApiToken {
                secret_sha256: vec![1; 31],
                ..api_token(ID, ADA)
            },
        ),
        (
            "token.permissions",
            ApiToken {
                permissions: vec![],
                ..api_token(ID, ADA)
            },
        ),
        (
            "token.description",
            ApiToken {
                description: "\n".into(),
                ..api_token(ID, ADA)
            },
        ),
    ] {
        assert_eq!(log.invalid(create_token(wrong)).0, field);
    }
}

#[test]
fn a_login_is_stored_with_its_first_refresh_token() {
    let mut log = Log::latest();
    let given = LoginSession {
        groups: texts(&["ops", "admins", "ops"]),
        previous_refresh_sha256: vec![9; 32],
        ..login(ID, ADA)
    };
    assert_eq!(log.ok(open(given.clone())).created, [ID]);
    let stored = LoginSession {
        groups: texts(&["admins", "ops"]),
        previous_refresh_sha256: vec![],
        refreshed_at_ms: log.now_ms,
        meta: log.created(),
        ..given.clone()
    };
    assert_eq!(log.state.auth.session(ID).as_deref(), Some(&stored));
    assert_eq!(log.invalid(open(given)).0, "session.id");
    let base = || login(&numbered(1), ADA);
    for (field, wrong) in [
        ("session.id", login("x", ADA)),
        ("session.principal", login(&numbered(1), "node/x0c0s0b0n0")),
        (
            "session.groups",
            LoginSession {
                groups: texts(&[""]),
                ..base()
            },
        ),
        (
            "session.refresh_sha256",
            LoginSession {
                refresh_sha256: vec![],
                ..base()
            },
        ),
        (
            "session.family_sha256",
            LoginSession {
                family_sha256: vec![1; 16],
                ..base()
            },
        ),
        (
            "session.permissions",
            LoginSession {
                permissions: texts(&["smd"]),
                ..base()
            },
        ),
        (
            "session.expires_at_ms",
            LoginSession {
                expires_at_ms: START_MS + 31 * DAY_MS,
                ..base()
            },
        ),
        (
            "session.provider",
            LoginSession {
                provider: "a b".into(),
                ..base()
            },
        ),
    ] {
        assert_eq!(log.invalid(open(wrong)).0, field);
    }
}

#[test]
fn the_oldest_session_goes() {
    let mut log = Log::latest();
    log.ok(open(login(ID, "user/bob")));
    // the ids fall, so that it is time that counts
    let id = |n: usize| numbered(100_000 - n);
    log.fill((0..LOGIN_SESSIONS_PER_PRINCIPAL_MAX).map(|n| open(login(&id(n), ADA))));
    assert!(log.state.auth.session(&id(0)).is_some());
    log.ok(open(login(&id(LOGIN_SESSIONS_PER_PRINCIPAL_MAX), ADA)));
    assert_eq!(log.state.auth.session(&id(0)), None);
    assert!(log.state.auth.session(&id(1)).is_some() && log.state.auth.session(ID).is_some());
    assert!(log.state.auth.revoked(&of_login(ADA, &id(0), START_MS)).is_some());
    assert_eq!(
        log.state.auth.sessions().count(),
        LOGIN_SESSIONS_PER_PRINCIPAL_MAX + 1
    );
    // a restored state pushes out the same one
    let mut restored = State::from_rows(log.state.rows()).unwrap();
    let (index, entry) = (log.next_index(), log.entry(open(login(&numbered(7), ADA))));
    restored.apply(index, &entry);
    log.apply_entry(&entry);
    assert_eq!(restored.digest(), log.state.digest());
    assert_eq!(log.state.auth.session(&id(1)), None);
}

#[test]
fn a_refresh_token_is_good_once() {
    let mut log = Log::latest();
    log.ok(open(login(ID, ADA)));
    log.now_ms += MINUTE_MS;
    assert_eq!(log.ok(refresh(ID, 1, 2)).updated, [ID]);
    let session = log.state.auth.session(ID).unwrap();
    assert_eq!(
        (
            &session.refresh_sha256,
            &session.previous_refresh_sha256,
            session.refreshed_at_ms
        ),
        (&vec![2; 32], &vec![1; 32], log.now_ms)
    );
    let mut strangers = refresh(ID, 2, 6);
    strangers.family_sha256 = vec![0xfb; 32];
    assert!(matches!(log.refused(strangers), Rejection::NotFound { .. }));
    assert!(matches!(
        log.refused(refresh("1111111111111111", 2, 3)),
        Rejection::NotFound { .. }
    ));
    assert_eq!(log.invalid(refresh(ID, 2, 2)).0, "new_sha256");
    let mut short = refresh(ID, 2, 3);
    short.new_sha256.pop();
    assert_eq!(log.invalid(short).0, "new_sha256");
    let mut short = refresh(ID, 2, 3);
    short.family_sha256.pop();
    assert_eq!(log.invalid(short).0, "family_sha256");
    log.ok(refresh(ID, 2, 3));
}

/// Whoever has stolen it, or was stolen from, has shown it; nobody can tell which, so the login is over for both.
#[test]
fn replay_ends_the_session() {
    let mut log = Log::latest();
    log.ok(open(login(ID, ADA)));
    log.ok(refresh(ID, 1, 2));
    log.now_ms += 10_001;
    let ended = log.ok(refresh(ID, 1, 3));
    assert_eq!((ended.value.as_str(), ended.deleted), ("replayed", texts(&[ID])));
    assert_eq!(log.state.auth.session(ID), None);
    assert_eq!(
        log.state.auth.revoked(&of_login(ADA, ID, START_MS)),
        Some("the login was ended")
    );
    assert!(matches!(
        log.refused(refresh(ID, 2, 4)),
        Rejection::NotFound { .. }
    ));
}

/// The thief may have gone on with what he had stolen, for as many generations as he liked, before the owner comes back.
#[test]
fn replay_of_any_generation_ends_the_session() {
    for shown in [1, 2, 3, 77] {
        let mut log = Log::latest();
        log.ok(open(login(ID, ADA)));
        for n in 1..5 {
            log.ok(refresh(ID, n, n + 1));
        }
        let ended = log.ok(refresh(ID, shown, 9));
        assert_eq!((ended.value.as_str(), ended.deleted), ("replayed", texts(&[ID])));
        assert_eq!(log.state.auth.session(ID), None, "{shown}");
    }
}

/// An honest client whose answer was lost, or that asks twice at once, is not a thief.
#[test]
fn a_lost_refresh_answer_within_ten_seconds_is_conflict() {
    let mut log = Log::latest();
    log.ok(open(login(ID, ADA)));
    log.ok(refresh(ID, 1, 2));
    log.now_ms += 10_000;
    assert!(matches!(
        log.refused(refresh(ID, 1, 3)),
        Rejection::Conflict { .. }
    ));
    log.ok(refresh(ID, 2, 3));
}

#[test]
fn a_session_ends_by_its_time_and_by_command() {
    let mut log = Log::latest();
    log.ok(open(login(ID, ADA)));
    let mut then = log.clone();
    then.now_ms = START_MS + DAY_MS;
    assert!(matches!(
        later(&mut then, refresh(ID, 1, 2)),
        Err(Rejection::NotFound { .. })
    ));
    let end = EndSession { id: ID.into() };
    assert_eq!(log.ok(end.clone()).deleted, [ID]);
    assert!(log.state.auth.revoked(&of_login(ADA, ID, START_MS)).is_some());
    assert!(matches!(log.refused(end), Rejection::NotFound { .. }));
}

#[test]
fn a_device_is_let_in_once_and_by_who_said_yes() {
    let mut log = Log::latest();
    assert_eq!(log.ok(approve(CODE, ADA)).created, [CODE]);
    assert!(matches!(
        log.refused(approve(CODE, "user/eve")),
        Rejection::Conflict { .. }
    ));
    let with = |n: usize, principal: &str, user_code: &str| OpenSession {
        session: Some(login(&numbered(n), principal)),
        user_code: user_code.into(),
    };
    assert!(matches!(
        log.refused(with(1, "user/eve", CODE)),
        Rejection::NotFound { .. }
    ));
    assert!(matches!(
        log.refused(with(1, ADA, "ZZZZZZZZ")),
        Rejection::NotFound { .. }
    ));
    log.ok(with(1, ADA, CODE));
    assert_eq!(log.state.auth.device_approval(CODE), None);
    assert!(matches!(
        log.refused(with(2, ADA, CODE)),
        Rejection::NotFound { .. }
    ));
    // what is over is no yes, and does not stand in the way of another
    log.ok(approve(CODE, ADA));
    log.now_ms = START_MS + 10 * MINUTE_MS;
    assert!(matches!(
        log.refused(with(2, ADA, CODE)),
        Rejection::NotFound { .. }
    ));
    for (field, code, principal) in [
        ("approval.user_code", "bcdfghjk", ADA),
        ("approval.user_code", "BCDF-GHJ", ADA),
        ("approval.user_code", "BCDFGHJA", ADA),
        ("approval.principal", CODE, "group/ops"),
        ("approval.expires_at_ms", CODE, ADA),
    ] {
        let mut wrong = approve(code, principal);
        let approval = wrong.approval.as_mut().unwrap();
        let minutes = if field.ends_with("_ms") { 11 } else { 10 };
        approval.expires_at_ms = log.now_ms + minutes * MINUTE_MS;
        assert_eq!(log.invalid(wrong).0, field);
    }
}

#[test]
fn what_is_revoked_is_named_in_one_way() {
    let mut log = Log::latest();
    for (given, stored, before_ms) in [
        ("jti/a-B_0.z", "jti/a-B_0.z", 0),
        ("session/00c0ffee00c0ffee", "session/00c0ffee00c0ffee", 0),
        (
            "principal/node/X01c0s0b0n0",
            "principal/node/x1c0s0b0n0",
            START_MS,
        ),
    ] {
        assert_eq!(log.ok(revoke(given, before_ms)).created, [stored]);
        assert_eq!(log.ok(revoke(stored, before_ms)).updated, [stored]);
    }
    let digest = "AB".repeat(32);
    log.ok(revoke(&format!("certificate/{digest}"), 0));
    let proof = Proof {
        token_id: "",
        certificate_sha256: &[0xab; 32],
        ..of_login(ADA, "", START_MS)
    };
    assert_eq!(
        log.state.auth.revoked(&proof),
        Some("the certificate was revoked")
    );
    for wrong in [
        "",
        "jti",
        "jti/",
        "jti/a b",
        "session/x",
        "certificate/ab",
        "principal/user/*",
        "principal/group/ops",
        "principal/token/admin",
        "user/ada",
    ] {
        assert_eq!(log.invalid(revoke(wrong, 0)).0, "revocation.id", "{wrong}");
    }
    for (id, before_ms) in [
        ("jti/t1", 1),
        ("principal/user/ada", 0),
        ("principal/user/ada", START_MS + MINUTE_MS + 1),
    ] {
        assert_eq!(
            log.invalid(revoke(id, before_ms)).0,
            "revocation.before_ms",
            "{id}"
        );
    }
    let mut for_ever = revoke("jti/t1", 0);
    for_ever.revocation.as_mut().unwrap().forget_at_ms = u64::MAX;
    assert_eq!(log.invalid(for_ever).0, "revocation.forget_at_ms");
}

/// Its logins and tokens go with it, so that nothing of them is good again when the revocation is forgotten.
#[test]
fn a_principal_is_revoked_with_all_that_was_made_before() {
    let mut log = Log::latest();
    log.ok(open(login(ID, ADA)));
    log.ok(open(login(&numbered(1), "user/bob")));
    log.ok(create_token(api_token(ID, ADA)));
    log.now_ms += MINUTE_MS;
    log.ok(revoke("principal/user/ada", log.now_ms));
    log.ok(open(login(&numbered(2), ADA)));
    let now_ms = log.now_ms;
    let auth = &log.state.auth;
    assert_eq!((auth.session(ID), auth.api_token(ID)), (None, None));
    assert!(auth.session(&numbered(1)).is_some() && auth.session(&numbered(2)).is_some());
    assert!(auth.revoked(&of_login(ADA, "", now_ms - 1)).is_some());
    assert_eq!(auth.revoked(&of_login(ADA, &numbered(2), now_ms)), None);
    assert_eq!(auth.revoked(&of_login("user/bob", &numbered(1), START_MS)), None);
}

#[test]
fn revocations_are_forgotten_when_all_has_ended() {
    let mut log = Log::latest();
    log.ok(create_token(api_token(ID, ADA)));
    log.ok(open(login(ID, ADA)));
    log.ok(approve(CODE, ADA));
    log.ok(revoke("jti/t1", 0));
    let long = Revocation {
        forget_at_ms: START_MS + 2 * DAY_MS,
        ..revoke("jti/t2", 0).revocation.unwrap()
    };
    log.ok(proto::auth::v1::auth_command::Revoke {
        revocation: Some(long),
    });
    assert_eq!(log.ok(ForgetEnded {}).deleted_count, 0);
    log.now_ms = START_MS + 16 * MINUTE_MS - 1;
    assert_eq!(log.ok(ForgetEnded {}).deleted_count, 1, "the device");
    let by = |id: &'static str| Proof {
        token_id: id,
        ..of_login(ADA, "", START_MS)
    };
    assert!(log.state.auth.revoked(&by("t1")).is_some());
    log.now_ms += 1;
    assert_eq!(log.ok(ForgetEnded {}).deleted_count, 1);
    assert_eq!(log.state.auth.revoked(&by("t1")), None, "it has ended by itself");
    assert!(log.state.auth.revoked(&by("t2")).is_some());
    log.now_ms = START_MS + DAY_MS;
    assert_eq!(
        later(&mut log, ForgetEnded {}).unwrap().deleted_count,
        2,
        "token and login"
    );
    log.now_ms += DAY_MS;
    assert_eq!(later(&mut log, ForgetEnded {}).unwrap().deleted_count, 1);
    assert_eq!(log.state.auth.revoked(&by("t2")), None);
}

#[test]
fn a_provider_keeps_its_secret_unless_another_is_given() {
    let mut log = Log::latest();
    let given = OidcProvider {
        scopes: texts(&["profile", "groups", "profile"]),
        ..provider("site")
    };
    assert_eq!(log.ok(put_provider(given.clone())).created, ["site"]);
    let stored = log.state.auth.provider("site").unwrap();
    assert_eq!(stored.scopes, texts(&["groups", "profile"]));
    let without = || OidcProvider {
        client_secret: None,
        ..provider("site")
    };
    let keep = |provider: OidcProvider| PutProvider {
        provider: Some(provider),
        keep_client_secret: true,
    };
    log.ok(keep(without()));
    assert_eq!(
        log.state.auth.provider("site").unwrap().client_secret,
        given.client_secret
    );
    assert_eq!(log.invalid(keep(given)).0, "keep_client_secret");
    log.ok(put_provider(without()));
    assert_eq!(log.state.auth.provider("site").unwrap().client_secret, None);
    let twice = OidcProvider {
        issuer: provider("site").issuer,
        ..provider("other")
    };
    assert!(matches!(
        log.refused(put_provider(twice)),
        Rejection::AlreadyExists { .. }
    ));
    let delete = DeleteProvider { name: "site".into() };
    assert_eq!(log.ok(delete.clone()).deleted, ["site"]);
    assert!(matches!(log.refused(delete), Rejection::NotFound { .. }));
    log.fill((0..OIDC_PROVIDERS_MAX).map(|n| put_provider(provider(&format!("p{n}")))));
    assert!(matches!(
        log.refused(put_provider(provider("more"))),
        Rejection::Conflict { .. }
    ));
}

#[test]
fn a_provider_that_cannot_be_asked_safely_is_refused_by_its_field() {
    let mut log = Log::latest();
    let base = || provider("site");
    for (field, wrong) in [
        (
            "name",
            OidcProvider {
                name: "Site".into(),
                ..base()
            },
        ),
        (
            "issuer",
            OidcProvider {
                issuer: "http://login.example.org".into(),
                ..base()
            },
        ),
        (
            "client_id",
            OidcProvider {
                client_id: String::new(),
                ..base()
            },
        ),
        (
            "client_secret.name",
            OidcProvider {
                client_secret: Some(sealed("oidc-client/other")),
                ..base()
            },
        ),
        (
            "scopes",
            OidcProvider {
                scopes: texts(&["a b"]),
                ..base()
            },
        ),
        (
            "ca_pem",
            OidcProvider {
                ca_pem: "no certificate".into(),
                ..base()
            },
        ),
        (
            "audiences",
            OidcProvider {
                accepts_access_tokens: true,
                ..base()
            },
        ),
        (
            "keys_max_age_s",
            OidcProvider {
                keys_max_age_s: 86_401,
                ..base()
            },
        ),
    ] {
        assert_eq!(log.invalid(put_provider(wrong)).0, field);
    }
    assert_eq!(log.state.auth.providers().count(), 0);
}

/// Nobody who was logged in there is here; what was decided stays, and what was revoked stays so.
#[test]
fn another_cluster_knows_nobodys_tokens() {
    let mut log = Log::latest();
    log.ok(put(policy("p", "viewer", &[ADA])));
    log.ok(put_provider(provider("site")));
    log.ok(create_token(api_token(ID, ADA)));
    log.ok(open(login(ID, ADA)));
    log.ok(approve(CODE, ADA));
    log.ok(revoke("principal/user/eve", START_MS));
    let other = log
        .state
        .clone()
        .into_another_cluster("feedfeedfeedfeed".into(), 1 << 32, 4);
    let counts = |state: &State| {
        let auth = &state.auth;
        let gone = [auth.api_tokens().count(), auth.sessions().count()];
        (
            gone,
            auth.device_approval(CODE).is_some(),
            auth.policies().count(),
            auth.providers().count(),
        )
    };
    assert_eq!(counts(&log.state), ([1, 1], true, 1, 1));
    assert_eq!(counts(&other), ([0, 0], false, 1, 1));
    assert!(
        other
            .auth
            .revoked(&of_login("user/eve", "", START_MS - HOUR_MS))
            .is_some()
    );
    let again = State::from_rows(other.rows()).unwrap();
    assert_eq!(again.digest(), other.digest(), "the digest is that of its rows");
}
