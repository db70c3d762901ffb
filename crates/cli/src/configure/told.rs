//! What became of a set, as a line for people or for programs.

use configurator::apply::{Applied, ApplyError, ChangeKind, Changed, Outcome};
use serde_json::{Value, json};

use super::whole_text;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output::{self, Format};

/// What became of a set; `set` names it where it failed.
pub(super) struct Told<'a> {
    pub(super) set: &'a str,
    pub(super) result: &'a Result<Applied, ApplyError>,
}

/// One line of what a command tells while it goes on.
pub(super) struct Line {
    /// What it is of, alone on the line for `-o name`.
    pub(super) name: String,
    /// It is told to whoever wants silence, too.
    pub(super) has_failed: bool,
    pub(super) text: String,
    pub(super) json: Value,
}

impl Line {
    /// Prints it. False when nobody reads any more.
    pub(super) fn print(self, global: &GlobalArgs) -> Result<bool, CliError> {
        let format = global.output;
        if global.quiet && !format.is_document() && !self.has_failed {
            return Ok(true);
        }
        output::print_line(Some(match format {
            Format::Json | Format::Jsonl | Format::Yaml => output::stream_item(format, &self.json),
            Format::Name => self.name,
            Format::Table | Format::Wide => self.text,
        }))
    }
}

impl Told<'_> {
    /// Prints its line; to whoever wants silence only what failed. False when nobody reads any more.
    pub(super) fn print(&self, global: &GlobalArgs) -> Result<bool, CliError> {
        let line = Line {
            name: self.set.to_owned(),
            has_failed: self
                .result
                .as_ref()
                .map_or(true, |applied| applied.problem.is_some()),
            text: self.text(),
            json: self.json(),
        };
        line.print(global)
    }

    /// Whether it is worth a line where nobody has asked: something happened.
    pub(super) fn is_news(&self) -> bool {
        match self.result {
            Ok(applied) => {
                applied.outcome == Outcome::Replaced || applied.reloaded || applied.problem.is_some()
            }
            Err(_) => true,
        }
    }

    pub(super) fn text(&self) -> String {
        let applied = match self.result {
            Ok(applied) => applied,
            Err(error) => return format!("{} failed: {}", self.set, whole_text(error)),
        };
        let mut text = format!("{} {}", applied.set, word(applied.outcome));
        let files: Vec<String> = applied.changes.iter().map(changed).collect();
        if !files.is_empty() {
            text += &format!(" at revision {}: {}", applied.revision, files.join(", "));
        }
        if applied.outcome == Outcome::Held {
            text += &format!(": `chamois configure apply {}` goes on with it", applied.set);
        }
        for note in &applied.notes {
            text += &format!("; {note}");
        }
        if applied.reloaded {
            text += "; reloaded";
        }
        if let Some(problem) = &applied.problem {
            text += &format!("; {}", whole_text(problem));
        }
        text
    }

    fn json(&self) -> Value {
        match self.result {
            Ok(applied) => json!({
                "set": applied.set,
                "outcome": applied.outcome,
                "revision": applied.revision,
                "files": applied.changes,
                "notes": applied.notes,
                "reloaded": applied.reloaded,
                "problem": applied.problem.as_ref().map(whole_text),
            }),
            Err(error) => json!({ "set": self.set, "outcome": "failed", "problem": whole_text(error) }),
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unchanged => "is as it is to be",
        Outcome::Replaced => "replaced",
        Outcome::Held => "stays as it was rolled back",
    }
}

fn changed(changed: &Changed) -> String {
    let path = changed.destination.display();
    match changed.kind {
        ChangeKind::Created => format!("{path} (new)"),
        ChangeKind::Removed => format!("{path} (removed)"),
        ChangeKind::Changed => format!("{path} (+{} -{})", changed.added, changed.removed),
    }
}

/// The error of a command for what became of all its sets.
pub(super) fn judge(results: &[Result<Applied, ApplyError>]) -> Result<(), CliError> {
    let failed = results.iter().filter(|result| match result {
        Ok(applied) => applied.problem.is_some(),
        Err(_) => true,
    });
    match (failed.count(), results) {
        (0, _) => Ok(()),
        (_, [Err(error)]) => Err(super::cli_error(error)),
        (failed, all) if failed == all.len() => Err(CliError::new(
            Kind::Other,
            format!("all {failed} file sets failed"),
        )),
        (failed, all) => {
            let text = format!(
                "{failed} of {} file sets failed; the others are in place",
                all.len()
            );
            Err(CliError::new(Kind::Partly, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(outcome: Outcome) -> Applied {
        Applied {
            set: "hosts".to_owned(),
            revision: 7,
            outcome,
            changes: Vec::new(),
            notes: Vec::new(),
            reloaded: false,
            problem: None,
        }
    }

    fn text(result: &Result<Applied, ApplyError>) -> String {
        Told { set: "hosts", result }.text()
    }

    #[test]
    fn a_line_says_which_files_changed_by_how_much() {
        let mut replaced = applied(Outcome::Replaced);
        replaced.changes.push(Changed {
            destination: "/etc/hosts".into(),
            kind: ChangeKind::Changed,
            added: 2,
            removed: 1,
        });
        replaced.reloaded = true;
        let line = text(&Ok(replaced));
        assert_eq!(line, "hosts replaced at revision 7: /etc/hosts (+2 -1); reloaded");
        assert!(text(&Ok(applied(Outcome::Held))).contains("configure apply hosts"));
    }

    #[test]
    fn only_what_happened_is_news() {
        let is_news = |result: &Result<Applied, ApplyError>| Told { set: "hosts", result }.is_news();
        assert!(!is_news(&Ok(applied(Outcome::Unchanged))));
        assert!(
            !is_news(&Ok(applied(Outcome::Held))),
            "it was told when it was rolled back"
        );
        assert!(is_news(&Ok(applied(Outcome::Replaced))));
        assert!(is_news(&Err(failure())));
    }

    fn failure() -> ApplyError {
        ApplyError::Check {
            program: "named-checkzone".to_owned(),
            problem: "line 3".to_owned(),
        }
    }

    #[test]
    fn some_failures_of_many_have_their_exit_code() {
        assert!(judge(&[Ok(applied(Outcome::Replaced))]).is_ok());
        let partly = judge(&[Ok(applied(Outcome::Replaced)), Err(failure())]).unwrap_err();
        assert_eq!(partly.kind(), Kind::Partly);
        let alone = judge(&[Err(failure())]).unwrap_err();
        assert!(alone.to_string().contains("line 3") && alone.kind() == Kind::Other);
        let mut late = applied(Outcome::Replaced);
        late.problem = Some(failure());
        assert!(judge(&[Ok(late)]).is_err());
    }
}
