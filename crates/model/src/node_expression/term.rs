//! A name, or many that differ by numbers in brackets, or a group.

use crate::NodeNames;
use crate::node_names::Index;

use super::wildcard::Mask;
use super::{ExpressionWork, NODE_NAMES_MAX, too_many};

/// What stands between two operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    at: usize,
    parts: Vec<Part>,
}

/// A piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// What stands in brackets.
    Numbers(Vec<Index>),
}

impl Term {
    /// `at` is where it begins. Not for groups of which there are too many, nor names.
    pub(super) fn new(at: usize, parts: Vec<Part>) -> Result<Term, String> {
        let term = Term { at, parts };
        match term.count() <= NODE_NAMES_MAX {
            true => Ok(term),
            false => Err(too_many()),
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn is_group(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Text(text)) if text.starts_with('@'))
    }

    fn is_wildcard(&self) -> bool {
        let has = |part: &Part| matches!(part, Part::Text(text) if text.contains(['*', '?']));
        !self.is_group() && self.parts.iter().any(has)
    }

    /// Names or groups that it spells.
    pub(super) fn count(&self) -> usize {
        let numbers = self.parts.iter().map(|part| match part {
            Part::Text(_) => 1,
            Part::Numbers(numbers) => numbers.len(),
        });
        numbers.fold(1, usize::saturating_mul)
    }

    /// What it takes to spell them: no name is longer than its texts and the longest number of each bracket.
    pub(super) fn work(&self) -> ExpressionWork {
        let longest = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Numbers(numbers) => numbers.last().map_or(0, |last| usize::from(last.width())),
        });
        let names = self.count();
        ExpressionWork {
            names,
            bytes: names.saturating_mul(longest.sum()),
        }
    }

    /// Whether it means what is written: no group, no wildcard.
    pub(super) fn is_spelled(&self) -> bool {
        !self.is_group() && !self.is_wildcard()
    }

    /// What a group has, or what fits a wildcard. What it takes to spell it was allowed; holding each name against each wildcard is
    /// more work, and is told to `allow` before it is done.
    pub(super) fn resolved(
        &self,
        group: &mut dyn FnMut(&str) -> Result<NodeNames, String>,
        allow: &mut dyn FnMut(ExpressionWork) -> Result<(), String>,
    ) -> Result<NodeNames, String> {
        let spelled = self.spelled();
        if self.is_wildcard() {
            let all = group("*")?;
            let bytes: usize = all.iter().map(str::len).sum();
            allow(ExpressionWork {
                names: 0,
                bytes: bytes.saturating_mul(spelled.len()),
            })?;
            let masks: Vec<Mask> = spelled.iter().map(|mask| Mask::of(mask)).collect();
            let fits = |name: &&str| {
                let name: Vec<char> = name.chars().collect();
                masks.iter().any(|mask| mask.fits(&name))
            };
            return Ok(all.iter().filter(fits).collect());
        }
        let mut found = NodeNames::default();
        for name in &spelled {
            let members = group(name.trim_start_matches('@'))?;
            if found.len() + members.len() > NODE_NAMES_MAX {
                return Err(too_many());
            }
            found = found.union(members);
        }
        Ok(found)
    }

    /// The names that it spells.
    pub(super) fn names(&self) -> NodeNames {
        self.spelled().iter().collect()
    }

    /// Each way to choose a number for each bracket.
    fn spelled(&self) -> Vec<String> {
        let mut spelled = vec![String::new()];
        for part in &self.parts {
            match part {
                Part::Text(text) => spelled.iter_mut().for_each(|so_far| so_far.push_str(text)),
                Part::Numbers(numbers) => {
                    let with_each = |so_far: &String| -> Vec<String> {
                        numbers.iter().map(|number| format!("{so_far}{number}")).collect()
                    };
                    spelled = spelled.iter().flat_map(with_each).collect();
                }
            }
        }
        spelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(parts: &[&str]) -> Term {
        let part = |text: &&str| match text.strip_prefix('[') {
            Some(numbers) => Part::Numbers(numbers.split(' ').map(|n| Index::of(n).unwrap()).collect()),
            None => Part::Text((*text).to_owned()),
        };
        Term::new(0, parts.iter().map(part).collect()).unwrap()
    }

    #[test]
    fn brackets_are_combined_with_each_other() {
        let term = term(&["x", "[1 2", "c", "[0 01"]);
        assert_eq!(term.count(), 4);
        assert_eq!(term.spelled(), ["x1c0", "x1c01", "x2c0", "x2c01"]);
    }

    /// Whoever bounds the work has to know before that it is not more.
    #[test]
    fn no_name_is_longer_than_was_said() {
        let work = |parts: &[&str]| term(parts).work();
        assert_eq!(
            work(&["x", "[1 2", "c", "[0 10 010"]),
            ExpressionWork { names: 6, bytes: 36 }
        );
        assert_eq!(work(&["größe"]), ExpressionWork { names: 1, bytes: 7 });
        let spelled = term(&["x", "[1 2", "c", "[0 10 010"]).spelled();
        assert!(spelled.concat().len() <= 36 && spelled.iter().any(|name| name.len() == 6));
    }

    #[test]
    fn a_sign_in_the_middle_makes_no_group() {
        assert!(term(&["@a", "[1 2"]).is_group());
        assert!(!term(&["a@b"]).is_group());
        assert!(term(&["a*"]).is_wildcard() && !term(&["@*"]).is_wildcard());
    }
}
