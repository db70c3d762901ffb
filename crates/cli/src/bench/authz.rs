//! What it costs to ask policies: one decision, and a list that is cut to a part of the system. The state and its authority are in
//! another process of this executable, as the command line knows neither.

use std::process::Stdio;

use bench::{Aim, Machine, Report, Rounds, Row};
use serde::Deserialize;
use tokio::process::Command;

use super::args::AuthzArgs;
use super::progress::Progress;
use crate::error::CliError;

/// The hidden command whose last line of output is [`Measured`].
const WORKER: &str = "authz-worker";
/// A decision may take so long, microseconds.
const DECISION_US_MAX: f64 = 10.0;
/// A list of 10,000 may take so long, milliseconds.
const LIST_MS_MAX: f64 = 1.0;

/// One round.
#[derive(Debug, Deserialize)]
struct Measured {
    /// A decision, microseconds: the mean, and what one of a hundred exceeds.
    decision_us: f64,
    decision_p99_us: f64,
    /// The first decision after a change of policies, microseconds.
    rebuilt_us: f64,
    /// All components of a list judged, milliseconds: as they come, and with what was judged ahead.
    list_cold_ms: f64,
    list_ms: f64,
    /// Components of the list that are in the part.
    in_part: u64,
}

/// Figures of all rounds.
#[derive(Default)]
struct Figures {
    decision_us: Rounds,
    decision_p99_us: Rounds,
    rebuilt_us: Rounds,
    list_cold_ms: Rounds,
    list_ms: Rounds,
}

pub(crate) async fn measure(args: &AuthzArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(args.rounds as usize);
    let (mut figures, mut in_part) = (Figures::default(), 0);
    for round in 1..=args.rounds {
        progress.begin(format_args!("{} policies, round {round}", args.policies));
        let measured = worker(args).await?;
        progress.end(format_args!(
            "round {round}: {:.2} µs a decision, {:.2} ms a list",
            measured.decision_us, measured.list_ms
        ));
        in_part = measured.in_part;
        figures.add(&measured);
    }
    progress.finish();
    machine.note(format!(
        "{} policies, four of them the user's, with groups and nodesets; {in_part} of {} components are in his part",
        args.policies, args.nodes
    ));
    machine.note("one thread of one process; encoding, TLS and the network are not in it");
    Ok(Report {
        bench: "authz",
        machine,
        results: figures.rows(args.nodes),
    })
}

/// Runs the worker once; its answer is the last line that it prints.
async fn worker(args: &AuthzArgs) -> Result<Measured, CliError> {
    let executable =
        std::env::current_exe().map_err(|error| CliError::other("cannot find this executable", error))?;
    let (nodes, policies) = (args.nodes.to_string(), args.policies.to_string());
    let output = Command::new(executable)
        .args([WORKER, "--nodes", &nodes, "--policies", &policies])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.map_err(|error| CliError::other("cannot run the authority's process", error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().last().filter(|_| output.status.success());
    let answer = answer.and_then(|line| serde_json::from_str(line).ok());
    answer.ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        CliError::other(&format!("`{WORKER}` failed"), said.trim())
    })
}

impl Figures {
    fn add(&mut self, measured: &Measured) {
        self.decision_us.add(measured.decision_us);
        self.decision_p99_us.add(measured.decision_p99_us);
        self.rebuilt_us.add(measured.rebuilt_us);
        self.list_cold_ms.add(measured.list_cold_ms);
        self.list_ms.add(measured.list_ms);
    }

    /// The aims are those of 100 policies and lists of 10,000.
    fn rows(&self, nodes: u32) -> Vec<Row> {
        let list = format!("{nodes} components judged");
        let cold = format!("{list}, right after a change of groups");
        let rows = [
            Row::less("decision, mean", "µs", &self.decision_us, None)
                .map(|row| row.aiming(Aim::AtMost(DECISION_US_MAX))),
            Row::less("decision, p99", "µs", &self.decision_p99_us, None),
            Row::less(
                "decision after a change of policies",
                "µs",
                &self.rebuilt_us,
                None,
            ),
            Row::less(&list, "ms", &self.list_ms, None).map(|row| row.aiming(Aim::AtMost(LIST_MS_MAX))),
            Row::less(&cold, "ms", &self.list_cold_ms, None),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_miss_their_aim_when_they_are_too_slow() {
        let measured = |decision_us, list_ms| Measured {
            decision_us,
            decision_p99_us: 20.0,
            rebuilt_us: 500.0,
            list_cold_ms: 9.0,
            list_ms,
            in_part: 10,
        };
        for (decision_us, list_ms, met) in [(2.0, 0.5, true), (11.0, 1.5, false)] {
            let mut figures = Figures::default();
            figures.add(&measured(decision_us, list_ms));
            let rows = figures.rows(10_000);
            let of = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
            assert_eq!(of("decision, mean").met, Some(met));
            assert_eq!(of("10000 components judged").met, Some(met));
            assert_eq!(of("decision, p99").met, None);
            assert_eq!(rows.len(), 5);
        }
    }

    #[test]
    fn the_worker_says_it_in_one_line() {
        let line = r#"{"decision_us":1.5,"decision_p99_us":3.0,"rebuilt_us":400.0,"list_cold_ms":8.0,"list_ms":0.4,"in_part":400}"#;
        let measured: Measured = serde_json::from_str(line).unwrap();
        assert_eq!((measured.in_part, measured.list_ms), (400, 0.4));
    }
}
