//! What was probably meant.

/// Of so many candidates the nearest is looked for.
const CANDIDATES_MAX: usize = 100_000;

/// The candidate that takes the fewest changed, added, left out or swapped letters to become; none that takes more
/// than a third.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter_map(|candidate| Some((slips(name, candidate)?, candidate)));
    near.min().map(|(_, candidate)| candidate)
}

/// How many slips make the one of the other, whatever their case; `None`: of more than a third of its letters, and one.
#[must_use]
pub fn slips(name: &str, candidate: &str) -> Option<usize> {
    let at_most = name.chars().count() / 3 + 1;
    if candidate.len().abs_diff(name.len()) > at_most {
        return None;
    }
    let letters: Vec<char> = name.to_lowercase().chars().collect();
    let distance = distance(&letters, candidate);
    (distance <= at_most).then_some(distance)
}

/// `; did you mean …?`, or nothing.
#[must_use]
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = nearest(name, candidates);
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

/// Optimal string alignment: Levenshtein's distance, in which two neighbours that are swapped count once.
fn distance(letters: &[char], other: &str) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=letters.len()).collect();
    let mut previous = None;
    for (row, theirs) in other.to_lowercase().chars().enumerate() {
        let mut current = vec![row + 1];
        for (at, ours) in letters.iter().enumerate() {
            let changed = last[at] + usize::from(*ours != theirs);
            let mut best = changed.min(last[at + 1] + 1).min(current[at] + 1);
            let is_swapped = at > 0 && previous == Some(*ours) && letters[at - 1] == theirs;
            if is_swapped {
                best = best.min(before_last[at - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(theirs);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_a_letter_or_two_are_found() {
        let candidates = ["compute", "login", "x1000c0s0b0n0", "x1000c0s1b0n0"];
        for (typed, meant) in [
            ("comptue", Some("compute")),
            ("Compute", Some("compute")),
            ("logn", Some("login")),
            ("x100c0s1b0n0", Some("x1000c0s1b0n0")),
            ("x1000c0s0b0n", Some("x1000c0s0b0n0")),
            ("login", Some("login")),
            ("gpu", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, candidates), meant, "{typed}");
        }
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest("Sate", ["ID", "State", "NetType"]), Some("State"));
        assert_eq!(nearest("dsn", ["ansible", "dns", "hosts"]), Some("dns"));
        assert_eq!(slips("ansbile", "Ansible"), Some(1));
        assert_eq!(slips("quark", "hosts"), None);
        assert_eq!(did_you_mean("logn", candidates), "; did you mean `login`?");
        assert_eq!(did_you_mean("storage", candidates), "");
    }

    #[test]
    fn a_distance_counts_each_slip_once() {
        let of = |one: &str, other: &str| distance(&one.chars().collect::<Vec<_>>(), other);
        assert_eq!(of("", "abc"), 3);
        assert_eq!(of("abc", "abc"), 0);
        assert_eq!(of("ab", "ba"), 1);
        assert_eq!(of("kitten", "sitting"), 3);
    }
}
