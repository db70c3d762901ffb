//! A bound on log lines that strangers can cause: refused calls and handshakes must not fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines per [`WINDOW`] of what a log can do without; the rest is counted.
const LINES_PER_WINDOW_MAX: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Says which lines of one kind go to the log.
#[derive(Debug)]
pub struct LogLimit {
    lines_max: u32,
    window: Mutex<Window>,
}

impl Default for LogLimit {
    /// Of refusals: 20 lines a second.
    fn default() -> Self {
        Self::per_second(LINES_PER_WINDOW_MAX)
    }
}

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl LogLimit {
    /// At most `lines_max` lines a second.
    pub fn per_second(lines_max: u32) -> Self {
        Self {
            lines_max,
            window: Mutex::default(),
        }
    }

    /// `Some(lines left out since the last one)` if a line may be written at `now`.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window
            .began
            .is_none_or(|began| now.duration_since(began) >= WINDOW)
        {
            window.began = Some(now);
            window.lines = 0;
        }
        if window.lines >= self.lines_max {
            window.left_out += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flood writes a bounded number of lines, and the next line says how many it left out.
    #[test]
    fn a_flood_is_counted_not_written() {
        let limit = LogLimit::default();
        let start = Instant::now();
        let written = (0..1000).filter(|_| limit.admit(start).is_some()).count();
        assert_eq!(written, LINES_PER_WINDOW_MAX as usize);
        assert_eq!(
            limit.admit(start + WINDOW),
            Some(1000 - u64::from(LINES_PER_WINDOW_MAX))
        );
        assert_eq!(limit.admit(start + WINDOW), Some(0));
    }
}
