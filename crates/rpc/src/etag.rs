//! ETags: which revision of an object or a list an answer shows, and of which cluster.

use std::fmt;

/// Metadata of an answer: its [`Etag`]; the gateway's `ETag`.
pub const ETAG: &str = "chamois-etag";
/// Metadata and HTTP header of a request: ETags that the caller has an answer of. If one is current, the answer is
/// [`crate::Error::NotModified`] (HTTP 304).
pub const IF_NONE_MATCH: &str = "if-none-match";

/// A revision with its cluster: revisions of another cluster (a restored one has a new id) mean nothing in this one.
/// Shown with its quotes, as HTTP writes it: `"4f2a6c1e9b3d8a70-1234"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag {
    /// 16 hex digits.
    pub cluster_id: String,
    /// Revision of the last change.
    pub revision: u64,
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}-{}\"", self.cluster_id, self.revision)
    }
}

impl Etag {
    /// Whether the value of an `If-None-Match` has it, or `*`. Weak ones count: an answer that is compressed has a weak one.
    pub fn is_in(&self, if_none_match: &str) -> bool {
        is_current(&self.to_string(), if_none_match)
    }

    /// Whether the value of an `If-None-Match` names it. `*` names none: it means whatever there is, if there is anything.
    pub fn is_named_in(&self, if_none_match: &str) -> bool {
        let own = self.to_string();
        if_none_match.split(',').any(|one| strong(one.trim()) == own)
    }

    /// The revision that the value of an `If-Match` names; `None` for anything but one ETag of the cluster
    /// `cluster_id`.
    pub fn revision_in(if_match: &str, cluster_id: &str) -> Option<u64> {
        let inner = strong(if_match.trim()).strip_prefix('"')?.strip_suffix('"')?;
        let (cluster, revision) = inner.rsplit_once('-')?;
        let revision = revision.parse().ok()?;
        let exact = Etag {
            cluster_id: cluster.to_owned(),
            revision,
        };
        // revision 0 is that of what does not exist: nobody has seen that
        (revision > 0 && cluster == cluster_id && exact.to_string() == strong(if_match.trim()))
            .then_some(revision)
    }
}

/// As [`Etag::is_in`], for one that is written already.
pub fn is_current(etag: &str, if_none_match: &str) -> bool {
    let mut given = if_none_match.split(',').map(str::trim);
    given.any(|one| one == "*" || strong(one) == etag)
}

/// The same ETag without its weakness.
fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etag(revision: u64) -> Etag {
        Etag {
            cluster_id: "4f2a6c1e9b3d8a70".into(),
            revision,
        }
    }

    #[test]
    fn one_of_a_list_is_enough_weak_or_strong() {
        let own = etag(7);
        assert_eq!(own.to_string(), "\"4f2a6c1e9b3d8a70-7\"");
        for current in [
            "\"4f2a6c1e9b3d8a70-7\"",
            "W/\"4f2a6c1e9b3d8a70-7\"",
            "\"other\", \"4f2a6c1e9b3d8a70-7\"",
            "*",
        ] {
            assert!(own.is_in(current), "{current}");
            assert_eq!(own.is_named_in(current), current != "*", "{current}");
        }
        for other in [
            "",
            "\"4f2a6c1e9b3d8a70-77\"",
            "\"0000000000000000-7\"",
            "4f2a6c1e9b3d8a70-7",
            "\"4f2a6c1e9b3d8a70-07\"",
        ] {
            assert!(!own.is_in(other) && !own.is_named_in(other), "{other}");
        }
    }

    /// Whatever is not exactly an ETag of this cluster must never pass for a revision that somebody has seen.
    #[test]
    fn only_one_etag_of_this_cluster_names_a_revision() {
        let read = |text: &str| Etag::revision_in(text, "4f2a6c1e9b3d8a70");
        assert_eq!(read(&etag(7).to_string()), Some(7));
        assert_eq!(read(" W/\"4f2a6c1e9b3d8a70-7\" "), Some(7));
        for wrong in [
            "*",
            "",
            "\"4f2a6c1e9b3d8a70-0\"",
            "\"\"",
            "\"7\"",
            "7",
            "\"0000000000000000-7\"",
            "\"4f2a6c1e9b3d8a70-07\"",
            "\"4f2a6c1e9b3d8a70-+7\"",
            "\"4f2a6c1e9b3d8a70-7\", \"4f2a6c1e9b3d8a70-8\"",
            "\"4f2a6c1e9b3d8a70-99999999999999999999\"",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
