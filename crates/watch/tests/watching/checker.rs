//! The nine guarantees that etcd's robustness tests check of every watch, as functions over what clients were sent: Ordered,
//! Unique, Atomic, Reliable, Resumable, Bookmarkable, Filter, PrevKV and IsCreate. A history is everything that happened, oldest
//! first, from when there was none of the objects that it is about.
//!
//! Source: <https://etcd.io/docs/v3.6/learning/api_guarantees/#watch-apis> and etcd's `tests/robustness/validate/watch.go`.

use std::collections::{BTreeMap, BTreeSet};

use proto::watch::v1::event::Change;
use proto::watch::v1::object::{Kind, Value};
use proto::watch::v1::watch_response::Message;
use proto::watch::v1::{Event, Object, WatchRequest, WatchResponse};

/// What one client was sent: a watch, and those with which it went on when that broke.
#[derive(Debug)]
pub struct Record {
    /// Its filters.
    pub request: WatchRequest,
    pub watches: Vec<Stretch>,
}

/// One watch until it broke.
#[derive(Debug)]
pub struct Stretch {
    pub from_revision: u64,
    pub messages: Vec<WatchResponse>,
}

impl Stretch {
    pub fn new(from_revision: u64) -> Stretch {
        Stretch {
            from_revision,
            messages: Vec::new(),
        }
    }

    /// Where it can be gone on from.
    pub fn revision(&self) -> u64 {
        self.messages.last().map_or(self.from_revision, revision)
    }

    /// Events that count as told: of a revision that broke off, nothing does.
    fn told(&self) -> impl Iterator<Item = &Event> {
        let upto = self.revision();
        let events = self.messages.iter().flat_map(events);
        events.filter(move |event| event.revision <= upto)
    }
}

impl Record {
    pub fn new(request: WatchRequest) -> Record {
        Record {
            request,
            watches: Vec::new(),
        }
    }

    /// Where the client would go on.
    pub fn revision(&self) -> u64 {
        let last = self.watches.last();
        last.map_or(self.request.from_revision, Stretch::revision)
    }

    pub fn told(&self) -> Vec<&Event> {
        self.watches.iter().flat_map(Stretch::told).collect()
    }

    /// Those of `history` that are to be told: selected, after the beginning and up to where the client is.
    fn due<'a>(&self, history: &'a [Event]) -> Vec<&'a Event> {
        let mut due = selected(history, &self.request);
        due.retain(|event| event.revision > self.request.from_revision && event.revision <= self.revision());
        due
    }
}

/// Ordered: an event never comes after one of a later revision.
pub fn ordered(record: &Record) {
    let told = record.told();
    assert!(
        told.is_sorted_by_key(|event| event.revision),
        "{:?}",
        record.request
    );
}

/// Unique: no event is told twice, whatever breaks in between.
pub fn unique(record: &Record) {
    let mut seen = BTreeSet::new();
    for event in record.told() {
        assert!(
            seen.insert(name(event)),
            "{:?} twice: {:?}",
            name(event),
            record.request
        );
    }
}

/// Atomic: all of a revision is told together. One that is larger than a message says that more of it follows.
pub fn atomic(record: &Record, history: &[Event]) {
    for watch in &record.watches {
        let mut open = None;
        for message in &watch.messages {
            let events = events(message);
            let first = events.first().map(|event| event.revision);
            if open.is_some() {
                assert_eq!(
                    first, open,
                    "the rest of a revision comes next: {:?}",
                    record.request
                );
            }
            let continued = matches!(&message.message, Some(Message::Events(events)) if events.continued);
            open = events.last().map(|event| event.revision).filter(|_| continued);
            assert!(open.is_none_or(|open| revision(message) < open), "{message:?}");
        }
    }
    let sizes = |events: Vec<&Event>| {
        let mut sizes: BTreeMap<u64, usize> = BTreeMap::new();
        for event in events {
            *sizes.entry(event.revision).or_default() += 1;
        }
        sizes
    };
    assert_eq!(
        sizes(record.told()),
        sizes(record.due(history)),
        "{:?}",
        record.request
    );
}

/// Reliable: between two events that are told none is left out.
pub fn reliable(record: &Record, history: &[Event]) {
    let names = |events: Vec<&Event>| events.into_iter().map(name).collect::<Vec<_>>();
    assert_eq!(
        names(record.told()),
        names(record.due(history)),
        "{:?}",
        record.request
    );
}

/// Resumable: a watch begins with the first event after the revision that it is asked to begin after.
pub fn resumable(record: &Record, history: &[Event]) {
    let selected = selected(history, &record.request);
    for watch in &record.watches {
        let Some(first) = watch.told().next() else {
            continue;
        };
        let next = selected.iter().find(|event| event.revision > watch.from_revision);
        assert_eq!(
            next.map(|event| name(event)),
            Some(name(first)),
            "{:?}",
            record.request
        );
    }
}

/// Bookmarkable: what a header's revision says has been told is never told later, nor by the watch that goes on from it.
pub fn bookmarkable(record: &Record) {
    let mut marked = record.request.from_revision;
    for message in record.watches.iter().flat_map(|watch| &watch.messages) {
        let early = events(message).iter().find(|event| event.revision <= marked);
        assert!(early.is_none(), "{early:?} after {marked}: {:?}", record.request);
        assert!(
            revision(message) >= marked,
            "{} after {marked}",
            revision(message)
        );
        marked = revision(message);
    }
}

/// Filter: nothing is told that was not asked for.
pub fn filter(record: &Record, history: &[Event]) {
    let asked: BTreeSet<_> = selected(history, &record.request).into_iter().map(name).collect();
    for event in record.told() {
        assert!(
            asked.contains(&name(event)),
            "{:?}: {:?}",
            name(event),
            record.request
        );
    }
}

/// PrevKV: what is deleted is told as it was before.
pub fn previous_value(record: &Record, history: &[Event]) {
    let mut there: BTreeMap<(i32, String), &Object> = BTreeMap::new();
    let mut before = BTreeMap::new();
    for event in history {
        let (object, key) = (object(event), key(object(event)));
        let known = match event.change() {
            Change::Deleted => there.remove(&key),
            _ => there.insert(key, object),
        };
        before.insert(name(event), known);
    }
    for event in record.told() {
        if event.change() == Change::Deleted {
            assert_eq!(before[&name(event)], Some(object(event)), "{:?}", record.request);
        }
    }
}

/// IsCreate: created is what was not there, and nothing else.
pub fn is_create(record: &Record, history: &[Event]) {
    let mut there = BTreeSet::new();
    let mut expected = BTreeMap::new();
    for event in history {
        let key = key(object(event));
        let was_there = match event.change() {
            Change::Deleted => there.remove(&key),
            _ => !there.insert(key),
        };
        expected.insert(name(event), was_there);
    }
    for event in record.told() {
        let was_there = event.change() != Change::Created;
        assert_eq!(expected.get(&name(event)), Some(&was_there), "{event:?}");
    }
}

/// What a watch with these filters is to be told of a history of components and groups, by the words of the API alone.
pub fn selected<'a>(history: &'a [Event], request: &WatchRequest) -> Vec<&'a Event> {
    let mut members = BTreeSet::new();
    let mut selected = Vec::new();
    for revision in history.chunk_by(|one, next| one.revision == next.revision) {
        // who was a member before the revision or is one after it
        let mut either: BTreeSet<String> = members.clone();
        for event in revision.iter().filter(|event| object(event).key == request.group) {
            if let Some(Value::Group(group)) = &object(event).value {
                let ids = group.members.clone().unwrap_or_default().ids;
                members = match event.change() {
                    Change::Deleted => BTreeSet::new(),
                    _ => ids.into_iter().collect(),
                };
            }
        }
        either.extend(members.iter().cloned());
        let is_meant = |event: &&Event| is_meant(object(event), request, &either);
        selected.extend(revision.iter().filter(is_meant));
    }
    selected
}

fn is_meant(object: &Object, request: &WatchRequest, members: &BTreeSet<String>) -> bool {
    let is_below = |name: &String| {
        let rest = object.key.strip_prefix(name.as_str());
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    };
    let of_kind = request.kinds.is_empty() || request.kinds.contains(&object.kind);
    match object.kind() {
        Kind::Group if !request.group.is_empty() => of_kind && object.key == request.group,
        Kind::Group => of_kind && request.xnames.is_empty(),
        _ => {
            let named = request.xnames.is_empty() || request.xnames.iter().any(is_below);
            of_kind && named && (request.group.is_empty() || members.contains(&object.key))
        }
    }
}

fn revision(message: &WatchResponse) -> u64 {
    message.header.as_ref().map_or(0, |header| header.revision)
}

fn events(message: &WatchResponse) -> &[Event] {
    match &message.message {
        Some(Message::Events(events)) => &events.events,
        _ => &[],
    }
}

fn object(event: &Event) -> &Object {
    event.object.as_ref().expect("an event is about an object")
}

fn key(object: &Object) -> (i32, String) {
    (object.kind, object.key.clone())
}

/// Revision, kind and key: one event's own.
fn name(event: &Event) -> (u64, i32, String) {
    let (kind, key) = key(object(event));
    (event.revision, kind, key)
}
