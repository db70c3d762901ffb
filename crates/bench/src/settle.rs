//! Waiting until servers have done what they put off: snapshots, checkpoints, compactions. What one side still works on
//! would run in the other's time, and would be missing from its own cost.

use std::time::{Duration, Instant};

use crate::{BenchError, Meter};

/// At rest: no more CPU than this share of one core, over [`QUIET`], for all processes of a meter together. Heartbeats
/// and timers need less.
const IDLE_CORE_SHARE: f64 = 0.10;
/// At rest: no more bytes to disk than this in the same time.
const IDLE_DISK_BYTES: u64 = 256 << 10;
/// For so long at a time.
const QUIET: Duration = Duration::from_millis(1500);
/// Whoever is not at rest after this is measured all the same, and that is said.
pub const SETTLE_MAX: Duration = Duration::from_secs(20);

/// Waits until the processes of all `meters` are at rest together; whether they came to it within [`SETTLE_MAX`].
///
/// # Errors
/// If a process has ended.
pub async fn settle(meters: &[&Meter]) -> Result<bool, BenchError> {
    settle_within(meters, SETTLE_MAX).await
}

async fn settle_within(meters: &[&Meter], at_most: Duration) -> Result<bool, BenchError> {
    let deadline = Instant::now() + at_most;
    while Instant::now() < deadline {
        let from = Instant::now();
        let before = read_all(meters)?;
        tokio::time::sleep(QUIET).await;
        let (after, seconds) = (read_all(meters)?, from.elapsed().as_secs_f64());
        let used = before
            .iter()
            .zip(&after)
            .map(|(before, after)| after.since(*before));
        let is_idle = |cost: crate::Cost| {
            cost.cpu.as_secs_f64() <= IDLE_CORE_SHARE * seconds && cost.disk_bytes <= IDLE_DISK_BYTES
        };
        if used.into_iter().all(is_idle) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read_all(meters: &[&Meter]) -> Result<Vec<crate::Cost>, BenchError> {
    meters.iter().map(|meter| meter.read()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    struct Running(Child);

    impl Running {
        fn shell(script: &str) -> Running {
            Running(Command::new("sh").args(["-c", script]).spawn().unwrap())
        }

        fn meter(&self) -> Meter {
            Meter::new([self.0.id()])
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    /// One that rests does not hide one that works.
    #[tokio::test]
    async fn a_process_that_works_is_waited_for() {
        let resting = Running::shell("exec sleep 60");
        let working = Running::shell("while :; do :; done");
        assert!(settle(&[&resting.meter()]).await.unwrap());
        let both = [&resting.meter(), &working.meter()];
        assert!(!settle_within(&both, QUIET).await.unwrap());
    }

    #[tokio::test]
    async fn who_has_ended_will_not_settle() {
        let mut ended = Running::shell("exit 0");
        ended.0.wait().unwrap();
        assert!(settle(&[&ended.meter()]).await.is_err());
    }
}
