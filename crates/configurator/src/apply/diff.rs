//! Changes for people: unified, as `diff -u` shows them.

use std::fmt::Write as _;
use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

use super::Plan;
use super::plan::Change;

/// Lines around a change.
const CONTEXT: usize = 3;
/// A smaller difference is not looked for any longer.
const LOOKED_FOR_AT_MOST: Duration = Duration::from_secs(2);

/// All changes of a plan as one text; where there are secrets in them, or were, only that they differ.
pub fn unified(plan: &Plan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        text += &match plan.hidden {
            true => format!(
                "{}: {}; not shown, as there are secrets in it\n",
                change.destination.display(),
                words(change)
            ),
            false => of_file(change),
        };
    }
    text
}

/// Lines that a change adds and takes away.
pub(crate) fn counts(change: &Change) -> (usize, usize) {
    let (before, after) = sides(change);
    let diff = diff(&before, &after);
    let count = |tag| diff.iter_all_changes().filter(|line| line.tag() == tag).count();
    (count(ChangeTag::Insert), count(ChangeTag::Delete))
}

fn of_file(change: &Change) -> String {
    let (before, after) = sides(change);
    let path = change.destination.display().to_string();
    let name = |there: bool| if there { path.as_str() } else { "/dev/null" };
    let (old, new) = (name(change.present.is_some()), name(change.wanted.is_some()));
    let diff = diff(&before, &after);
    let unified = diff.unified_diff().context_radius(CONTEXT).to_string();
    let mut text = String::new();
    // written by hand, so that an empty file that comes or goes is shown, too
    let _ = writeln!(text, "--- {old}\n+++ {new}");
    text + &unified
}

fn diff<'a>(before: &'a str, after: &'a str) -> TextDiff<'a, 'a, 'a, str> {
    TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(LOOKED_FOR_AT_MOST)
        .diff_lines(before, after)
}

fn sides(change: &Change) -> (String, String) {
    let before = change.present.as_ref().map(|present| present.text().into_owned());
    let after = change.wanted.as_ref().map(|wanted| wanted.text.clone());
    (before.unwrap_or_default(), after.unwrap_or_default())
}

fn words(change: &Change) -> &'static str {
    match change.kind {
        super::ChangeKind::Created => "would be created",
        super::ChangeKind::Changed => "would change",
        super::ChangeKind::Removed => "would be removed",
    }
}
