//! Which part of a file a request asks for, and of which version: `Range`, `If-Range`, `If-None-Match` (RFC 9110).

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

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

/// Whether the client says that it has this version already.
pub(crate) fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let lists = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

fn parse(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if last < first => return Range::Whole,
        (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, size.saturating_sub(1)),
        (Err(_), Ok(0)) if first.is_empty() => return Range::Outside,
        (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), size.saturating_sub(1)),
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
