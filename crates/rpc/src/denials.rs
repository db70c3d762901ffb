//! The local, rate-limited log of refused calls: a stranger must not fill the disk with them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::{Caller, Error};

/// Refusals written to the log per [`WINDOW`]; the rest is counted.
const LINES_PER_WINDOW_MAX: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts refusals and says which of them go to the log.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Denials {
    /// Logs one refusal, unless this second has seen enough of them.
    pub(crate) fn log(&self, path: &str, caller: &Caller, error: &Error) {
        if let Some(left_out) = self.admit(Instant::now()) {
            let peer = caller.peer.map(|peer| peer.to_string()).unwrap_or_default();
            tracing::info!(path, principal = %caller.identity, peer, left_out, "call refused: {error}");
        }
    }

    /// `Some(refusals left out since the last line)` if a line may be written now.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if window
            .began
            .is_none_or(|began| now.duration_since(began) >= WINDOW)
        {
            window.began = Some(now);
            window.lines = 0;
        }
        if window.lines >= LINES_PER_WINDOW_MAX {
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
        let denials = Denials::default();
        let start = Instant::now();
        let written = (0..1000).filter(|_| denials.admit(start).is_some()).count();
        assert_eq!(written, LINES_PER_WINDOW_MAX as usize);
        assert_eq!(
            denials.admit(start + WINDOW),
            Some(1000 - u64::from(LINES_PER_WINDOW_MAX))
        );
        assert_eq!(denials.admit(start + WINDOW), Some(0));
    }
}
