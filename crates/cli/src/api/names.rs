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
        .filter_map(|(full, own)| Some((model::slips(last, own)?, full)))
        .collect();
    near.sort_unstable();
    let near: Vec<&str> = near.into_iter().map(|(_, full)| full).take(OFFERED_MAX).collect();
    let error = CliError::new(Kind::NotFound, format!("no such {what}: {name}"));
    match near.is_empty() {
        true => error.with_remedy("`chamois api list` shows the methods."),
        false => error.with_remedy(format!("Is it {}?", near.join(", "))),
    }
}

fn ends_with(full: &str, wanted: &str) -> bool {
    let rest = full.strip_suffix(wanted);
    !wanted.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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
}
