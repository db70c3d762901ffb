//! The number of a change.

use std::fmt;

/// Raft log index of a change: the ETag, the watch cursor and the audit id, equal on every member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_written_as_its_number() {
        assert_eq!(Revision(4711).to_string(), "4711");
        assert!(Revision(2) < Revision(10));
    }
}
