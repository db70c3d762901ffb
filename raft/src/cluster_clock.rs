//! Cluster time: what the leader stamps on entries, and what members open their sessions by. It never goes back, advances
//! by the monotonic clock, and follows the median of the voters' clocks, so that one member whose clock is wrong by an
//! hour lets no session and no lease lapse.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::sources::NowMs;

/// How often the leader looks at the voters' clocks again.
const LOOK: Duration = Duration::from_millis(100);
/// What a member has said about its clock counts for this long.
const SAMPLE_LASTS: Duration = Duration::from_secs(5);
/// A leader that says so much less than is known was held up on its way here, milliseconds: this process was stopped, and finds
/// what came meanwhile. Clocks drift apart by far less from one time to the next.
const LATE_MS: u64 = 2000;
/// A leader that says less for so long means it.
const LATE_LASTS: Duration = Duration::from_secs(5);
/// With a longer pause between them two late messages are not one leader that goes on saying less.
const LATE_AFTER_ANOTHER: Duration = Duration::from_secs(2);
/// A leader that the clocks of too few voters are told to for so long goes on without them.
const UNKNOWN_LASTS: Duration = Duration::from_secs(5);
/// A leader whose clock differs by more from the median is wrong, milliseconds.
pub(crate) const OFF_MS_MAX: u64 = 2000;

/// One member's view of cluster time.
pub(crate) struct ClusterClock {
    own: NowMs,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// A time and when it was; none before a leader was heard or the clocks of a majority are known.
    base: Option<(u64, Instant)>,
    /// The first and the last of what comes late, one after the other.
    late: Option<(Instant, Instant)>,
    /// Since when this member has led without knowing what time it is.
    unknown_since: Option<Instant>,
    looked: Option<Instant>,
    /// By member: what its clock showed, milliseconds, and when that was heard. Not how far it is ahead of this host's: that
    /// may be set meanwhile.
    said: BTreeMap<u64, (u64, Instant)>,
}

impl ClusterClock {
    /// `own` is this host's clock.
    pub(crate) fn new(own: NowMs) -> ClusterClock {
        ClusterClock {
            own,
            inner: Mutex::default(),
        }
    }

    /// This host's clock, for the leader to count.
    pub(crate) fn own_ms(&self) -> u64 {
        (self.own)()
    }

    /// Member `id` has just said what its clock shows; 0 is nothing said.
    pub(crate) fn sample(&self, id: u64, clock_ms: u64) {
        if clock_ms > 0 {
            self.lock().said.insert(id, (clock_ms, Instant::now()));
        }
    }

    /// The leader has just said what cluster time is; 0 is nothing said. What comes late is not taken for the time that it is:
    /// by it leases would seem to last longer than they do.
    pub(crate) fn heard(&self, cluster_ms: u64) {
        if cluster_ms == 0 {
            return;
        }
        let (mut inner, now) = (self.lock(), Instant::now());
        let is_late = inner
            .now()
            .is_some_and(|known| cluster_ms.saturating_add(LATE_MS) < known);
        let first = match inner.late {
            Some((first, last)) if now.duration_since(last) < LATE_AFTER_ANOTHER => first,
            _ => now,
        };
        if is_late && now.duration_since(first) < LATE_LASTS {
            inner.late = Some((first, now));
        } else {
            inner.late = None;
            inner.base = Some((cluster_ms, now));
        }
    }

    /// What was heard or stamped last, and the time since then.
    pub(crate) fn known_ms(&self) -> Option<u64> {
        self.lock().now()
    }

    /// Cluster time as a member knows it that does not lead: what the leader said last, and the time since then; its
    /// own clock if it has heard nothing. Never before `applied_ms`, the time of the applied state.
    pub(crate) fn as_member(&self, applied_ms: u64) -> u64 {
        let known = self.lock().now();
        known.unwrap_or_else(|| (self.own)()).max(applied_ms)
    }

    /// Cluster time for the leader `own_id` to stamp. As long as the clocks of too few `voters` are known, time goes on
    /// by the monotonic clock alone; in a process that has not known it yet, it stands at `applied_ms`, and nobody is told it.
    pub(crate) fn as_leader(&self, own_id: u64, voters: impl FnOnce() -> Vec<u64>, applied_ms: u64) -> u64 {
        let mut inner = self.lock();
        let now = Instant::now();
        let mut time = inner.now().unwrap_or(0).max(applied_ms);
        if inner
            .looked
            .is_none_or(|looked| now.duration_since(looked) >= LOOK)
        {
            let own_ms = (self.own)();
            match inner.median((own_id, own_ms), &voters(), now) {
                Some(ahead) => {
                    inner.looked = Some(now);
                    time = time.max(own_ms.saturating_add_signed(ahead));
                }
                // after a restart of all: how long they were down is not known before the first of them has answered
                None if inner.is_new_here(now) => {
                    // a cluster's first entries: nobody has said anything yet
                    return if time == 0 { own_ms } else { time };
                }
                None => inner.looked = Some(now),
            }
        }
        inner.base = Some((time, now));
        time
    }

    /// How far the median of the voters' clocks is ahead of this one's, and which voters agree with it; none while the
    /// clocks of too few are known.
    pub(crate) fn deviation(&self, own_id: u64, voters: &[u64]) -> Option<(i64, Vec<u64>)> {
        let inner = self.lock();
        let now = Instant::now();
        let own = (own_id, (self.own)());
        let median = inner.median(own, voters, now)?;
        let agrees = |ahead: i64| ahead.abs_diff(median) <= OFF_MS_MAX;
        let known = voters
            .iter()
            .filter(|id| inner.ahead_of(own, **id, now).is_some_and(agrees));
        Some((median, known.copied().collect()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now(&self) -> Option<u64> {
        let (time, since) = self.base?;
        let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(time.saturating_add(passed))
    }

    /// Whether this process does not know the time yet, and may hope to be told.
    fn is_new_here(&mut self, now: Instant) -> bool {
        let since = *self.unknown_since.get_or_insert(now);
        self.base.is_none() && now.duration_since(since) < UNKNOWN_LASTS
    }

    /// How far a member's clock is ahead of this host's, by what that shows now.
    fn ahead_of(&self, (own_id, own_ms): (u64, u64), id: u64, now: Instant) -> Option<i64> {
        if id == own_id {
            return Some(0);
        }
        let (clock_ms, at) = self.said.get(&id)?;
        let passed = now.duration_since(*at);
        let theirs = i128::from(*clock_ms) + i128::try_from(passed.as_millis()).unwrap_or(0);
        (passed <= SAMPLE_LASTS).then(|| i64::try_from(theirs - i128::from(own_ms)).unwrap_or(i64::MAX))
    }

    /// The lower of the two middle ones where the number is even: time too early only lengthens leases.
    fn median(&self, own: (u64, u64), voters: &[u64], now: Instant) -> Option<i64> {
        let mut known: Vec<i64> = voters
            .iter()
            .filter_map(|id| self.ahead_of(own, *id, now))
            .collect();
        if known.len() * 2 <= voters.len() {
            return None;
        }
        known.sort_unstable();
        known.get((known.len() - 1) / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const NOON: u64 = 1_790_000_000_000;
    const HOUR: u64 = 3_600_000;

    fn clock(own: u64) -> ClusterClock {
        ClusterClock::new(Arc::new(move || own))
    }

    /// The one that is wrong leads: its hour must let nothing lapse.
    #[test]
    fn one_wrong_clock_of_three_does_not_move_time() {
        for wrong in [NOON + HOUR, NOON - HOUR, 0] {
            let clock = clock(wrong);
            clock.sample(2, NOON);
            clock.sample(3, NOON + 20);
            let time = clock.as_leader(1, || vec![1, 2, 3], NOON - 1000);
            assert!(
                (NOON..NOON + 1000).contains(&time),
                "{time} with an own clock at {wrong}"
            );
            let (ahead, agree) = clock.deviation(1, &[1, 2, 3]).unwrap();
            assert!(
                ahead.unsigned_abs() > OFF_MS_MAX && agree == [2, 3],
                "{ahead} {agree:?}"
            );
        }
    }

    /// The leader's administrator sets its clock: what the others said before is not older for that.
    #[test]
    fn a_step_of_the_leaders_own_clock_does_not_move_time() {
        for step in [NOON + HOUR, NOON - HOUR] {
            let shown = Arc::new(AtomicU64::new(NOON));
            let own = Arc::clone(&shown);
            let clock = ClusterClock::new(Arc::new(move || own.load(Ordering::Relaxed)));
            clock.sample(2, NOON);
            clock.sample(3, NOON);
            let before = clock.as_leader(1, || vec![1, 2, 3], NOON - 1000);
            shown.store(step, Ordering::Relaxed);
            std::thread::sleep(LOOK);
            let after = clock.as_leader(1, || vec![1, 2, 3], NOON - 1000);
            assert!((before..before + 2000).contains(&after), "{before}, then {after}");
            let (ahead, agree) = clock.deviation(1, &[1, 2, 3]).unwrap();
            assert!(
                ahead.unsigned_abs() > OFF_MS_MAX && agree == [2, 3],
                "at once: {ahead}"
            );
        }
    }

    /// A new leader that has heard nobody yet goes on from what the log says.
    #[test]
    fn with_too_few_clocks_known_time_goes_on_from_the_log() {
        let clock = clock(NOON + HOUR);
        let first = clock.as_leader(1, || vec![1, 2, 3], NOON);
        assert!((NOON..NOON + 1000).contains(&first), "{first}");
        assert_eq!(clock.deviation(1, &[1, 2, 3]), None);
        assert_eq!(
            self::clock(NOON).as_leader(1, || vec![1, 2, 3], 0),
            NOON,
            "a new cluster's first entry"
        );
        let alone = self::clock(NOON).as_leader(1, || vec![1], NOON - HOUR);
        assert!(alone >= NOON, "the only voter is the median: {alone}");
    }

    /// All clocks are set back: the log has seen later.
    #[test]
    fn time_never_goes_back() {
        let clock = clock(NOON);
        clock.sample(2, NOON);
        let first = clock.as_leader(1, || vec![1, 2, 3], NOON + HOUR);
        assert!(first >= NOON + HOUR);
        clock.sample(2, NOON - HOUR);
        assert!(clock.as_leader(1, || vec![1, 2, 3], NOON) >= first);
    }

    /// With two of three known and an hour between them, the earlier one is taken.
    #[test]
    fn in_doubt_it_is_earlier() {
        let clock = clock(NOON + HOUR);
        clock.sample(2, NOON);
        let time = clock.as_leader(1, || vec![1, 2, 3], 1);
        assert!((NOON..NOON + 1000).contains(&time), "{time}");
    }

    /// All were down for an hour. What the first leader says before it has heard anybody is known to nobody, and is not held
    /// on to for a moment when it has.
    #[test]
    fn after_a_restart_of_all_time_is_looked_for_until_it_is_known() {
        let clock = clock(NOON + HOUR);
        assert_eq!(clock.as_leader(1, || vec![1, 2, 3], NOON), NOON);
        assert_eq!(clock.known_ms(), None);
        clock.sample(2, NOON + HOUR);
        let time = clock.as_leader(1, || vec![1, 2, 3], NOON);
        assert!((NOON + HOUR..NOON + HOUR + 1000).contains(&time), "{time}");
        assert!(clock.known_ms().is_some_and(|known| known >= time));
    }

    /// A leader whose voters never say what their clocks show goes on by its own pace.
    #[test]
    fn time_goes_on_when_nobody_tells_it() {
        let clock = clock(NOON + HOUR);
        clock.lock().unknown_since = Some(Instant::now() - UNKNOWN_LASTS);
        let time = clock.as_leader(1, || vec![1, 2, 3], NOON);
        assert!((NOON..NOON + 1000).contains(&time), "{time}");
        assert!(clock.known_ms().is_some_and(|known| known >= time));
    }

    /// A process that was stopped for a minute finds what the leader said before: by that it would let leases last longer.
    #[test]
    fn what_comes_late_does_not_set_time_back() {
        let clock = clock(NOON);
        let shows = |least: u64| {
            let time = clock.as_member(0);
            assert!((least..least + 1000).contains(&time), "{} not {least}", time);
        };
        clock.heard(NOON + 60_000);
        clock.heard(NOON + 100);
        clock.heard(NOON + 200);
        shows(NOON + 60_000);
        clock.heard(NOON + 58_500);
        shows(NOON + 58_500); // clocks that drift apart
        clock.heard(NOON + 50_000);
        shows(NOON + 58_500);
        let now = Instant::now();
        clock.lock().late = Some((now - 2 * LATE_LASTS, now - LATE_AFTER_ANOTHER));
        clock.heard(NOON + 50_000);
        shows(NOON + 58_500); // the last one was long ago: one late message, not a leader that goes on
        clock.lock().late = Some((now - LATE_LASTS, now));
        clock.heard(NOON + 50_000);
        shows(NOON + 50_000); // a leader that goes on saying so
    }

    #[test]
    fn a_member_goes_by_what_the_leader_says() {
        let clock = clock(NOON + HOUR);
        assert_eq!(clock.as_member(NOON), NOON + HOUR, "nothing was heard");
        clock.heard(NOON);
        let time = clock.as_member(NOON - HOUR);
        assert!((NOON..NOON + 1000).contains(&time), "{time}");
        assert_eq!(
            clock.as_member(NOON + 2 * HOUR),
            NOON + 2 * HOUR,
            "never before the applied state"
        );
    }
}
