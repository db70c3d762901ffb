//! Subscriptions to state changes: who they are, what they are told of, how far they have been told.

use model::Rejection;
use proto::smd::v1::ScnSubscription;
use proto::smd::v1::smd_command::patch_scn_subscription::Op;
use proto::smd::v1::smd_command::{
    AdvanceScnCursors, DeleteScnSubscriptions, PatchScnSubscription, PutScnSubscription, ScnCursor,
};
use state::bounds::SUBSCRIPTIONS_MAX;

use crate::support::Log;

const URL: &str = "http://10.1.0.9:7000/scn?a=b";

pub fn subscription(subscriber: &str, states: &[&str]) -> ScnSubscription {
    ScnSubscription {
        subscriber: subscriber.into(),
        url: URL.into(),
        states: texts(states),
        ..Default::default()
    }
}

pub fn put(subscription: ScnSubscription) -> PutScnSubscription {
    PutScnSubscription {
        subscription: Some(subscription),
        id: 0,
    }
}

pub fn advance(id: u64, told_revision: u64) -> AdvanceScnCursors {
    AdvanceScnCursors {
        cursors: vec![ScnCursor { id, told_revision }],
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn stored(log: &Log, id: u64) -> ScnSubscription {
    log.state.smd.subscription(id).unwrap().as_ref().clone()
}

/// It is told of what comes after it, not of the past.
#[test]
fn a_subscription_begins_where_it_was_made() {
    let mut log = Log::latest();
    let given = ScnSubscription {
        roles: texts(&["compute", "Compute", "own"]),
        sub_roles: texts(&["worker"]),
        software_status: texts(&["Admin"]),
        enabled: Some(true),
        ..subscription("hmnfd@x0", &["ready", "Off"])
    };
    let applied = log.ok(put(given));
    assert_eq!((applied.created, applied.value.as_str()), (texts(&["1"]), "1"));
    let expected = ScnSubscription {
        id: 1,
        roles: texts(&["Compute", "own"]),
        sub_roles: texts(&["Worker"]),
        software_status: texts(&["Admin"]),
        enabled: Some(true),
        told_revision: 1,
        meta: log.created(),
        ..subscription("hmnfd@x0", &["Ready", "Off"])
    };
    assert_eq!(stored(&log, 1), expected);
}

/// SMD: a POST with the same subscriber and URL changes the one that there is.
#[test]
fn subscriber_and_url_name_one_subscription_which_goes_on_where_it_was() {
    let mut log = Log::latest();
    log.ok(put(subscription("a", &["Off"])));
    log.ok(put(subscription("b", &["Off"])));
    log.ok(advance(1, 2));
    let applied = log.ok(put(subscription("a", &["On"])));
    assert_eq!((applied.updated, applied.value.as_str()), (texts(&["1"]), "1"));
    let after = stored(&log, 1);
    assert_eq!((after.states, after.told_revision), (texts(&["On"]), 2));
    let by_id = |id| PutScnSubscription {
        id,
        ..put(subscription("b", &["On"]))
    };
    let taken = log.refused(by_id(1));
    assert!(
        matches!(&taken, Rejection::AlreadyExists { id, .. } if id == "2"),
        "{taken}"
    );
    assert_eq!(
        log.refused(PutScnSubscription {
            id: 9,
            ..put(subscription("c", &["On"]))
        }),
        Rejection::not_found("subscription", 9)
    );
    log.ok(by_id(2));
    assert_eq!(stored(&log, 2).states, ["On"]);
}

/// An id that is given again would tell one subscriber what another asked for.
#[test]
fn ids_are_never_given_twice() {
    let mut log = Log::latest();
    log.ok(put(subscription("a", &["Off"])));
    log.ok(DeleteScnSubscriptions {
        ids: vec![],
        all: true,
    });
    assert_eq!(log.ok(put(subscription("a", &["Off"]))).value, "3");
    let gone = log.refused(DeleteScnSubscriptions {
        ids: vec![1],
        all: false,
    });
    assert_eq!(gone, Rejection::not_found("subscription", 1));
    let all = DeleteScnSubscriptions {
        ids: vec![],
        all: true,
    };
    assert_eq!(log.ok(all.clone()).deleted_count, 1);
    assert_eq!(log.ok(all).deleted_count, 0, "none is no error in SMD");
}

#[test]
fn triggers_are_added_removed_and_replaced() {
    let mut log = Log::latest();
    log.ok(put(subscription("a", &["Off"])));
    let patch = |op: Op, states: &[&str], enabled| PatchScnSubscription {
        id: 1,
        op: op.into(),
        triggers: Some(ScnSubscription {
            states: texts(states),
            enabled,
            ..Default::default()
        }),
    };
    log.ok(patch(Op::Add, &["off", "on"], Some(true)));
    let after = stored(&log, 1);
    assert_eq!((after.states, after.enabled), (texts(&["Off", "On"]), Some(true)));
    log.ok(patch(Op::Remove, &["OFF", "Ready"], Some(true)));
    let after = stored(&log, 1);
    assert_eq!((after.states, after.enabled), (texts(&["On"]), Some(false)));
    assert_eq!(log.ok(patch(Op::Remove, &["Ready"], None)).unchanged, ["1"]);
    log.ok(patch(Op::Replace, &["Standby"], None));
    assert_eq!(stored(&log, 1).states, ["Standby"]);
    assert_eq!(log.invalid(patch(Op::Add, &[], None)).0, "Missing trigger");
    assert_eq!(log.invalid(patch(Op::Unspecified, &["On"], None)).0, "op");
    assert_eq!(log.invalid(patch(Op::Add, &["Warm"], None)).0, "States");
    let missing = PatchScnSubscription {
        id: 7,
        ..patch(Op::Add, &["On"], None)
    };
    assert_eq!(log.refused(missing), Rejection::not_found("subscription", 7));
}

/// What a leader that was deposed has told must not undo what its successor has, nor run ahead of the log.
#[test]
fn a_cursor_only_goes_forward() {
    let mut log = Log::latest();
    log.ok(put(subscription("a", &["Off"])));
    assert_eq!(log.ok(advance(1, 2)).updated, ["1"]);
    let modified = stored(&log, 1).meta;
    assert!(log.ok(advance(1, 1)).updated.is_empty());
    assert!(log.ok(advance(9, 3)).updated.is_empty(), "it is gone meanwhile");
    let applied = log.apply(advance(1, 1000));
    assert!(applied.events.is_empty(), "nobody watches a cursor");
    assert_eq!(stored(&log, 1).told_revision, 5, "the entry's own index");
    assert_eq!(stored(&log, 1).meta, modified);
}

#[test]
fn bad_subscriptions_are_refused_by_field() {
    let mut log = Log::latest();
    let with_url = |url: &str| ScnSubscription {
        url: url.into(),
        ..subscription("a", &["Off"])
    };
    for (given, field) in [
        (subscription("", &["Off"]), "Subscriber"),
        (subscription("a", &[]), "Missing trigger"),
        (
            ScnSubscription {
                enabled: Some(false),
                ..subscription("a", &[])
            },
            "Missing trigger",
        ),
        (subscription("a", &["Warm"]), "States"),
        (subscription("a", &[""]), "States"),
        (with_url(""), "Url"),
        (with_url("ftp://a"), "Url"),
        (with_url("http://"), "Url"),
        (with_url("http:///x"), "Url"),
        (with_url("http://user:secret@host/"), "Url"),
        (with_url("http://host/a b"), "Url"),
        (with_url("http://host/a\nb"), "Url"),
    ] {
        assert_eq!(log.invalid(put(given.clone())).0, field, "{given:?}");
    }
    log.fill((0..SUBSCRIPTIONS_MAX).map(|n| put(subscription(&format!("s{n}"), &["Off"]))));
    assert_eq!(
        log.invalid(put(subscription("one more", &["Off"]))).0,
        "subscription"
    );
}
