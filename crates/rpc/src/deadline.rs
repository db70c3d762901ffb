//! How long a call may take: the caller's `grpc-timeout`, within our bounds.

use std::time::Duration;

use http::HeaderMap;

/// Deadline of a call that names none.
pub(crate) const DEADLINE_DEFAULT: Duration = Duration::from_secs(30);
/// No call's deadline is longer.
pub(crate) const DEADLINE_MAX: Duration = Duration::from_secs(300);
/// gRPC allows eight digits.
const DIGITS_MAX: usize = 8;

/// The deadline of a call with these headers, or `default` if they name none that can be read.
pub(crate) fn deadline(headers: &HeaderMap, default: Duration) -> Duration {
    let asked = headers
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok())
        .and_then(parse);
    asked.unwrap_or(default).min(DEADLINE_MAX)
}

/// `TimeoutValue TimeoutUnit` of the gRPC over HTTP/2 specification, e.g. `250m`.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(text: &[u8]) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_bytes(text).unwrap());
        deadline(&headers, DEADLINE_DEFAULT)
    }

    #[test]
    fn every_unit_is_understood() {
        for (text, expected) in [
            ("2M", Duration::from_secs(120)),
            ("7S", Duration::from_secs(7)),
            ("250m", Duration::from_millis(250)),
            ("9u", Duration::from_micros(9)),
            ("9n", Duration::from_nanos(9)),
        ] {
            assert_eq!(asked(text.as_bytes()), expected, "{text}");
        }
    }

    /// A stranger must not be able to hold a handler for hours.
    #[test]
    fn nothing_is_longer_than_the_maximum() {
        assert_eq!(asked(b"99999999H"), DEADLINE_MAX);
        assert_eq!(asked(b"301S"), DEADLINE_MAX);
    }

    #[test]
    fn what_cannot_be_read_counts_as_not_given() {
        for text in [
            &b"S"[..],
            b"",
            b"5",
            b"-5S",
            b"1.5S",
            b"123456789S",
            b"5s",
            b"\xc3\xa9",
            b"+5S",
        ] {
            assert_eq!(asked(text), DEADLINE_DEFAULT, "{text:?}");
        }
        assert_eq!(deadline(&HeaderMap::new(), DEADLINE_MAX), DEADLINE_MAX);
    }
}
