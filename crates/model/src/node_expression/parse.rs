//! From a text to its steps.

use super::ranges::{self, Problem};
use super::term::{Part, Term};
use super::{NODE_EXPRESSION_BYTES_MAX, NODE_NAMES_BYTES_MAX, NODE_NAMES_MAX, Operator, too_many};

/// What a text may still make.
struct Left {
    /// Names and groups it spells.
    names: usize,
    /// Their bytes.
    bytes: usize,
    /// Numbers in brackets: a name may have many.
    numbers: usize,
}

impl Left {
    /// Takes what a term spells.
    fn take(&mut self, term: &Term) -> Result<(), String> {
        let work = term.work();
        self.names = self.names.checked_sub(work.names).ok_or_else(too_many)?;
        let bytes = self.bytes.checked_sub(work.bytes);
        self.bytes = bytes.ok_or_else(|| {
            let bound = NODE_NAMES_BYTES_MAX >> 20;
            format!("these names are longer than {bound} MiB in all: write shorter names or ranges")
        })?;
        Ok(())
    }
}

/// What a text says.
#[derive(Debug)]
pub(super) struct Steps {
    /// What is done with which names, from left to right.
    pub(super) steps: Vec<(Operator, Term)>,
    /// Numbers that stand in brackets, those that stand there twice, too.
    pub(super) numbers: usize,
}

pub(super) fn steps(text: &str) -> Result<Steps, Problem> {
    if text.len() > NODE_EXPRESSION_BYTES_MAX {
        let problem = format!("this text is longer than {NODE_EXPRESSION_BYTES_MAX} bytes");
        return Err((NODE_EXPRESSION_BYTES_MAX, problem));
    }
    let mut steps = Vec::new();
    let mut left = Left {
        names: NODE_NAMES_MAX,
        bytes: NODE_NAMES_BYTES_MAX,
        numbers: NODE_NAMES_MAX,
    };
    let (mut operator, mut at) = (Operator::Union, blanks(text, 0));
    while at < text.len() {
        let (term, end) = term(text, at, &mut left.numbers)?;
        left.take(&term).map_err(|problem| (at, problem))?;
        steps.push((operator, term));
        at = blanks(text, end);
        operator = Operator::Union;
        if let Some(next) = text[at..].chars().next().and_then(Operator::of) {
            let sign = at;
            operator = next;
            at = blanks(text, at + 1);
            if at >= text.len() {
                return Err((sign, "names are missing behind this".to_owned()));
            }
        }
    }
    Ok(Steps {
        steps,
        numbers: NODE_NAMES_MAX - left.numbers,
    })
}

/// Where blanks that begin at `at` end.
fn blanks(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}

/// What begins at `start`, and where it ends. `numbers`: how many may still be in brackets.
fn term(text: &str, start: usize, numbers: &mut usize) -> Result<(Term, usize), Problem> {
    let mut parts = Vec::new();
    let mut at = start;
    loop {
        let end = text[at..]
            .find(ends_text)
            .map_or(text.len(), |length| at + length);
        let piece = &text[at..end];
        let next = text[end..].chars().next();
        check_between(&parts, piece, next, at)?;
        if !piece.is_empty() {
            parts.push(Part::Text(piece.to_owned()));
        }
        at = match next {
            Some('[') => brackets(text, end, piece, numbers, &mut parts)?,
            Some(']') => return Err((end, "there is no [ before this".to_owned())),
            Some(c) if c.is_control() && !c.is_whitespace() => {
                return Err((end, "a name has no control characters".to_owned()));
            }
            _ if parts.is_empty() => return Err((start, "names are missing before this".to_owned())),
            _ if parts == [Part::Text("-".to_owned())] => {
                return Err((start, "write ! for `without`, and ranges as n[1-9]".to_owned()));
            }
            _ if parts == [Part::Text("@".to_owned())] => {
                return Err((start, "the name of a group is missing behind this".to_owned()));
            }
            _ => {
                let term = Term::new(start, parts).map_err(|problem| (start, problem))?;
                return Ok((term, end));
            }
        };
    }
}

fn ends_text(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '[' || c == ']' || Operator::of(c).is_some()
}

/// ClusterShell reads no two brackets without a letter between them.
fn check_between(parts: &[Part], piece: &str, next: Option<char>, at: usize) -> Result<(), Problem> {
    let is_behind_brackets = matches!(parts.last(), Some(Part::Numbers(_)));
    let has_letters = piece.bytes().any(|b| !b.is_ascii_digit());
    match is_behind_brackets && next == Some('[') && !has_letters {
        true => Err((
            at + piece.len(),
            "between two brackets a name needs a letter or a sign".to_owned(),
        )),
        false => Ok(()),
    }
}

/// Reads what begins with `[` at `open`, behind `piece`; where it ends.
fn brackets(
    text: &str,
    open: usize,
    piece: &str,
    left: &mut usize,
    parts: &mut Vec<Part>,
) -> Result<usize, Problem> {
    let inner = open + 1;
    let close = text[inner..].find(']').map(|length| inner + length);
    let close = close.ok_or_else(|| (open, "there is no ] for this".to_owned()))?;
    let list = &text[inner..close];
    let numbers = ranges::numbers(list, left).map_err(|(at, problem)| (inner + at, problem))?;
    let is_behind_digit = piece.ends_with(|c: char| c.is_ascii_digit());
    if is_behind_digit && numbers.windows(2).any(|pair| pair[0].width() != pair[1].width()) {
        let problem =
            "behind a digit all numbers need as many digits: write the whole numbers into the brackets";
        return Err((inner, problem.to_owned()));
    }
    let is_before_digit = text[close + 1..].starts_with(|c: char| c.is_ascii_digit());
    if let Some(step) = list.find('/').filter(|_| is_before_digit) {
        let problem = "before a digit a range has no step: write the whole numbers into the brackets";
        return Err((inner + step, problem.to_owned()));
    }
    parts.push(Part::Numbers(numbers));
    Ok(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_text_is_pointed_at() {
        for (text, at, part) in [
            (",a", 0, "missing before"),
            ("a,", 1, "missing behind"),
            ("a, ", 1, "missing behind"),
            ("a,,b", 2, "missing before"),
            ("a!&b", 2, "missing before"),
            ("n[1-3", 1, "no ]"),
            ("n1]", 2, "no ["),
            ("n[1]]", 4, "no ["),
            ("n[1][2]", 4, "between two brackets"),
            ("n[1]5[2]", 5, "between two brackets"),
            ("n[3-1]", 2, "before it begins"),
            ("a,n[1-x]", 6, "numbers"),
            ("n1[8-12]", 3, "as many digits"),
            ("n[0-8/2]5", 5, "no step"),
            ("a - b", 2, "without"),
            ("a,@", 2, "group"),
            ("a\u{1b}b", 1, "control"),
            ("n[1[2]]", 3, "numbers"),
        ] {
            let (found, problem) = steps(text).unwrap_err();
            assert!(problem.contains(part), "{text:?}: {problem}");
            assert_eq!(found, at, "{text:?}: {problem}");
        }
    }

    #[test]
    fn a_step_has_the_place_it_begins_at() {
        let found: Vec<(Operator, usize)> = steps(" a, b[1-2] !c d")
            .unwrap()
            .steps
            .into_iter()
            .map(|(operator, term)| (operator, term.at()))
            .collect();
        let expected = [
            (Operator::Union, 1),
            (Operator::Union, 4),
            (Operator::Difference, 12),
            (Operator::Union, 14),
        ];
        assert_eq!(found, expected);
    }
}
