use proto::auth::v1::policy_service_server::PolicyService as _;
use rpc::Caller;
use tonic::Code;

use super::*;
use crate::testing::{group, in_groups, known, policy, put, rules, texts, user};

fn service(store: &Store) -> PolicyService {
    let rules = rules();
    PolicyService::new(store.clone(), Authorities::new(store.clone(), &rules), &rules).unwrap()
}

fn token() -> Identity {
    Identity::Token {
        subject: "admin".into(),
    }
}

async fn put_policy(service: &PolicyService, policy: Option<Policy>) -> Result<Policy, Status> {
    let put = service.put_policy(Request::new(PutPolicyRequest { policy }));
    put.await.map(Response::into_inner)
}

async fn put_role(service: &PolicyService, role: Option<Role>) -> Result<Role, Status> {
    let put = service.put_role(Request::new(PutRoleRequest { role }));
    put.await.map(Response::into_inner)
}

fn role(name: &str, permissions: &[&str]) -> Role {
    Role {
        name: name.into(),
        permissions: texts(permissions),
        ..Role::default()
    }
}

async fn check(
    service: &PolicyService,
    caller: Identity,
    asked: CheckAccessRequest,
) -> Result<CheckAccessResponse, Status> {
    let mut request = Request::new(asked);
    let caller = Caller {
        identity: caller,
        ..Caller::anonymous()
    };
    request.extensions_mut().insert(caller);
    service.check_access(request).await.map(Response::into_inner)
}

fn asking(principal: &str, action: &str, object: &str) -> CheckAccessRequest {
    CheckAccessRequest {
        principal: principal.into(),
        action: action.into(),
        object: object.into(),
        ..CheckAccessRequest::default()
    }
}

#[tokio::test]
async fn a_policy_is_put_shown_listed_and_deleted() {
    let store = Store::in_memory();
    let service = service(&store);
    let given = in_groups(policy("b", "viewer", &["user/ada", "user/ada"]), &["GPU"]);
    let stored = put_policy(&service, Some(given)).await.unwrap();
    assert_eq!(
        (stored.principals, stored.groups),
        (texts(&["user/ada"]), texts(&["gpu"]))
    );
    assert!(stored.meta.is_some());
    put_policy(&service, Some(policy("a", "admin", &["group/root"])))
        .await
        .unwrap();
    let listed = service
        .list_policies(Request::new(ListPoliciesRequest {}))
        .await
        .unwrap();
    let names: Vec<String> = listed
        .into_inner()
        .policies
        .into_iter()
        .map(|policy| policy.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    let get = |name: &str| Request::new(GetPolicyRequest { name: name.into() });
    assert_eq!(
        service.get_policy(get("b")).await.unwrap().into_inner().role,
        "viewer"
    );
    let delete = |name: &str| Request::new(DeletePolicyRequest { name: name.into() });
    let gone = service.delete_policy(delete("b")).await.unwrap().into_inner();
    assert_eq!(gone.revision, store.state().applied_index());
    assert_eq!(
        service.get_policy(get("b")).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        service.delete_policy(delete("b")).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn what_cannot_be_a_policy_is_refused_by_its_field() {
    let service = service(&Store::in_memory());
    for (wrong, field) in [
        (None, "policy: "),
        (Some(policy("", "viewer", &["user/ada"])), "name: "),
        (Some(policy("a", "viewer", &[])), "principals: "),
        (Some(policy("a", "viewer", &["token/admin"])), "principals: "),
        (Some(policy("a", "Viewer!", &["user/ada"])), "role: "),
        (
            Some(in_groups(policy("a", "viewer", &["user/ada"]), &["a b"])),
            "groups: ",
        ),
    ] {
        let refused = put_policy(&service, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().starts_with(field), "{field}: {refused}");
    }
}

#[tokio::test]
async fn roles_are_listed_after_the_shipped_ones_and_go_when_nobody_has_them() {
    let store = Store::in_memory();
    let service = service(&store);
    put_role(&service, Some(role("mine", &["smd.read"])))
        .await
        .unwrap();
    let listed = service
        .list_roles(Request::new(ListRolesRequest {}))
        .await
        .unwrap();
    let roles = listed.into_inner().roles;
    assert_eq!(roles.first().unwrap().name, "viewer");
    assert_eq!(roles.last().unwrap().name, "mine");
    assert_eq!(roles.len(), state::auth::shipped_roles().len() + 1);
    put(&store, policy("a", "mine", &["user/ada"])).await;
    let delete = || Request::new(DeleteRoleRequest { name: "mine".into() });
    let refused = service.delete_role(delete()).await.unwrap_err();
    assert!(refused.message().contains("policy a"), "{refused}");
    crate::testing::delete(&store, "a").await;
    service.delete_role(delete()).await.unwrap();
    for wrong in [None, Some(role("viewer", &["*.*"])), Some(role("mine", &["smd"]))] {
        assert_eq!(
            put_role(&service, wrong).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}

#[tokio::test]
async fn everybody_may_ask_about_himself() {
    let store = Store::in_memory();
    group(&store, "gpu", &["x0c0s0b0n0"]).await;
    put(
        &store,
        in_groups(policy("a", "operator", &["group/ops"]), &["gpu"]),
    )
    .await;
    let service = service(&store);
    let ada = || known("user/ada", &["ops"]);
    for (action, object, allowed) in [
        ("bss.write", "x0c0s0b0n0", true),
        ("bss.write", "x0c0s0b0n1", false),
        ("bss.write", "", true),
        ("POST /boot/v1/bootparameters", "x0c0s0b0n0", true),
        ("/chamois.auth.v1.PolicyService/PutPolicy", "", false),
        ("/chamois.auth.v1.PolicyService/CheckAccess", "", true),
    ] {
        let answer = check(&service, ada(), asking("", action, object)).await.unwrap();
        assert_eq!(answer.allowed, allowed, "{action} {object}");
        let named = check(&service, ada(), asking("user/ada", action, object))
            .await
            .unwrap();
        assert_eq!(named, answer);
    }
    let answer = check(&service, token(), asking("", "auth.admin", ""))
        .await
        .unwrap();
    assert!(answer.allowed && answer.considered.is_empty());
    assert_eq!(answer.permission, "auth.admin");
}

/// Who may do what is nobody's business but of those who decide it.
#[tokio::test]
async fn only_who_decides_about_rights_asks_about_others() {
    let store = Store::in_memory();
    put(&store, policy("a", "security-admin", &["user/eve"])).await;
    put(&store, policy("b", "viewer", &["user/*"])).await;
    put(
        &store,
        in_groups(policy("c", "security-admin", &["user/part"]), &["gpu"]),
    )
    .await;
    let service = service(&store);
    let about_bob = || asking("user/bob", "smd.read", "");
    for (caller, expected) in [
        (user("eve"), Code::Ok),
        (token(), Code::Ok),
        (user("ada"), Code::PermissionDenied),
        (user("part"), Code::PermissionDenied),
        (Identity::Anonymous, Code::Unauthenticated),
    ] {
        let answer = check(&service, caller.clone(), about_bob()).await;
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        assert_eq!(code, expected, "{caller}: {answer:?}");
    }
    let mut with_groups = asking("", "smd.read", "");
    with_groups.groups = texts(&["root"]);
    let refused = check(&service, user("ada"), with_groups).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::PermissionDenied,
        "with other groups he is another"
    );
    for (principal, allowed) in [("user/bob", true), ("service/x", false), ("token/key", true)] {
        let answer = check(&service, user("eve"), asking(principal, "smd.read", ""))
            .await
            .unwrap();
        assert_eq!(answer.allowed, allowed, "{principal}");
    }
}

/// An answer about oneself must not name those who have what one lacks.
#[tokio::test]
async fn policies_of_others_are_named_to_whom_may_read_them() {
    let store = Store::in_memory();
    group(&store, "gpu", &["x0c0s0b0n0"]).await;
    put(&store, policy("of-bob", "operator", &["user/bob"])).await;
    put(&store, policy("of-ada", "viewer", &["user/ada"])).await;
    put(&store, policy("of-ops", "operator", &["group/ops"])).await;
    put(&store, policy("of-eve", "security-admin", &["user/eve"])).await;
    put(
        &store,
        in_groups(policy("of-part", "security-admin", &["user/part"]), &["gpu"]),
    )
    .await;
    let service = service(&store);
    let narrow = Identity::Known(Arc::new(Principal {
        name: "user/eve".into(),
        permissions: Some(texts(&["bss.write"])),
        ..Principal::default()
    }));
    for (caller, expected) in [
        (user("ada"), &["of-ada"][..]),
        (known("user/ada", &["ops"]), &["of-ada", "of-ops"]),
        (user("carl"), &[]),
        (user("part"), &["of-part"]),
        (narrow, &["of-eve"]),
        (user("eve"), &["of-bob", "of-eve", "of-ops"]),
    ] {
        let answer = check(&service, caller.clone(), asking("", "bss.write", ""))
            .await
            .unwrap();
        let named: Vec<String> = answer.considered.into_iter().map(|one| one.policy).collect();
        assert_eq!(named, expected, "{caller}");
    }
}

#[tokio::test]
async fn before_the_first_policy_users_are_allowed_everything() {
    let service = service(&Store::in_memory());
    for caller in [user("ada"), token()] {
        for (principal, allowed) in [("", true), ("user/bob", true), ("service/x", false)] {
            let answer = check(&service, caller.clone(), asking(principal, "cluster.admin", ""))
                .await
                .unwrap();
            assert_eq!(answer.allowed, allowed, "{caller} asks about {principal:?}");
        }
    }
}

/// The answer is about the credential that asks, not about what another one of the same principal could do.
#[tokio::test]
async fn a_token_for_less_is_told_so() {
    let store = Store::in_memory();
    put(&store, policy("a", "admin", &["service/sync"])).await;
    let token = Identity::Known(Arc::new(Principal {
        name: "service/sync".into(),
        permissions: Some(texts(&["smd.read"])),
        ..Principal::default()
    }));
    let service = service(&store);
    assert!(
        check(&service, token.clone(), asking("", "smd.read", ""))
            .await
            .unwrap()
            .allowed
    );
    let answer = check(&service, token, asking("", "smd.write", "")).await.unwrap();
    assert!(!answer.allowed && !answer.considered[0].gives);
    assert_eq!(
        answer.considered[0].reason,
        "the token that asks is not for smd.write"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_its_field() {
    let service = service(&Store::in_memory());
    for (asked, field) in [
        (asking("", "smd.fly", ""), "action: "),
        (asking("", "smd.read", "compute"), "object: "),
        (asking("group/ops", "smd.read", ""), "principal: "),
    ] {
        let refused = check(&service, token(), asked).await.unwrap_err();
        assert!(refused.message().starts_with(field), "{field}: {refused}");
    }
    let mut asked = asking("", "smd.read", "");
    asked.kind = "nodes".into();
    let refused = check(&service, token(), asked).await.unwrap_err();
    assert!(refused.message().starts_with("kind: "), "{refused}");
}
