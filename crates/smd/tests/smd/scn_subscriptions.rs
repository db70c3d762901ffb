//! HSM's subscriptions to state changes, method by method. What subscribers are told is in `scn.rs`.

use crate::common::{admin, cut_off};
use proto::smd::v1::scn_subscription_service_server::ScnSubscriptionService as _;
use proto::smd::v1::{
    DeleteScnSubscriptionRequest, DeleteScnSubscriptionsRequest, GetScnSubscriptionRequest,
    ListScnSubscriptionsRequest, PatchScnSubscriptionRequest, PutScnSubscriptionRequest, ScnSubscription,
};
use raft::Store;
use smd::ScnSubscriptionService;
use tonic::{Code, Response, Status};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn subscription(subscriber: &str, states: &[&str]) -> ScnSubscription {
    ScnSubscription {
        subscriber: subscriber.into(),
        url: "http://10.1.0.9:7000/scn".into(),
        states: texts(states),
        ..ScnSubscription::default()
    }
}

async fn subscribe(
    service: &ScnSubscriptionService,
    given: ScnSubscription,
) -> Result<ScnSubscription, Status> {
    let answer = service.create_scn_subscription(admin(given)).await;
    answer.map(Response::into_inner)
}

async fn get(service: &ScnSubscriptionService, id: &str) -> Result<ScnSubscription, Status> {
    let request = GetScnSubscriptionRequest { id: id.into() };
    let answer = service.get_scn_subscription(admin(request)).await;
    answer.map(Response::into_inner)
}

#[tokio::test]
async fn subscriptions_are_made_replaced_patched_and_deleted() {
    let service = ScnSubscriptionService::new(Store::in_memory());
    let given = ScnSubscription {
        id: 77,
        told_revision: 99,
        ..subscription("a", &["ready"])
    };
    let made = subscribe(&service, given).await.unwrap();
    assert_eq!(
        (made.id, made.told_revision, made.states.clone()),
        (1, 1, texts(&["Ready"]))
    );
    let again = subscribe(&service, subscription("a", &["Off"])).await.unwrap();
    assert_eq!((again.id, again.states), (1, texts(&["Off"])));
    let put = PutScnSubscriptionRequest {
        subscription_id: "1".into(),
        subscriber: "b".into(),
        url: "https://host/x".into(),
        enabled: Some(true),
        ..PutScnSubscriptionRequest::default()
    };
    service.put_scn_subscription(admin(put)).await.unwrap();
    let stored = get(&service, "1").await.unwrap();
    assert_eq!(
        (stored.subscriber.as_str(), stored.states.len(), stored.enabled),
        ("b", 0, Some(true))
    );
    let patch = PatchScnSubscriptionRequest {
        subscription_id: "1".into(),
        op: "Add".into(),
        roles: texts(&["compute"]),
        ..PatchScnSubscriptionRequest::default()
    };
    service.patch_scn_subscription(admin(patch)).await.unwrap();
    assert_eq!(get(&service, "1").await.unwrap().roles, ["Compute"]);
    subscribe(&service, subscription("c", &["Off"])).await.unwrap();
    let all = service
        .list_scn_subscriptions(admin(ListScnSubscriptionsRequest {}))
        .await
        .unwrap();
    let ids: Vec<u64> = all.get_ref().subscription_list.iter().map(|one| one.id).collect();
    assert_eq!(ids, [1, 5]);
    let delete = DeleteScnSubscriptionRequest { id: "1".into() };
    let deleted = service.delete_scn_subscription(admin(delete)).await.unwrap();
    assert_eq!(deleted.into_inner().message, "Subscription deleted");
    for expected in ["1 Subscriptions deleted", "0 Subscriptions deleted"] {
        let all = DeleteScnSubscriptionsRequest {};
        let deleted = service.delete_scn_subscriptions(admin(all)).await.unwrap();
        assert_eq!(deleted.into_inner().message, expected);
    }
}

#[tokio::test]
async fn bad_requests_get_the_texts_of_hsm() {
    let store = Store::in_memory();
    let service = ScnSubscriptionService::new(store.clone());
    let without_url = ScnSubscription {
        url: String::new(),
        ..subscription("a", &["On"])
    };
    let strange_url = ScnSubscription {
        url: "http://a b/".into(),
        ..subscription("a", &["On"])
    };
    for (given, begin) in [
        (subscription("", &["On"]), "Missing name of subscriber"),
        (without_url, "Missing url"),
        (strange_url, "Url: "),
        (subscription("a", &["Warm"]), "Invalid state 'Warm'"),
    ] {
        let refused = subscribe(&service, given).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(begin), "{refused:?}");
    }
    let patch = |id: &str, op: &str| PatchScnSubscriptionRequest {
        subscription_id: id.into(),
        op: op.into(),
        states: texts(&["On"]),
        ..PatchScnSubscriptionRequest::default()
    };
    for (id, op, begin) in [
        ("1", "", "Missing Patch Op"),
        ("1", "merge", "Invalid Patch Op - merge"),
        ("0", "add", "Invalid id - 0"),
        ("x\n", "add", "Invalid id - x\\n"),
    ] {
        let refused = service
            .patch_scn_subscription(admin(patch(id, op)))
            .await
            .unwrap_err();
        assert!(refused.message().starts_with(begin), "{refused:?}");
    }
    assert_eq!(store.state().applied_index(), 0, "nothing reached the log");
    let refused = subscribe(&service, subscription("a", &[])).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "Missing trigger: Must subscribe to atleast one Enabled, Role, SubRole, SoftwareStatus, or State trigger."
    );
    let put = PutScnSubscriptionRequest {
        subscription_id: "7".into(),
        subscriber: "a".into(),
        url: "http://a/".into(),
        states: texts(&["On"]),
        ..PutScnSubscriptionRequest::default()
    };
    let delete = DeleteScnSubscriptionRequest { id: "7".into() };
    for missing in [
        get(&service, "7").await.map(|_| ()).unwrap_err(),
        service
            .put_scn_subscription(admin(put))
            .await
            .map(|_| ())
            .unwrap_err(),
        service
            .patch_scn_subscription(admin(patch("7", "add")))
            .await
            .map(|_| ())
            .unwrap_err(),
        service
            .delete_scn_subscription(admin(delete))
            .await
            .map(|_| ())
            .unwrap_err(),
    ] {
        assert_eq!(
            (missing.code(), missing.message()),
            (Code::NotFound, "Subscription not found")
        );
    }
}

#[tokio::test]
async fn without_a_majority_nobody_subscribes_and_the_answer_says_so() {
    let alone = ScnSubscriptionService::new(cut_off(&Store::in_memory()));
    let refused = subscribe(&alone, subscription("a", &["On"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
