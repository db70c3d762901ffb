//! How often somebody may come. Bounded: many strangers are forgotten sooner, and never cost more.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What most rates are for, milliseconds.
pub(crate) const MINUTE_MS: u64 = 60_000;
/// Counted at once; of more, whoever was counted first is forgotten.
const COUNTED_MAX: usize = 10_000;

/// So many times in so long, by name.
#[derive(Debug)]
pub(crate) struct Rates {
    times_max: u32,
    window_ms: u64,
    counted: Mutex<BTreeMap<String, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    begun_ms: u64,
    /// How many times since.
    times: u32,
}

impl Rates {
    pub(crate) fn new(times_max: u32, window_ms: u64) -> Rates {
        Rates {
            times_max,
            window_ms,
            counted: Mutex::default(),
        }
    }

    /// Counts this time, too.
    pub(crate) fn admits(&self, name: &str, now_ms: u64) -> bool {
        self.count(name, now_ms) <= self.times_max
    }

    /// How many times it was in this window, with this one.
    pub(crate) fn count(&self, name: &str, now_ms: u64) -> u32 {
        let mut counted = self.lock();
        if counted.len() >= COUNTED_MAX && !counted.contains_key(name) {
            self.make_room(&mut counted, now_ms);
        }
        let fresh = Window {
            begun_ms: now_ms,
            times: 0,
        };
        let window = counted.entry(name.to_owned()).or_insert(fresh);
        if self.is_over(*window, now_ms) {
            *window = fresh;
        }
        window.times = window.times.saturating_add(1);
        window.times
    }

    /// How long somebody is to wait who came too often, milliseconds; `None` if he did not. It is not counted.
    pub(crate) fn wait_ms(&self, name: &str, now_ms: u64) -> Option<u64> {
        let window = self.lock().get(name).copied()?;
        let has_come_too_often = window.times >= self.times_max && !self.is_over(window, now_ms);
        has_come_too_often.then(|| (window.begun_ms + self.window_ms).saturating_sub(now_ms))
    }

    fn is_over(&self, window: Window, now_ms: u64) -> bool {
        now_ms >= window.begun_ms + self.window_ms
    }

    fn make_room(&self, counted: &mut BTreeMap<String, Window>, now_ms: u64) {
        counted.retain(|_, window| !self.is_over(*window, now_ms));
        if counted.len() < COUNTED_MAX {
            return;
        }
        let first = counted.iter().min_by_key(|(_, window)| window.begun_ms);
        if let Some(first) = first.map(|(name, _)| name.clone()) {
            counted.remove(&first);
        }
    }

    /// Nothing is left half done under it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Window>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose requests are counted together: an address, or the /64 that one host has of IPv6. It is that of the connection: whatever a
/// header says of others is not looked at.
pub(crate) fn network_of(peer: Option<SocketAddr>) -> String {
    match peer.map(|peer| peer.ip().to_canonical()) {
        Some(IpAddr::V6(ip)) => format!("{:x}", ip.to_bits() >> 64),
        Some(ip) => ip.to_string(),
        None => String::new(),
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

    /// Whoever asks whether he may come has not come.
    #[test]
    fn who_came_too_often_is_told_how_long_to_wait() {
        let rates = Rates::new(2, 100);
        assert_eq!(rates.wait_ms("a", 0), None);
        rates.count("a", 10);
        assert_eq!(rates.wait_ms("a", 20), None);
        rates.count("a", 30);
        assert_eq!(rates.wait_ms("a", 40), Some(70));
        assert_eq!(rates.wait_ms("a", 40), Some(70));
        assert_eq!((rates.wait_ms("b", 40), rates.wait_ms("a", 110)), (None, None));
    }

    /// With a network full of addresses nobody makes the counts of others go at once.
    #[test]
    fn what_is_counted_is_bounded_and_the_first_goes_first() {
        let rates = Rates::new(1, 1_000_000);
        for at in 0..COUNTED_MAX as u64 + 5 {
            rates.count(&at.to_string(), at);
        }
        assert_eq!(rates.lock().len(), COUNTED_MAX);
        let now_ms = COUNTED_MAX as u64 + 5;
        assert_eq!(rates.wait_ms("4", now_ms), None);
        assert!(rates.wait_ms("5", now_ms).is_some());
        let after = 3_000_000;
        rates.count("later", after);
        assert_eq!(rates.lock().len(), 1, "what is over makes room first");
    }

    #[test]
    fn a_host_is_counted_once_whatever_address_of_its_own_it_takes() {
        let of = |peer: &str| network_of(Some(peer.parse().unwrap()));
        assert_eq!(of("[fd00:1:2:3::1]:7"), of("[fd00:1:2:3:9::9]:8"));
        assert_ne!(of("[fd00:1:2:3::1]:7"), of("[fd00:1:2:4::1]:7"));
        assert_eq!(of("10.97.1.1:7"), of("[::ffff:10.97.1.1]:8"));
        assert_ne!(of("10.97.1.1:7"), of("10.97.1.2:7"));
    }
}
