//! A guard that asks an authority: what a caller by policies gets, and what he never learns of the rest.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use proto::smd::v1::{Component, ListComponentsResponse};
use rpc::Identity;
use tonic::{Code, Status};

use crate::authority_support::{
    DELETE, EXCHANGE, GET, LIST, MINE, OWN_TOKENS, PUBLIC, RESERVE, SCRIPT, SNAPSHOT, THEIRS, TOKEN, WATCH,
    component, known, limited, list, site, told,
};
use crate::support::{bounded, code, header};
use crate::tokens::Claims;

fn all() -> Identity {
    known("user/all")
}

fn part() -> Identity {
    known("user/part")
}

#[tokio::test]
async fn denied_names_the_permission_and_no_object() {
    let site = site();
    for (identity, path, text) in [
        (known("user/nobody"), LIST, "smd.read is needed"),
        (known("user/reader"), DELETE, "smd.write is needed"),
        (known("service/sync"), WATCH, "watch.read is needed"),
        (
            Identity::User {
                name: "nobody".into(),
            },
            SCRIPT,
            "bss.read is needed",
        ),
    ] {
        let status = site.status(identity.clone(), path, &[("object", MINE)]).await;
        assert_eq!(
            (status.code(), status.message()),
            (Code::PermissionDenied, text),
            "{identity}"
        );
    }
    assert_eq!(site.seen().calls, 0, "no handler has run");
}

#[tokio::test]
async fn a_part_caller_gets_a_filtered_list() {
    let site = site();
    let (whole, _) = told::<ListComponentsResponse>(site.call(all(), LIST, &[]).await).await;
    assert_eq!(whole, list());
    let (seen, status) = told::<ListComponentsResponse>(site.call(part(), LIST, &[]).await).await;
    let mut expected = list();
    expected.components.truncate(1);
    assert_eq!((seen, status.code()), (expected, Code::Ok));
    let handled = site.seen();
    assert!(handled.has_part && !handled.may_read_auth);
    assert_eq!(handled.principal, "user/part");
}

/// Whether another's object is there must not be told either.
#[tokio::test]
async fn not_found_and_not_yours_read_alike() {
    let site = site();
    let ask = async |identity: Identity, object: &str| {
        let answer = site.call(identity, GET, &[("object", object)]).await;
        let names: Vec<String> = answer.headers().keys().map(ToString::to_string).collect();
        let status = Status::from_header_map(answer.headers()).unwrap();
        (status.code(), status.message().to_owned(), names)
    };
    let theirs = ask(part(), "theirs").await;
    assert_eq!(theirs, ask(part(), "missing").await);
    assert_eq!(theirs.0, Code::PermissionDenied);
    assert_eq!(theirs.1, "smd.read is needed for what this request names");
    let (code, text, names) = ask(part(), "my-missing").await;
    assert_eq!(
        (code, text.as_str()),
        (Code::NotFound, "no such component: x0c0s0b0n0")
    );
    assert!(!names.iter().any(|name| name == "chamois-subject"), "{names:?}");
    assert_eq!(ask(all(), "missing").await.0, Code::NotFound);
    let mine = site.call(part(), GET, &[]).await;
    assert_eq!(told::<Component>(mine).await.0, component(MINE));
}

/// It would tell when others' objects change.
#[tokio::test]
async fn a_part_caller_gets_no_etag_and_no_304() {
    let site = site();
    let seen = [("if-none-match", "\"c-7\"")];
    let unchanged = site.call(all(), LIST, &seen).await;
    assert_eq!(header(&unchanged, "http-status").as_deref(), Some("304"));
    for headers in [&seen[..], &[("if-none-match", "*")], &[]] {
        let answer = site.call(part(), LIST, headers).await;
        assert_eq!(header(&answer, rpc::ETAG), None);
        assert_eq!(header(&answer, "http-header-etag"), None);
        assert!(!site.seen().if_none_match, "no handler looks at it");
        let (list, _) = told::<ListComponentsResponse>(answer).await;
        assert_eq!(list.components.len(), 1);
    }
    let answer = site.call(all(), LIST, &[]).await;
    assert_eq!(header(&answer, rpc::ETAG).as_deref(), Some("\"c-7\""));
}

/// Kept answers are found by the question; who asks is no part of it.
#[tokio::test]
async fn a_kept_answer_of_an_administrator_is_not_given_to_a_part_caller() {
    let site = site();
    let count = async |identity: Identity| {
        let answer = site.call(identity, LIST, &[]).await;
        told::<ListComponentsResponse>(answer).await.0.components.len()
    };
    assert_eq!(count(all()).await, 2);
    assert_eq!(
        (count(all()).await, site.seen().calls),
        (2, 1),
        "the second one was kept"
    );
    assert_eq!((count(part()).await, site.seen().calls), (1, 2));
    assert_eq!(
        (count(all()).await, site.seen().calls),
        (2, 2),
        "and is kept as it was"
    );
}

/// Such a change is not judged by the log, and its answer would come after it was made.
#[tokio::test]
async fn a_write_that_cannot_be_validated_only_is_refused_to_a_part() {
    let site = site();
    let refused = site.status(part(), RESERVE, &[]).await;
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.message(),
        "smd.write is needed on the whole system for this method"
    );
    assert_eq!(site.seen().calls, 0);
    assert_eq!(site.status(all(), RESERVE, &[]).await.code(), Code::Ok);
    assert_eq!(
        site.status(part(), DELETE, &[]).await.code(),
        Code::Ok,
        "`apply` judges it"
    );
    let grant = site.seen().grant.unwrap();
    assert_eq!(
        (grant.permission.as_str(), grant.policies.len()),
        ("smd.write", 1)
    );
}

#[tokio::test]
async fn a_stream_ends_within_a_second_of_its_revocation() {
    let site = site();
    let mut bodies = Vec::new();
    for identity in [all(), part()] {
        let mut body = site.call(identity, WATCH, &[]).await.into_body();
        bounded(body.frame()).await.unwrap().unwrap();
        bodies.push(body);
    }
    let revoked = Instant::now();
    site.authority.revoke("user/part");
    let end = bounded(bodies[1].frame()).await.unwrap().unwrap();
    assert!(revoked.elapsed() < Duration::from_secs(1));
    let status = Status::from_header_map(&end.into_trailers().unwrap()).unwrap();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(bounded(bodies[1].frame()).await.is_none());
    let others = tokio::time::timeout(Duration::from_millis(100), bodies[0].frame()).await;
    assert!(others.is_err(), "another's stream goes on");
}

/// A client of OAuth names itself with a password in this header; a method that is for everyone takes it as it is.
#[tokio::test]
async fn a_header_that_is_not_bearer_reaches_a_public_method() {
    let site = site();
    for value in ["Basic YTpi", "Bearer chm_at_forged", "Bearer a.b.c", "Bearer"] {
        let headers = [("authorization", value)];
        let public = site.status(Identity::Anonymous, PUBLIC, &headers).await;
        assert_eq!(public.code(), Code::Ok, "{value}");
        assert_eq!(site.seen().principal, "anonymous", "{value}");
        let other = site.status(Identity::Anonymous, LIST, &headers).await;
        assert_eq!(other.code(), Code::Unauthenticated, "{value}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let twice = [
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
    ];
    let status = site.status(Identity::Anonymous, LIST, &twice).await;
    assert_eq!(status.code(), Code::Unauthenticated);
}

/// Outcomes are found by the key and by who has given it.
#[tokio::test]
async fn an_idempotent_repeat_of_another_principal_is_not_answered() {
    let site = site();
    let headers = [(rpc::IDEMPOTENCY_KEY, "the-same")];
    let mut sessions = Vec::new();
    for identity in [all(), part(), all()] {
        site.call(identity, DELETE, &headers).await;
        sessions.push(site.seen().session.unwrap());
    }
    assert_ne!(sessions[0], sessions[1]);
    assert_eq!(sessions[0], sessions[2]);
}

/// The authority's own tokens come first, those of the offline key after them; they need no policies.
#[tokio::test]
async fn tokens_are_the_authoritys_or_of_the_clusters_own_key() {
    let site = site();
    let bearer = format!("Bearer {TOKEN}");
    let answer = site
        .call(Identity::Anonymous, LIST, &[("authorization", &bearer)])
        .await;
    assert_eq!(
        (code(&answer), site.seen().principal.as_str()),
        (Code::Ok, "user/part")
    );
    let asked = site.authority.asked.load(std::sync::atomic::Ordering::SeqCst);
    let own = format!("Bearer {}", site.issuer.sign(&Claims::default()));
    let headers = [("authorization", own.as_str())];
    assert_eq!(
        site.status(Identity::Anonymous, RESERVE, &headers).await.code(),
        Code::Ok
    );
    let seen = site.seen();
    assert_eq!(
        (seen.principal.as_str(), seen.grant, seen.has_part),
        ("token/admin", None, false)
    );
    assert!(seen.may_read_auth);
    let asked_since = site.authority.asked.load(std::sync::atomic::Ordering::SeqCst) - asked;
    assert_eq!(asked_since, 0, "break-glass does not depend on policies");
}

/// Who was administrator by his certificate alone is asked for, too: also where nodes may read.
#[tokio::test]
async fn certificates_of_users_act_by_policies() {
    let site = site();
    let user = |name: &str| Identity::User { name: name.into() };
    assert_eq!(site.status(user("all"), LIST, &[]).await.code(), Code::Ok);
    assert_eq!(site.status(user("all"), SCRIPT, &[]).await.code(), Code::Ok);
    assert_eq!(site.status(user("reader"), LIST, &[]).await.code(), Code::Ok);
    for path in [DELETE, SCRIPT] {
        let status = site.status(user("reader"), path, &[]).await;
        assert_eq!(status.code(), Code::PermissionDenied, "{path}");
    }
    let status = site.status(user("part"), SCRIPT, &[]).await;
    assert_eq!(status.code(), Code::PermissionDenied, "a script cannot be cut");
    let node = Identity::Node {
        address: [127, 9, 0, 1].into(),
    };
    assert_eq!(site.status(node, SCRIPT, &[]).await.code(), Code::Ok);
    assert_eq!(
        site.status(Identity::Member(2), LIST, &[]).await.code(),
        Code::PermissionDenied
    );
}

/// A revocation that is acknowledged before a read is honoured by it on every member, also by one that had not applied it when the
/// request came.
#[tokio::test]
async fn a_right_that_ends_before_the_read_index_gives_nothing() {
    let site = site();
    *site.revoke_meanwhile.lock().unwrap() = Some("user/part");
    let status = site.status(part(), LIST, &[]).await;
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(site.seen().calls, 0);
}

/// What no entry of the log is judged for, and what hands out everything, is not given to whoever was revoked a moment ago: not even if
/// he is content with what this member knows.
#[tokio::test]
async fn what_the_log_does_not_judge_is_asked_for_behind_a_read_index() {
    let site = site();
    let local = [(rpc::CONSISTENCY, rpc::CONSISTENCY_LOCAL)];
    for (principal, path, headers) in [
        ("user/all", RESERVE, &[][..]),
        ("user/reader", EXCHANGE, &[]),
        ("user/ending", SNAPSHOT, &local[..]),
    ] {
        *site.revoke_meanwhile.lock().unwrap() = Some(principal);
        let status = site.status(known(principal), path, headers).await;
        assert_eq!(status.code(), Code::Unauthenticated, "{path}");
        assert_eq!(site.seen().calls, 0, "{path}");
    }
    *site.revoke_meanwhile.lock().unwrap() = Some("user/part");
    let status = site.status(known("user/part"), LIST, &local).await;
    assert_eq!(status.code(), Code::Ok, "a read that is content with less");
}

/// Nothing changes when a token has expired; the stream that it opened ends all the same.
#[tokio::test]
async fn a_stream_ends_when_what_opened_it_does() {
    let site = site();
    let mut body = site.call(known("user/ending"), WATCH, &[]).await.into_body();
    bounded(body.frame()).await.unwrap().unwrap();
    let end = bounded(body.frame()).await.unwrap().unwrap();
    let status = Status::from_header_map(&end.into_trailers().unwrap()).unwrap();
    assert_eq!(status.code(), Code::Unauthenticated);
}

/// The cluster's own key needs no policies; its tokens end all the same.
#[tokio::test]
async fn a_stream_of_the_offline_key_ends_with_its_token() {
    let site = site();
    // 60 s of leeway are over in a moment
    let ends = Claims::expiring_in(-59);
    let own = format!("Bearer {}", site.issuer.sign(&ends));
    let headers = [("authorization", own.as_str())];
    let answer = site.call(Identity::Anonymous, WATCH, &headers).await;
    let mut body = answer.into_body();
    bounded(body.frame()).await.unwrap().unwrap();
    let end = bounded(body.frame()).await.unwrap().unwrap();
    let status = Status::from_header_map(&end.into_trailers().unwrap()).unwrap();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
}

/// A token that was made for a script's reads must not list, make or end tokens of the person who made it.
#[tokio::test]
async fn a_limited_token_is_not_its_principal() {
    let site = site();
    for (identity, path, expected) in [
        (known("user/part"), OWN_TOKENS, Code::Ok),
        (limited("user/part"), OWN_TOKENS, Code::PermissionDenied),
        (limited("user/part"), EXCHANGE, Code::Ok),
        (limited("user/all"), OWN_TOKENS, Code::Ok),
    ] {
        let status = site.status(identity.clone(), path, &[]).await;
        assert_eq!(status.code(), expected, "{identity} {path}");
    }
}

/// So that the log refuses who was revoked before; and nothing that policies give.
#[tokio::test]
async fn what_proves_a_caller_goes_with_the_changes_of_his_own() {
    let site = site();
    for identity in [all(), part()] {
        let status = site.status(identity.clone(), OWN_TOKENS, &[]).await;
        assert_eq!(status.code(), Code::Ok, "{identity}");
        let grant = site.seen().grant.unwrap();
        assert_eq!(grant.token_id, format!("proof of {identity}"));
        assert!(grant.permission.is_empty() && grant.policies.is_empty());
    }
}

/// What an error was about is said to the guard alone, at the end of a stream as well.
#[tokio::test]
async fn the_end_of_a_stream_does_not_say_what_is_for_the_guard() {
    let site = site();
    let mut body = site.call(all(), WATCH, &[("object", "wrong")]).await.into_body();
    bounded(body.frame()).await.unwrap().unwrap();
    let end = bounded(body.frame()).await.unwrap().unwrap();
    let trailers = end.into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "5");
    assert!(!trailers.contains_key("chamois-subject"), "{trailers:?}");
}

/// A page ends where the whole list does not, mostly at another's object.
#[tokio::test]
async fn a_page_token_does_not_tell_a_part_caller_of_others() {
    let site = site();
    let ask = async |identity: Identity| {
        let answer = site.call(identity, LIST, &[("object", "paged")]).await;
        told::<ListComponentsResponse>(answer).await.0
    };
    let sealed: String = THEIRS.chars().rev().collect();
    let seen = ask(part()).await;
    assert_eq!((seen.components.len(), seen.next_page_token), (1, sealed));
    assert_eq!(ask(all()).await.next_page_token, THEIRS);
}

/// Whoever keeps a log of denials is told of those before the handler, of answers that were withheld, and of nothing else.
#[tokio::test]
async fn every_denial_is_told_once() {
    let site = site();
    site.call(all(), LIST, &[]).await;
    site.call(part(), LIST, &[]).await;
    site.call(known("user/nobody"), LIST, &[]).await;
    site.call(part(), GET, &[("object", "theirs")]).await;
    site.call(Identity::Anonymous, LIST, &[]).await;
    site.call(all(), "/nowhere/at/all", &[]).await;
    let told = site.denied.0.lock().unwrap().clone();
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|(who, path, _)| (who.as_str(), path.as_str()))
        .collect();
    assert_eq!(
        told,
        [("user/nobody", LIST), ("user/part", GET), ("anonymous", LIST)]
    );
}
