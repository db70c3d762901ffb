//! Which attempts at the phases of a boot are kept, and which boot an attempt belongs to whose node has not said so. Pure
//! functions of what was seen: neither the order in which members tell it nor repeats matter.

use std::collections::BTreeMap;

use proto::bss::v1::BootPhase;
use proto::bss::v1::boot_phase::Phase;

use crate::bounds::{ATTEMPTS_PER_PHASE_MAX, BOOT_PAUSE_MS_MAX};

/// An attempt whose node has not said which boot it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loose {
    pub(super) attempt: BootPhase,
    /// The boot that it was given to before, by its place in the caller's list.
    pub(super) origin: Option<usize>,
}

/// Where loose attempts belong.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Homes {
    /// Boots that have their script, each with an attempt of its own.
    pub(super) of_boots: Vec<(usize, BootPhase)>,
    /// What is of boots that have none: one run of attempts for each, by time.
    pub(super) of_none: Vec<Vec<Loose>>,
}

/// The attempts that a record keeps, in its order: each once, and of each phase the first ones and the last.
pub fn kept_phases(mut attempts: Vec<BootPhase>) -> Vec<BootPhase> {
    attempts.sort_unstable_by_key(order);
    attempts.dedup();
    let mut kept = Vec::with_capacity(attempts.len());
    for of_phase in attempts.chunk_by(|one, other| one.phase == other.phase) {
        if let Some((last, first)) = of_phase.split_last() {
            kept.extend(first.iter().take(ATTEMPTS_PER_PHASE_MAX - 1));
            kept.push(*last);
        }
    }
    kept
}

/// Gives each attempt to a boot. `scripts` are the times at which boots first got their script, with the boots; sorted.
///
/// What comes before the script is the next script's, if that comes within `BOOT_PAUSE_MS_MAX` after the last of a run of
/// such attempts; what comes after it is the last script's.
pub(super) fn homes(scripts: &[(u64, usize)], mut loose: Vec<Loose>) -> Homes {
    loose.sort_unstable_by_key(by_time);
    let (before, after): (Vec<Loose>, Vec<Loose>) = loose.into_iter().partition(is_before_script);
    let (mut homes, mut homeless) = (Homes::default(), Vec::new());
    for run in runs(scripts, before) {
        let last_ms = run.last().map_or(0, |last| last.attempt.at_ms);
        let next = scripts.iter().find(|(at_ms, _)| *at_ms >= last_ms);
        match next.filter(|(at_ms, _)| at_ms - last_ms <= BOOT_PAUSE_MS_MAX) {
            Some((_, boot)) => homes
                .of_boots
                .extend(run.iter().map(|loose| (*boot, loose.attempt))),
            None => homeless.extend(run),
        }
    }
    for loose in after {
        let last = scripts.iter().rfind(|(at_ms, _)| *at_ms <= loose.attempt.at_ms);
        match last {
            Some((_, boot)) => homes.of_boots.push((*boot, loose.attempt)),
            None => homeless.push(loose),
        }
    }
    homeless.sort_unstable_by_key(by_time);
    homes.of_none = runs(scripts, homeless);
    homes
}

/// Runs of attempts, sorted by time, without a long pause and without a script between them. Of those of one record some
/// between the first and the last may be gone, so they are no pause.
fn runs(scripts: &[(u64, usize)], sorted: Vec<Loose>) -> Vec<Vec<Loose>> {
    let mut ends = BTreeMap::new();
    for loose in &sorted {
        ends.insert(loose.origin, loose.attempt.at_ms);
    }
    let mut runs: Vec<Vec<Loose>> = Vec::new();
    let mut reach_ms = 0;
    for loose in sorted {
        let at_ms = loose.attempt.at_ms;
        let previous = runs.last().and_then(|run| run.last());
        let goes_on = at_ms <= reach_ms
            && previous.is_some_and(|previous| {
                let between = previous.attempt.at_ms..at_ms;
                !scripts.iter().any(|(script_ms, _)| between.contains(script_ms))
            });
        let end_ms = loose.origin.and_then(|_| ends.get(&loose.origin)).copied();
        let reach = at_ms.saturating_add(BOOT_PAUSE_MS_MAX).max(end_ms.unwrap_or(0));
        match runs.last_mut().filter(|_| goes_on) {
            Some(run) => {
                run.push(loose);
                reach_ms = reach_ms.max(reach);
            }
            None => {
                runs.push(vec![loose]);
                reach_ms = reach;
            }
        }
    }
    runs
}

/// By phase, then by time; total, so that equal sets are equal lists.
fn order(attempt: &BootPhase) -> (i32, u64, u64, u64, u64, bool) {
    let BootPhase {
        phase,
        at_ms,
        bytes,
        revision,
        member,
        told,
    } = *attempt;
    (phase, at_ms, member, revision, bytes, told)
}

fn by_time(loose: &Loose) -> (u64, (i32, u64, u64, u64, u64, bool)) {
    (loose.attempt.at_ms, order(&loose.attempt))
}

fn is_before_script(loose: &Loose) -> bool {
    loose.attempt.phase < i32::from(Phase::Script)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn attempt(phase: Phase, at_ms: u64) -> BootPhase {
        BootPhase {
            phase: phase.into(),
            at_ms,
            ..BootPhase::default()
        }
    }

    fn offers(times: &[u64], origin: Option<usize>) -> Vec<Loose> {
        let loose = |at_ms: &u64| Loose {
            attempt: attempt(Phase::Offered, *at_ms),
            origin,
        };
        times.iter().map(loose).collect()
    }

    fn times(run: &[Loose]) -> Vec<u64> {
        run.iter().map(|loose| loose.attempt.at_ms).collect()
    }

    #[test]
    fn of_each_phase_the_first_attempts_and_the_last_are_kept() {
        let many = (0..100).map(|at_ms| attempt(Phase::Script, at_ms));
        let few = [attempt(Phase::Offered, 500), attempt(Phase::Offered, 500)];
        let kept: Vec<_> = kept_phases(many.rev().chain(few).collect())
            .iter()
            .map(|attempt| (attempt.phase(), attempt.at_ms))
            .collect();
        let scripts = [0, 1, 2, 3, 4, 5, 6, 99].map(|at_ms| (Phase::Script, at_ms));
        assert_eq!(kept[0], (Phase::Offered, 500));
        assert_eq!(kept[1..], scripts);
    }

    #[test]
    fn what_comes_before_a_script_is_the_next_scripts() {
        let scripts = [(10, 7), (100, 8)];
        let homes = homes(&scripts, offers(&[50, 3, 10, 101], None));
        let of_boots: Vec<_> = homes.of_boots.iter().map(|(boot, a)| (*boot, a.at_ms)).collect();
        assert_eq!(of_boots, [(7, 3), (7, 10), (8, 50)]);
        assert_eq!(times(&homes.of_none[0]), [101]);
    }

    #[test]
    fn what_comes_after_a_script_is_the_last_scripts() {
        let kernel = |at_ms| Loose {
            attempt: attempt(Phase::Kernel, at_ms),
            origin: None,
        };
        let scripts = [(10, 7), (100, 8)];
        let homes = homes(&scripts, vec![kernel(9), kernel(10), kernel(99), kernel(100)]);
        let of_boots: Vec<_> = homes.of_boots.iter().map(|(boot, a)| (*boot, a.at_ms)).collect();
        assert_eq!(of_boots, [(7, 10), (7, 99), (8, 100)]);
        assert_eq!(times(&homes.of_none[0]), [9]);
    }

    /// A node that finds no loader for an hour and then boots has booted once.
    #[test]
    fn attempts_without_a_long_pause_are_one_boot() {
        let asked = [0, 9 * MINUTE, 18 * MINUTE, 29 * MINUTE];
        let split = homes(&[], offers(&asked, None));
        let runs: Vec<_> = split.of_none.iter().map(|run| times(run)).collect();
        assert_eq!(runs, [&asked[..3], &asked[3..]]);
        let scripts = [(28 * MINUTE, 1)];
        let booted = homes(&scripts, offers(&asked, None));
        assert_eq!(booted.of_boots.len(), 3, "with its first attempts");
        let late = homes(&[(29 * MINUTE, 1)], offers(&asked[..3], None));
        assert_eq!((late.of_boots.len(), late.of_none.len()), (0, 1));
    }

    /// The attempts in the middle are not kept; that is no pause.
    #[test]
    fn attempts_of_one_record_are_one_boot_unless_a_script_comes_between() {
        let stored = offers(&[0, 60 * MINUTE], Some(3));
        assert_eq!(homes(&[], stored.clone()).of_none.len(), 1);
        let cut = homes(&[(5 * MINUTE, 1)], stored);
        assert_eq!(cut.of_boots[0].1.at_ms, 0);
        assert_eq!(times(&cut.of_none[0]), [60 * MINUTE]);
    }
}
