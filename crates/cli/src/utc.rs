//! Milliseconds since the Unix epoch as RFC 3339 text, in UTC.

use std::time::SystemTime;

/// `2025-11-25T07:00:00Z`; seconds are enough for people.
pub(crate) fn timestamp(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Milliseconds since the Unix epoch; 0 before it.
pub(crate) fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Year, month and day of a day number since 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`; eras of
/// 400 years of 146,097 days that begin on 1 March.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// The text of [`timestamp`], or a date alone, which is its beginning; `None` for another text.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    let days = days(year, month, day).filter(|_| is_time)?;
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000)
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01 to a day, by looking for it: [`date`] is the only calendar here.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let first = year.checked_sub(1970)? * 365;
    // up to 2,100 leap days until the year 9999
    let of_year = first..=first + 2500 + 366;
    of_year.into_iter().find(|days| date(*days) == (year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from `date -u -d @N`: the epoch, a leap day, the day after one, a century that leaps.
    #[test]
    fn known_instants_have_their_known_text() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_764_054_000, "2025-11-25T07:00:00Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds * 1000 + 999), text);
            assert_eq!(parse(text), Some(seconds * 1000));
        }
        assert_eq!(parse("2024-02-29"), Some(1_709_164_800_000));
        assert!(parse("9999-12-31T23:59:59Z").is_some());
    }

    #[test]
    fn what_is_no_instant_is_not_read_as_one() {
        for wrong in [
            "",
            "2025",
            "2025-02-29",
            "2025-13-01",
            "2025-00-10",
            "1969-12-31",
            "2025-11-25T07:00",
            "2025-11-25T07:00:00",
            "2025-11-25T24:00:00Z",
            "2025-11-25T07:60:00Z",
            "2025-11-25T7:00:00Z",
            "+025-11-25",
            "2025-11-25-01",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
