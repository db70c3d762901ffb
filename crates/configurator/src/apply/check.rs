//! Staged files, judged by the programs that will read them.

use std::path::Path;
use std::time::Duration;

use super::command::{find, run};
use super::file_set::Source;
use super::{ApplyError, FileSet, Plan};
use crate::target::{Check, target};

/// How long a target's own checker may take.
const CHECKER_AT_MOST: Duration = Duration::from_secs(30);
/// Stands for a staged file, and for the folder that all are in.
const FILE: &str = "{file}";
const DIR: &str = "{dir}";
/// What is said instead of a checker's words, which may quote a line of the file.
const NOT_SHOWN: &str = "what it said is not shown, as there are secrets in the file";

/// Runs all checkers; what was not checked, for people.
pub(crate) fn all(set: &FileSet, plan: &Plan, staged: &Path) -> Result<Vec<String>, ApplyError> {
    let mut notes = Vec::new();
    if let (Source::Target(name), true) = (&set.source, set.target_checks) {
        for check in target(name)?.checks {
            notes.extend(by_target(check, plan, staged)?);
        }
    }
    by_site(set, plan, staged)?;
    Ok(notes)
}

fn by_target(check: &Check, plan: &Plan, staged: &Path) -> Result<Option<String>, ApplyError> {
    let files: Vec<_> = plan
        .places
        .iter()
        .map(|place| &place.path)
        .filter(|path| path.ends_with(check.path))
        .collect();
    if files.is_empty() {
        return Ok(None);
    }
    let Some(program) = find(check.needs()).and_then(|_| find(check.program)) else {
        return Ok(Some(format!(
            "not checked by {}, which is not on this host",
            check.needs()
        )));
    };
    let each = check.args.iter().any(|arg| arg.contains(FILE));
    for file in files.iter().take(if each { usize::MAX } else { 1 }) {
        let file = staged.join(file);
        let with = |arg: &&str| {
            arg.replace(FILE, &file.to_string_lossy())
                .replace(DIR, &staged.to_string_lossy())
        };
        let arguments: Vec<String> = check.args.iter().map(with).collect();
        run(&program, &arguments, &[], CHECKER_AT_MOST)
            .map_err(|problem| refused(check.needs(), &problem, plan, staged))?;
    }
    Ok(None)
}

fn by_site(set: &FileSet, plan: &Plan, staged: &Path) -> Result<(), ApplyError> {
    let Some(check) = &set.check else {
        return Ok(());
    };
    let each = check.mentions(FILE);
    for place in plan.places.iter().take(if each { usize::MAX } else { 1 }) {
        let file = staged.join(&place.path);
        let replaced = [
            (FILE, &*file.to_string_lossy()),
            (DIR, &*staged.to_string_lossy()),
        ];
        let environment = [("CHAMOIS_FILE_SET", set.name.as_str())];
        let checked = check.run(&replaced, &environment);
        checked.map_err(|problem| refused(check.program(), &problem, plan, staged))?;
    }
    Ok(())
}

/// The checker's words without the name of a folder that is gone when somebody reads them.
fn refused(program: &str, problem: &str, plan: &Plan, staged: &Path) -> ApplyError {
    let folder = format!("{}/", staged.display());
    ApplyError::Check {
        program: program.to_owned(),
        problem: match plan.hidden {
            true => NOT_SHOWN.to_owned(),
            false => problem.replace(&folder, ""),
        },
    }
}
