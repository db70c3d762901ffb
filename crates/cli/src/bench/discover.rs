//! BMCs that are read whole: how long one takes, and thousands, what it costs the process that reads them, and whether anything is
//! read twice. The emulated BMCs are another process of this executable, and so is who reads them, so that its memory is its own.

pub(crate) mod worker;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use bench::{Aim, Machine, Report, Rounds, Row};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use self::worker::{Crawled, READY, Served};
use super::args::DiscoverArgs;
use super::figures::mib;
use super::progress::Progress;
use crate::error::CliError;

/// The hidden command of both processes.
const WORKER: &str = "discover-worker";
/// BMCs, and the seconds in which they are to be read.
const SECONDS_MAX: [(u32, f64); 3] = [(1, 1.0), (200, 5.0), (2000, 60.0)];
/// Time for each reply that these aims are for, milliseconds.
const AIMED_LATENCY_MS: u32 = 100;
/// Memory of the process that reads them, MiB, however many they are.
const MEMORY_MIB_MAX: f64 = 300.0;

/// Figures of all rounds with so many BMCs.
#[derive(Default)]
struct Figures {
    seconds: Rounds,
    requests_per_bmc: Rounds,
    memory_mib: Rounds,
    in_flight_max: Rounds,
    errors: u64,
    read_twice: u64,
    sessions_left: u64,
}

pub(crate) async fn measure(args: &DiscoverArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let net = lab::claim_loopback_net().map_err(|error| CliError::other("no network for the BMCs", error))?;
    let first = net
        .node_address(0)
        .expect("the first node's address is in every network");
    let progress = Progress::new(args.bmcs.len() * args.rounds as usize);
    let mut results = Vec::new();
    for &bmcs in &args.bmcs {
        let mut figures = Figures::default();
        for round in 1..=args.rounds {
            progress.begin(format_args!("{bmcs} BMCs, round {round}"));
            let (crawled, served) = one_round(args, first, bmcs).await?;
            progress.end(line(bmcs, &crawled, &served));
            figures.add(bmcs, &crawled, &served);
        }
        results.extend(figures.rows(bmcs, args.latency_ms));
    }
    progress.finish();
    machine.note(format!(
        "each BMC listens on an address of its own with TLS and a login, and thinks {} ms about each request",
        args.latency_ms
    ));
    machine.note(match &args.tree {
        Some(tree) => format!("all serve the tree of {}", tree.display()),
        None => "all serve one tree of a rack server that was made for tests".to_owned(),
    });
    machine.note(format!(
        "{} BMCs at once, at most 5 requests at once to one and 512 to all; the emulated BMCs run on the same host",
        args.at_once
    ));
    Ok(Report {
        bench: "discover",
        machine,
        results,
    })
}

fn line(bmcs: u32, crawled: &Crawled, served: &Served) -> String {
    let problem = match crawled.first_problem.as_str() {
        "" => String::new(),
        problem => format!(", the first: {problem}"),
    };
    format!(
        "{bmcs} BMCs: {:.2} s, {} requests, {:.0} MiB, {} not whole{problem}",
        crawled.seconds,
        served.requests,
        mib(crawled.peak_bytes),
        crawled.not_whole,
    )
}

async fn one_round(args: &DiscoverArgs, first: Ipv4Addr, bmcs: u32) -> Result<(Crawled, Served), CliError> {
    let fleet = Fleet::start(command("fleet", args, first, bmcs)?).await?;
    let output = command("crawl", args, first, bmcs)?.output().await;
    let output = output.map_err(|error| CliError::other("cannot run the process that reads BMCs", error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(CliError::other("the BMCs could not be read", said.trim()));
    }
    let crawled = last_line(&String::from_utf8_lossy(&output.stdout))?;
    Ok((crawled, fleet.end().await?))
}

/// The process of one phase.
fn command(phase: &str, args: &DiscoverArgs, first: Ipv4Addr, bmcs: u32) -> Result<Command, CliError> {
    let executable =
        std::env::current_exe().map_err(|error| CliError::other("cannot find this executable", error))?;
    let mut command = Command::new(executable);
    command
        .args([WORKER, phase, "--first", &first.to_string()])
        .args(["--bmcs", &bmcs.to_string()])
        .args(["--latency-ms", &args.latency_ms.to_string()])
        .args(["--at-once", &args.at_once.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(tree) = &args.tree {
        command.arg("--tree").arg(Path::new(tree));
    }
    Ok(command)
}

/// What a worker says at its end.
fn last_line<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, CliError> {
    let said = text.lines().last().unwrap_or_default();
    serde_json::from_str(said).map_err(|error| CliError::other(&format!("`{WORKER}` said `{said}`"), error))
}

/// The emulated BMCs.
struct Fleet {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Fleet {
    /// Starts them; all of them listen when it returns.
    async fn start(mut command: Command) -> Result<Fleet, CliError> {
        let failed = |error| CliError::other("cannot start the emulated BMCs", error);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(failed)?;
        let said = process.stdout.take().expect("it was asked for");
        let mut fleet = Fleet {
            process,
            said: BufReader::new(said),
        };
        let mut line = String::new();
        fleet.said.read_line(&mut line).await.map_err(failed)?;
        match line.trim() {
            READY => Ok(fleet),
            _ => Err(CliError::other(
                "the emulated BMCs do not listen",
                "see what they said above",
            )),
        }
    }

    /// Ends them, and gives what they have counted.
    async fn end(mut self) -> Result<Served, CliError> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        let read = self.said.read_to_string(&mut text).await;
        read.map_err(|error| CliError::other("cannot hear the emulated BMCs", error))?;
        // it ends by itself now; an error means that it has
        let _ = self.process.wait().await;
        last_line(&text)
    }
}

impl Figures {
    fn add(&mut self, bmcs: u32, crawled: &Crawled, served: &Served) {
        self.seconds.add(crawled.seconds);
        self.requests_per_bmc
            .add(served.requests as f64 / f64::from(bmcs));
        self.memory_mib.add(mib(crawled.peak_bytes));
        self.in_flight_max.add(served.in_flight_max as f64);
        self.errors += crawled.not_whole;
        self.read_twice += served.read_twice;
        self.sessions_left += served.sessions_left;
    }

    fn rows(&self, bmcs: u32, latency_ms: u32) -> Vec<Row> {
        let of = |what: &str| match bmcs {
            1 => format!("{what}, 1 BMC"),
            several => format!("{what}, {several} BMCs"),
        };
        let aimed = SECONDS_MAX.iter().find(|(aimed, _)| *aimed == bmcs);
        let aimed = aimed.filter(|_| latency_ms == AIMED_LATENCY_MS);
        let seconds = Row::less(of("read whole"), "s", &self.seconds, None);
        let zero = |what: &str, count: u64| {
            Row::less(of(what), "", &super::figures::one(count), None).map(|row| row.aiming(Aim::Zero))
        };
        let rows = [
            match aimed {
                Some((_, bound)) => seconds.map(|row| row.aiming(Aim::Below(*bound))),
                None => seconds,
            },
            Row::less(of("memory of the reader, most"), "MiB", &self.memory_mib, None)
                .map(|row| row.aiming(Aim::Below(MEMORY_MIB_MAX))),
            Row::less(of("requests for each"), "", &self.requests_per_bmc, None),
            Row::less(of("requests at once to one, most"), "", &self.in_flight_max, None),
            zero("resources read twice", self.read_twice),
            zero("sessions left open", self.sessions_left),
            zero("errors: not read whole", self.errors),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crawled(seconds: f64, not_whole: u64) -> Crawled {
        Crawled {
            seconds,
            peak_bytes: 64 << 20,
            not_whole,
            first_problem: if not_whole > 0 {
                "no answer".to_owned()
            } else {
                String::new()
            },
        }
    }

    fn served() -> Served {
        Served {
            requests: 8000,
            read_twice: 0,
            sessions_left: 0,
            in_flight_max: 5,
        }
    }

    fn row<'a>(rows: &'a [Row], name: &str) -> &'a Row {
        rows.iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn figures_are_per_bmc_and_judged_by_how_many_they_are() {
        let mut figures = Figures::default();
        figures.add(200, &crawled(4.5, 0), &served());
        let rows = figures.rows(200, 100);
        assert_eq!(row(&rows, "read whole, 200 BMCs").met, Some(true));
        assert_eq!(row(&rows, "requests for each, 200 BMCs").ours, 40.0);
        assert_eq!(row(&rows, "memory of the reader, most, 200 BMCs").ours, 64.0);
        assert_eq!(row(&rows, "resources read twice, 200 BMCs").met, Some(true));
        // an aim is for its own number and latency
        assert_eq!(row(&figures.rows(200, 10), "read whole, 200 BMCs").met, None);
        assert_eq!(row(&figures.rows(7, 100), "read whole, 7 BMCs").met, None);
        assert_eq!(row(&figures.rows(1, 100), "read whole, 1 BMC").met, Some(false));
    }

    /// A crawl that is quick because it left something out is no figure.
    #[test]
    fn what_was_not_read_is_an_error() {
        let mut figures = Figures::default();
        let (half, again) = (
            crawled(0.1, 3),
            Served {
                read_twice: 2,
                ..served()
            },
        );
        figures.add(200, &half, &again);
        let rows = figures.rows(200, 100);
        assert_eq!(row(&rows, "errors: not read whole, 200 BMCs").met, Some(false));
        assert_eq!(row(&rows, "resources read twice, 200 BMCs").ours, 2.0);
        assert!(line(200, &half, &again).ends_with("3 not whole, the first: no answer"));
    }

    #[test]
    fn a_worker_that_says_nothing_is_an_error() {
        let said = r#"{"seconds":1.5,"peak_bytes":1048576,"not_whole":0,"first_problem":""}"#;
        let crawled: Crawled = last_line(&format!("a warning\n{said}\n")).unwrap();
        assert_eq!((crawled.seconds, crawled.peak_bytes), (1.5, 1 << 20));
        for wrong in ["", "ready", r#"{"seconds":1.5}"#] {
            assert!(last_line::<Crawled>(wrong).is_err(), "{wrong}");
        }
    }
}
