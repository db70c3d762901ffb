//! What a check has found, and how it is shown.

use serde::Serialize;

use crate::output;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// As it should be.
    Ok,
    /// It could not be looked at, or is worth knowing.
    Note,
    /// It will be trouble, or is for some.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "ERROR",
        }
    }
}

/// One thing that a check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Name of the check; set where the checks are run.
    pub(crate) check: &'static str,
    pub(crate) severity: Severity,
    /// What it is about: an address, a member, a file.
    pub(crate) subject: String,
    /// What is so.
    pub(crate) what: String,
    /// What to do; empty where nothing is to be done.
    pub(crate) remedy: String,
}

impl Finding {
    fn new(severity: Severity, subject: impl Into<String>, what: impl Into<String>, remedy: &str) -> Self {
        Self {
            check: "",
            severity,
            subject: subject.into(),
            what: what.into(),
            remedy: remedy.to_owned(),
        }
    }

    pub(crate) fn ok(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Ok, subject, what, "")
    }

    pub(crate) fn note(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, subject, what, "")
    }

    pub(crate) fn warning(
        subject: impl Into<String>,
        what: impl Into<String>,
        remedy: impl AsRef<str>,
    ) -> Self {
        Self::new(Severity::Warning, subject, what, remedy.as_ref())
    }

    pub(crate) fn error(
        subject: impl Into<String>,
        what: impl Into<String>,
        remedy: impl AsRef<str>,
    ) -> Self {
        Self::new(Severity::Error, subject, what, remedy.as_ref())
    }
}

/// Everything that was found, in the order of the checks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn of(findings: Vec<Finding>) -> Self {
        Self(findings)
    }

    /// Only what somebody should do something about.
    pub(super) fn problems(&self) -> Self {
        let bad = |finding: &&Finding| finding.severity >= Severity::Warning;
        Self(self.0.iter().filter(bad).cloned().collect())
    }

    pub(super) fn count(&self, severity: Severity) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The same for programs.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        serde_json::json!({
            "findings": self.0,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
        })
    }

    /// A row for each finding, its remedy below what it says; the numbers last.
    pub(crate) fn render(&self) -> String {
        let mut table = output::table(["CHECK", "RESULT", "ABOUT", "FOUND"]);
        let mut check = "";
        for finding in &self.0 {
            let said = match finding.remedy.as_str() {
                "" => finding.what.clone(),
                remedy => format!("{}\n→ {remedy}", finding.what),
            };
            let name = if finding.check == check { "" } else { finding.check };
            check = finding.check;
            table.add_row([name, finding.severity.word(), &finding.subject, &said]);
        }
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        format!("{table}\n{errors} error(s), {warnings} warning(s)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::of(vec![
            Finding::ok("a:7441", "answers"),
            Finding::warning("b:7441", "is slow", "Look at its disk."),
            Finding::error("c:7441", "is away", "Start it."),
        ])
    }

    #[test]
    fn each_problem_is_shown_with_its_remedy() {
        let text = report().render();
        for part in [
            "ok",
            "a:7441",
            "is slow",
            "→ Look at its disk.",
            "ERROR",
            "→ Start it.",
            "1 error(s), 1 warning(s)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_is_as_it_should_be_can_be_left_out() {
        let problems = report().problems();
        assert_eq!(problems.0.len(), 2);
        assert!(!problems.render().contains("a:7441"));
    }

    /// Scripts count and filter by these keys.
    #[test]
    fn programs_read_findings_and_numbers() {
        let value = report().to_value();
        assert_eq!((&value["errors"], &value["warnings"]), (&1.into(), &1.into()));
        assert_eq!(value["findings"][2]["severity"], "error");
        assert_eq!(value["findings"][2]["remedy"], "Start it.");
    }
}
