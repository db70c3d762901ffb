//! Which part of a file a request asks for, and of which version: `Range`, `If-Range`, `If-Match`, `If-None-Match`
//! (RFC 9110).

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// Not understood, or several ranges: the whole file, as RFC 9110 (14.2) allows.
    Whole,
    Part {
        first: u64,
        length: u64,
    },
    Outside,
}

/// The range that counts: only of the version that the client has a part of. A weak tag tells no two versions apart
/// for certain, so it joins nothing (RFC 9110, 13.1.5).
pub(crate) fn range(asked: &HeaderMap, etag: &str, size: u64) -> Range {
    let same_version = match asked.get(IF_RANGE) {
        None => true,
        Some(known) => known.as_bytes() == etag.as_bytes() && !etag.starts_with("W/"),
    };
    match asked.get(RANGE).map(|value| value.to_str()) {
        Some(Ok(text)) if same_version => parse(text, size),
        _ => Range::Whole,
    }
}

/// Whether this version is one that the client wants, if it names any; a weak tag tells none for certain (RFC 9110,
/// 13.1.1).
pub(crate) fn is_wanted(asked: &HeaderMap, etag: &str) -> bool {
    let is_weak = etag.starts_with("W/");
    !asked.contains_key(IF_MATCH) || tags(asked, IF_MATCH).any(|tag| tag == "*" || (tag == etag && !is_weak))
}

/// Whether the client says that it has this version already.
pub(crate) fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim_start_matches("W/").to_owned();
    tags(asked, IF_NONE_MATCH).any(|tag| tag == "*" || opaque(tag) == opaque(etag))
}

/// The tags of a header, which may come several times.
fn tags(asked: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lists = asked
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

fn parse(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => return Range::Whole,
        (Some(first), Some(last)) => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, size.saturating_sub(1)),
        (None, Some(0)) if first.is_empty() => return Range::Outside,
        (None, Some(count)) if first.is_empty() => (size.saturating_sub(count), size.saturating_sub(1)),
        _ => return Range::Whole,
    };
    if first >= size {
        Range::Outside
    } else {
        Range::Part {
            first,
            length: last - first + 1,
        }
    }
}

/// A number of digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    const PART: Range = Range::Part { first: 5, length: 5 };

    /// Halves of two versions make no kernel.
    #[test]
    fn a_part_is_given_only_of_the_version_that_the_client_has() {
        let with = |if_range: &str| asked(&[("range", "bytes=5-"), ("if-range", if_range)]);
        assert_eq!(range(&asked(&[("range", "bytes=5-")]), "\"a\"", 10), PART);
        assert_eq!(range(&with("\"a\""), "\"a\"", 10), PART);
        for other in ["\"b\"", "W/\"a\"", "Wed, 25 Nov 2026 12:00:00 GMT"] {
            assert_eq!(range(&with(other), "\"a\"", 10), Range::Whole, "{other}");
        }
        assert_eq!(
            range(&with("W/\"a\""), "W/\"a\"", 10),
            Range::Whole,
            "weak tags join nothing"
        );
    }

    /// A weak tag may stand for two versions that differ.
    #[test]
    fn a_version_is_wanted_by_its_strong_tag_alone() {
        let with = |tags: &str| asked(&[("if-match", tags)]);
        assert!(is_wanted(&asked(&[]), "\"a\""));
        for tags in ["\"a\"", "\"b\", \"a\"", "*"] {
            assert!(is_wanted(&with(tags), "\"a\""), "{tags}");
        }
        for tags in ["\"b\"", "W/\"a\"", ""] {
            assert!(!is_wanted(&with(tags), "\"a\""), "{tags}");
        }
        assert!(!is_wanted(&with("W/\"a\""), "W/\"a\""));
        assert!(is_wanted(&with("*"), "W/\"a\""));
    }

    #[test]
    fn a_version_is_known_by_any_tag_of_the_list() {
        let with = |tags: &str| asked(&[("if-none-match", tags)]);
        for tags in ["\"a\"", "\"b\", \"a\"", "W/\"a\"", "*"] {
            assert!(is_known(&with(tags), "\"a\""), "{tags}");
        }
        assert!(is_known(&with("W/\"a\""), "W/\"a\""));
        assert!(!is_known(&with("\"b\""), "\"a\"") && !is_known(&asked(&[]), "\"a\""));
    }
}
