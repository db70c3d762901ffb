//! From what somebody types to the one thing that is meant, or to what is called almost so.

use crate::error::{CliError, Kind};

/// Names that are offered instead, at most.
const OFFERED_MAX: usize = 8;

/// The only one of `all` that is called `name`: wholly, or by its last parts (`ListComponents`, `GroupService.GetGroup`); `/` stands
/// for `.`, so that gRPC's paths are names, too. What is written exactly so goes before another case.
///
/// # Errors
/// `NotFound` with what is called almost so; `Usage` with those that are all called so.
pub(super) fn find<'a, T>(
    what: &str,
    name: &str,
    all: impl Iterator<Item = (&'a str, T)> + Clone,
) -> Result<T, CliError> {
    let wanted = name.trim_start_matches('/').replace('/', ".");
    let lower = wanted.to_ascii_lowercase();
    let mut found: Vec<(&str, T)> = all.clone().filter(|(full, _)| ends_with(full, &wanted)).collect();
    if found.is_empty() {
        let in_any_case = |full: &str| ends_with(&full.to_ascii_lowercase(), &lower);
        found = all.clone().filter(|(full, _)| in_any_case(full)).collect();
    }
    if let Some(whole) = found.iter().position(|(full, _)| *full == wanted) {
        return Ok(found.swap_remove(whole).1);
    }
    match found.len() {
        1 => Ok(found.swap_remove(0).1),
        0 => Err(unknown(what, name, all.map(|(full, _)| full))),
        _ => {
            let names: Vec<&str> = found.iter().map(|(full, _)| *full).take(OFFERED_MAX).collect();
            let text = format!("{name} may be one of {}: {}", found.len(), names.join(", "));
            Err(CliError::new(Kind::Usage, text).with_remedy("Write more of the name."))
        }
    }
}

fn unknown<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str>) -> CliError {
    let last = name.rsplit(['/', '.']).next().unwrap_or(name);
    let lasts = all.map(|full| (full, full.rsplit('.').next().unwrap_or(full)));
    let mut near: Vec<(usize, &str)> = lasts
        .map(|(full, own)| (distance(last, own), full))
        .filter(|(distance, _)| is_near(*distance, last))
        .collect();
    near.sort_unstable();
    let near: Vec<&str> = near.into_iter().map(|(_, full)| full).take(OFFERED_MAX).collect();
    let error = CliError::new(Kind::NotFound, format!("no such {what}: {name}"));
    match near.is_empty() {
        true => error.with_remedy("`chamois api list` shows the methods."),
        false => error.with_remedy(format!("Is it {}?", near.join(", "))),
    }
}

/// Of `known`, what `name` was meant to be.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distances = known.map(|known| (distance(name, known), known));
    let (least, known) = distances.min()?;
    is_near(least, name).then_some(known)
}

fn ends_with(full: &str, wanted: &str) -> bool {
    let rest = full.strip_suffix(wanted);
    !wanted.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A third of the letters may differ.
fn is_near(distance: usize, name: &str) -> bool {
    distance <= name.chars().count() / 3 + 1
}

/// Letters to change, insert or leave out (Levenshtein), whatever their case.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (place, its) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *its);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 5] = [
        "a.smd.ComponentService.GetComponent",
        "a.smd.GroupService.GetGroup",
        "a.cloud.GroupService.GetGroup",
        "a.smd.Component",
        "a.smd.component",
    ];

    fn found(name: &str) -> Result<&'static str, CliError> {
        find("method", name, ALL.into_iter().map(|full| (full, full)))
    }

    #[test]
    fn the_last_parts_of_a_name_are_enough() {
        for (name, expected) in [
            ("GetComponent", ALL[0]),
            ("getcomponent", ALL[0]),
            ("ComponentService.GetComponent", ALL[0]),
            ("/a.smd.ComponentService/GetComponent", ALL[0]),
            ("ComponentService/GetComponent", ALL[0]),
            ("cloud.GroupService.GetGroup", ALL[2]),
            ("Component", ALL[3]),
            ("component", ALL[4]),
        ] {
            assert_eq!(found(name).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn a_name_of_several_lists_them() {
        let error = found("GetGroup").unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        let text = error.to_string();
        assert!(text.contains(ALL[1]) && text.contains(ALL[2]), "{text}");
        assert_eq!(found("COMPONENT").unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        let error = found("GetComponnet").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains(ALL[0]), "{error}");
        for name in ["", "Zebra", "omponent.GetComponent"] {
            assert_eq!(found(name).unwrap_err().kind(), Kind::NotFound, "{name}");
        }
        assert!(found("Zebra").unwrap_err().to_string().contains("api list"));
    }

    #[test]
    fn the_nearest_key_is_near() {
        let keys = || ["ID", "State", "NetType"].into_iter();
        assert_eq!(nearest("state", keys()), Some("State"));
        assert_eq!(nearest("Sate", keys()), Some("State"));
        assert_eq!(nearest("NetTyp", keys()), Some("NetType"));
        assert_eq!(nearest("Hostname", keys()), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("AB", "ab", 0),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }
}
