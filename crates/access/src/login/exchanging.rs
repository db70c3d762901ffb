//! Logins whose code is with the provider at this moment: each is there once, or whoever has a browser's cookie could ask the provider
//! as often as he likes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cheap to clone; all clones know the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanging(Arc<Mutex<BTreeSet<String>>>);

/// A login's place, as long as it is held.
#[derive(Debug)]
pub(super) struct Place {
    all: Exchanging,
    nonce: String,
}

impl Exchanging {
    /// `None` while another one holds the place of this login.
    pub(super) fn enter(&self, nonce: &str) -> Option<Place> {
        let is_first = self.lock().insert(nonce.to_owned());
        is_first.then(|| Place {
            all: self.clone(),
            nonce: nonce.to_owned(),
        })
    }

    /// Nothing is left half done under it.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.lock().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_there_once_and_leaves() {
        let exchanging = Exchanging::default();
        let first = exchanging.enter("a").unwrap();
        assert!(exchanging.enter("a").is_none());
        assert!(exchanging.enter("b").is_some());
        drop(first);
        assert!(exchanging.enter("a").is_some());
        assert!(exchanging.lock().is_empty(), "nothing stays behind");
    }
}
