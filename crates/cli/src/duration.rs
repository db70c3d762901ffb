//! Times as they are typed: `10` (seconds), `500ms`, `30s`, `2m`.

use std::time::Duration;

/// A member gives up after this, too.
const LONGEST: Duration = Duration::from_secs(300);

/// The time to wait for an answer.
///
/// # Errors
/// A sentence about what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        _ => return Err("write a number of seconds, or 500ms, 30s, 2m".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "write a number of seconds, or 500ms, 30s, 2m".to_owned())?;
    let time = Duration::from_millis(number.saturating_mul(milliseconds));
    match time.is_zero() || time > LONGEST {
        true => Err("it is between 1ms and 5m".to_owned()),
        false => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_need_no_unit() {
        for (text, ms) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("300", 300_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_too_long_is_refused() {
        for text in [
            "",
            "s",
            "0",
            "-1",
            "1.5",
            "5 m",
            "6m",
            "301",
            "99999999999999999999",
            "18446744073709551615m",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
