//! The state of a whole machine room in one process, without sockets: memory, rates, snapshot, and a start from it. What
//! runs the state machine is another process of this executable, so that its memory is the state's and nothing else's.

use std::path::Path;
use std::process::Stdio;

use bench::{Machine, Report, Rounds, Row};
use serde::Deserialize;
use tokio::process::Command;

use super::args::ScaleArgs;
use super::figures::mib;
use super::progress::Progress;
use super::servers::DATA_PARENT;
use crate::demo::StateDir;
use crate::error::CliError;

/// The hidden command whose last line of output is [`Built`] or [`Loaded`].
const WORKER: &str = "scale-worker";

/// What building the state took.
#[derive(Debug, Deserialize)]
struct Built {
    /// Log entries that made the inventory, and their bytes.
    entries: u64,
    entry_bytes: u64,
    seconds: f64,
    /// State changes of single nodes on the full inventory.
    changes: u64,
    change_seconds: f64,
    /// Resident memory before and after.
    empty_bytes: u64,
    resident_bytes: u64,
    /// Watches, events that all of them were told together, and until the last had all of them.
    watches: u64,
    watched_events: u64,
    watch_seconds: f64,
    rows: u64,
    snapshot_seconds: f64,
    snapshot_bytes: u64,
    digest: String,
}

/// What a start from the snapshot took.
#[derive(Debug, Deserialize)]
struct Loaded {
    seconds: f64,
    resident_bytes: u64,
    rows: u64,
    digest: String,
}

/// Figures of all rounds.
#[derive(Default)]
struct Figures {
    entries_per_s: Rounds,
    changes_per_s: Rounds,
    watch_events_per_s: Rounds,
    memory_mib: Rounds,
    bytes_per_node: Rounds,
    log_bytes_per_node: Rounds,
    snapshot_s: Rounds,
    snapshot_mib: Rounds,
    load_s: Rounds,
    loaded_mib: Rounds,
    rows: Rounds,
}

pub(crate) async fn measure(args: &ScaleArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(2 * args.rounds as usize);
    let dir = match args.place.state_dir.as_deref() {
        named @ Some(_) => StateDir::make(named)?,
        None => StateDir::temporary_in(Path::new(DATA_PARENT))?,
    };
    let (mut figures, mut watches) = (Figures::default(), 0);
    for round in 1..=args.rounds {
        progress.begin(format_args!("{} nodes, round {round}", args.nodes));
        let built: Built = worker("build", args.nodes, dir.path()).await?;
        progress.end(format_args!(
            "round {round}: {} entries in {:.2} s, {:.0} MiB",
            built.entries,
            built.seconds,
            mib(built.resident_bytes)
        ));
        progress.begin(format_args!("start from the snapshot, round {round}"));
        let loaded: Loaded = worker("load", args.nodes, dir.path()).await?;
        progress.end(format_args!(
            "round {round}: {} rows in {:.2} s",
            loaded.rows, loaded.seconds
        ));
        figures.add(args.nodes, &built, &loaded)?;
        watches = built.watches;
    }
    progress.finish();
    machine.note(format!(
        "{watches} watches in the process, without filters and without gRPC; the last has seen every change"
    ));
    machine.note(format!(
        "{} nodes: a component, an Ethernet interface with an address, boot parameters and cloud-init's instance each; components by 1,000 to an entry, the rest one by one",
        args.nodes
    ));
    machine.note(
        "entries are decoded, checked and applied by 512 under one publication, with sessions, as a member does it; no disk, no network, one core",
    );
    machine.note(
        "memory: resident, of the state alone; the log in memory of a member comes on top, at most 128 MiB",
    );
    machine.note(format!("{} rounds, each in processes of its own", args.rounds));
    Ok(Report {
        bench: "scale",
        machine,
        results: figures.rows(),
    })
}

/// Runs the worker in one `phase`; its answer is the last line that it prints.
async fn worker<T: for<'a> Deserialize<'a>>(phase: &str, nodes: u32, dir: &Path) -> Result<T, CliError> {
    let executable =
        std::env::current_exe().map_err(|e| CliError::other("cannot find this executable", e))?;
    let output = Command::new(executable)
        .args([WORKER, phase, "--nodes", &nodes.to_string(), "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.map_err(|e| CliError::other("cannot run the state machine's process", e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().last().filter(|_| output.status.success());
    let answer = answer.and_then(|line| serde_json::from_str(line).ok());
    answer.ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        CliError::other(&format!("`{WORKER} {phase}` failed"), said.trim())
    })
}

impl Figures {
    fn add(&mut self, nodes: u32, built: &Built, loaded: &Loaded) -> Result<(), CliError> {
        if (built.rows, &built.digest) != (loaded.rows, &loaded.digest) {
            let text = format!("{} rows, digest {}", loaded.rows, loaded.digest);
            let wanted = format!("a snapshot of {} rows, digest {}, gave", built.rows, built.digest);
            return Err(CliError::other(&wanted, text));
        }
        let nodes = f64::from(nodes);
        let state_bytes = built.resident_bytes.saturating_sub(built.empty_bytes) as f64;
        self.entries_per_s.add(built.entries as f64 / built.seconds);
        self.changes_per_s
            .add(built.changes as f64 / built.change_seconds);
        self.watch_events_per_s
            .add(built.watched_events as f64 / built.watch_seconds);
        self.memory_mib.add(mib(built.resident_bytes));
        self.bytes_per_node.add(state_bytes / nodes);
        self.log_bytes_per_node.add(built.entry_bytes as f64 / nodes);
        self.snapshot_s.add(built.snapshot_seconds);
        self.snapshot_mib.add(mib(built.snapshot_bytes));
        self.load_s.add(loaded.seconds);
        self.loaded_mib.add(mib(loaded.resident_bytes));
        self.rows.add(built.rows as f64);
        Ok(())
    }

    fn rows(&self) -> Vec<Row> {
        let rows = [
            Row::less("rows in the state", "", &self.rows, None),
            Row::less("memory", "MiB", &self.memory_mib, None),
            Row::less("memory per node", "B", &self.bytes_per_node, None),
            Row::less("log per node, once", "B", &self.log_bytes_per_node, None),
            Row::more("entries applied, building", "1/s", &self.entries_per_s, None),
            Row::more("entries applied, state changes", "1/s", &self.changes_per_s, None),
            Row::more(
                "events told to all watches",
                "1/s",
                &self.watch_events_per_s,
                None,
            ),
            Row::less("snapshot written", "s", &self.snapshot_s, None),
            Row::less("snapshot", "MiB", &self.snapshot_mib, None),
            Row::less("start from the snapshot", "s", &self.load_s, None),
            Row::less("memory after that start", "MiB", &self.loaded_mib, None),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built() -> Built {
        let line = r#"{"entries":400,"entry_bytes":50000,"seconds":0.5,"changes":200,"change_seconds":0.1,
            "empty_bytes":1048576,"resident_bytes":3145728,"watches":10,"watched_events":4000,"watch_seconds":0.5,"rows":401,"snapshot_seconds":0.2,
            "snapshot_bytes":1048576,"digest":"ab"}"#;
        serde_json::from_str(line).unwrap()
    }

    fn loaded(digest: &str) -> Loaded {
        let line = r#"{"seconds":0.3,"resident_bytes":2097152,"rows":401,"digest":"ab"}"#;
        serde_json::from_str(&line.replace("ab", digest)).unwrap()
    }

    #[test]
    fn figures_are_per_second_and_per_node() {
        let mut figures = Figures::default();
        figures.add(100, &built(), &loaded("ab")).unwrap();
        let rows = figures.rows();
        let of = |name: &str| rows.iter().find(|row| row.name == name).unwrap().ours;
        assert_eq!(of("entries applied, building"), 800.0);
        assert_eq!(of("entries applied, state changes"), 2000.0);
        assert_eq!(of("events told to all watches"), 8000.0);
        assert_eq!(of("memory per node"), 20_971.52);
        assert_eq!(of("log per node, once"), 500.0);
        assert!(rows.iter().all(|row| row.peer.is_none() && row.aim.is_none()));
    }

    /// A start that is quick because it lost something is no figure.
    #[test]
    fn a_snapshot_that_gives_another_state_is_an_error() {
        let mut figures = Figures::default();
        let error = figures.add(100, &built(), &loaded("cd")).unwrap_err().to_string();
        assert!(error.contains("ab") && error.contains("cd"), "{error}");
    }
}
