//! What one entry changed: the rows and the difference of the digest.

use std::sync::Arc;

use prost::Message;

use crate::RowKey;
use crate::digest::Digest;
use crate::event::{self, Event};
use crate::table::Record;

/// Collects the rows that an entry touches. `apply` adds its digest to the state's and reports the keys and events.
#[derive(Default)]
pub(crate) struct Changes {
    digest: Digest,
    keys: Vec<RowKey>,
    events: Vec<Event>,
    silent: bool,
}

impl Changes {
    /// For rows that are loaded: nothing has happened, so there are no events.
    pub(crate) fn silent() -> Changes {
        Changes {
            silent: true,
            ..Changes::default()
        }
    }

    /// As `record`, for an object of a table.
    pub(crate) fn stored<R: Record>(&mut self, key: RowKey, before: Option<Arc<R>>, after: Option<Arc<R>>) {
        self.hash(&key, before.as_deref(), after.as_deref());
        if !self.silent {
            let (before, after) = (before.and_then(R::object), after.and_then(R::object));
            self.events.push(Event::new(key.clone(), before, after));
        }
        self.touch(key);
    }

    /// One row was created (`before` is absent), replaced, or removed (`after` is absent).
    pub(crate) fn record<M: Message>(&mut self, key: RowKey, before: Option<&M>, after: Option<&M>) {
        self.hash(&key, before, after);
        self.touch(key);
    }

    /// As `record`, for a part that is hashed by itself but is not a row of its own.
    pub(crate) fn hash<M: Message>(&mut self, key: &RowKey, before: Option<&M>, after: Option<&M>) {
        if let Some(before) = before {
            self.digest.subtract(Digest::of(key, before));
        }
        if let Some(after) = after {
            self.digest.add(Digest::of(key, after));
        }
    }

    /// Adds what a part of the entry has changed, once it is certain to stand.
    pub(crate) fn append(&mut self, part: Changes) {
        self.digest.add(part.digest);
        self.keys.extend(part.keys);
        self.events.extend(part.events);
    }

    /// What has happened to objects so far, in order.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether no row was touched.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A row changed whose digest is kept elsewhere.
    pub(crate) fn touch(&mut self, key: RowKey) {
        self.keys.push(key);
    }

    /// Difference of the digest, the touched rows, sorted, each once, and the events, one for each object that is
    /// not what it was.
    pub(crate) fn into_parts(mut self) -> (Digest, Vec<RowKey>, Vec<Event>) {
        self.keys.sort_unstable();
        self.keys.dedup();
        (self.digest, self.keys, event::merged(self.events))
    }
}
