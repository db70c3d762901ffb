//! What one entry changed: the rows and the difference of the digest.

use prost::Message;

use crate::RowKey;
use crate::digest::Digest;

/// Collects the rows that an entry touches. `apply` adds its digest to the state's and reports the keys.
#[derive(Default)]
pub(crate) struct Changes {
    digest: Digest,
    keys: Vec<RowKey>,
}

impl Changes {
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

    /// A row changed whose digest is kept elsewhere.
    pub(crate) fn touch(&mut self, key: RowKey) {
        self.keys.push(key);
    }

    /// Difference of the digest, and the touched rows, sorted, each once.
    pub(crate) fn into_parts(mut self) -> (Digest, Vec<RowKey>) {
        self.keys.sort_unstable();
        self.keys.dedup();
        (self.digest, self.keys)
    }
}
