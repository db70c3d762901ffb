//! What anybody may change who proves who he is: his own, and only while what he has shown stands.

use model::Rejection;
use proto::auth::v1::auth_command::{DeleteApiToken, EndSession, ForgetEnded};
use proto::auth::v1::{ApiToken, Grant};
use state::bounds::API_TOKENS_PER_PRINCIPAL_MAX;

use crate::auth_support::{
    ID, MINUTE_MS, api_token, approve, create_token, granted, later, login, open, policy, put, revoke,
};
use crate::create_components::{component, create};
use crate::support::{IntoCommand, Log, START_MS};

const ADA: &str = "user/ada";

fn numbered(n: usize) -> String {
    format!("{n:016x}")
}

fn by_certificate() -> Grant {
    Grant {
        certificate_sha256: vec![0xab; 32],
        issued_at_ms: START_MS,
        ..Grant::default()
    }
}

fn by_access_token(of: &str) -> Grant {
    Grant {
        token_id: "t1".into(),
        session_id: of.into(),
        issued_at_ms: START_MS,
        ..Grant::default()
    }
}

fn by_api_token(id: &str) -> Grant {
    Grant {
        token_id: id.into(),
        ..Grant::default()
    }
}

fn no() -> Rejection {
    Rejection::Denied {
        permission: "auth.admin".into(),
    }
}

/// `user/ada` has a token and a login; so has `user/bob`.
fn world() -> Log {
    let mut log = Log::latest();
    log.ok(create_token(api_token(&numbered(1), ADA)));
    log.ok(open(login(&numbered(2), ADA)));
    log.ok(create_token(api_token(&numbered(3), "user/bob")));
    log.ok(open(login(&numbered(4), "user/bob")));
    log
}

fn try_it(log: &Log, grant: Grant, command: impl IntoCommand) -> Result<(), Rejection> {
    granted(&mut log.clone(), ADA, grant, command).map(|_| ())
}

#[test]
fn ones_own_can_be_made_and_ended_without_a_policy() {
    let log = world();
    for command in [
        create_token(api_token(ID, ADA)).into_command(),
        DeleteApiToken { id: numbered(1) }.into_command(),
        EndSession { id: numbered(2) }.into_command(),
        revoke(&format!("session/{}", numbered(1)), 0).into_command(),
        revoke("principal/user/ada", START_MS).into_command(),
        revoke(&format!("certificate/{}", "AB".repeat(32)), 0).into_command(),
        approve("BCDFGHJK", ADA).into_command(),
    ] {
        assert_eq!(
            try_it(&log, by_certificate(), command.clone()),
            Ok(()),
            "{command:?}"
        );
    }
    let shown = by_access_token(&numbered(2));
    assert_eq!(try_it(&log, shown, revoke("jti/t1", 0)), Ok(()));
}

#[test]
fn what_is_anothers_needs_a_right() {
    let log = world();
    for command in [
        create_token(api_token(ID, "user/bob")).into_command(),
        DeleteApiToken { id: numbered(3) }.into_command(),
        DeleteApiToken { id: numbered(9) }.into_command(),
        EndSession { id: numbered(4) }.into_command(),
        revoke(&format!("session/{}", numbered(4)), 0).into_command(),
        revoke("principal/user/bob", START_MS).into_command(),
        revoke(&format!("certificate/{}", "cd".repeat(32)), 0).into_command(),
        revoke("jti/t2", 0).into_command(),
        approve("BCDFGHJK", "user/bob").into_command(),
        put(policy("p", "admin", &[ADA])).into_command(),
        ForgetEnded {}.into_command(),
        create(vec![component("x0c0s0b0n0")]).into_command(),
    ] {
        assert_eq!(
            try_it(&log, by_certificate(), command.clone()),
            Err(no()),
            "{command:?}"
        );
    }
}

/// The member that took the request may not have heard of it yet.
#[test]
fn what_was_taken_back_earlier_in_the_log_makes_nothing() {
    let make = || create_token(api_token(ID, ADA));
    let mut log = world();
    assert_eq!(try_it(&log, by_access_token(&numbered(2)), make()), Ok(()));
    log.ok(EndSession { id: numbered(2) });
    assert_eq!(try_it(&log, by_access_token(&numbered(2)), make()), Err(no()));
    log.ok(revoke(&format!("certificate/{}", "ab".repeat(32)), 0));
    assert_eq!(try_it(&log, by_certificate(), make()), Err(no()));
    let mut log = world();
    log.ok(revoke("principal/user/ada", START_MS + 1));
    assert_eq!(try_it(&log, by_certificate(), make()), Err(no()));
    let named = Grant {
        policies: vec!["p".into()],
        ..by_certificate()
    };
    assert_eq!(
        try_it(&world(), named, make()),
        Err(no()),
        "policies are for a permission"
    );
}

/// Else the end of one that leaked would end nothing.
#[test]
fn a_token_for_machines_makes_no_other_one() {
    let log = world();
    let make = || create_token(api_token(ID, ADA));
    for shown in [
        by_api_token(&numbered(1)),
        by_access_token(&numbered(1)),
        by_access_token(""),
        by_access_token(&numbered(4)),
    ] {
        assert_eq!(try_it(&log, shown.clone(), make()), Err(no()), "{shown:?}");
    }
    let delete = DeleteApiToken { id: numbered(1) };
    assert_eq!(
        try_it(&log, by_api_token(&numbered(1)), delete),
        Ok(()),
        "but it ends itself"
    );
}

#[test]
fn a_principal_has_so_many_tokens_and_no_more() {
    let mut log = Log::latest();
    let id = |n: usize| numbered(n + 1);
    let of = |n: usize| ApiToken {
        expires_at_ms: START_MS + MINUTE_MS + u64::try_from(n).unwrap(),
        ..api_token(&id(n), ADA)
    };
    log.fill((0..API_TOKENS_PER_PRINCIPAL_MAX).map(|n| create_token(of(n))));
    let one_more = || create_token(api_token(ID, ADA));
    let refused = log.refused(one_more()).to_string();
    assert!(
        refused.contains("user/ada") && refused.contains("256"),
        "{refused}"
    );
    log.ok(create_token(api_token("1111111111111111", "user/bob")));
    log.ok(DeleteApiToken { id: id(7) });
    log.ok(one_more());
    // those that have ended make room
    log.refused(create_token(api_token("2222222222222222", ADA)));
    log.now_ms = START_MS + MINUTE_MS + 3;
    later(&mut log, create_token(api_token("2222222222222222", ADA))).unwrap();
    assert!(log.state.auth.api_token(&id(0)).is_none() && log.state.auth.api_token(&id(9)).is_some());
}
