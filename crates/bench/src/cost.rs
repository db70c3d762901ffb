//! What a load cost the servers: CPU time from `/proc`, whoever's they are.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// Ticks of `/proc/<pid>/stat` a second, if the system does not say.
const TICKS_PER_SECOND: i64 = 100;
/// Fields of `/proc/<pid>/stat` after the command's name, from 0: user and system time (proc(5) 14 and 15).
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;

/// CPU time of some processes; taken before and after a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// User and system time together.
    pub cpu: Duration,
}

/// The processes whose CPU time counts.
#[derive(Clone, Debug)]
pub struct Meter {
    pids: Vec<u32>,
}

impl Meter {
    /// A meter of `pids`; all threads of each count.
    pub fn new(pids: impl IntoIterator<Item = u32>) -> Meter {
        Meter {
            pids: pids.into_iter().collect(),
        }
    }

    /// CPU time since the processes started; one that is gone counts nothing.
    pub fn read(&self) -> Cost {
        let ticks: u64 = self.pids.iter().filter_map(|pid| ticks_of(*pid)).sum();
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten();
        let per_second = per_second.unwrap_or(TICKS_PER_SECOND).max(1);
        Cost {
            cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64),
        }
    }
}

impl Cost {
    /// What was added since `before`.
    #[must_use]
    pub fn since(self, before: Cost) -> Cost {
        Cost {
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }

    /// Microseconds of CPU for each of `operations`; 0 if there were none.
    pub fn micros_per(self, operations: u64) -> f64 {
        if operations == 0 {
            return 0.0;
        }
        self.cpu.as_secs_f64() * 1e6 / operations as f64
    }
}

fn ticks_of(pid: u32) -> Option<u64> {
    ticks_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The command's name may hold blanks and brackets, so the fields are counted from the last bracket.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let time = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(time(USER_TIME)? + time(SYSTEM_TIME)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_name() {
        let stat = "42 (a ) name) S 1 42 42 0 -1 4194304 100 0 0 0 70 30 5 6 20 0 8 0 99 1 2";
        assert_eq!(ticks_in(stat), Some(100));
        assert_eq!(ticks_in("garbage"), None);
    }

    /// The children's own time must not be missed, nor another process's be counted.
    #[test]
    fn this_process_has_used_time_and_no_process_none() {
        let started = Meter::new([std::process::id()]).read();
        let mut sum = 0_u64;
        while Meter::new([std::process::id()]).read().since(started).cpu < Duration::from_millis(20) {
            sum = (0..100_000).fold(sum, u64::wrapping_add);
        }
        assert_eq!(Meter::new([]).read(), Cost::default(), "{sum}");
    }

    #[test]
    fn cost_is_shared_among_the_operations() {
        let cost = Cost {
            cpu: Duration::from_millis(500),
        };
        assert_eq!(cost.micros_per(1000), 500.0);
        assert_eq!(cost.micros_per(0), 0.0);
        let earlier = Cost {
            cpu: Duration::from_millis(200),
        };
        assert_eq!(cost.since(earlier).cpu, Duration::from_millis(300));
        assert_eq!(earlier.since(cost), Cost::default());
    }
}
