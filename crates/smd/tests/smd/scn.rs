//! What subscribers are told of state changes, in which order, and how far the log remembers it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{admin, node};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::scn_subscription_service_server::ScnSubscriptionService as _;
use proto::smd::v1::{
    CreateComponentsRequest, DeleteScnSubscriptionsRequest, PatchStateDataRequest, ScnSubscription,
};
use raft::Store;
use smd::scn::{Deliver, Pace, Post};
use smd::{ComponentService, ScnSubscriptionService};
use tokio::task::JoinHandle;

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
/// Far longer than anything here takes.
const AT_MOST: Duration = Duration::from_secs(20);

/// Subscribers that answer as they are told to, then 200, and remember what they were sent.
#[derive(Clone, Default)]
struct Subscribers(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    answers: VecDeque<Result<u16, String>>,
    attempts: usize,
    accepted: Vec<(String, String)>,
    revisions: Vec<u64>,
}

impl Deliver for Subscribers {
    fn post(&self, post: Post) -> BoxFuture<'_, Result<u16, String>> {
        let mut remembered = self.0.lock().unwrap();
        remembered.attempts += 1;
        let answer = remembered.answers.pop_front().unwrap_or(Ok(200));
        if answer == Ok(200) {
            let body = String::from_utf8(post.body).unwrap();
            remembered.accepted.push((post.url, body));
            remembered.revisions.push(post.revision);
        }
        async move { answer }.boxed()
    }
}

impl Subscribers {
    fn will_answer(&self, answers: impl IntoIterator<Item = Result<u16, String>>) {
        self.0.lock().unwrap().answers.extend(answers);
    }

    fn accepted(&self) -> Vec<String> {
        let remembered = self.0.lock().unwrap();
        remembered.accepted.iter().map(|(_, body)| body.clone()).collect()
    }

    fn attempts(&self) -> usize {
        self.0.lock().unwrap().attempts
    }
}

/// Looks and repeats at once: what is tested is what happens, not when.
fn at_once() -> Pace {
    Pace {
        look: Duration::from_millis(2),
        remember: Duration::from_millis(2),
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(1),
    }
}

fn leader(store: &Store, subscribers: &Subscribers) -> JoinHandle<()> {
    let (store, deliver) = (store.clone(), Arc::new(subscribers.clone()));
    let forever = std::future::pending::<()>();
    tokio::spawn(smd::scn::run(
        store,
        deliver,
        "member/1".to_owned(),
        at_once(),
        forever,
    ))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looks = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(AT_MOST, looks)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

async fn subscribe(store: &Store, subscriber: &str, states: &[&str]) -> ScnSubscription {
    let given = ScnSubscription {
        subscriber: subscriber.into(),
        url: format!("http://{subscriber}/scn"),
        states: states.iter().map(|state| (*state).to_owned()).collect(),
        ..ScnSubscription::default()
    };
    let service = ScnSubscriptionService::new(store.clone());
    service
        .create_scn_subscription(admin(given))
        .await
        .unwrap()
        .into_inner()
}

async fn create(store: &Store, ids: &[&str], state: State) {
    let create = CreateComponentsRequest {
        components: ids.iter().map(|id| node(id, state)).collect(),
        force: false,
        ..Default::default()
    };
    let service = ComponentService::new(store.clone());
    service.create_components(admin(create)).await.unwrap();
}

async fn set(store: &Store, id: &str, state: State) {
    let patch = PatchStateDataRequest {
        id: id.into(),
        state: state.into(),
        ..PatchStateDataRequest::default()
    };
    let service = ComponentService::new(store.clone());
    service.patch_state_data(admin(patch)).await.unwrap();
}

fn body(ids: &[&str], state: &str) -> String {
    let ids = ids.join("\",\"");
    format!(r#"{{"Components":["{ids}"],"Flag":"OK","State":"{state}"}}"#)
}

#[tokio::test]
async fn changes_are_told_in_order_and_others_are_not() {
    let (store, subscribers) = (Store::in_memory(), Subscribers::default());
    create(&store, &[A], State::On).await;
    subscribe(&store, "s", &["Ready", "Off"]).await;
    let _leader = leader(&store, &subscribers);
    create(&store, &[B], State::Off).await;
    set(&store, A, State::Ready).await;
    set(&store, B, State::On).await;
    set(&store, A, State::Off).await;
    let expected = [body(&[B], "Off"), body(&[A], "Ready"), body(&[A], "Off")];
    until("three are told", || subscribers.accepted().len() == 3).await;
    assert_eq!(
        subscribers.accepted(),
        expected,
        "what was before the subscription is not told"
    );
    let remembered = subscribers.0.lock().unwrap();
    assert!(remembered.revisions.is_sorted(), "{:?}", remembered.revisions);
    assert_eq!(remembered.accepted[0].0, "http://s/scn");
}

/// The next leader goes on where this one stopped, and an idle cluster writes nothing.
#[tokio::test]
async fn the_log_remembers_how_far_each_was_told() {
    let (store, subscribers) = (Store::in_memory(), Subscribers::default());
    create(&store, &[A], State::On).await;
    let id = subscribe(&store, "s", &["Off", "On"]).await.id;
    let first = leader(&store, &subscribers);
    set(&store, A, State::Off).await;
    let told = store.state().applied_index();
    let cursor = || store.state().smd.subscription(id).unwrap().told_revision;
    until("it is remembered", || cursor() >= told).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let quiet = store.state().applied_index();
    set(&store, A, State::On).await;
    let _second = leader(&store, &subscribers);
    until("the second leader tells", || subscribers.accepted().len() == 2).await;
    assert_eq!(subscribers.accepted(), [body(&[A], "Off"), body(&[A], "On")]);
    until("it is remembered, too", || cursor() > quiet).await;
    let idle = store.state().applied_index();
    for _ in 0..20 {
        tokio::time::sleep(at_once().remember).await;
    }
    assert_eq!(
        store.state().applied_index(),
        idle,
        "nothing new is nothing to remember"
    );
}

/// At least once: nothing is left out because a subscriber was away.
#[tokio::test]
async fn a_subscriber_that_does_not_answer_is_asked_again_until_it_does() {
    let (store, subscribers) = (Store::in_memory(), Subscribers::default());
    subscribe(&store, "s", &["Off", "On"]).await;
    subscribers.will_answer((0..12).map(|_| Err("no connection".to_owned())));
    let _leader = leader(&store, &subscribers);
    create(&store, &[A], State::Off).await;
    until("it is told", || subscribers.accepted().len() == 1).await;
    set(&store, A, State::On).await;
    until("and goes on", || subscribers.accepted().len() == 2).await;
    assert_eq!(subscribers.accepted(), [body(&[A], "Off"), body(&[A], "On")]);
    assert_eq!(subscribers.attempts(), 14);
}

/// One that answers with an error would do so for ever: it must not keep the rest from being told.
#[tokio::test]
async fn what_is_refused_five_times_is_left_out() {
    let (store, subscribers) = (Store::in_memory(), Subscribers::default());
    subscribe(&store, "s", &["Off", "On"]).await;
    subscribers.will_answer([400, 404, 500, 302, 503].map(Ok));
    let _leader = leader(&store, &subscribers);
    create(&store, &[A], State::Off).await;
    set(&store, A, State::On).await;
    until("the next is told", || subscribers.accepted().len() == 1).await;
    assert_eq!(
        (subscribers.accepted(), subscribers.attempts()),
        (vec![body(&[A], "On")], 6)
    );
}

#[tokio::test]
async fn whoever_is_not_subscribed_any_more_is_told_nothing() {
    let (store, subscribers) = (Store::in_memory(), Subscribers::default());
    subscribe(&store, "s", &["Off"]).await;
    let _leader = leader(&store, &subscribers);
    create(&store, &[A], State::Off).await;
    until("it is told", || subscribers.accepted().len() == 1).await;
    let all = DeleteScnSubscriptionsRequest {};
    ScnSubscriptionService::new(store.clone())
        .delete_scn_subscriptions(admin(all))
        .await
        .unwrap();
    create(&store, &[B], State::Off).await;
    subscribe(&store, "t", &["On"]).await;
    set(&store, B, State::On).await;
    until("the other is told", || subscribers.accepted().len() == 2).await;
    assert_eq!(subscribers.accepted(), [body(&[A], "Off"), body(&[B], "On")]);
}

/// The history of a store begins at its state: what was before is not kept.
#[tokio::test]
async fn who_missed_changes_that_are_not_kept_is_told_how_everything_is() {
    let old = Store::in_memory();
    create(&old, &[A, B], State::Off).await;
    subscribe(&old, "s", &["Off", "Ready"]).await;
    set(&old, A, State::On).await;
    set(&old, A, State::Ready).await;
    let state = old.state().as_ref().clone();
    let (store, subscribers) = (Store::in_memory_with(state), Subscribers::default());
    let _leader = leader(&store, &subscribers);
    until("everything is told", || subscribers.accepted().len() == 2).await;
    set(&store, B, State::On).await;
    set(&store, B, State::Ready).await;
    until("and what follows", || subscribers.accepted().len() == 3).await;
    assert_eq!(
        subscribers.accepted(),
        [body(&[A], "Ready"), body(&[B], "Off"), body(&[B], "Ready")]
    );
}
