//! Changes for people: unified, as `diff -u` shows them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

use super::Plan;
use super::plan::Change;
use super::present::Present;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Bytes that are compared at once.
const BLOCK: usize = 256;
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
    let (before, after) = differing(&before, after);
    let diff = diff(before, after);
    let count = |tag| diff.iter_all_changes().filter(|line| line.tag() == tag).count();
    (count(ChangeTag::Insert), count(ChangeTag::Delete))
}

fn of_file(change: &Change) -> String {
    let (before, after) = sides(change);
    let path = change.destination.display().to_string();
    let name = |there: bool| if there { path.as_str() } else { "/dev/null" };
    let (old, new) = (name(change.present.is_some()), name(change.wanted.is_some()));
    let diff = diff(&before, after);
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

fn sides(change: &Change) -> (Cow<'_, str>, &str) {
    let before = change.present.as_ref().map(Present::text);
    let after = change.wanted.as_ref().map(|wanted| wanted.text.as_str());
    (before.unwrap_or_default(), after.unwrap_or_default())
}

/// The lines from the first to the last that differ: of a file of 10,000 hosts that is mostly one, and to compare all costs more
/// than to write them.
fn differing<'a>(before: &'a str, after: &'a str) -> (&'a str, &'a str) {
    let ahead = same(before.as_bytes(), after.as_bytes());
    // to the beginning of its line; a line that has no end yet is not the same as one that has
    let ahead = before.as_bytes()[..ahead]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let (before, after) = (&before[ahead..], &after[ahead..]);
    let behind = same_behind(before.as_bytes(), after.as_bytes());
    let tail = &before.as_bytes()[before.len() - behind..];
    // behind the end of a line: what is before it there may differ
    let behind = tail
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(0, |at| tail.len() - at - 1);
    (&before[..before.len() - behind], &after[..after.len() - behind])
}

/// Bytes that are the same from the beginning; blocks first, which are compared as fast as memory is read.
fn same(one: &[u8], other: &[u8]) -> usize {
    let blocks = one.chunks(BLOCK).zip(other.chunks(BLOCK));
    let blocks = blocks.take_while(|(a, b)| a == b).map(|(a, _)| a.len());
    let ahead: usize = blocks.sum();
    let bytes = one[ahead..].iter().zip(&other[ahead..]);
    ahead + bytes.take_while(|(a, b)| a == b).count()
}

/// The same from the end.
fn same_behind(one: &[u8], other: &[u8]) -> usize {
    let blocks = one.rchunks(BLOCK).zip(other.rchunks(BLOCK));
    let blocks = blocks.take_while(|(a, b)| a == b).map(|(a, _)| a.len());
    let behind: usize = blocks.sum();
    let (one, other) = (&one[..one.len() - behind], &other[..other.len() - behind]);
    let bytes = one.iter().rev().zip(other.iter().rev());
    behind + bytes.take_while(|(a, b)| a == b).count()
}

fn words(change: &Change) -> &'static str {
    match change.kind {
        super::ChangeKind::Created => "would be created",
        super::ChangeKind::Changed => "would change",
        super::ChangeKind::Removed => "would be removed",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_lines_that_differ_are_left() {
        for (before, after, left) in [
            ("a\nb\nc\n", "a\nx\nc\n", ("b\n", "x\n")),
            ("a\nb\n", "a\nb\n", ("", "")),
            ("", "a\n", ("", "a\n")),
            ("a\nb\n", "a\n", ("b\n", "")),
            ("a\nb", "a\nb\n", ("b", "b\n")),
            ("xa\nb\n", "ya\nb\n", ("xa\n", "ya\n")),
            ("ä\nb\n", "å\nb\n", ("ä\n", "å\n")),
        ] {
            assert_eq!(differing(before, after), left, "{before:?} {after:?}");
        }
    }

    fn counted(before: &str, after: &str) -> (usize, usize) {
        let diff = diff(before, after);
        let count = |tag| diff.iter_all_changes().filter(|line| line.tag() == tag).count();
        (count(ChangeTag::Insert), count(ChangeTag::Delete))
    }

    fn lines() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "a\n",
            "b\n",
            "ab\n",
            "ä\n",
            "\n",
            "long line of some words\n",
        ]);
        (
            prop::collection::vec(line, 0..60),
            prop::sample::select(vec!["", "a", "end"]),
        )
            .prop_map(|(lines, end)| lines.concat() + end)
    }

    proptest! {
        /// What is left out is in both, so that as many lines come and go.
        #[test]
        fn as_many_lines_are_counted_as_in_the_whole(before in lines(), after in lines(), around in lines()) {
            let (before, after) = (format!("{around}{before}{around}"), format!("{around}{after}{around}"));
            let (one, other) = differing(&before, &after);
            prop_assert_eq!(counted(one, other), counted(&before, &after));
        }
    }
}
