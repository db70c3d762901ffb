//! How fast connections are opened: a bucket that holds what a tenth of a second brings.

use std::time::Duration;

use tokio::time::Instant;

/// What is saved up while nothing could be opened.
const SAVED_UP: Duration = Duration::from_millis(100);

/// A token bucket, as the one number that it comes down to (a "generic cell rate"): when it would be full again.
pub(super) struct Pace {
    each: Duration,
    full_at: Instant,
}

impl Pace {
    pub(super) fn new(rate_per_s: u32, now: Instant) -> Pace {
        Pace {
            each: Duration::from_secs(1) / rate_per_s.max(1),
            full_at: now,
        }
    }

    /// How long the next connection has to wait.
    fn wait(&self, now: Instant) -> Duration {
        let saved = SAVED_UP.max(self.each) - self.each;
        self.full_at.saturating_duration_since(now).saturating_sub(saved)
    }

    /// One connection is opened.
    pub(super) fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.each;
    }

    /// Resolves when one more may be opened; nothing is taken.
    pub(super) async fn ready(&self) {
        let wait = self.wait(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many are opened within `time` if each is opened as soon as it may be.
    fn opened(rate_per_s: u32, time: Duration) -> u32 {
        let start = Instant::now();
        let (mut pace, mut now, mut opened) = (Pace::new(rate_per_s, start), start, 0);
        loop {
            now += pace.wait(now);
            if now.duration_since(start) >= time {
                return opened;
            }
            pace.take(now);
            opened += 1;
        }
    }

    #[test]
    fn the_rate_holds_and_the_first_tenth_of_a_second_is_at_once() {
        assert_eq!(opened(1, Duration::from_secs(5)), 5);
        assert_eq!(opened(1_000, Duration::from_millis(1)), 100);
        for rate in [10, 100, 1_000, 10_000] {
            let (least, most) = (rate * 10, rate * 10 + rate / 10 + 1);
            let opened = opened(rate, Duration::from_secs(10));
            assert!((least..=most).contains(&opened), "{opened} at {rate} a second");
        }
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(100, start);
        pace.take(start);
        let later = start + Duration::from_secs(60);
        let at_once = (0..1_000).take_while(|_| {
            let may = pace.wait(later).is_zero();
            pace.take(later);
            may
        });
        assert_eq!(at_once.count(), 10);
    }
}
