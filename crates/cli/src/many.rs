//! One request for each of several objects: what was done, what was not, and why, with the names folded.

use std::collections::BTreeMap;

use rpc::client::ONLY_TRIED;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::fold::fold;
use crate::output;

/// What became of each.
#[derive(Debug, Default)]
pub(crate) struct Many {
    done: Vec<String>,
    /// Names by the reason.
    failed: BTreeMap<String, Vec<String>>,
    /// Class of the first failure.
    kind: Option<Kind>,
    revision: u64,
}

impl Many {
    /// Counts the answer for one of them. A write that was tried out only is neither done nor failed.
    ///
    /// # Errors
    /// What says nothing of this one, and would hold for all others: then what was done is told by the error.
    pub(crate) fn add(&mut self, name: String, answer: Result<u64, Status>) -> Result<(), CliError> {
        match answer {
            Ok(revision) => {
                self.revision = self.revision.max(revision);
                self.done.push(name);
            }
            Err(status) if status.code() == Code::Cancelled && status.message() == ONLY_TRIED => {}
            Err(status) if is_of_one(&status) => self.refuse(name, &status),
            Err(status) => return Err(self.broken_off(&name, status)),
        }
        Ok(())
    }

    fn refuse(&mut self, name: String, status: &Status) {
        let reason = status.message().replace(&name, "it");
        self.failed.entry(reason).or_default().push(name);
        self.kind
            .get_or_insert_with(|| CliError::from(status.clone()).kind());
    }

    fn broken_off(&self, name: &str, status: Status) -> CliError {
        if self.done.is_empty() && self.failed.is_empty() {
            return status.into();
        }
        let mut lines = vec![format!("{name}: {}", status.message())];
        let kind = match self.done.is_empty() {
            true => CliError::from(status).kind(),
            false => {
                lines.push(format!("done before it: {}", folded(&self.done)));
                Kind::Partly
            }
        };
        lines.extend(self.failures());
        CliError::new(kind, lines.join("\n"))
    }

    /// A line for each reason.
    fn failures(&self) -> Vec<String> {
        let failed = self.failed.iter();
        failed
            .map(|(reason, names)| format!("{}: {reason}", folded(names)))
            .collect()
    }

    /// Tells what was done; `verb` is the past of what was asked for.
    ///
    /// # Errors
    /// What failed: `Partly` if something was done, else the class of the first failure.
    pub(crate) fn end(self, global: &GlobalArgs, verb: &str, more: &Value) -> Result<(), CliError> {
        let failures: Vec<Value> = self
            .failed
            .iter()
            .map(|(reason, names)| json!({ "names": names, "reason": reason }))
            .collect();
        let mut answer = json!({ "done": self.done, "failed": failures, "revision": self.revision });
        if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
            answer.extend(more.clone());
        }
        if !self.done.is_empty() {
            output::done_value(global, &answer, || {
                format!("{verb} {} (revision {})", folded(&self.done), self.revision)
            })?;
        }
        let Some(kind) = self.kind else { return Ok(()) };
        let kind = if self.done.is_empty() { kind } else { Kind::Partly };
        Err(CliError::new(kind, self.failures().join("\n")))
    }
}

fn folded(names: &[String]) -> String {
    fold(names.iter().map(String::as_str)).join(",")
}

fn is_of_one(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(answers: &[(&str, Result<u64, Status>)]) -> Result<(), CliError> {
        let mut many = Many::default();
        for (name, answer) in answers {
            many.add((*name).to_owned(), answer.clone())?;
        }
        many.end(&GlobalArgs::default(), "deleted", &json!({}))
    }

    #[test]
    fn what_failed_for_one_reason_is_folded_and_the_rest_is_done() {
        let locked = |name: &str| Err(Status::failed_precondition(format!("{name} is locked")));
        let error = ended(&[
            ("x0c0s0b0n0", Ok(7)),
            ("x0c0s1b0n0", locked("x0c0s1b0n0")),
            ("x0c0s2b0n0", locked("x0c0s2b0n0")),
        ])
        .unwrap_err();
        assert_eq!(
            (error.exit_code(), error.to_string()),
            (7, "x0c0s[1-2]b0n0: it is locked".to_owned())
        );
    }

    #[test]
    fn where_nothing_was_done_the_failure_keeps_its_class() {
        let error = ended(&[("a", Err(Status::not_found("a is not there")))]).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        ended(&[("a", Ok(7)), ("b", Ok(8))]).unwrap();
        ended(&[("a", Err(Status::cancelled(ONLY_TRIED)))]).unwrap();
    }

    #[test]
    fn a_call_that_was_cancelled_is_no_success() {
        let cancelled = || Err(Status::cancelled("the member is ending"));
        let error = ended(&[("a", cancelled())]).unwrap_err();
        assert!(error.to_string().contains("the member is ending"), "{error}");
        let error = ended(&[
            ("a", Ok(7)),
            ("b", Err(Status::not_found("b is not there"))),
            ("c", cancelled()),
        ])
        .unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert_eq!(
            error.to_string(),
            "c: the member is ending\ndone before it: a\nb: it is not there"
        );
    }

    /// What failed before is told where nothing was done, too.
    #[test]
    fn a_cluster_that_is_gone_does_not_hide_what_failed_before() {
        let error = ended(&[
            ("a", Err(Status::not_found("a is not there"))),
            ("b", Err(Status::unavailable("no majority"))),
        ])
        .unwrap_err();
        assert_eq!(
            (error.exit_code(), error.to_string()),
            (6, "b: no majority\na: it is not there".to_owned())
        );
    }

    #[test]
    fn a_cluster_that_is_gone_ends_it_with_what_was_done() {
        let error = ended(&[
            ("a", Ok(7)),
            ("b", Err(Status::unavailable("no majority"))),
            ("c", Ok(8)),
        ])
        .unwrap_err();
        assert_eq!(error.exit_code(), 7);
        let text = error.to_string();
        assert!(
            text.contains("no majority") && text.contains("done before it: a"),
            "{text}"
        );
    }
}
