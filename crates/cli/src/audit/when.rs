//! A time as people type it: how long ago, or RFC 3339.

use std::str::FromStr;

use crate::utc;

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before now, milliseconds.
    AgoMs(u64),
    /// Since the Unix epoch, milliseconds.
    AtMs(u64),
}

impl When {
    /// Milliseconds since the Unix epoch.
    pub(crate) fn at_ms(self, now_ms: u64) -> u64 {
        match self {
            When::AgoMs(ago_ms) => now_ms.saturating_sub(ago_ms),
            When::AtMs(at_ms) => at_ms,
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        let at = utc::parse(text).map(When::AtMs);
        at.or_else(|| ago_ms(text).map(When::AgoMs)).ok_or_else(|| {
            "write how long ago, e.g. 30m, 2h or 7d, or a time, e.g. 2026-11-30T08:00:00Z".to_owned()
        })
    }
}

fn ago_ms(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let unit_ms = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    number
        .parse::<u64>()
        .ok()
        .filter(|_| is_number)?
        .checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_ago() {
        for (text, expected) in [
            ("30m", When::AgoMs(1_800_000)),
            ("2h", When::AgoMs(7_200_000)),
            ("7d", When::AgoMs(604_800_000)),
            ("10s", When::AgoMs(10_000)),
            ("1970-01-02T00:00:01Z", When::AtMs(86_401_000)),
            ("1970-01-02", When::AtMs(86_400_000)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!(When::AgoMs(5).at_ms(7), 2);
        assert_eq!(When::AgoMs(9).at_ms(7), 0);
        assert_eq!(When::AtMs(9).at_ms(7), 9);
    }

    #[test]
    fn what_is_no_time_is_refused_with_examples() {
        for wrong in [
            "",
            "m",
            "2",
            "-2h",
            "+2h",
            "2y",
            "yesterday",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            let error = wrong.parse::<When>().unwrap_err();
            assert!(
                error.contains("30m") && error.contains("2026-11-30T"),
                "{wrong}: {error}"
            );
        }
    }
}
