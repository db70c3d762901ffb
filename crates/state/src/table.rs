//! A sorted table of stored objects that keeps digest and changed rows in step.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use imbl::OrdMap;
use prost::Message;
use proto::raft::v1::snapshot_row::Row;

use crate::changes::Changes;
use crate::event::Object;
use crate::snapshot::SnapshotError;
use crate::{RowKey, RowKind};

/// An object that is one row of a snapshot. The object is the proto message itself.
pub(crate) trait Record: Message + Clone {
    /// What it is found by; its order is that of the row keys.
    type Key: Ord + Clone;

    /// The row of an object with this key.
    fn row_key(key: &Self::Key) -> RowKey;

    /// The key of a stored object.
    ///
    /// # Errors
    /// What is wrong with a row that no `apply` wrote.
    fn key(&self) -> Result<Self::Key, String>;

    /// The object as a row.
    fn into_row(self) -> Row;

    /// The object as watchers see it; `None` for what must not be shown.
    fn object(self: Arc<Self>) -> Option<Object>;
}

/// Objects of one kind by key. Only `put` and `remove` change it, so nothing escapes the digest.
#[derive(Clone)]
pub(crate) struct Table<R: Record>(OrdMap<R::Key, Arc<R>>);

impl<R: Record> Default for Table<R> {
    fn default() -> Self {
        Table(OrdMap::new())
    }
}

impl<R: Record> Table<R> {
    pub(crate) fn get(&self, key: &R::Key) -> Option<&Arc<R>> {
        self.0.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sorted by key.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &Arc<R>> {
        self.0.values()
    }

    /// Sorted by key.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &R::Key> {
        self.0.keys()
    }

    /// What comes after a key, or everything; sorted by key.
    pub(crate) fn after(&self, key: Option<&R::Key>) -> impl DoubleEndedIterator<Item = &Arc<R>> {
        let begin = key.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.0.range::<_, R::Key>((begin, Bound::Unbounded));
        rest.map(|(_, object)| object)
    }

    pub(crate) fn range(
        &self,
        range: impl RangeBounds<R::Key>,
    ) -> impl DoubleEndedIterator<Item = (&R::Key, &Arc<R>)> {
        self.0.range(range)
    }

    /// Stores the object and returns the one that was there.
    pub(crate) fn put(&mut self, key: R::Key, object: R, changes: &mut Changes) -> Option<Arc<R>> {
        let (row_key, object) = (R::row_key(&key), Arc::new(object));
        let before = self.0.insert(key, Arc::clone(&object));
        changes.stored(row_key, before.clone(), Some(object));
        before
    }

    pub(crate) fn remove(&mut self, key: &R::Key, changes: &mut Changes) -> Option<Arc<R>> {
        let before = self.0.remove(key)?;
        changes.stored(R::row_key(key), Some(Arc::clone(&before)), None);
        Some(before)
    }

    /// Checks a row of a snapshot before it is stored: its key can be read and is not there yet.
    pub(crate) fn check_load(&self, row: &R, kind: RowKind) -> Result<R::Key, SnapshotError> {
        let key = row
            .key()
            .map_err(|problem| SnapshotError::Malformed { kind, problem })?;
        if self.0.contains_key(&key) {
            return Err(SnapshotError::Duplicate {
                key: R::row_key(&key),
            });
        }
        Ok(key)
    }
}

/// Rows that are found by one text: the message, the field with the text, and what watchers see.
macro_rules! text_record {
    ($message:ident, $key:ident, $object:expr) => {
        impl $crate::table::Record for $message {
            type Key = String;

            fn row_key(key: &String) -> $crate::RowKey {
                $crate::RowKey::text($crate::RowKind::$message, key)
            }

            fn key(&self) -> Result<String, String> {
                match self.$key.is_empty() {
                    true => Err(concat!("it has no ", stringify!($key)).to_owned()),
                    false => Ok(self.$key.clone()),
                }
            }

            fn into_row(self) -> proto::raft::v1::snapshot_row::Row {
                proto::raft::v1::snapshot_row::Row::$message(self)
            }

            fn object(self: std::sync::Arc<Self>) -> Option<$crate::event::Object> {
                let object: fn(std::sync::Arc<$message>) -> Option<$crate::event::Object> = $object;
                object(self)
            }
        }
    };
}
pub(crate) use text_record;
