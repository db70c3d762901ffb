//! `chamois policy test`: what a site expects of its policies, checked before somebody else finds out.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::ask::{Question, ask, verdict};
use super::file;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois policy test`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois policy test expected.yaml

The file is a list, as YAML or JSON:

  - {principal: user/ada, groups: [hpc-ops], action: bss.write, object: x1000c0s0b0n0, expect: allow}
  - {principal: service/sync, action: 'DELETE /hsm/v2/State/Components', expect: deny}

Exit code 1 if one is not met; each of those is named. It needs auth.admin.")]
pub struct TestArgs {
    /// Expectations, YAML or JSON
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// One line of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    principal: String,
    #[serde(default)]
    groups: Vec<String>,
    action: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    kind: String,
    expect: Expected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Deny,
}

impl Expectation {
    fn question(&self) -> Question {
        Question {
            principal: self.principal.clone(),
            action: self.action.clone(),
            object: self.object.clone(),
            groups: self.groups.clone(),
            kind: self.kind.clone(),
        }
    }

    /// What is wrong, if the answer is not as expected.
    fn unmet(&self, number: usize, allowed: bool, verdict: &str) -> Option<String> {
        if allowed == (self.expect == Expected::Allow) {
            return None;
        }
        let Expectation {
            principal,
            action,
            object,
            ..
        } = self;
        let words = [principal, action, object];
        let words: Vec<&str> = words
            .into_iter()
            .map(String::as_str)
            .filter(|word| !word.is_empty())
            .collect();
        Some(format!("number {number}: {}: {verdict}", words.join(" ")))
    }
}

pub(super) async fn run(global: &GlobalArgs, args: TestArgs) -> Result<(), CliError> {
    let all: Vec<Expectation> = file::read(&args.file)?;
    if all.is_empty() {
        let text = format!("{} expects nothing", args.file.display());
        return Err(CliError::new(Kind::Usage, text));
    }
    let mut unmet = Vec::new();
    for (number, expectation) in (1..).zip(&all) {
        let answer = ask(global, expectation.question()).await?;
        unmet.extend(expectation.unmet(number, answer.allowed, &verdict(&answer)));
    }
    if unmet.is_empty() {
        return output::print(format_args!("{} expectations are met", all.len()));
    }
    let text = format!(
        "{} of {} expectations are not met\n{}",
        unmet.len(),
        all.len(),
        unmet.join("\n")
    );
    Err(CliError::new(Kind::Other, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectations(text: &str) -> Result<Vec<Expectation>, CliError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("expected.yaml");
        std::fs::write(&path, text).unwrap();
        file::read(&path)
    }

    #[test]
    fn an_expectation_that_is_not_met_is_named() {
        let all = expectations(
            "- {principal: user/ada, groups: [ops], action: bss.write, object: x0, expect: allow}\n\
             - {principal: service/sync, action: GET /a, expect: deny}\n",
        )
        .unwrap();
        assert_eq!(all[0].question().groups, ["ops"]);
        assert_eq!(all[0].unmet(1, true, "allowed"), None);
        assert_eq!(all[1].unmet(2, false, "denied"), None);
        let unmet = all[1].unmet(2, true, "allowed by a").unwrap();
        assert_eq!(unmet, "number 2: service/sync GET /a: allowed by a");
        assert_eq!(
            all[0].unmet(1, false, "denied").unwrap(),
            "number 1: user/ada bss.write x0: denied"
        );
    }

    #[test]
    fn a_file_that_says_something_else_is_refused() {
        for wrong in [
            "- {principal: user/ada, action: bss.write, expect: maybe}",
            "- {principal: user/ada, action: bss.write}",
            "- {principal: user/ada, action: bss.write, expect: deny, objects: [x0]}",
            "principal: user/ada",
        ] {
            assert_eq!(expectations(wrong).unwrap_err().kind(), Kind::Usage, "{wrong}");
        }
    }
}
