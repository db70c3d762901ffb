//! A member of its own, and a client that keeps a copy of what it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::bss::v1::{BootParametersEntry, BssCommand, bss_command};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{AddGroupMember, Change, CreateComponents, CreateGroup, DeleteComponents};
use proto::smd::v1::{Component, Group, SmdCommand, component};
use proto::watch::v1::watch_response::Message;
use proto::watch::v1::watch_service_server::WatchService as _;
use proto::watch::v1::{Event, Object, WatchRequest, event};
use raft::Store;
use tokio_stream::StreamExt as _;
use tonic::{Request, Status};
use watch::{Messages, Service};

/// Bound of every wait.
const AT_MOST: Duration = Duration::from_secs(20);

pub type Key = (i32, String);

pub fn service(store: &Store) -> Service {
    Service::new(store.clone(), 1, std::future::pending())
}

pub fn from(revision: u64) -> WatchRequest {
    WatchRequest {
        from_revision: revision,
        ..WatchRequest::default()
    }
}

async fn change(store: &Store, change: Change) -> u64 {
    let command = Command::Smd(SmdCommand { change: Some(change) });
    store.propose("user/admin", command, None).await.unwrap().revision
}

pub async fn create_all(store: &Store, ids: impl IntoIterator<Item = String>, subtype: &str) -> u64 {
    let component = |id| Component {
        id,
        state: component::State::On.into(),
        subtype: subtype.to_owned(),
        ..Component::default()
    };
    let components = ids.into_iter().map(component).collect();
    change(
        store,
        Change::CreateComponents(CreateComponents {
            components,
            force: true,
            ..Default::default()
        }),
    )
    .await
}

/// Creates a component or overwrites it.
pub async fn put(store: &Store, id: &str, subtype: &str) -> u64 {
    create_all(store, [id.to_owned()], subtype).await
}

pub async fn delete(store: &Store, id: &str) -> u64 {
    let ids = vec![id.to_owned()];
    change(
        store,
        Change::DeleteComponents(DeleteComponents {
            ids,
            all: false,
            ..Default::default()
        }),
    )
    .await
}

pub async fn group(store: &Store, label: &str) -> u64 {
    let group = Some(Group {
        label: label.to_owned(),
        ..Group::default()
    });
    change(store, Change::CreateGroup(CreateGroup { group })).await
}

pub async fn join(store: &Store, label: &str, id: &str) -> u64 {
    let add = AddGroupMember {
        label: label.to_owned(),
        ids: vec![id.to_owned()],
        ..Default::default()
    };
    change(store, Change::AddGroupMember(add)).await
}

/// Creates or replaces boot parameters.
pub async fn boot_parameters(store: &Store, keys: &[&str], params: &str) -> u64 {
    let values = BootParametersEntry {
        params: params.to_owned(),
        ..BootParametersEntry::default()
    };
    let change = bss_command::Change::Replace(bss_command::Replace {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        values: Some(values),
    });
    let command = Command::Bss(BssCommand { change: Some(change) });
    store.propose("user/admin", command, None).await.unwrap().revision
}

/// Replaces `objects` objects of 15 kB each.
pub async fn put_large(store: &Store, n: usize, objects: usize) -> u64 {
    let keys: Vec<String> = (0..objects).map(|of| format!("x0c0s{of}b0n0")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    boot_parameters(store, &keys, &format!("{n:015000}")).await
}

/// A client of one watch. It checks what must hold of every message.
pub struct Client {
    stream: Messages,
    /// What it knows by what it was told.
    pub copy: BTreeMap<Key, Object>,
    /// Where it would go on.
    pub revision: u64,
    /// Events of the revision that is not complete.
    partial: u64,
}

impl Client {
    pub async fn begin(service: &Service, request: WatchRequest) -> Result<Client, Status> {
        let revision = request.from_revision;
        let stream = service.watch(Request::new(request)).await?.into_inner();
        Ok(Client {
            stream,
            copy: BTreeMap::new(),
            revision,
            partial: 0,
        })
    }

    /// The next message or the end.
    pub async fn next(&mut self) -> Result<Message, Status> {
        let next = tokio::time::timeout(AT_MOST, self.stream.next())
            .await
            .expect("a message in time");
        let response = next.expect("a stream ends with a status")?;
        let header = response.header.unwrap();
        assert_eq!((header.member_id, header.has_majority), (1, true));
        assert!(
            header.revision >= self.revision,
            "{} after {}",
            header.revision,
            self.revision
        );
        let message = response.message.unwrap();
        match &message {
            Message::Rows(rows) => {
                assert!(
                    header.revision == 0 && self.revision == 0,
                    "rows belong to the beginning"
                );
                self.copy
                    .extend(rows.objects.iter().map(|object| (key(object), object.clone())));
            }
            Message::Events(events) => self.follow(&events.events, events.continued, header.revision),
            Message::SnapshotEnd(_) | Message::Progress(_) => assert_eq!(self.partial, 0),
        }
        self.revision = header.revision;
        Ok(message)
    }

    fn follow(&mut self, events: &[Event], continued: bool, revision: u64) {
        let mut last = self.revision;
        for event in events {
            assert!(event.revision >= last, "{} after {last}", event.revision);
            assert!(
                event.revision > self.revision,
                "{} was told before",
                event.revision
            );
            last = event.revision;
            let object = event.object.clone().unwrap();
            let known = match event.change() {
                event::Change::Deleted => self.copy.remove(&key(&object)),
                _ => self.copy.insert(key(&object), object.clone()),
            };
            if event.change() == event::Change::Deleted {
                assert_eq!(known, Some(object), "what is deleted is told as it was");
            }
        }
        let complete = if continued { last - 1 } else { last };
        assert!(
            revision >= complete && (!continued || revision < last),
            "{revision} of {last}"
        );
        self.partial = if continued { last } else { 0 };
    }

    /// The next events, across marks of progress.
    pub async fn events(&mut self) -> Vec<Event> {
        loop {
            if let Message::Events(events) = self.next().await.unwrap() {
                return events.events;
            }
        }
    }

    /// Reads until revision `upto` has been told whole; gives the events.
    pub async fn upto(&mut self, upto: u64) -> Vec<Event> {
        let mut told = Vec::new();
        while self.revision < upto {
            if let Message::Events(events) = self.next().await.unwrap() {
                told.extend(events.events);
            }
        }
        told
    }

    /// Reads to the end of the state.
    pub async fn state(&mut self) -> &BTreeMap<Key, Object> {
        while !matches!(self.next().await.unwrap(), Message::SnapshotEnd(_)) {}
        &self.copy
    }
}

pub fn key(object: &Object) -> Key {
    (object.kind, object.key.clone())
}

/// `revision change key` of each event.
pub fn told(events: &[Event]) -> Vec<(u64, event::Change, String)> {
    let one = |event: &Event| {
        let object = event.object.as_ref().unwrap();
        (event.revision, event.change(), object.key.clone())
    };
    events.iter().map(one).collect()
}

/// What a copy of the whole state must be.
pub fn whole(store: &Store) -> Vec<Key> {
    let state = store.state();
    let keys = state
        .objects()
        .map(|object| (i32::from(object.kind() as u8), object.id()));
    keys.collect()
}
