//! The resources of one BMC that were read: each once, whoever asks how often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{Error, Limits};

/// A resource as it was read.
#[derive(Clone)]
pub(crate) struct Resource {
    pub(crate) value: Arc<Value>,
    /// To ask whether it has changed; empty: that cannot be asked.
    pub(crate) etag: String,
    /// What it costs to hold, bytes.
    pub(crate) weight: usize,
}

/// A resource, or why there is none: that, too, is asked for only once.
pub(crate) type Outcome = Result<Resource, Error>;

/// Where the outcome of one URI is, or will be once it is read.
pub(crate) type Slot = Arc<OnceCell<Outcome>>;

/// All of one BMC, by normalised URI.
pub(crate) struct Held {
    resources_max: usize,
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    slots: HashMap<String, Slot>,
    bytes: usize,
}

impl Held {
    pub(crate) fn new(limits: &Limits) -> Held {
        Held {
            resources_max: limits.resources_max,
            bytes_max: limits.bytes_max,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of `key`.
    ///
    /// # Errors
    /// [`Error::Limit`] if there are too many already.
    pub(crate) fn slot(&self, key: &str) -> Result<Slot, Error> {
        let mut inner = self.lock();
        if let Some(slot) = inner.slots.get(key) {
            return Ok(slot.clone());
        }
        if inner.slots.len() >= self.resources_max {
            return Err(self.too_many(key));
        }
        let slot = Slot::default();
        inner.slots.insert(key.to_owned(), slot.clone());
        Ok(slot)
    }

    /// What is held of `key`, if it was read.
    pub(crate) fn get(&self, key: &str) -> Option<Resource> {
        let slot = self.lock().slots.get(key)?.clone();
        slot.get()?.clone().ok()
    }

    /// Counts `weight` bytes, which are about to be held.
    ///
    /// # Errors
    /// [`Error::Limit`] if that is too much.
    pub(crate) fn charge(&self, key: &str, weight: usize) -> Result<(), Error> {
        let mut inner = self.lock();
        let bytes = inner.bytes.saturating_add(weight);
        if bytes > self.bytes_max {
            return Err(Error::Limit {
                what: format!("GET {key}"),
                problem: format!("all of it has more than {} bytes", self.bytes_max),
            });
        }
        inner.bytes = bytes;
        Ok(())
    }

    /// Holds `resource`, which is charged, in place of what was there.
    ///
    /// # Errors
    /// [`Error::Limit`] if there are too many already.
    pub(crate) fn replace(&self, key: &str, resource: Resource) -> Result<(), Error> {
        let mut inner = self.lock();
        let slot = Arc::new(OnceCell::new_with(Some(Ok(resource))));
        match inner.slots.insert(key.to_owned(), slot) {
            None if inner.slots.len() > self.resources_max => {
                inner.slots.remove(key);
                Err(self.too_many(key))
            }
            None => Ok(()),
            Some(before) => {
                let weight = before.get().and_then(|outcome| outcome.as_ref().ok());
                inner.bytes = inner
                    .bytes
                    .saturating_sub(weight.map_or(0, |resource| resource.weight));
                Ok(())
            }
        }
    }

    /// Holds `resource` if nothing was asked for at `key` yet: it came along with another resource.
    pub(crate) fn seed(&self, key: &str, resource: Resource) {
        let mut inner = self.lock();
        if inner.slots.len() < self.resources_max && !inner.slots.contains_key(key) {
            let slot = Arc::new(OnceCell::new_with(Some(Ok(resource))));
            inner.slots.insert(key.to_owned(), slot);
        }
    }

    /// How many were read.
    pub(crate) fn resources(&self) -> usize {
        let inner = self.lock();
        let is_read = |slot: &&Slot| slot.get().is_some_and(Result::is_ok);
        inner.slots.values().filter(is_read).count()
    }

    fn too_many(&self, key: &str) -> Error {
        Error::Limit {
            what: format!("GET {key}"),
            problem: format!("it has more than {} resources", self.resources_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(resources_max: usize, bytes_max: usize) -> Held {
        let limits = Limits {
            resources_max,
            bytes_max,
            ..Limits::default()
        };
        Held::new(&limits)
    }

    fn resource(name: &str, weight: usize) -> Resource {
        Resource {
            value: Arc::new(json!({"Name": name})),
            etag: String::new(),
            weight,
        }
    }

    #[test]
    fn there_is_one_slot_for_each_uri_and_so_many_of_them() {
        let held = held(2, 100);
        let first = held.slot("/a").unwrap();
        assert!(Arc::ptr_eq(&first, &held.slot("/a").unwrap()));
        held.slot("/b").unwrap();
        assert!(matches!(held.slot("/c"), Err(Error::Limit { .. })));
        assert!(held.replace("/c", resource("c", 1)).is_err());
        assert!(held.get("/c").is_none());
        assert_eq!(held.resources(), 0);
    }

    #[test]
    fn bytes_are_counted_and_given_back() {
        let held = held(10, 100);
        held.charge("/a", 60).unwrap();
        held.replace("/a", resource("old", 60)).unwrap();
        assert!(matches!(held.charge("/b", 60), Err(Error::Limit { .. })));
        held.charge("/a", 40).unwrap();
        held.replace("/a", resource("new", 40)).unwrap();
        held.charge("/b", 60).unwrap();
        assert_eq!(held.get("/a").unwrap().value["Name"], "new");
        assert_eq!(held.resources(), 1);
    }

    #[test]
    fn what_came_along_replaces_nothing() {
        let held = held(2, 100);
        held.seed("/a", resource("first", 1));
        held.seed("/a", resource("second", 1));
        assert_eq!(held.get("/a").unwrap().value["Name"], "first");
        held.seed("/b", resource("b", 1));
        held.seed("/c", resource("c", 1));
        assert!(held.get("/c").is_none());
    }
}
