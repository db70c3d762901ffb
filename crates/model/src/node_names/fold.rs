//! Names that differ by numbers as one text.

use std::collections::BTreeSet;

use super::Index;
use super::merge::merged;
use super::name::Name;

/// Sorted by pattern; each name is in exactly one.
pub(super) fn folded(names: &BTreeSet<Name>) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = names.iter().peekable();
    while let Some(first) = rest.next() {
        let mut rows: Vec<Vec<Index>> = vec![first.numbers().collect()];
        while let Some(next) = rest.next_if(|next| next.pattern() == first.pattern()) {
            rows.push(next.numbers().collect());
        }
        match (first.numbers().count(), rows.len()) {
            (0, _) | (_, 1) => found.push(first.text().to_owned()),
            (1, _) => found.push(first.with(&[shown(&rows.concat())])),
            _ => {
                let boxes = merged(&rows);
                let texts = |sets: &Vec<Vec<Index>>| sets.iter().map(|set| shown(set)).collect::<Vec<_>>();
                found.extend(boxes.iter().map(|sets| first.with(&texts(sets))));
            }
        }
    }
    found
}

/// One number as it is, several in brackets.
fn shown(sorted: &[Index]) -> String {
    match sorted {
        [one] => one.to_string(),
        many => format!("[{}]", ranges(many).join(",")),
    }
}

/// `0-3`, `7`, as `RangeSet._slices_padding` of ClusterShell with `autostep` off finds them, which looks for steps
/// first: that shows after padded numbers, where `01,99,100` is not `01,99-100`.
fn ranges(sorted: &[Index]) -> Vec<String> {
    let mut found = Vec::new();
    let Some(first) = sorted.first() else { return found };
    let (mut start, mut lead, mut step) = (0, *first, None);
    for (at, pair) in (1..).zip(sorted.windows(2)) {
        let (last, next) = (pair[0], pair[1]);
        let other_width = match lead.is_padded() {
            true => next.width() != lead.width(),
            false => next.is_padded(),
        };
        let gap = next.value().wrapping_sub(last.value());
        let other_step = !other_width && step.is_some_and(|step| step != gap);
        if !other_width && !other_step {
            step = Some(gap);
            continue;
        }
        match step {
            None | Some(1) => found.push(range(sorted[start], last)),
            Some(_) if other_width => found.extend(singles(&sorted[start..at])),
            Some(_) => found.extend(singles(&sorted[start..at - 1])),
        }
        let goes_on = other_step && !matches!(step, None | Some(1));
        start = if goes_on { at - 1 } else { at };
        lead = if goes_on { lead } else { next };
        step = other_step.then_some(gap);
    }
    match step {
        None | Some(1) => found.extend(sorted.last().map(|last| range(sorted[start], *last))),
        Some(_) => found.extend(singles(&sorted[start..])),
    }
    found
}

fn singles(some: &[Index]) -> impl Iterator<Item = String> {
    some.iter().map(Index::to_string)
}

fn range(from: Index, to: Index) -> String {
    match from == to {
        true => from.to_string(),
        false => format!("{from}-{to}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::fold_names;

    /// Each answer is what ClusterShell 1.9.1 printed.
    #[test]
    fn names_are_folded_as_clustershell_does() {
        for (names, expected) in [
            ("n1 n2 n3", "n[1-3]"),
            ("n1 n3", "n[1,3]"),
            ("n1 n3 n5", "n[1,3,5]"),
            ("n1 n2 n5 n6", "n[1-2,5-6]"),
            ("n1 n2 n4 n6 n7", "n[1-2,4,6-7]"),
            ("n8 n9 n10 n11", "n[8-11]"),
            ("n08 n09 n10 n11", "n[08-11]"),
            ("n9 n09 n10", "n[9,09-10]"),
            ("n98 n99 n100 n01", "n[01,98-99,100]"),
            ("n99 n100 n099", "n[99,099-100]"),
            ("n001 n01 n1", "n[1,01,001]"),
            ("node01 node02", "node[01-02]"),
            ("n0 n00 n000", "n[0,00,000]"),
            ("login n1 b", "b,login,n1"),
            ("n1-ib n2-ib n1", "n1,n[1-2]-ib"),
            ("10.1.0.9:443 10.1.0.10:443", "10.1.0.[9-10]:443"),
            ("1 2 3 7", "[1-3,7]"),
            ("a a", "a"),
            ("a%1 a%2", "a%[1-2]"),
            ("", ""),
        ] {
            assert_eq!(fold_names(names.split_whitespace()), expected, "{names}");
        }
    }

    #[test]
    fn numbers_that_no_integer_holds_are_text() {
        let names = ["a1234567890123456789", "a1234567890123456790"];
        assert_eq!(fold_names(names), names.join(","));
    }
}
