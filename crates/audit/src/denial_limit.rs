//! How many denials are written down: strangers cause them, so each has a bounded number a minute, and so have all together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::record::Denial;

/// What counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Denials of one author or address that are written in a window; the rest is counted.
pub(crate) const EACH_MAX: u32 = 20;
/// Authors and addresses that are told apart in a window; what comes of others is counted together.
const SOURCES_MAX: usize = 1024;
/// Denials of all of them that are written in a window.
pub(crate) const ALL_MAX: u32 = 2000;

/// The window that runs.
#[derive(Debug)]
pub(crate) struct DenialLimit {
    began: Option<Instant>,
    sources: BTreeMap<String, Source>,
    written: u32,
    /// Of everybody who is not told apart.
    others: Source,
}

#[derive(Debug, Default)]
struct Source {
    written: u32,
    left_out: u64,
    /// The last one that was left out.
    last: Option<Denial>,
}

impl DenialLimit {
    pub(crate) fn new() -> DenialLimit {
        DenialLimit {
            began: None,
            sources: BTreeMap::new(),
            written: 0,
            others: Source::default(),
        }
    }

    /// The denial, if it is to be written. `source` is who caused it.
    pub(crate) fn admit(&mut self, source: &str, denial: Denial, now: Instant) -> Option<Denial> {
        self.began.get_or_insert(now);
        if !self.sources.contains_key(source) && self.sources.len() < SOURCES_MAX {
            self.sources.insert(source.to_owned(), Source::default());
        }
        let is_full = self.written >= ALL_MAX;
        let counted = self.sources.get_mut(source).unwrap_or(&mut self.others);
        if is_full || counted.written >= EACH_MAX {
            counted.left_out += 1;
            counted.last = Some(denial);
            return None;
        }
        counted.written += 1;
        self.written += 1;
        Some(denial)
    }

    /// At the end of a window: the last denial of each source of which some were left out, with their number. Of those that are not
    /// told apart it is one.
    pub(crate) fn end_window(&mut self, now: Instant) -> Vec<Denial> {
        let is_over = self
            .began
            .is_some_and(|began| now.duration_since(began) >= WINDOW);
        if !is_over {
            return Vec::new();
        }
        let ended = std::mem::replace(self, DenialLimit::new());
        let sources = ended.sources.into_values().chain([ended.others]);
        let counts = sources.filter_map(|source| {
            let last = source.last?;
            Some(Denial {
                left_out: source.left_out,
                ..last
            })
        });
        counts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(author: &str) -> Denial {
        Denial {
            author: author.to_owned(),
            ..Denial::default()
        }
    }

    fn admitted(limit: &mut DenialLimit, source: &str, times: u32, now: Instant) -> usize {
        let tried = (0..times).filter(|_| limit.admit(source, denial(source), now).is_some());
        tried.count()
    }

    /// Who hammers does not hide who else was refused.
    #[test]
    fn each_source_has_its_own_number_and_the_rest_is_counted() {
        let (mut limit, now) = (DenialLimit::new(), Instant::now());
        assert_eq!(admitted(&mut limit, "10.0.0.1", 1000, now), EACH_MAX as usize);
        assert_eq!(admitted(&mut limit, "10.0.0.2", 3, now), 3);
        assert!(
            limit
                .end_window(now + WINDOW - Duration::from_millis(1))
                .is_empty()
        );
        let counts = limit.end_window(now + WINDOW);
        assert_eq!(counts.len(), 1, "{counts:?}");
        assert_eq!(counts[0].left_out, u64::from(1000 - EACH_MAX));
        assert_eq!(counts[0].author, "10.0.0.1");
        assert_eq!(
            admitted(&mut limit, "10.0.0.1", 5, now + WINDOW),
            5,
            "a new window"
        );
    }

    /// Addresses of IPv6 cost an attacker nothing.
    #[test]
    fn many_sources_take_no_memory_and_no_disk() {
        let (mut limit, now) = (DenialLimit::new(), Instant::now());
        let mut written = 0;
        for source in 0..100_000 {
            written += admitted(&mut limit, &format!("fd00::{source:x}"), 1, now);
        }
        assert_eq!(limit.sources.len(), SOURCES_MAX);
        assert_eq!(written, SOURCES_MAX + EACH_MAX as usize);
        let counts = limit.end_window(now + WINDOW);
        assert_eq!(counts.len(), 1);
        assert_eq!(counts[0].left_out, 100_000 - written as u64);
    }

    #[test]
    fn all_together_are_bounded() {
        let (mut limit, now) = (DenialLimit::new(), Instant::now());
        let written: usize = (0..200)
            .map(|source| admitted(&mut limit, &format!("user/{source}"), 15, now))
            .sum();
        assert_eq!(written, ALL_MAX as usize);
        let left_out: u64 = limit
            .end_window(now + WINDOW)
            .iter()
            .map(|denial| denial.left_out)
            .sum();
        assert_eq!(left_out, 3000 - u64::from(ALL_MAX));
    }

    #[test]
    fn nothing_was_left_out_where_nobody_was_refused() {
        let (mut limit, now) = (DenialLimit::new(), Instant::now());
        assert!(limit.end_window(now + 10 * WINDOW).is_empty());
        admitted(&mut limit, "user/ada", 1, now);
        assert!(limit.end_window(now + WINDOW).is_empty());
    }
}
