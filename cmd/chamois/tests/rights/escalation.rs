//! Somebody who may do everything, but in one group, and what he tries beyond it.

use std::time::{Duration, Instant};

use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{DeletePolicyRequest, Policy, PutPolicyRequest, PutRoleRequest, Role};
use proto::configurator::v1::generate_service_client::GenerateServiceClient;
use proto::configurator::v1::template_service_client::TemplateServiceClient;
use proto::configurator::v1::{GenerateRequest, ListTargetsRequest, PutTemplateRequest, Template};
use proto::smd::v1::component_patch_service_client::ComponentPatchServiceClient;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{
    AddGroupMemberRequest, BulkPatchEnabledRequest, GetComponentRequest, ListComponentsRequest,
    PatchGroupRequest, PatchStateDataRequest, ReplaceGroupMembersRequest, component,
};
use proto::watch::v1::history_service_client::HistoryServiceClient;
use proto::watch::v1::watch_response::Message;
use proto::watch::v1::watch_service_client::WatchServiceClient;
use proto::watch::v1::{ListChangesRequest, RollbackRequest, WatchRequest};
use rpc::client::Channel;
use tonic::{Code, Response, Status};

use crate::callers::{Caller, ELSEWHERE, OTHER, OWN, SECRET, Site};

const POLICIES: &str = "
- {name: own, role: admin, principals: [user/part], groups: [own]}
- {name: root, role: admin, principals: [user/root]}
";
/// A node that there is not.
const MISSING: &str = "x8c0s0b0n0";
/// What was taken back ends a stream by then.
const ENDED_WITHIN: Duration = Duration::from_secs(2);
/// After that the leader has made what each cluster begins with.
const KEY_WITHIN: Duration = Duration::from_secs(30);

fn denied<T>(what: &str, answer: Result<Response<T>, Status>) -> String {
    match answer {
        Ok(_) => panic!("{what} was done"),
        Err(status) => {
            assert_eq!(status.code(), Code::PermissionDenied, "{what}: {status}");
            status.message().to_owned()
        }
    }
}

fn patch_state(id: &str) -> PatchStateDataRequest {
    PatchStateDataRequest {
        id: id.into(),
        state: component::State::Off.into(),
        force: true,
        ..PatchStateDataRequest::default()
    }
}

async fn get(channel: &Channel, id: &str) -> Result<Response<proto::smd::v1::Component>, Status> {
    let mut components = ComponentServiceClient::new(channel.clone());
    components
        .get_component(GetComponentRequest { id: id.into() })
        .await
}

async fn listed(channel: &Channel) -> Vec<String> {
    let mut components = ComponentServiceClient::new(channel.clone());
    let answer = components
        .list_components(ListComponentsRequest::default())
        .await
        .unwrap();
    let components = answer.into_inner().components;
    components.into_iter().map(|component| component.id).collect()
}

/// Whoever could change the group that he was given, or what he was given, would have everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_widens_what_he_was_given() {
    let site = Site::start(POLICIES);
    let (part, before) = (site.user("part").channel, site.others());
    let mut groups = GroupServiceClient::new(part.clone());
    let add = AddGroupMemberRequest {
        label: "own".into(),
        id: OTHER.into(),
        ..AddGroupMemberRequest::default()
    };
    denied("adding a member", groups.add_group_member(add).await);
    let replace = ReplaceGroupMembersRequest {
        label: "own".into(),
        ids: vec![OWN.into(), OTHER.into()],
        ..ReplaceGroupMembersRequest::default()
    };
    denied(
        "replacing the members",
        groups.replace_group_members(replace).await,
    );
    let patch = PatchGroupRequest {
        label: "own".into(),
        description: Some("mine".into()),
        ..PatchGroupRequest::default()
    };
    denied("changing the group", groups.patch_group(patch).await);
    let mut policies = PolicyServiceClient::new(part);
    let wider = Policy {
        name: "own".into(),
        role: "admin".into(),
        principals: vec!["user/part".into()],
        ..Policy::default()
    };
    let put = PutPolicyRequest { policy: Some(wider) };
    denied("putting a policy", policies.put_policy(put).await);
    let role = Some(Role {
        name: "mine".into(),
        permissions: vec!["*.*".into()],
        ..Role::default()
    });
    denied("putting a role", policies.put_role(PutRoleRequest { role }).await);
    let delete = DeletePolicyRequest { name: "root".into() };
    denied("deleting a policy", policies.delete_policy(delete).await);
    assert_eq!(site.others(), before);
}

/// Files are made of everything: whoever sees a part gets files of that part, by every target and by a template.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_say_nothing_of_what_is_not_in_the_part() {
    let site = Site::start(POLICIES);
    let (part, root) = (site.user("part").channel, site.user("root").channel);
    let body = "{% for node in nodes %}{{ node.xname }} {{ node.name }}\n{% endfor %}".to_owned();
    let template = Template {
        name: "all".into(),
        path: "all".into(),
        body,
        ..Template::default()
    };
    let put = PutTemplateRequest {
        template: Some(template),
        if_revision: None,
    };
    let mut templates = TemplateServiceClient::new(root.clone());
    templates.put_template(put.clone()).await.unwrap();
    denied(
        "putting a template",
        TemplateServiceClient::new(part.clone()).put_template(put).await,
    );
    let mut files = GenerateServiceClient::new(part);
    let targets = files
        .list_targets(ListTargetsRequest {})
        .await
        .unwrap()
        .into_inner();
    let names = targets.targets.into_iter().map(|target| target.name);
    for target in names.chain(["template:all".to_owned()]) {
        let asked = GenerateRequest {
            target: target.clone(),
            option: Vec::new(),
        };
        let text = match files.generate(asked).await {
            Ok(made) => made
                .into_inner()
                .files
                .into_iter()
                .map(|file| file.content)
                .collect(),
            Err(refused) => refused.message().to_owned(),
        };
        for others in [OTHER, SECRET, ELSEWHERE] {
            assert!(!text.contains(others), "{target}: {text}");
        }
        assert!(target != "template:all" || text.contains(OWN), "{text}");
    }
    let asked = GenerateRequest {
        target: "template:all".into(),
        option: Vec::new(),
    };
    let all = GenerateServiceClient::new(root).generate(asked).await.unwrap();
    assert!(all.into_inner().files[0].content.contains(OTHER), "root sees all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_stay_in_the_part_whole_or_not_at_all() {
    let site = Site::start(POLICIES);
    let (part, before) = (site.user("part").channel, site.others());
    let mut components = ComponentServiceClient::new(part.clone());
    components.patch_state_data(patch_state(OWN)).await.unwrap();
    let other = denied(
        "changing another's node",
        components.patch_state_data(patch_state(OTHER)).await,
    );
    let missing = denied(
        "changing no node",
        components.patch_state_data(patch_state(MISSING)).await,
    );
    assert_eq!(other, missing, "whether it is there is not told");
    assert!(!other.contains(OTHER), "{other}");
    let own = || site.read(&format!("/hsm/v2/State/Components/{OWN}"));
    let unchanged = own();
    let bulk = BulkPatchEnabledRequest {
        component_ids: vec![OWN.into(), OTHER.into()],
        enabled: Some(false),
    };
    let mut patches = ComponentPatchServiceClient::new(part.clone());
    denied("one of two", patches.bulk_patch_enabled(bulk).await);
    assert_eq!(own(), unchanged, "not even his own");
    let mut history = HistoryServiceClient::new(part);
    let rollback = RollbackRequest {
        kind: "boot_parameters".into(),
        id: OTHER.into(),
        revision: 1,
        ..RollbackRequest::default()
    };
    denied("rolling back", history.rollback(rollback).await);
    assert_eq!(site.others(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_show_the_part_and_tell_of_nothing_else() {
    let site = Site::start(POLICIES);
    let part = site.user("part").channel;
    assert_eq!(listed(&part).await, [OWN]);
    let all = listed(&site.user("root").channel).await;
    assert!(all.len() >= 3 && all.iter().any(|id| id == OTHER), "{all:?}");
    assert_eq!(get(&part, OWN).await.unwrap().into_inner().id, OWN);
    let other = denied("another's node", get(&part, OTHER).await);
    assert_eq!(
        other,
        denied("no node", get(&part, MISSING).await),
        "whether it is there is not told"
    );
    let mut history = HistoryServiceClient::new(part);
    let changes = ListChangesRequest {
        kind: "component".into(),
        id: OTHER.into(),
        ..ListChangesRequest::default()
    };
    // refused or empty, but nothing of what was
    if let Ok(answer) = history.list_changes(changes).await {
        assert_eq!(answer.into_inner().changes, []);
    }
}

/// What is kept for everybody is nobody's who has a part: neither an ETag, nor a "not modified", nor an answer to another.
#[test]
fn caches_and_repeats_give_nothing_away() {
    let site = Site::start(POLICIES);
    let (part, root) = (site.user("part"), site.user("root"));
    let path = "/hsm/v2/State/Components";
    let all = root.http("GET", path, "");
    assert!(all.body.contains(OTHER), "{all:?}");
    let etag = all.header("etag").unwrap().to_owned();
    for headers in [
        String::new(),
        format!("If-None-Match: {etag}\r\n"),
        "If-None-Match: *\r\n".to_owned(),
    ] {
        let own = part.http_with("GET", path, &headers, "");
        assert_eq!(
            (own.status, own.header("etag")),
            (200, None),
            "{headers}: {own:?}"
        );
        assert!(
            own.body.contains(OWN) && !own.body.contains(OTHER),
            "{headers}: {own:?}"
        );
    }
    assert!(
        root.http("GET", path, "").body.contains(OTHER),
        "and he still has all"
    );
    let (patch, body) = (format!("{path}/{OTHER}/Enabled"), r#"{"Enabled":false}"#);
    let key = "Idempotency-Key: once\r\n";
    assert!(root.http_with("PATCH", &patch, key, body).status < 300);
    let repeated = part.http_with("PATCH", &patch, key, body);
    assert_eq!(repeated.status, 403, "another's outcome is not his: {repeated:?}");
    assert!(!repeated.body.contains(SECRET), "{repeated:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_shows_the_part_and_ends_with_its_policy() {
    let site = Site::start(POLICIES);
    let mut watches = WatchServiceClient::new(site.user("part").channel);
    let mut watch = watches.watch(WatchRequest::default()).await.unwrap().into_inner();
    let mut shown = String::new();
    loop {
        let message = watch.message().await.unwrap().unwrap().message.unwrap();
        shown += &format!("{message:?}");
        if matches!(message, Message::SnapshotEnd(_)) {
            break;
        }
    }
    assert!(
        shown.contains(OWN) && !shown.contains(OTHER) && !shown.contains(SECRET),
        "{shown}"
    );
    let (code, _, err) = site.single.ask(&["policy", "delete", "own"]);
    assert_eq!(code, 0, "{err}");
    let ended = tokio::time::timeout(ENDED_WITHIN, async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended without a reason"),
                Err(status) => return status,
            }
        }
    });
    assert_eq!(ended.await.unwrap().code(), Code::PermissionDenied);
    assert!(get(&site.user("part").channel, OWN).await.is_err());
}

/// Pages end where the whole list does not: mostly at another's node, which the token must not tell.
#[test]
fn page_tokens_lead_through_the_part_and_name_nobody() {
    let site = Site::start(POLICIES);
    let (part, root) = (site.user("part"), site.user("root"));
    let page = |of: &Caller, token: &str| {
        let path = match token {
            "" => "/hsm/v2/State/Components?page_size=1".to_owned(),
            token => format!("/hsm/v2/State/Components?page_size=1&page_token={token}"),
        };
        let mut answer = of.http("GET", &path, "");
        // the leader makes the key for page tokens a moment after the cluster's start
        let until = Instant::now() + KEY_WITHIN;
        while answer.status == 503 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
            answer = of.http("GET", &path, "");
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let next = answer.header("chamois-next-page-token");
        let next = next.unwrap_or_default().to_owned();
        (answer.body, next)
    };
    let (mut seen, mut token, mut pages) = (String::new(), String::new(), 0);
    let hex = |id: &str| id.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    loop {
        let (body, next) = page(&part, &token);
        seen += &body;
        for id in [OWN, OTHER, ELSEWHERE] {
            assert!(!next.contains(&hex(id)), "the token names {id}: {next}");
        }
        (token, pages) = (next, pages + 1);
        if token.is_empty() {
            break;
        }
        assert!(pages < 100, "it never ends");
    }
    assert!(seen.contains(OWN) && !seen.contains(OTHER), "{seen}");
    // one that was given to somebody else, in the clear, leads nowhere
    let (_, clear) = page(&root, "");
    let path = format!("/hsm/v2/State/Components?page_size=1&page_token={clear}");
    let refused = part.http("GET", &path, "");
    assert_eq!(refused.status, 400, "{refused:?}");
}

/// A user's certificate was an administrator's until somebody decided otherwise, and the offline key's token still is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_policy_ends_for_good_that_users_are_administrators() {
    let site = Site::start(POLICIES);
    let stranger = site.user("somebody").channel;
    denied("reading without a policy", get(&stranger, OWN).await);
    for name in ["own", "root"] {
        let (code, _, err) = site.single.ask(&["policy", "delete", name]);
        assert_eq!(code, 0, "{err}");
    }
    denied("reading without any policy", get(&stranger, OTHER).await);
    site.put_policies("{name: root, role: admin, principals: [user/root]}");
    denied("reading without a policy", get(&stranger, OWN).await);
    assert!(
        site.read(&format!("/hsm/v2/State/Components/{OTHER}"))
            .contains(SECRET)
    );
}
