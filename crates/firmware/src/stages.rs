//! A rollout in steps: who is when, and when it stops. Pure.

use std::sync::Mutex;
use std::sync::PoisonError;

/// Which step the target at `place` is of, from 0; `steps` are the BMCs of each, counted from the first.
pub(crate) fn step_of(steps: &[u32], place: u32) -> usize {
    steps.partition_point(|end| *end <= place)
}

/// Why the steps cannot be meant; `None`: they can.
pub(crate) fn problem(steps: &[u32]) -> Option<String> {
    if steps.first() == Some(&0) {
        return Some("the first step has no BMC; write 1 or more".to_owned());
    }
    let pair = steps.windows(2).find(|pair| pair[0] >= pair[1])?;
    Some(format!(
        "{} comes after {}; each step is the number of BMCs in all, and more than the one before, e.g. 1,10,100",
        pair[1], pair[0]
    ))
}

/// Failures of a rollout.
#[derive(Debug)]
pub(crate) struct Failures {
    so_far: Mutex<u32>,
    at_most: u32,
}

impl Failures {
    pub(crate) fn new(so_far: u32, at_most: u32) -> Failures {
        Failures {
            so_far: Mutex::new(so_far),
            at_most,
        }
    }

    pub(crate) fn count(&self) {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        *so_far = so_far.saturating_add(1);
    }

    /// Why no further BMC is begun; `None`: go on.
    pub(crate) fn stop(&self) -> Option<String> {
        let so_far = *self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        (so_far > self.at_most).then(|| {
            format!(
                "the rollout has stopped: {so_far} BMCs failed, and {} were allowed to",
                self.at_most
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_is_all_whether_it_is_named_or_not() {
        let of = |steps: &[u32]| (0..7).map(|place| step_of(steps, place)).collect::<Vec<_>>();
        assert_eq!(of(&[]), [0; 7]);
        assert_eq!(of(&[1, 3]), [0, 1, 1, 2, 2, 2, 2]);
        assert_eq!(of(&[1, 7]), [0, 1, 1, 1, 1, 1, 1]);
        assert_eq!(of(&[100]), [0; 7]);
    }

    #[test]
    fn steps_grow() {
        for good in [&[][..], &[1], &[1, 2], &[1, 10, 100]] {
            assert_eq!(problem(good), None);
        }
        for wrong in [&[0][..], &[0, 1], &[1, 1], &[5, 3], &[1, 10, 9]] {
            assert!(problem(wrong).is_some(), "{wrong:?}");
        }
        assert!(problem(&[1, 10, 9]).unwrap().starts_with("9 comes after 10"));
    }

    #[test]
    fn one_more_than_allowed_stops_it() {
        let failures = Failures::new(0, 1);
        failures.count();
        assert_eq!(failures.stop(), None);
        failures.count();
        let told = failures.stop().unwrap();
        assert!(told.contains("2 BMCs failed, and 1 were allowed"), "{told}");
    }

    #[test]
    fn what_failed_before_a_takeover_counts() {
        assert!(Failures::new(1, 0).stop().is_some());
        assert!(Failures::new(0, 0).stop().is_none());
    }
}
