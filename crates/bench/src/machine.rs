//! On what was measured; a figure without it means nothing.

use serde::Serialize;

/// The host, as `/proc` describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Memory, whole GiB.
    pub memory_gib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Load average of the last minute before the run: what others did.
    pub load_before: f64,
    /// How it was measured, in words: seconds, rounds, timers, sizes.
    pub conditions: Vec<String>,
}

impl Machine {
    /// This host; call it before the load begins.
    pub fn read() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Machine {
            cpu: cpu_model(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib(&read("/proc/meminfo")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: first_number(&read("/proc/loadavg")),
            conditions: Vec::new(),
        }
    }

    /// Adds a line of how it was measured.
    pub fn note(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn memory_gib(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.map_or(0, |line| first_number(line) as u64 / (1 << 20))
}

fn first_number(text: &str) -> f64 {
    let word = text.split_whitespace().next();
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC 7R13 Processor\nmodel name\t: another\n";
        assert_eq!(cpu_model(cpuinfo), "AMD EPYC 7R13 Processor");
        assert_eq!(cpu_model(""), "unknown");
        assert_eq!(memory_gib("MemTotal:       25165824 kB\nMemFree: 1 kB\n"), 24);
        assert_eq!(first_number("0.52 0.58 0.59 1/467 12345"), 0.52);
        assert_eq!(first_number(""), 0.0);
    }

    #[test]
    fn this_host_has_cores_memory_and_a_kernel() {
        let machine = Machine::read();
        assert!(
            machine.cores > 0 && machine.memory_gib > 0 && !machine.kernel.is_empty(),
            "{machine:?}"
        );
    }
}
