//! `process_*`: what every Prometheus client says of its process, from `/proc/self`.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

use super::exposition::Exposition;

/// Ticks of `/proc/self/stat` a second, and bytes of a page, if the system does not say.
const TICKS_PER_SECOND: i64 = 100;
const PAGE_BYTES: i64 = 4096;
/// Fields of `/proc/self/stat` after the command's name, from 0 (proc(5) 14, 15, 22, 23 and 24).
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const START_TIME: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// What the page says of the process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_fds: u64,
    max_fds: u64,
    started_seconds: f64,
}

/// Adds what can be read; a system without `/proc` has none of it.
pub(super) fn add_to(page: &mut Exposition) {
    let Some(process) = read() else { return };
    page.counter(
        "process_cpu_seconds_total",
        "User and system CPU time, seconds.",
        process.cpu_seconds,
    );
    page.gauge(
        "process_resident_memory_bytes",
        "Resident memory, bytes.",
        process.resident_bytes,
    );
    page.gauge(
        "process_virtual_memory_bytes",
        "Virtual memory, bytes.",
        process.virtual_bytes,
    );
    page.gauge("process_open_fds", "Open file descriptors.", process.open_fds);
    page.gauge(
        "process_max_fds",
        "File descriptors that may be open.",
        process.max_fds,
    );
    page.gauge(
        "process_start_time_seconds",
        "When the process started, seconds since 1970.",
        process.started_seconds,
    );
}

fn read() -> Option<Process> {
    let text = |name: &str| fs::read_to_string(format!("/proc/{name}")).ok();
    let system = |what, default: i64| sysconf(what).ok().flatten().unwrap_or(default).max(1);
    parse(
        &text("self/stat")?,
        &text("stat")?,
        &text("self/limits")?,
        fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        system(SysconfVar::CLK_TCK, TICKS_PER_SECOND) as f64,
        system(SysconfVar::PAGE_SIZE, PAGE_BYTES) as u64,
    )
}

/// The command's name may hold blanks and brackets, so the fields are counted from the last bracket.
fn parse(
    own_stat: &str,
    stat: &str,
    limits: &str,
    open_fds: u64,
    ticks: f64,
    page_bytes: u64,
) -> Option<Process> {
    let (_, fields) = own_stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    let max_fds = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    Some(Process {
        cpu_seconds: (field(USER_TIME)? + field(SYSTEM_TIME)?) as f64 / ticks,
        resident_bytes: field(RESIDENT_PAGES)? * page_bytes,
        virtual_bytes: field(VIRTUAL_BYTES)?,
        open_fds,
        max_fds: max_fds.split_ascii_whitespace().next()?.parse().ok()?,
        started_seconds: boot.trim().parse::<f64>().ok()? + field(START_TIME)? as f64 / ticks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_the_names_end() {
        let own = "42 (a ) name) S 1 42 42 0 -1 4194304 100 0 0 0 70 30 5 6 20 0 8 0 250 8192 3 18446744073709551615";
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        let process = parse(own, "cpu 1 2\nbtime 1000\n", limits, 7, 100.0, 4096);
        let expected = Process {
            cpu_seconds: 1.0,
            resident_bytes: 3 * 4096,
            virtual_bytes: 8192,
            open_fds: 7,
            max_fds: 1024,
            started_seconds: 1002.5,
        };
        assert_eq!(process, Some(expected));
        assert_eq!(parse("garbage", "", "", 0, 100.0, 4096), None);
    }

    #[test]
    fn this_process_has_figures() {
        let process = read().unwrap();
        assert!(process.resident_bytes > 1 << 20, "{process:?}");
        assert!(
            process.open_fds > 2 && process.max_fds >= process.open_fds,
            "{process:?}"
        );
        assert!(process.started_seconds > 1e9, "{process:?}");
    }
}
