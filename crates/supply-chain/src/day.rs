//! A day of the calendar, as lists of ours have it: `2027-05-31`.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A day in UTC; the later one is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    since_epoch: i64,
}

impl Day {
    /// The day that this machine's clock shows.
    #[must_use]
    pub fn today() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs();
        Self {
            since_epoch: i64::try_from(seconds / 86_400).unwrap_or(i64::MAX),
        }
    }

    /// Days since 1970-01-01 of the proleptic Gregorian calendar, counted in eras of 400 years whose years begin in
    /// March, so that a leap day is the last of its year.
    fn of(year: i64, month: i64, day: i64) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self {
            since_epoch: era * 146_097 + day_of_era - 719_468,
        }
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("{text}: a day is written as 2027-05-31");
        let numbers: Vec<i64> = text
            .split('-')
            .map(|part| part.parse().map_err(|_| refused()))
            .collect::<Result<_, _>>()?;
        match numbers[..] {
            [year @ 1970..=9999, month @ 1..=12, day @ 1..=31] if text.len() == 10 => {
                Ok(Self::of(year, month, day))
            }
            _ => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_the_epoch() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1970-01-02", 1),
            ("1972-03-01", 790),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-11-30", 20_787),
        ] {
            assert_eq!(text.parse::<Day>().unwrap().since_epoch, days, "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused_and_says_how_one_is_written() {
        for text in [
            "",
            "today",
            "2027-5-31",
            "2027-13-01",
            "2027-00-01",
            "2027-01-32",
            "2027-01",
            "27-01-01-01",
            "-027-01-01",
        ] {
            let refused = text.parse::<Day>().unwrap_err();
            assert!(refused.contains("2027-05-31"), "{text}: {refused}");
        }
    }

    #[test]
    fn today_is_later_than_the_day_of_this_test() {
        assert!(Day::today() >= "2026-11-30".parse().unwrap());
    }
}
