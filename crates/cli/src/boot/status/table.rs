//! Many nodes: a row each, and how many are where.

use std::collections::BTreeMap;

use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::{BootStatus, ListBootStatusResponse};

use super::phase;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format, Shape, column, wide};

/// A node, and the time of the answer that it is in.
struct Row {
    status: BootStatus,
    now_ms: u64,
}

const NODES: Shape<Row> = Shape {
    message: "chamois.bss.v1.BootStatus",
    key: |row| row.status.node.clone(),
    columns: &[
        column("NODE", |row| row.status.node.clone()),
        column("PHASE", |row| phase::name(row.status.phase())),
        column("FOR", |row| match row.status.since_ms {
            0 => String::new(),
            since_ms => phase::duration(row.now_ms.saturating_sub(since_ms)),
        }),
        column("TRIES", |row| phase::known(row.status.attempts.into())),
        column("BYTES", |row| match row.status.bytes {
            0 => String::new(),
            bytes => phase::size(bytes),
        }),
        wide("REVISION", |row| phase::known(row.status.revision)),
        wide("MEMBER", |row| phase::known(row.status.member)),
        column("STUCK", |row| mark(&row.status).to_owned()),
    ],
};

fn rows(answer: &ListBootStatusResponse) -> Vec<Row> {
    let now_ms = answer.now_ms;
    let nodes = answer.nodes.iter().cloned();
    nodes.map(|status| Row { status, now_ms }).collect()
}

/// All of them; for people also how many are where.
///
/// # Errors
/// Only when standard output cannot be written.
pub(super) fn show(global: &GlobalArgs, answer: &ListBootStatusResponse) -> Result<(), CliError> {
    let whole = ("chamois.bss.v1.ListBootStatusResponse", answer);
    output::list_by(global, whole, &rows(answer), &NODES, |row| {
        output::to_json_line(NODES.message, &row.status)
    })?;
    match global.output {
        Format::Table | Format::Wide if !global.quiet => output::print(summary(&answer.nodes)),
        _ => Ok(()),
    }
}

/// `stuck`, or nothing.
pub(super) fn mark(status: &BootStatus) -> &'static str {
    if status.stuck { "stuck" } else { "" }
}

pub(super) fn is_home(status: &BootStatus) -> bool {
    status.phase() == Phase::PhonedHome
}

/// How many of how many are home, and where the others are: `3 of 12 home, script 7, kernel 1, never seen 1; 2 stuck`.
pub(super) fn summary(statuses: &[BootStatus]) -> String {
    let home = statuses.iter().filter(|status| is_home(status)).count();
    let mut text = format!("{home} of {} home", statuses.len());
    for (name, count) in elsewhere(statuses) {
        text.push_str(&format!(", {name} {count}"));
    }
    let stuck = statuses.iter().filter(|status| status.stuck).count();
    if stuck > 0 {
        text.push_str(&format!("; {stuck} stuck"));
    }
    text
}

/// Nodes that are not home, by phase in the order of a boot; those never seen come last.
fn elsewhere(statuses: &[BootStatus]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for status in statuses.iter().filter(|status| !is_home(status)) {
        *counts.entry(status.phase).or_default() += 1;
    }
    let never = counts.remove(&Phase::Unspecified.into());
    let of_phase = |(number, count)| (phase::name(Phase::try_from(number).unwrap_or_default()), count);
    let mut elsewhere: Vec<_> = counts.into_iter().map(of_phase).collect();
    elsewhere.extend(never.map(|count| (phase::NEVER.to_owned(), count)));
    elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(node: &str, phase: Phase, stuck: bool) -> BootStatus {
        BootStatus {
            node: node.into(),
            phase: phase.into(),
            since_ms: if phase == Phase::Unspecified { 0 } else { 60_000 },
            attempts: 1,
            stuck,
            ..BootStatus::default()
        }
    }

    #[test]
    fn a_node_is_one_row_and_the_summary_counts_them_all() {
        let answer = ListBootStatusResponse {
            nodes: vec![
                status("x0c0s0b0n0", Phase::PhonedHome, false),
                status("x0c0s0b0n1", Phase::Script, true),
                status("x0c0s0b0n2", Phase::Unspecified, false),
                status("x0c0s0b0n3", Phase::Offered, false),
            ],
            now_ms: 245_000,
            revision: 9,
            ..ListBootStatusResponse::default()
        };
        let text = output::plain(&rows(&answer), &NODES);
        let line = |node: &str| text.lines().find(|line| line.contains(node)).unwrap().to_owned();
        for word in ["script", "3 min 5 s", "stuck"] {
            assert!(line("x0c0s0b0n1").contains(word), "{text}");
        }
        assert!(line("x0c0s0b0n2").contains("never seen"), "{text}");
        assert!(!line("x0c0s0b0n0").contains("stuck"), "{text}");
        assert_eq!(
            summary(&answer.nodes),
            "1 of 4 home, offered 1, script 1, never seen 1; 1 stuck"
        );
        assert_eq!(summary(&[]), "0 of 0 home");
    }
}
