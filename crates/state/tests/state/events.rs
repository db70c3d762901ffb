//! What watchers see of an entry.

use std::collections::BTreeMap;

use proto::bss::v1::{BootParametersEntry, bss_command};
use proto::cluster::v1::{SealedSecret, cluster_command};
use proto::smd::v1::smd_command::{CreateComponents, CreateGroup, DeleteComponents};
use proto::smd::v1::{Component, Group, GroupMembers, component};
use state::{Event, Object, RowKey, RowKind, State};

use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";

fn create(ids: &[&str], force: bool, subtype: &str) -> CreateComponents {
    let component = |id: &&str| Component {
        id: (*id).to_owned(),
        state: component::State::On.into(),
        subtype: subtype.to_owned(),
        ..Component::default()
    };
    CreateComponents {
        components: ids.iter().map(component).collect(),
        force,
        ..Default::default()
    }
}

fn group(members: &[&str]) -> CreateGroup {
    let ids = members.iter().map(|id| (*id).to_owned()).collect();
    CreateGroup {
        group: Some(Group {
            label: "compute".into(),
            members: Some(GroupMembers { ids }),
            ..Group::default()
        }),
    }
}

fn delete(id: &str) -> DeleteComponents {
    DeleteComponents {
        ids: vec![id.to_owned()],
        ..DeleteComponents::default()
    }
}

/// `(kind, id, there before, there after)` of each event.
fn told(events: &[Event]) -> Vec<(RowKind, String, bool, bool)> {
    let one = |event: &Event| {
        let object = event.after().or(event.before()).unwrap();
        let there = (event.before().is_some(), event.after().is_some());
        (object.kind(), object.id(), there.0, there.1)
    };
    events.iter().map(one).collect()
}

/// What the events alone make of a state, from its first entry on.
#[derive(Default)]
struct Copy(BTreeMap<RowKey, Object>);

impl Copy {
    fn follow(&mut self, events: &[Event]) {
        for event in events {
            let known = match event.after() {
                Some(object) => self.0.insert(event.key().clone(), object.clone()),
                None => self.0.remove(event.key()),
            };
            assert_eq!(known.as_ref(), event.before(), "{:?}", event.key());
        }
    }

    fn is_like(&self, state: &State) -> bool {
        self.0.values().cloned().eq(state.objects())
    }
}

/// Created, changed and deleted are told apart, with the object before and after.
#[test]
fn an_event_has_the_object_before_and_after() {
    let mut log = Log::new();
    let made = log.apply(create(&[NODE], false, "a")).events;
    assert_eq!(told(&made), [(RowKind::Component, NODE.into(), false, true)]);
    let changed = log.apply(create(&[NODE], true, "b")).events;
    assert_eq!(told(&changed), [(RowKind::Component, NODE.into(), true, true)]);
    assert_eq!(changed[0].before(), made[0].after());
    let gone = log.apply(delete(NODE)).events;
    assert_eq!(told(&gone), [(RowKind::Component, NODE.into(), true, false)]);
    assert_eq!(gone[0].before(), changed[0].after());
}

/// A component that is gone leaves its groups with the same entry; whoever follows must see both at once.
#[test]
fn one_entry_tells_everything_that_it_changed_sorted_by_key() {
    let mut log = Log::new();
    log.ok(create(&[NODE, OTHER], false, ""));
    log.ok(group(&[NODE, OTHER]));
    let events = log.apply(delete(NODE)).events;
    assert_eq!(
        told(&events),
        [
            (RowKind::Component, NODE.into(), true, false),
            (RowKind::Group, "compute".into(), true, true),
        ]
    );
}

/// Two changes of one object in one entry are one: nobody could tell them apart by the revision.
#[test]
fn an_object_that_is_changed_twice_by_one_entry_is_one_event() {
    let mut log = Log::new();
    let entry = |params: &str| BootParametersEntry {
        params: params.to_owned(),
        ..BootParametersEntry::default()
    };
    log.ok(bss_command::Create {
        keys: vec![NODE.into()],
        values: Some(entry("first")),
    });
    let before = log.state.bss.entry(NODE).unwrap();
    let events = log
        .apply(bss_command::Replace {
            keys: vec![NODE.into(), NODE.into(), OTHER.into()],
            values: Some(entry("second")),
        })
        .events;
    assert_eq!(told(&events).len(), 2, "{events:?}");
    assert_eq!(events[0].before(), Some(&Object::BootParameters(before)));
    let after = log.state.bss.entry(NODE).unwrap();
    assert_eq!(events[0].after(), Some(&Object::BootParameters(after)));
}

/// A "no", a repeat and the bookkeeping of sessions are nobody's business.
#[test]
fn what_changes_no_object_tells_nothing() {
    let mut log = Log::new();
    log.ok(create(&[NODE], false, ""));
    assert!(log.apply(delete("x9c0s0b0n0")).events.is_empty(), "a rejection");
    let entry = log.entry(create(&[OTHER], false, ""));
    assert_eq!(log.apply_entry(&entry).events.len(), 1);
    let repeated = log.apply_entry(&entry);
    assert!(repeated.replayed && repeated.events.is_empty(), "{repeated:?}");
}

/// A sealed secret stays in the log and in snapshots.
#[test]
fn secrets_are_not_shown() {
    let mut log = Log::new();
    let applied = log.apply(cluster_command::Bootstrap {
        cluster_name: "prod".into(),
        advert_key: Some(SealedSecret {
            name: "advert".into(),
            version: 1,
            ciphertext: vec![1; 64],
        }),
        ..Default::default()
    });
    let keys = |kind| applied.changed.iter().filter(|key| key.kind() == kind).count();
    assert_eq!(keys(RowKind::Secret), 1);
    assert!(applied.events.is_empty(), "{:?}", applied.events);
    assert_eq!(log.state.objects().count(), 0);
}

/// The order of objects is that of rows, so a copy can be compared with the state.
#[test]
fn a_copy_that_follows_the_events_is_the_state() {
    let (mut log, mut copy) = (Log::new(), Copy::default());
    let mut step = |applied: state::Applied, state: &State| {
        copy.follow(&applied.events);
        assert!(copy.is_like(state), "after {:?}", applied.changed);
    };
    for n in 0..20 {
        let applied = log.apply(create(&[&format!("x0c0s{n}b0n0")], false, ""));
        step(applied, &log.state);
    }
    let applied = log.apply(group(&[NODE, OTHER]));
    step(applied, &log.state);
    for params in ["a", "b"] {
        let replace = bss_command::Replace {
            keys: vec![NODE.into(), "Default".into()],
            values: Some(BootParametersEntry {
                params: params.into(),
                ..BootParametersEntry::default()
            }),
        };
        let applied = log.apply(replace);
        step(applied, &log.state);
    }
    for n in [0, 7, 1] {
        let applied = log.apply(delete(&format!("x0c0s{n}b0n0")));
        step(applied, &log.state);
    }
    assert_eq!(log.state.objects().count(), 17 + 1 + 2);
}

/// Filters go by the component that an object is of; boot parameters of a MAC or a role are of none.
#[test]
fn an_object_knows_the_component_that_it_is_of() {
    let mut log = Log::new();
    let events = log
        .apply(bss_command::Create {
            keys: vec![
                NODE.into(),
                "02:00:00:00:00:01".into(),
                "nid7".into(),
                "Default".into(),
            ],
            values: Some(BootParametersEntry {
                params: "quiet".into(),
                ..BootParametersEntry::default()
            }),
        })
        .events;
    let of: Vec<_> = events
        .iter()
        .filter_map(|event| event.after()?.component())
        .collect();
    assert_eq!((events.len(), of), (4, vec![NODE]));
}
