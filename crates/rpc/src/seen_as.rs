//! Who the guard has found a caller to be, for whoever asked in its name: a log of requests.

use std::sync::{Arc, OnceLock};

use crate::Identity;

/// A request extension that the guard fills when it knows the caller: the bearer token's principal, where the connection shows none.
/// Cheap to clone; clones share what is told.
#[derive(Clone, Debug, Default)]
pub struct SeenAs(Arc<OnceLock<String>>);

impl SeenAs {
    /// The principal as in `Change.principal`; none where no credential was good, or nobody has looked at it.
    pub fn principal(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Tells it, once: a request has one caller.
    pub(crate) fn tell(&self, identity: &Identity) {
        self.0.get_or_init(|| identity.principal());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_is_told_first() {
        let (asked, guard) = (SeenAs::default(), SeenAs::default());
        assert_eq!(asked.principal(), None);
        let of_guard = asked.clone();
        of_guard.tell(&Identity::User { name: "ada".into() });
        of_guard.tell(&Identity::Anonymous);
        assert_eq!(asked.principal(), Some("user/ada"));
        assert_eq!(guard.principal(), None);
    }
}
