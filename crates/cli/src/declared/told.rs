//! What an apply says: a line for each object, and an exact account when it stopped on the way.

use serde_json::{Value, json};
use tonic::{Code, Status};

use super::sent::Account;
use super::trial::Tried;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

/// Lines of what was not done, at most; the JSON has all.
const LINES_MAX: usize = 100;

/// What became of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// Some of its requests were made.
    HalfDone,
    /// Nobody knows.
    Unknown,
    Failed,
    NotSent,
}

/// Tells what was done.
///
/// # Errors
/// When something failed: `Partly` with the whole account if anything was done, else the class of the failure.
pub(super) fn made(
    global: &GlobalArgs,
    tried: &[Tried],
    unchanged: usize,
    account: &Account,
) -> Result<(), CliError> {
    let fates: Vec<Fate> = (0..tried.len()).map(|at| fate(tried, account, at)).collect();
    let steps = tried.iter().zip(&fates);
    let of = |wanted: Fate| {
        steps
            .clone()
            .filter(move |(_, fate)| **fate == wanted)
            .map(|(one, _)| line(one))
    };
    let done: Vec<String> = of(Fate::Done).collect();
    let rows: Vec<Value> = steps.clone().map(|(one, fate)| row(one, *fate)).collect();
    let answer = json!({ "unchanged": unchanged, "objects": rows });
    output::done_value(global, &answer, || {
        let lines = done.iter().cloned();
        lines
            .chain([summary(done.len(), unchanged)])
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    let Some((failed, status)) = &account.failed else {
        return Ok(());
    };
    let nothing = fates
        .iter()
        .all(|fate| matches!(fate, Fate::Failed | Fate::NotSent));
    let names: Vec<String> = failed.iter().map(|at| tried[*at].step.title()).collect();
    let mut text = format!("{}: {}", names.join(", "), status.message().escape_debug());
    if nothing {
        text += "\nnothing was changed";
        return Err(CliError::new(CliError::from(status.clone()).kind(), text).with_remedy(remedy(status)));
    }
    for (fate, words) in [
        (Fate::Unknown, "may have been done or not"),
        (Fate::HalfDone, "done in part"),
        (Fate::Failed, "not done"),
        (Fate::NotSent, "not done, because it comes after"),
    ] {
        let lines: Vec<String> = of(fate).collect();
        for line in lines.iter().take(LINES_MAX) {
            text += &format!("\n  {line}: {words}");
        }
        if lines.len() > LINES_MAX {
            text += &format!("\n  and {} more: {words}", lines.len() - LINES_MAX);
        }
    }
    text += &format!("\n  {} done before it", done.len());
    Err(CliError::new(Kind::Partly, text).with_remedy(remedy(status)))
}

/// Tells what would be done.
pub(super) fn tried(global: &GlobalArgs, tried: &[Tried], unchanged: usize) -> Result<(), CliError> {
    if global.output.is_document() {
        let rows: Vec<Value> = tried.iter().map(|one| row(one, Fate::NotSent)).collect();
        let answer = json!({ "dry_run": true, "unchanged": unchanged, "objects": rows });
        return output::print(output::value_document(global.output, &answer));
    }
    for one in tried {
        output::print(format_args!("{} would be {}", one.step.title(), one.step.verb()))?;
    }
    output::print(format_args!(
        "{} would change, {unchanged} unchanged; nothing was changed",
        tried.len()
    ))
}

fn fate(tried: &[Tried], account: &Account, at: usize) -> Fate {
    let is_failed = account
        .failed
        .as_ref()
        .is_some_and(|(failed, _)| failed.contains(&at));
    let is_unknown = is_failed && account.failed.as_ref().is_some_and(|(_, status)| is_open(status));
    match account.made[at] {
        _ if is_unknown => Fate::Unknown,
        made if made == tried[at].parts.len() && !is_failed => Fate::Done,
        0 if is_failed => Fate::Failed,
        0 => Fate::NotSent,
        _ => Fate::HalfDone,
    }
}

/// Whether the change may have been made although an error came back.
fn is_open(status: &Status) -> bool {
    status.metadata().contains_key(rpc::OUTCOME) || status.code() == Code::DeadlineExceeded
}

fn remedy(status: &Status) -> &'static str {
    match status.code() {
        Code::Aborted => "Somebody else changed it meanwhile; `chamois diff -f` shows what differs now.",
        _ => "The same apply again goes on from here.",
    }
}

fn line(one: &Tried) -> String {
    format!("{} {}", one.step.title(), one.step.verb())
}

fn summary(done: usize, unchanged: usize) -> String {
    match (done, unchanged) {
        (0, unchanged) => format!("unchanged: {unchanged}"),
        (done, unchanged) => format!("{done} changed, {unchanged} unchanged"),
    }
}

fn row(one: &Tried, fate: Fate) -> Value {
    let fate = match fate {
        Fate::Done => "done",
        Fate::HalfDone => "done in part",
        Fate::Unknown => "unknown",
        Fate::Failed => "failed",
        Fate::NotSent => "not done",
    };
    json!({ "kind": one.step.kind.name, "name": one.step.name, "change": one.step.verb(), "outcome": fate })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::kinds::find;
    use super::super::plan::Step;
    use super::super::written;
    use super::*;
    use crate::args::Cli;

    fn step(name: &str) -> Tried {
        let step = Step {
            kind: find("BootConfiguration").unwrap(),
            name: name.to_owned(),
            before: None,
            after: Some(serde_json::Map::new()),
            declared: Vec::new(),
            place: None,
        };
        let parts = written::parts(&crate::api::catalogue().unwrap(), &step).unwrap();
        Tried { step, parts }
    }

    fn told(made_of: &[usize], failed: Option<(usize, Status)>) -> Result<(), CliError> {
        let steps = [step("a"), step("b"), step("c")];
        let account = Account {
            made: made_of.to_vec(),
            failed: failed.map(|(at, status)| (vec![at], status)),
        };
        let cli = Cli::try_parse_from(["chamois", "cluster", "status"]).unwrap();
        made(&cli.global, &steps, 4, &account)
    }

    #[test]
    fn what_failed_on_the_way_is_accounted_for_exactly() {
        let error = told(&[1, 0, 0], Some((1, Status::invalid_argument("no kernel")))).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 7);
        for part in [
            "BootConfiguration b: no kernel",
            "BootConfiguration b created: not done",
            "BootConfiguration c created: not done, because it comes after",
            "1 done before it",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn where_nothing_was_done_the_failure_keeps_its_class() {
        let error = told(&[0, 0, 0], Some((0, Status::aborted("revision 9")))).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains("nothing was changed"), "{error}");
        told(&[1, 1, 1], None).unwrap();
    }

    /// A broken connection says nothing of whether the change was made.
    #[test]
    fn an_unknown_outcome_is_not_called_a_failure() {
        let error = told(&[1, 0, 0], Some((1, Status::deadline_exceeded("late")))).unwrap_err();
        assert!(
            error.to_string().contains("b created: may have been done or not"),
            "{error}"
        );
    }

    #[test]
    fn nothing_to_do_is_unchanged() {
        assert_eq!(summary(0, 7), "unchanged: 7");
        assert_eq!(summary(2, 7), "2 changed, 7 unchanged");
    }
}
