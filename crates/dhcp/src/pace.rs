//! Answers in batches where many clients ask: one system call and one waking for several packets, instead of one for each. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The span over which packets are counted.
const WINDOW: Duration = Duration::from_millis(2);
/// With so many packets in a window a socket is busy: some 2,000 exchanges a second.
const BUSY_PACKETS: usize = 8;
/// How long packets gather while the socket is busy. The timer adds up to as much again; a client waits for seconds.
pub(crate) const GATHER: Duration = Duration::from_millis(1);

/// How busy a socket is.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    packets: usize,
    is_busy: bool,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Pace {
        Pace {
            since: now,
            packets: 0,
            is_busy: false,
        }
    }

    /// Counts a batch that came; says whether the next ones should gather. A batch that is full has others behind it already.
    pub(crate) fn gathers(&mut self, packets: usize, is_full: bool, now: Instant) -> bool {
        self.packets += packets;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            // a window that has lasted longer because nothing came is a quiet one
            self.is_busy = self.packets >= BUSY_PACKETS && elapsed < 2 * WINDOW;
            (self.since, self.packets) = (now, 0);
        }
        self.is_busy && !is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of `size` packets, one each `every`; whether the last of them gathers.
    fn gathers(pace: &mut Pace, from: Instant, every: Duration, size: usize) -> bool {
        let mut now = from;
        (0..20).fold(false, |_, _| {
            now += every;
            pace.gathers(size, false, now)
        })
    }

    #[test]
    fn packets_gather_where_many_come() {
        let start = Instant::now();
        let every = Duration::from_micros(100);
        assert!(gathers(&mut Pace::new(start), start, every, 1), "10,000 a second");
        let every = Duration::from_millis(1);
        assert!(!gathers(&mut Pace::new(start), start, every, 1), "1,000 a second");
        assert!(
            gathers(&mut Pace::new(start), start, every, 8),
            "8,000 a second, gathered"
        );
    }

    /// One client more is answered at once, however many there were before.
    #[test]
    fn after_a_pause_nobody_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(gathers(&mut pace, start, Duration::from_micros(100), 1));
        let later = start + Duration::from_secs(1);
        assert!(!pace.gathers(1, false, later));
    }

    #[test]
    fn behind_a_full_batch_the_next_is_taken_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(gathers(&mut pace, start, Duration::from_micros(100), 1));
        let now = start + Duration::from_micros(2100);
        assert!(!pace.gathers(16, true, now));
        assert!(pace.gathers(3, false, now));
    }
}
