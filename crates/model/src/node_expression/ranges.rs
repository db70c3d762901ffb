//! What stands in brackets: `1-3,07,10-20/2`.

use crate::node_names::Index;

use super::too_many;

/// Where something is wrong, from the begin of the text, and what.
pub(super) type Problem = (usize, String);

/// The numbers, sorted, each once. All that are written are taken from `left`, those that stand there twice, too: it bounds the work,
/// whatever the text, and is looked at before a range is written out.
pub(super) fn numbers(text: &str, left: &mut usize) -> Result<Vec<Index>, Problem> {
    let mut found = Vec::new();
    let mut at = 0;
    for item in text.split(',') {
        let (from, to, step) = range(item).map_err(|(within, problem)| (at + within, problem))?;
        let count = (to.value() - from.value()) / step + 1;
        let rest = usize::try_from(count)
            .ok()
            .and_then(|count| left.checked_sub(count));
        *left = rest.ok_or_else(|| (at, too_many()))?;
        // a number that is written without leading zeros gets none
        let is_padded = from.is_padded() || to.is_padded();
        let width = if is_padded { from.width() } else { 1 };
        let steps = (0..count).map(|n| Index::padded(from.value() + n * step, width));
        found.extend(steps);
        at += item.len() + 1;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// First, last and step.
fn range(item: &str) -> Result<(Index, Index, u64), Problem> {
    let (bounds, step) = match item.split_once('/') {
        None => (item, 1),
        Some((bounds, step)) => (
            bounds,
            step_of(step).map_err(|problem| (bounds.len() + 1, problem))?,
        ),
    };
    if item.trim().is_empty() {
        return Err((0, "a number is missing here".to_owned()));
    }
    let Some((from, to)) = bounds.split_once('-') else {
        let one = number(bounds, 0)?;
        return match step {
            1 => Ok((one, one, 1)),
            _ => Err((bounds.len(), "a step belongs to a range, as in 0-8/2".to_owned())),
        };
    };
    let (first, last) = (number(from, 0)?, number(to, from.len() + 1)?);
    if (first.is_padded() || last.is_padded()) && first.width() != last.width() {
        let problem = "with leading zeros both ends need as many digits, as in 008-012";
        return Err((0, problem.to_owned()));
    }
    match first.value() <= last.value() {
        true => Ok((first, last, step)),
        false => Err((0, "this range ends before it begins".to_owned())),
    }
}

fn step_of(text: &str) -> Result<u64, String> {
    let step = text.trim().parse().ok().filter(|step| *step > 0);
    step.ok_or_else(|| "a step is a number from 1".to_owned())
}

fn number(text: &str, at: usize) -> Result<Index, Problem> {
    Index::of(text.trim()).ok_or_else(|| {
        let blanks = text.len() - text.trim_start().len();
        let wrong = |c: &(usize, char)| !c.1.is_ascii_digit();
        let within = text
            .char_indices()
            .skip(blanks)
            .find(wrong)
            .map_or(0, |(within, _)| within);
        (
            at + within,
            "write numbers of up to 18 digits, and ranges as 0-7".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::NODE_NAMES_MAX;
    use super::*;

    fn read(text: &str) -> Result<Vec<Index>, Problem> {
        let mut left = NODE_NAMES_MAX;
        numbers(text, &mut left)
    }

    fn shown(text: &str) -> String {
        let numbers = read(text).unwrap();
        numbers.iter().map(Index::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ranges_keep_their_zeros_and_go_in_steps() {
        for (text, expected) in [
            ("1-3", "1 2 3"),
            ("3,1,1-2", "1 2 3"),
            ("8-11", "8 9 10 11"),
            ("08-11", "08 09 10 11"),
            ("000-002", "000 001 002"),
            ("0-10/4", "0 4 8"),
            ("00-10/5", "00 05 10"),
            ("7", "7"),
            ("007", "007"),
            (" 1 - 2 , 4 ", "1 2 4"),
            ("0-4 / 2", "0 2 4"),
            ("99-101", "99 100 101"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (text, at, part) in [
            ("", 0, "missing"),
            ("1,,2", 2, "missing"),
            ("1,", 2, "missing"),
            ("3-1", 0, "before it begins"),
            ("1,5-a", 4, "numbers"),
            ("-5", 0, "numbers"),
            ("1-2-3", 3, "numbers"),
            ("01-100", 0, "leading zeros"),
            ("1-010", 0, "leading zeros"),
            ("1-9/0", 4, "step"),
            ("1-9/x", 4, "step"),
            ("5/2", 1, "step"),
            ("1,0-1000000", 2, "1000000 names"),
            ("0-999999999999999999", 0, "1000000 names"),
            ("1234567890123456789", 0, "18 digits"),
        ] {
            let (found, problem) = read(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
            assert_eq!(found, at, "{text}: {problem}");
        }
    }

    /// Else the same range a thousand times would be a thousand times the work, and few numbers in the end.
    #[test]
    fn numbers_that_stand_there_twice_count_twice() {
        let mut left = 10;
        assert_eq!(numbers("1-4,1-4", &mut left).unwrap().len(), 4);
        assert_eq!(left, 2);
        let (at, problem) = numbers("1-2,1", &mut left).unwrap_err();
        assert!(at == 4 && problem.contains("names"), "{at}: {problem}");
    }
}
