//! Times as text.

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since the Unix epoch as RFC 3339 in UTC, e.g. `2026-11-25T07:35:44.123Z`.
pub fn format(time_ms: u64) -> String {
    let (year, month, day) = civil_from_days(time_ms / MS_PER_DAY);
    let ms = time_ms % MS_PER_DAY;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        ms % 1000
    )
}

/// Year, month and day of the Gregorian calendar. The year is counted from March, so that a leap day is its last;
/// 400 years always have 146,097 days. Source: H. Hinnant, "chrono-compatible low-level date algorithms".
fn civil_from_days(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + 719_468; // since 0000-03-01
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from `date -u -d @N`.
    #[test]
    fn times_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_078_012_799_999, "2004-02-28T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (1_764_056_144_123, "2025-11-25T07:35:44.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(format(ms), text);
        }
    }

    /// Each day follows the one before, over two full cycles of leap years.
    #[test]
    fn days_follow_each_other_without_a_gap() {
        let mut before = civil_from_days(0);
        for day in 1..300_000 {
            let (year, month, dom) = civil_from_days(day);
            let next_day = (year, month, dom) == (before.0, before.1, before.2 + 1);
            let next_month = (year, month, dom) == (before.0, before.1 + 1, 1);
            let next_year = (year, month, dom) == (before.0 + 1, 1, 1) && before.1 == 12;
            assert!(
                next_day || next_month || next_year,
                "{before:?} -> {:?}",
                (year, month, dom)
            );
            before = (year, month, dom);
        }
    }

    #[test]
    fn an_absurd_time_does_not_panic() {
        assert!(format(u64::MAX).ends_with('Z'));
    }
}
