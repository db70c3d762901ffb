//! When a certificate is renewed, and when it is tried again after a failure.

use std::time::{Duration, SystemTime};

/// A member's own moment is within this part of the certificate's life, so that members do not order all at once.
const SPREAD_PART: u32 = 24;
/// After the first failure. CAs allow few failures an hour (Let's Encrypt: 5 for a name), and all members fail together: hours must pass
/// soon.
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// Each further pause is this many times as long.
const PAUSE_FACTOR: u32 = 4;

/// When a certificate that is good from there to there is to be renewed: after two thirds of its life, and a little later by `random`.
pub(super) fn due(good: (SystemTime, SystemTime), random: u64) -> SystemTime {
    let (from, to) = good;
    let life = to.duration_since(from).unwrap_or_default();
    from + life * 2 / 3 + part_of(life / SPREAD_PART, random)
}

/// The pause after so many failures in a row, from 1 on; up to half as long again by `random`.
pub(super) fn pause(failures: u32, random: u64) -> Duration {
    let factor = PAUSE_FACTOR.saturating_pow(failures.saturating_sub(1));
    let pause = PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX);
    pause + part_of(pause / 2, random)
}

/// Evenly from nothing to the whole.
fn part_of(whole: Duration, random: u64) -> Duration {
    let ms = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % ms.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let from = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let good = (from, from + 90 * DAY);
        assert_eq!(due(good, 0), from + 60 * DAY);
        for random in [1, 12_345_678_901, u64::MAX] {
            let due = due(good, random);
            assert!(due >= from + 60 * DAY && due <= from + 64 * DAY, "{due:?}");
        }
        assert_eq!(due((from, from), 7), from, "one without a life is due at once");
    }

    /// What goes on to fail is asked for four times a day.
    #[test]
    fn failures_are_repeated_less_and_less_often() {
        let minutes = |failures| pause(failures, 0).as_secs() / 60;
        assert_eq!([1, 2, 3, 4, 5, 100].map(minutes), [1, 4, 16, 64, 256, 360]);
        let longest = pause(100, u64::MAX);
        assert!(
            longest >= PAUSE_MAX && longest <= PAUSE_MAX * 3 / 2,
            "{longest:?}"
        );
    }
}
