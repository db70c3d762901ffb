//! What is seen while boots are watched: on a terminal a bar, phases and nodes that change in place; elsewhere lines.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::bss::v1::{BootStatus, ListBootStatusResponse};

use super::{phase, table};
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc;

/// Nodes that are shown by name on a terminal: those stuck first, then those that have waited longest.
const ROWS_MAX: usize = 20;

/// What was shown last, and where.
pub(super) struct Live {
    bar: ProgressBar,
    form: Form,
    /// The last line, or each node's last status.
    last_line: String,
    last: BTreeMap<String, BootStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Terminal,
    Lines,
    Json,
}

impl Live {
    pub(super) fn new(format: Format) -> Live {
        let form = match format {
            Format::Json | Format::Yaml | Format::Jsonl => Form::Json,
            Format::Table | Format::Wide if std::io::stderr().is_terminal() => Form::Terminal,
            Format::Table | Format::Wide | Format::Name => Form::Lines,
        };
        let target = match form {
            Form::Terminal => ProgressDrawTarget::stderr_with_hz(8),
            Form::Lines | Form::Json => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len} home\n{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Live {
            bar,
            form,
            last_line: String::new(),
            last: BTreeMap::new(),
        }
    }

    /// Shows what has changed. False when nobody reads any more.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn show(&mut self, answer: &ListBootStatusResponse) -> Result<bool, CliError> {
        match self.form {
            Form::Terminal => {
                let home = answer
                    .nodes
                    .iter()
                    .filter(|status| table::is_home(status))
                    .count();
                self.bar.set_length(answer.nodes.len() as u64);
                self.bar.set_position(home as u64);
                self.bar.set_message(board(answer));
                Ok(true)
            }
            Form::Lines => {
                let line = table::summary(&answer.nodes);
                if line == self.last_line {
                    return Ok(true);
                }
                let shown = format!("{} {line}", utc::timestamp(answer.now_ms));
                self.last_line = line;
                output::print_line(Some(shown))
            }
            Form::Json => {
                for status in changed(&self.last, &answer.nodes) {
                    let value = output::to_value("chamois.bss.v1.BootStatus", status)?;
                    if !output::print_line(Some(value.to_string()))? {
                        return Ok(false);
                    }
                }
                let nodes = answer.nodes.iter();
                self.last = nodes
                    .map(|status| (status.node.clone(), status.clone()))
                    .collect();
                Ok(true)
            }
        }
    }

    /// Takes the bar away, and says how it ended.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn finish(&self, answer: &ListBootStatusResponse) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        match self.form {
            Form::Terminal => output::print(table::summary(&answer.nodes)),
            Form::Lines | Form::Json => Ok(()),
        }
    }
}

/// The nodes whose status is another one than before.
fn changed<'a>(last: &BTreeMap<String, BootStatus>, now: &'a [BootStatus]) -> Vec<&'a BootStatus> {
    now.iter()
        .filter(|status| last.get(&status.node) != Some(status))
        .collect()
}

/// What stands below the bar: where the nodes are, and those that need to be looked at.
fn board(answer: &ListBootStatusResponse) -> String {
    let mut lines = vec![table::summary(&answer.nodes)];
    let mut away: Vec<&BootStatus> = answer
        .nodes
        .iter()
        .filter(|status| !table::is_home(status))
        .collect();
    away.sort_by_key(|status| (!status.stuck, status.since_ms == 0, status.since_ms));
    for status in away.iter().take(ROWS_MAX) {
        let waited = match status.since_ms {
            0 => String::new(),
            since_ms => phase::duration(answer.now_ms.saturating_sub(since_ms)),
        };
        let name = phase::name(status.phase());
        let mark = table::mark(status);
        let line = format!("{:<18} {name:<14} {waited:>12}  {mark}", status.node);
        lines.push(line.trim_end().to_owned());
    }
    if away.len() > ROWS_MAX {
        lines.push(format!("… and {} more", away.len() - ROWS_MAX));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::boot_phase::Phase;

    use super::*;

    fn status(number: usize, phase: Phase, since_ms: u64, stuck: bool) -> BootStatus {
        BootStatus {
            node: format!("x0c0s{number}b0n0"),
            phase: phase.into(),
            since_ms,
            stuck,
            ..BootStatus::default()
        }
    }

    #[test]
    fn nodes_that_are_stuck_come_first_and_those_at_home_are_left_out() {
        let mut nodes = vec![
            status(0, Phase::PhonedHome, 1, false),
            status(1, Phase::Unspecified, 0, false),
            status(2, Phase::Script, 50_000, false),
            status(3, Phase::Kernel, 60_000, true),
            status(4, Phase::Script, 40_000, false),
        ];
        let answer = |nodes: &[BootStatus]| ListBootStatusResponse {
            nodes: nodes.to_vec(),
            now_ms: 100_000,
            revision: 1,
            ..ListBootStatusResponse::default()
        };
        let text = board(&answer(&nodes));
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("1 of 5 home"), "{text}");
        assert_eq!(words(lines[1]), ["x0c0s3b0n0", "kernel", "40", "s", "stuck"]);
        let order: Vec<String> = lines[1..].iter().map(|line| words(line)[0].clone()).collect();
        assert_eq!(order, ["x0c0s3b0n0", "x0c0s4b0n0", "x0c0s2b0n0", "x0c0s1b0n0"]);
        nodes.extend((10..40).map(|number| status(number, Phase::Offered, 90_000, false)));
        let text = board(&answer(&nodes));
        assert_eq!(text.lines().count(), 1 + ROWS_MAX + 1);
        assert!(text.ends_with("… and 14 more"), "{text}");
    }

    /// A program reads a line for each step of a node, not one for each look.
    #[test]
    fn only_what_has_changed_is_told_again() {
        let now = [
            status(0, Phase::Script, 5, false),
            status(1, Phase::Script, 5, false),
        ];
        let mut last = BTreeMap::new();
        assert_eq!(changed(&last, &now).len(), 2);
        last.insert(now[0].node.clone(), now[0].clone());
        last.insert(now[1].node.clone(), status(1, Phase::Offered, 4, false));
        assert_eq!(changed(&last, &now), [&now[1]]);
    }
}
