//! How often somebody may come. Bounded: many strangers are forgotten sooner, and never cost more.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counted at once; of more all are forgotten.
const COUNTED_MAX: usize = 10_000;

/// So many times in so long, by name.
pub(super) struct Rates {
    times_max: u32,
    window_ms: u64,
    /// When the window began, and how many times since.
    counted: Mutex<BTreeMap<String, (u64, u32)>>,
}

impl Rates {
    pub(super) fn new(times_max: u32, window_ms: u64) -> Rates {
        Rates {
            times_max,
            window_ms,
            counted: Mutex::default(),
        }
    }

    /// Counts this time, too.
    pub(super) fn admits(&self, name: &str, now_ms: u64) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= COUNTED_MAX && !counted.contains_key(name) {
            counted.retain(|_, (begun_ms, _)| now_ms < *begun_ms + self.window_ms);
            if counted.len() >= COUNTED_MAX {
                counted.clear();
            }
        }
        let (begun_ms, times) = counted.entry(name.to_owned()).or_insert((now_ms, 0));
        if now_ms >= *begun_ms + self.window_ms {
            (*begun_ms, *times) = (now_ms, 0);
        }
        *times = times.saturating_add(1);
        *times <= self.times_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_times_in_a_window_and_for_each_by_itself() {
        let rates = Rates::new(2, 100);
        let admitted: Vec<bool> = (0..4).map(|at| rates.admits("a", at)).collect();
        assert_eq!(admitted, [true, true, false, false]);
        assert!(rates.admits("b", 4));
        assert!(rates.admits("a", 100));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let rates = Rates::new(1, 100);
        for name in 0..50_000_u32 {
            rates.admits(&name.to_string(), 0);
        }
        assert!(rates.counted.lock().unwrap().len() <= COUNTED_MAX);
    }
}
