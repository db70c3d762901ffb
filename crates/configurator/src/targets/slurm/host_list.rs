//! Slurm's host lists: `nid[0001-0128],login`.

use std::collections::BTreeMap;

/// Longest number that is one, digits.
const DIGITS_MAX: usize = 18;

/// Folds names. A range is only where a name ends: slurm.conf takes no other (22.05: `Unable to create NodeAddr list`), so
/// that this is not ClusterShell's folding.
pub(super) fn host_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut series: BTreeMap<usize, Series<'a>> = BTreeMap::new();
    let mut places: BTreeMap<(&'a str, usize), usize> = BTreeMap::new();
    for name in names {
        let (stem, digits) = split(name);
        let next = series.len();
        let place = *places.entry((stem, digits.len())).or_insert(next);
        let entry = series.entry(place).or_insert_with(|| Series {
            stem,
            digits: digits.len(),
            numbers: Vec::new(),
        });
        // no digits: the name stands for itself
        entry.numbers.push(digits.parse().unwrap_or_default());
    }
    let texts: Vec<String> = series.into_values().map(Series::text).collect();
    texts.join(",")
}

/// Names of one stem and one number of digits.
struct Series<'a> {
    stem: &'a str,
    digits: usize,
    numbers: Vec<u64>,
}

impl Series<'_> {
    fn text(mut self) -> String {
        let (stem, width) = (self.stem, self.digits);
        self.numbers.sort_unstable();
        self.numbers.dedup();
        match self.numbers[..] {
            _ if width == 0 => stem.to_owned(),
            [one] => format!("{stem}{one:0width$}"),
            _ => format!("{stem}[{}]", self.ranges()),
        }
    }

    fn ranges(&self) -> String {
        let width = self.digits;
        let runs = self.numbers.chunk_by(|one, next| one + 1 == *next);
        let texts = runs.map(|run| match (run.first(), run.last()) {
            (Some(first), Some(last)) if first < last => format!("{first:0width$}-{last:0width$}"),
            (first, _) => format!("{:0width$}", first.copied().unwrap_or_default()),
        });
        texts.collect::<Vec<_>>().join(",")
    }
}

/// A name before the number it ends with, and that number's digits.
fn split(name: &str) -> (&str, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match name.len() - stem.len() {
        1..=DIGITS_MAX if !stem.is_empty() => (stem, &name[stem.len()..]),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_end_are_folded() {
        for (names, folded) in [
            (
                &["nid0001", "nid0002", "nid0003", "nid0007"][..],
                "nid[0001-0003,0007]",
            ),
            (&["nid1"], "nid1"),
            (&["a", "b"], "a,b"),
            (&["login", "nid1", "nid2"], "login,nid[1-2]"),
            (&[], ""),
            (
                &["x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s1b0n0"],
                "x1000c0s0b0n[0-1],x1000c0s1b0n0",
            ),
            (&["7", "8"], "7,8"),
            (&["a1b", "a2b"], "a1b,a2b"),
        ] {
            assert_eq!(host_list(names.iter().copied()), folded);
        }
    }

    /// Slurm takes the width of a range from its first number.
    #[test]
    fn names_of_another_width_are_other_names() {
        let names = ["nid9", "nid10", "nid11", "nid08", "nid09"];
        assert_eq!(host_list(names), "nid9,nid[08-11]");
        assert_eq!(host_list(["nid9", "nid8", "nid100"]), "nid[8-9],nid100");
    }

    #[test]
    fn a_number_beyond_any_integer_is_part_of_the_name() {
        let names = [format!("n{}", "1".repeat(40)), format!("n{}2", "1".repeat(39))];
        assert_eq!(host_list(names.iter().map(String::as_str)), names.join(","));
    }

    #[test]
    fn a_name_that_is_there_twice_is_there_once() {
        assert_eq!(host_list(["nid1", "nid2", "nid1", "a", "a"]), "nid[1-2],a");
    }
}
