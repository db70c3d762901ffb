use proto::auth::v1::auth_command::{AddAuthority, Change, RemoveAuthority};
use proto::auth::v1::certificate_authority::Stage;
use proto::auth::v1::{AuthCommand, CertificateAuthority};
use proto::cluster::v1::ClusterCommand;
use proto::cluster::v1::cluster_command::{self, SetFeatureLevel};
use proto::raft::v1::entry::Command;
use raft::Store;
use state::cluster::FEATURE_LEVEL_DISCOVERY;
use tonic::{Code, Status};

use super::*;
use crate::issued::Grantee;
use crate::oidc::testing::Idp;
use crate::testing::{
    components, delete, group, in_groups, known, members, policy, principal, put, revoke, rules, texts, user,
};
use crate::token_testing::Bed;

/// What streams are told must come so soon.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

fn authorities(store: &Store) -> Authorities {
    Authorities::new(store.clone(), &rules())
}

fn code(decision: Result<Access, Error>) -> Code {
    decision.map_or_else(|error| Status::from(error).code(), |_| Code::Ok)
}

fn token() -> Identity {
    Identity::Token {
        subject: "admin".into(),
    }
}

/// As in 0.6, so that an upgrade locks nobody out; but who never was an administrator does not become one.
#[tokio::test]
async fn before_the_first_policy_a_users_certificate_is_an_administrators() {
    let store = Store::in_memory();
    let authorities = authorities(&store);
    for permission in ["smd.write", "auth.admin", "cluster.admin"] {
        let access = authorities.access(&user("ada"), permission).unwrap();
        let grant = access.grant.unwrap();
        assert!(
            access.scope.part().is_none() && grant.policies.is_empty(),
            "{permission}"
        );
        assert_eq!(grant.permission, permission);
        for name in ["user/ada", "service/sync", "node/x0c0s0b0n0"] {
            assert_eq!(
                code(authorities.access(&known(name, &[]), permission)),
                Code::PermissionDenied
            );
        }
    }
    put(&store, policy("a", "viewer", &["user/bob"])).await;
    let refused = authorities
        .access(&user("ada"), "smd.write")
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with("smd.write is needed") && refused.contains("policy explain"),
        "{refused}"
    );
    assert!(authorities.access(&token(), "smd.write").unwrap().grant.is_none());
    delete(&store, "a").await;
    assert_eq!(
        code(authorities.access(&user("ada"), "smd.write")),
        Code::PermissionDenied,
        "the first policy has ended that for good"
    );
}

/// A member that knows policies in a cluster that does not yet.
#[tokio::test]
async fn below_the_feature_level_nothing_has_changed() {
    let store = Store::in_memory_with(State::at_level(FEATURE_LEVEL_AUTH - 1));
    let authorities = authorities(&store);
    let access = authorities.access(&user("ada"), "smd.write").unwrap();
    assert!(access.scope.part().is_none() && access.grant.is_none());
    assert_eq!(
        code(authorities.access(&known("service/sync", &[]), "smd.read")),
        Code::PermissionDenied
    );
    assert_eq!(authorities.proof(&user("ada")), None);
}

/// The shipped roles give more from a level on, though no role and no policy has changed.
#[tokio::test]
async fn what_shipped_roles_give_is_that_of_the_level_as_soon_as_it_is_raised() {
    let store = Store::in_memory_with(State::at_level(FEATURE_LEVEL_DISCOVERY - 1));
    put(&store, policy("a", "operator", &["user/ada"])).await;
    let authorities = authorities(&store);
    let power = || code(authorities.access(&user("ada"), "power.write"));
    assert_eq!(power(), Code::PermissionDenied);
    let raise = cluster_command::Change::SetFeatureLevel(SetFeatureLevel {
        level: FEATURE_LEVEL_DISCOVERY,
    });
    let command = Command::Cluster(ClusterCommand { change: Some(raise) });
    store.propose("token/admin", command, None).await.unwrap();
    assert_eq!(power(), Code::Ok);
}

/// What is one's own is changed with what proves one, and with nothing that policies give.
#[tokio::test]
async fn a_proof_names_no_permission_and_no_policy() {
    let store = Store::in_memory();
    let authorities = authorities(&store);
    for policies in [false, true] {
        if policies {
            put(&store, policy("a", "admin", &["user/ada"])).await;
        }
        let proof = authorities.proof(&certified(3, 0)).unwrap();
        let expected = Grant {
            certificate_sha256: vec![3; 32],
            ..Grant::default()
        };
        assert_eq!(*proof, expected);
    }
    assert_eq!(
        authorities.proof(&token()),
        None,
        "the offline key needs no policies"
    );
    assert_eq!(authorities.proof(&Identity::Anonymous), None);
}

#[tokio::test]
async fn whoever_proves_nothing_is_asked_to_and_others_have_their_own_ports() {
    let authorities = authorities(&Store::in_memory());
    let address = "10.97.3.4".parse().unwrap();
    for (identity, expected) in [
        (Identity::Anonymous, Code::Unauthenticated),
        (Identity::LegacyReader { address }, Code::Unauthenticated),
        (Identity::Node { address }, Code::PermissionDenied),
        (Identity::Member(2), Code::PermissionDenied),
        (token(), Code::Ok),
    ] {
        assert_eq!(
            code(authorities.access(&identity, "smd.read")),
            expected,
            "{identity}"
        );
    }
    assert_eq!(authorities.authenticate("a.b.c").unwrap(), None);
}

#[tokio::test]
async fn what_policies_give_has_its_part_and_its_grant() {
    let store = Store::in_memory();
    group(&store, "gpu", &["x0c0s0b0n0"]).await;
    put(
        &store,
        in_groups(policy("a", "operator", &["group/ops"]), &["gpu"]),
    )
    .await;
    put(&store, policy("b", "viewer", &["user/ada"])).await;
    let authorities = authorities(&store);
    let ada = known("user/ada", &["ops", "staff"]);
    let read = authorities.access(&ada, "smd.read").unwrap();
    assert!(read.scope.part().is_none(), "one of the two holds everywhere");
    let grant = read.grant.unwrap();
    assert_eq!(
        (&grant.policies, &grant.groups),
        (&texts(&["a", "b"]), &texts(&["ops"]))
    );
    let write = authorities.access(&ada, "smd.write").unwrap();
    let part = write.scope.part().unwrap();
    assert!(part.has_component("x0c0s0b0n0") && !part.has_component("x0c0s0b0n1"));
    assert_eq!(write.grant.unwrap().policies, ["a"]);
    assert_eq!(
        code(authorities.access(&ada, "cluster.admin")),
        Code::PermissionDenied
    );
    assert_eq!(code(authorities.access(&ada, "no.such")), Code::PermissionDenied);
}

/// Lists are as new as the last change before them; rights must not be older than that.
#[tokio::test]
async fn a_change_of_a_group_moves_the_part_at_once() {
    let store = Store::in_memory();
    group(&store, "gpu", &["x0c0s0b0n0"]).await;
    put(&store, in_groups(policy("a", "viewer", &["user/ada"]), &["gpu"])).await;
    let authorities = authorities(&store);
    let has = |id: &str| {
        let access = authorities.access(&user("ada"), "smd.read").unwrap();
        access.scope.part().unwrap().has_component(id)
    };
    assert!(has("x0c0s0b0n0") && !has("x0c0s0b0n1"));
    members(&store, "gpu", &["x0c0s0b0n1"]).await;
    assert!(!has("x0c0s0b0n0") && has("x0c0s0b0n1"));
    // states of components change all the time, and say nothing of rights
    let before = authorities.0.view.load_full();
    components(&store, &["x0c0s0b0n2"]).await;
    assert!(has("x0c0s0b0n1"));
    assert!(Arc::ptr_eq(&before, &authorities.0.view.load_full()));
    delete(&store, "a").await;
    put(&store, policy("z", "viewer", &["user/bob"])).await;
    assert_eq!(
        code(authorities.access(&user("ada"), "smd.read")),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn who_was_revoked_is_refused_whatever_policies_say() {
    let store = Store::in_memory();
    put(&store, policy("a", "admin", &["user/*", "service/*"])).await;
    let authorities = authorities(&store);
    assert_eq!(code(authorities.access(&user("ada"), "smd.read")), Code::Ok);
    revoke(&store, "user/ada").await;
    assert_eq!(
        code(authorities.access(&user("ada"), "smd.read")),
        Code::Unauthenticated
    );
    assert_eq!(code(authorities.access(&user("bob"), "smd.read")), Code::Ok);
    let later = Principal {
        issued_at_ms: store.state().time_ms() + 1,
        ..principal("user/ada", &[])
    };
    assert_eq!(
        code(authorities.access(&Identity::Known(Arc::new(later)), "smd.read")),
        Code::Ok
    );
    delete(&store, "a").await;
    assert_eq!(
        code(authorities.access(&user("ada"), "smd.read")),
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn a_token_may_be_for_less_than_its_principal() {
    let store = Store::in_memory();
    put(&store, policy("a", "admin", &["service/sync"])).await;
    let authorities = authorities(&store);
    let with = |permissions: &[&str]| {
        Identity::Known(Arc::new(Principal {
            permissions: Some(texts(permissions)),
            ..principal("service/sync", &[])
        }))
    };
    for (own, permission, expected) in [
        (&["smd.read"][..], "smd.read", Code::Ok),
        (&["smd.read"], "smd.write", Code::PermissionDenied),
        (&["*.read"], "auth.read", Code::PermissionDenied),
        (&[], "smd.read", Code::PermissionDenied),
    ] {
        let decision = authorities.access(&with(own), permission);
        assert_eq!(code(decision), expected, "{own:?} {permission}");
    }
    let refused = authorities
        .access(&with(&["bss.read"]), "smd.read")
        .unwrap_err()
        .to_string();
    assert_eq!(refused, "smd.read is needed, and this token is not for it");
}

/// It cannot know what the others have taken back.
#[tokio::test]
async fn a_member_that_is_out_of_touch_only_lets_its_own_state_be_read() {
    let full = Store::in_memory();
    put(&full, policy("a", "admin", &["user/ada"])).await;
    let store = Store::in_memory_without_majority(full.state().as_ref().clone());
    let authorities = authorities(&store);
    let mut seen = Seen::of(&authorities.0);
    authorities.look(&mut seen).await;
    assert_eq!(
        code(authorities.access(&user("ada"), "smd.write")),
        Code::Ok,
        "not yet"
    );
    assert!(seen.without_leader_since.is_some());
    let changes = authorities.changes();
    seen.without_leader_since = Instant::now().checked_sub(OUT_OF_TOUCH);
    authorities.look(&mut seen).await;
    assert!(changes.has_changed().unwrap(), "streams ask again");
    assert_eq!(
        code(authorities.access(&user("ada"), "smd.write")),
        Code::Unavailable
    );
    assert_eq!(code(authorities.access(&user("ada"), "smd.read")), Code::Ok);
    assert_eq!(code(authorities.access(&token(), "smd.write")), Code::Ok);
}

#[tokio::test]
async fn streams_are_told_of_every_change_of_rights_within_a_second() {
    let store = Store::in_memory();
    put(&store, policy("a", "viewer", &["user/ada"])).await;
    let authorities = authorities(&store);
    let following = tokio::spawn(authorities.clone().follow(std::future::pending()));
    let mut changes = authorities.changes();
    tokio::time::sleep(LOOK_PAUSE).await; // it has begun
    for _ in 0..3 {
        changes.mark_unchanged();
        group(&store, &format!("g{}", *changes.borrow()), &[]).await;
        tokio::time::timeout(TOLD_WITHIN, changes.changed())
            .await
            .unwrap()
            .unwrap();
    }
    revoke(&store, "user/ada").await;
    tokio::time::timeout(TOLD_WITHIN, changes.changed())
        .await
        .unwrap()
        .unwrap();
    changes.mark_unchanged();
    components(&store, &["x0c0s0b0n0"]).await;
    tokio::time::sleep(2 * LOOK_PAUSE).await;
    assert!(
        !changes.has_changed().unwrap(),
        "a component has nothing to do with rights"
    );
    following.abort();
}

/// What a list is cut with is made behind the back of its callers.
#[tokio::test]
async fn components_are_judged_ahead_for_lists() {
    let store = Store::in_memory();
    let ids: Vec<String> = (0..600).map(|n| format!("x{n}c0s0b0n0")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    components(&store, &ids).await;
    group(&store, "gpu", &ids[..10]).await;
    put(&store, in_groups(policy("a", "viewer", &["user/ada"]), &["gpu"])).await;
    let authorities = authorities(&store);
    let in_part = || {
        let access = authorities.access(&user("ada"), "smd.read").unwrap();
        let part = access.scope.part().unwrap();
        ids.iter().filter(|id| part.has_component(id)).count()
    };
    assert_eq!(in_part(), 10);
    assert!(authorities.0.view.load().parts.have_unjudged());
    authorities.judge().await;
    assert!(!authorities.0.view.load().parts.have_unjudged());
    assert_eq!(in_part(), 10);
}

/// Readers share one view while policies and groups change under them; each decision is right for some state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_go_on_while_policies_change() {
    let store = Store::in_memory();
    put(&store, policy("a", "viewer", &["user/ada"])).await;
    let authorities = authorities(&store);
    let asking = tokio::task::spawn_blocking({
        let authorities = authorities.clone();
        move || {
            for _ in 0..2000 {
                let own = authorities.access(&user("ada"), "smd.read").unwrap();
                assert_eq!(own.grant.unwrap().policies, ["a"]);
                assert_eq!(
                    code(authorities.access(&user("bob"), "smd.read")),
                    Code::PermissionDenied
                );
            }
        }
    });
    for n in 0..50 {
        put(&store, policy(&format!("p{n}"), "viewer", &["service/x"])).await;
    }
    asking.await.unwrap();
}

/// Whoever shows a user's certificate, which the state knows by its digest and ends at a time.
fn certified(digest: u8, expires_at_ms: u64) -> Identity {
    Identity::Known(Arc::new(Principal {
        certificate_sha256: vec![digest; 32],
        expires_at_ms,
        ..principal("user/ada", &[])
    }))
}

/// By the certificate of the connection a user is what users were before there were policies; by a token he never was.
#[tokio::test]
async fn a_users_certificate_is_known_and_an_administrators_until_the_first_policy() {
    let store = Store::in_memory();
    let authorities = authorities(&store);
    let access = authorities.access(&certified(1, 0), "smd.write").unwrap();
    let grant = access.grant.unwrap();
    assert!(access.scope.part().is_none() && grant.policies.is_empty());
    assert_eq!(
        (grant.permission.as_str(), grant.certificate_sha256.as_slice()),
        ("smd.write", &[1; 32][..]),
        "so that the log can tell whether it was revoked"
    );
    put(&store, policy("a", "viewer", &["user/ada"])).await;
    assert_eq!(
        code(authorities.access(&certified(1, 0), "smd.write")),
        Code::PermissionDenied
    );
    let grant = authorities.access(&certified(1, 0), "smd.read").unwrap().grant;
    assert_eq!(grant.unwrap().certificate_sha256, [1; 32]);
}

/// One certificate is taken back, and the others of the same user stand.
#[tokio::test]
async fn a_revoked_certificate_is_refused_whether_there_are_policies_or_not() {
    let store = Store::in_memory();
    let authorities = authorities(&store);
    let mut changes = authorities.changes();
    let stop = async {
        let _told = changes.changed().await;
    };
    let digest = "01".repeat(32);
    crate::testing::revoke_certificate(&store, &digest).await;
    assert_eq!(
        code(authorities.access(&certified(1, 0), "smd.read")),
        Code::Unauthenticated
    );
    assert_eq!(code(authorities.access(&certified(2, 0), "smd.read")), Code::Ok);
    let told = tokio::time::timeout(TOLD_WITHIN, async {
        let follow = authorities.clone().follow(stop);
        let again = async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            crate::testing::revoke_certificate(&store, &"02".repeat(32)).await;
        };
        tokio::join!(follow, again);
    });
    told.await.expect("streams are told");
}

/// The connection is older than the end of what was shown for it.
#[tokio::test]
async fn a_certificate_that_has_ended_is_refused_on_a_connection_that_goes_on() {
    let store = Store::in_memory();
    let authorities = authorities(&store);
    let now_ms = store.cluster_time_ms();
    let ended = certified(1, 1);
    let not_yet = certified(1, now_ms + 3_600_000);
    assert_eq!(code(authorities.access(&not_yet, "smd.read")), Code::Ok);
    let refused = authorities.access(&ended, "smd.read").unwrap_err();
    assert!(refused.to_string().contains("certificate renew"), "{refused}");
    assert_eq!(authorities.ends_in(&ended), Some(Duration::ZERO));
    assert!(authorities.ends_in(&not_yet).unwrap() > Duration::from_secs(3500));
    assert_eq!(authorities.ends_in(&certified(1, 0)), None);
}

/// A member of a cluster whose tokens are checked.
fn checking(bed: &Bed) -> Authorities {
    let oidc = Oidc::new(bed.store.clone(), bed.sealer.clone(), Arc::new(Idp::new()));
    Authorities::with_providers(bed.store.clone(), &rules(), bed.checks.clone(), oidc)
}

/// A cluster whose tokens are checked, and the identity that one of them gives.
async fn bearing(bed: &Bed, token: &str) -> (Authorities, Identity) {
    bed.policy("all", "admin", &["user/ada", "service/cron"]).await;
    let authorities = checking(bed);
    let identity = authorities.authenticate(token).unwrap().unwrap();
    (authorities, identity)
}

/// A stream is older than the end of the token that it began with: its identity must not outlive that.
#[tokio::test]
async fn what_was_let_in_by_a_token_ends_with_it() {
    let bed = Bed::new().await;
    let api = bed.api_token("service/cron", &["*.*"]).await;
    let access = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
    for (token, ends_in_s) in [(api.to_string(), 3600), (access, 600 + 60)] {
        let (authorities, identity) = bearing(&bed, &token).await;
        let left = authorities.ends_in(&identity).unwrap();
        assert!(
            left <= Duration::from_secs(ends_in_s) && left > Duration::from_secs(ends_in_s - 20),
            "{left:?}"
        );
        assert_eq!(code(authorities.access(&identity, "smd.read")), Code::Ok);
        let Identity::Known(who) = &identity else {
            panic!("{identity}");
        };
        let later = Identity::Known(Arc::new(Principal {
            expires_at_ms: bed.store.cluster_time_ms(),
            ..Principal::clone(who)
        }));
        let refused = authorities.access(&later, "smd.read").unwrap_err();
        assert!(refused.to_string().contains("has expired"), "{refused}");
    }
}

/// A stolen key: what it let in goes at once, streams as well.
#[tokio::test]
async fn what_was_let_in_by_a_distrusted_key_ends_with_it() {
    let bed = Bed::new().await;
    let token = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
    let (authorities, identity) = bearing(&bed, &token).await;
    let (before, mut seen) = (*authorities.changes().borrow(), Seen::of(&authorities.0));
    assert_eq!(code(authorities.access(&identity, "smd.read")), Code::Ok);
    bed.rotate(true, true).await;
    let refused = authorities.access(&identity, "smd.read").unwrap_err();
    assert!(refused.to_string().contains("not trusted any more"), "{refused}");
    authorities.look(&mut seen).await;
    assert_ne!(*authorities.changes().borrow(), before, "streams are told");
}

/// A CA whose key is lost: what it let in before it was removed goes at once, streams as well, and nothing else does.
#[tokio::test]
async fn what_was_let_in_by_a_removed_ca_ends_with_it() {
    rpc::tls::install_crypto_provider();
    let store = Store::in_memory();
    let authorities = authorities(&store);
    put(&store, policy("a", "viewer", &["user/ada"])).await;
    let by = |ca: &str| {
        let who = Principal {
            certificate_sha256: vec![1; 32],
            authority_id: ca.to_owned(),
            ..principal("user/ada", &[])
        };
        code(authorities.access(&Identity::Known(Arc::new(who)), "smd.read"))
    };
    assert_eq!(by("whichever"), Code::Ok, "none is recorded yet");
    let (lost, other) = (add_ca(&store).await, add_ca(&store).await);
    for (ca, expected) in [
        (lost.as_str(), Code::Ok),
        (other.as_str(), Code::Ok),
        ("", Code::Ok),
        ("never heard of", Code::Unauthenticated),
    ] {
        assert_eq!(by(ca), expected, "{ca}");
    }
    let (before, mut seen) = (*authorities.changes().borrow(), Seen::of(&authorities.0));
    change(
        &store,
        Change::RemoveAuthority(RemoveAuthority { id: lost.clone() }),
    )
    .await;
    assert_eq!(by(&lost), Code::Unauthenticated);
    assert_eq!((by(&other), by("")), (Code::Ok, Code::Ok));
    authorities.look(&mut seen).await;
    assert_ne!(*authorities.changes().borrow(), before, "streams are told");
}

async fn change(store: &Store, change: Change) {
    let command = Command::Auth(AuthCommand { change: Some(change) });
    store.propose("token/test", command, None).await.unwrap();
}

/// The id of a CA that the cluster trusts from now on.
async fn add_ca(store: &Store) -> String {
    let ca = auth::pki::CertificateAuthority::generate("demo", std::time::SystemTime::now()).unwrap();
    let id = auth::authority_id(ca.certificate_pem()).unwrap();
    let authority = CertificateAuthority {
        id: id.clone(),
        stage: Stage::Next.into(),
        certificate_pem: ca.certificate_pem().trim().to_owned() + "\n",
        ..CertificateAuthority::default()
    };
    let add = AddAuthority {
        authority: Some(authority),
    };
    change(store, Change::AddAuthority(add)).await;
    id
}

/// All that was issued to a user is taken back, and he begins anew: by the time of the certificate, as with services.
#[tokio::test]
async fn a_new_certificate_works_after_a_revocation_of_its_user() {
    let store = Store::in_memory();
    let authorities = authorities(&store);
    put(&store, policy("a", "viewer", &["user/ada"])).await;
    let issued = |issued_at_ms: u64| {
        Identity::Known(Arc::new(Principal {
            certificate_sha256: vec![1; 32],
            issued_at_ms,
            ..principal("user/ada", &[])
        }))
    };
    let old = issued(store.state().time_ms() - 1);
    assert_eq!(code(authorities.access(&old, "smd.read")), Code::Ok);
    revoke(&store, "user/ada").await;
    assert_eq!(code(authorities.access(&old, "smd.read")), Code::Unauthenticated);
    let new = issued(store.state().time_ms() + 1);
    assert_eq!(code(authorities.access(&new, "smd.read")), Code::Ok);
}

/// Root on the host needs no policy and no key of the cluster.
#[tokio::test]
async fn a_break_glass_token_is_an_administrators_on_this_member() {
    let store = Store::in_memory();
    let authorities = authorities(&store);
    put(&store, policy("a", "viewer", &["user/bob"])).await;
    let token = authorities.break_glass().make("break-glass-0").unwrap();
    let identity = authorities.authenticate(&token).unwrap().unwrap();
    assert_eq!(identity.principal(), "token/break-glass-0");
    assert_eq!(code(authorities.access(&identity, "cluster.admin")), Code::Ok);
    let elsewhere = self::authorities(&store);
    assert!(elsewhere.authenticate(&token).is_err());
}

/// On another member, too; where nobody has the cluster's key, no token is handed out.
#[tokio::test]
async fn pages_are_sealed_with_a_key_of_the_cluster() {
    let bed = Bed::new().await;
    let member = || checking(&bed);
    let early = member().seal_page("0011").unwrap_err();
    assert!(
        matches!(early, Error::NotReady { .. }),
        "the leader has made no key yet"
    );
    let key = crate::login::new_login_key(&bed.sealer).unwrap();
    let put = proto::auth::v1::auth_command::Change::PutAuthSecret(key);
    bed.propose(put).await.unwrap();
    let sealed = member().seal_page("0011").unwrap();
    assert_eq!(member().open_page(&sealed).unwrap(), "0011");
    let without = authorities(&bed.store);
    assert!(matches!(without.seal_page("0011"), Err(Error::NotReady { .. })));
}
