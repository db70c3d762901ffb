//! Several sets, each on its own: one that fails holds no other up.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::run::{Applied, Wish, apply};
use super::{ApplyError, FileSet, Locked, Rendered, StateDir};

/// Sets that are worked on at once: most of the time is spent waiting for disks and checkers.
const AT_ONCE: usize = 4;

/// Renders and applies sets; what became of each, in their order. The lock on the state is held meanwhile.
pub fn apply_all(
    sets: &[&FileSet],
    render: impl Fn(&FileSet) -> Result<Rendered, ApplyError> + Sync,
    state: &StateDir,
    wish: Wish,
) -> Vec<Result<Applied, ApplyError>> {
    match state.lock() {
        Ok(locked) => apply_locked(sets, render, &locked, wish),
        Err(ApplyError::Locked { dir }) => {
            let locked = |_: &&FileSet| Err(ApplyError::Locked { dir: dir.clone() });
            sets.iter().map(locked).collect()
        }
        Err(error) => {
            // told once, of the first; the others were not tried for the same reason
            let mut error = Some(error);
            let told = |set: &&FileSet| {
                let again =
                    || ApplyError::refused(set.folder(), "not tried, as the state folder cannot be used");
                Err(error.take().unwrap_or_else(again))
            };
            sets.iter().map(told).collect()
        }
    }
}

fn apply_locked(
    sets: &[&FileSet],
    render: impl Fn(&FileSet) -> Result<Rendered, ApplyError> + Sync,
    locked: &Locked<'_>,
    wish: Wish,
) -> Vec<Result<Applied, ApplyError>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(sets.len())));
    let work = || {
        while let Some((at, set)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            sets.get(at).map(|set| (at, *set))
        } {
            let result = render(set).and_then(|rendered| apply(set, &rendered, locked, wish));
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            done.push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(sets.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
