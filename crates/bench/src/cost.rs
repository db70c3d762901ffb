//! What a load cost the servers: CPU time and bytes to disk from `/proc`, whoever's they are.

use std::io;
use std::ops::AddAssign;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::BenchError;

/// Ticks of `/proc/<pid>/stat` a second, if the system does not say.
const TICKS_PER_SECOND: i64 = 100;
/// Fields of `/proc/<pid>/stat` after the command's name, from 0: state, user and system time (proc(5) 3, 14 and 15).
const STATE: usize = 0;
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;

/// What some processes have used; taken before and after a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// User and system time together.
    pub cpu: Duration,
    /// Bytes that had to go to a disk, `write_bytes` of `/proc/<pid>/io`: whole pieces of the page cache, which may be
    /// larger than a page and than what reaches the disk; journals of the filesystem not included.
    pub disk_bytes: u64,
}

/// The processes whose cost counts.
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

    /// What the processes have used since they started.
    ///
    /// # Errors
    /// `Step` if one has ended: without it the sum would mean nothing.
    pub fn read(&self) -> Result<Cost, BenchError> {
        let mut sum = Cost::default();
        for pid in &self.pids {
            let step = BenchError::step(format!("cannot read what process {pid} has used: did it end?"));
            sum += of_process(*pid).map_err(step)?;
        }
        Ok(sum)
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.cpu += other.cpu;
        self.disk_bytes += other.disk_bytes;
    }
}

impl Cost {
    /// What was added since `before`.
    #[must_use]
    pub fn since(self, before: Cost) -> Cost {
        Cost {
            cpu: self.cpu.saturating_sub(before.cpu),
            disk_bytes: self.disk_bytes.saturating_sub(before.disk_bytes),
        }
    }

    /// Microseconds of CPU for each of `operations`; 0 if there were none.
    pub fn micros_per(self, operations: u64) -> f64 {
        each(self.cpu.as_secs_f64() * 1e6, operations)
    }

    /// Bytes to disk for each of `operations`; 0 if there were none.
    pub fn disk_bytes_per(self, operations: u64) -> f64 {
        each(self.disk_bytes as f64, operations)
    }
}

fn each(sum: f64, operations: u64) -> f64 {
    match operations {
        0 => 0.0,
        _ => sum / operations as f64,
    }
}

fn of_process(pid: u32) -> io::Result<Cost> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
    let ticks = ticks_in(&read("stat")?).ok_or(io::ErrorKind::NotFound)?;
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    let per_second = per_second.unwrap_or(TICKS_PER_SECOND).max(1);
    Ok(Cost {
        cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64),
        disk_bytes: disk_bytes_in(&read("io")?).ok_or(io::ErrorKind::InvalidData)?,
    })
}

/// The command's name may hold blanks and brackets, so the fields are counted from the last bracket. `None` for a
/// process that has ended and that nobody has waited for.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let time = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let has_ended = matches!(fields.get(STATE), Some(&"Z" | &"X"));
    (!has_ended).then_some(time(USER_TIME)? + time(SYSTEM_TIME)?)
}

/// Resident memory of a process, bytes: what of it is in RAM now, pages of files included.
///
/// # Errors
/// `Step` if it has ended.
pub fn resident_bytes(pid: u32) -> Result<u64, BenchError> {
    memory_of(pid, RESIDENT)
}

/// The most that [`resident_bytes`] has been since the process began.
///
/// # Errors
/// `Step` if it has ended.
pub fn peak_resident_bytes(pid: u32) -> Result<u64, BenchError> {
    memory_of(pid, PEAK)
}

/// Names of both in `/proc/<pid>/status` (proc_pid_status(5)).
const RESIDENT: &str = "VmRSS:";
const PEAK: &str = "VmHWM:";

fn memory_of(pid: u32, which: &str) -> Result<u64, BenchError> {
    let step = BenchError::step(format!("cannot read the memory of process {pid}: did it end?"));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let memory = status.and_then(|status| memory_in(&status, which).ok_or(io::ErrorKind::NotFound.into()));
    memory.map_err(step)
}

/// In kB; a process that has ended has none.
fn memory_in(status: &str, which: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(which))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

fn disk_bytes_in(io: &str) -> Option<u64> {
    let value = io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_name() {
        let stat = "42 (a ) name) S 1 42 42 0 -1 4194304 100 0 0 0 70 30 5 6 20 0 8 0 99 1 2";
        assert_eq!(ticks_in(stat), Some(100));
        assert_eq!(ticks_in(&stat.replace(") S 1", ") Z 1")), None, "it has ended");
        assert_eq!(ticks_in("garbage"), None);
    }

    /// What others cancelled or only read is not what this wrote.
    #[test]
    fn bytes_to_disk_are_those_of_write_bytes() {
        let io = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(disk_bytes_in(io), Some(4096));
        assert_eq!(disk_bytes_in("rchar: 1\n"), None);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(memory_in(status, RESIDENT), Some(2 << 20));
        assert_eq!(memory_in(status, PEAK), Some(9000 << 10));
        assert_eq!(memory_in("Name:\tx\nState:\tZ (zombie)\n", RESIDENT), None);
        let own = std::process::id();
        let now = resident_bytes(own).unwrap();
        assert!(now > 1 << 20 && peak_resident_bytes(own).unwrap() >= now);
    }

    /// The children's own time must not be missed, nor another process's be counted.
    #[test]
    fn this_process_has_used_time_and_no_process_none() {
        let own = Meter::new([std::process::id()]);
        let started = own.read().unwrap();
        let mut sum = 0_u64;
        while own.read().unwrap().since(started).cpu < Duration::from_millis(20) {
            sum = (0..100_000).fold(sum, u64::wrapping_add);
        }
        assert_eq!(Meter::new([]).read().unwrap(), Cost::default(), "{sum}");
    }

    #[test]
    fn what_this_process_writes_to_a_disk_is_counted() {
        let own = Meter::new([std::process::id()]);
        let before = own.read().unwrap();
        let mut file = tempfile::tempfile_in("/var/tmp").unwrap();
        file.write_all(&[1; 64 << 10]).unwrap();
        file.sync_all().unwrap();
        let written = own.read().unwrap().since(before).disk_bytes;
        assert!(written >= 64 << 10, "{written}");
    }

    /// A server that died has not become cheap.
    #[test]
    fn a_process_that_has_ended_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let meter = Meter::new([child.id()]);
        for _ in 0..500 {
            if meter.read().is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(meter.read().is_err(), "nobody has waited for it");
        child.wait().unwrap();
        let text = meter.read().unwrap_err().to_string();
        assert!(text.contains(&child.id().to_string()), "{text}");
    }

    #[test]
    fn cost_is_shared_among_the_operations() {
        let cost = Cost {
            cpu: Duration::from_millis(500),
            disk_bytes: 8192,
        };
        assert_eq!((cost.micros_per(1000), cost.disk_bytes_per(2)), (500.0, 4096.0));
        assert_eq!((cost.micros_per(0), cost.disk_bytes_per(0)), (0.0, 0.0));
        let earlier = Cost {
            cpu: Duration::from_millis(200),
            disk_bytes: 8000,
        };
        let since = cost.since(earlier);
        assert_eq!((since.cpu, since.disk_bytes), (Duration::from_millis(300), 192));
        assert_eq!(earlier.since(cost), Cost::default());
    }
}
