//! What somebody may have meant by a name that is not there.

/// Longest name that is compared, in characters: the work grows with the square of it.
const CHARS_MAX: usize = 64;

/// The nearest of the names, if it is near enough to be a slip: a third of its characters may differ. Of several equally near
/// ones the first.
pub(crate) fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let asked: Vec<char> = name.to_lowercase().chars().take(CHARS_MAX).collect();
    let distances = among
        .into_iter()
        .map(|candidate| (distance(&asked, candidate), candidate));
    let (distance, found) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= asked.len().max(found.len()).div_ceil(3)).then_some(found)
}

/// The same as a text behind an error: `; did you mean dns?`, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, among).map_or_else(String::new, |found| format!("; did you mean `{found}`?"))
}

/// How many characters are to be added, removed or changed (Levenshtein).
fn distance(asked: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=asked.len()).collect();
    for (line, c) in candidate.to_lowercase().chars().take(CHARS_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, own) in asked.iter().enumerate() {
            let changed = diagonal + usize::from(*own != c);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[asked.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        let names = ["ansible", "dns", "hosts", "http-sd"];
        for (asked, found) in [
            ("host", Some("hosts")),
            ("HOSTS", Some("hosts")),
            ("dsn", None),
            ("dn", Some("dns")),
            ("ansbile", Some("ansible")),
            ("http_sd", Some("http-sd")),
            ("kubernetes", None),
            ("", None),
        ] {
            assert_eq!(nearest(asked, names), found, "{asked}");
        }
        assert_eq!(nearest("hosts", []), None);
    }

    #[test]
    fn the_question_is_empty_where_nothing_is_near() {
        assert_eq!(did_you_mean("hots", ["hosts"]), "; did you mean `hosts`?");
        assert_eq!(did_you_mean("quark", ["hosts"]), "");
    }
}
