//! Whether this member answers a share of the clients that all members of a network hear.

use std::sync::Arc;

/// Asked before every advert. Cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<dyn Fn() -> bool + Send + Sync>);

impl Answers {
    /// As `now` says from one moment to the next: it has the role, every member knows of sharing, it does not drain.
    pub fn when(now: impl Fn() -> bool + Send + Sync + 'static) -> Answers {
        Answers(Arc::new(now))
    }

    /// The holder of the address answers everybody.
    #[must_use]
    pub fn never() -> Answers {
        Answers::when(|| false)
    }

    pub(crate) fn now(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answers({})", self.now())
    }
}
