//! What objects are selected by, in normal form: shared by boot configurations, DHCP policies and policies of rights.

use std::collections::BTreeSet;
use std::str::FromStr;

use model::{InvalidValue, Rejection};

use crate::bounds::{check_count, check_name};

/// Each in normal form, sorted, each once.
pub(crate) fn normalised(
    field: &str,
    given: &[String],
    items_max: usize,
    normal: impl Fn(&String) -> Result<String, Rejection>,
) -> Result<Vec<String>, Rejection> {
    check_count(field, given.len(), items_max)?;
    Ok(sorted(given.iter().map(normal).collect::<Result<_, _>>()?))
}

pub(crate) fn sorted(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

pub(crate) fn parsed<T: FromStr<Err = InvalidValue>>(field: &str, text: &str) -> Result<T, Rejection> {
    text.parse().map_err(|problem| Rejection::invalid(field, problem))
}

/// A role or subrole, in SMD's spelling where it is one of SMD's.
pub(crate) fn role(
    field: &str,
    text: &str,
    canonical: fn(&str) -> Option<&'static str>,
) -> Result<String, Rejection> {
    check_name(field, text)?;
    if text.contains(char::is_whitespace) {
        return Err(Rejection::invalid(
            field,
            format!("`{text}` holds a blank; write one role"),
        ));
    }
    Ok(canonical(text).unwrap_or(text).to_owned())
}

/// The name of an object that administrators make: part of URLs and command lines.
pub(crate) fn check_object_name(name: &str, bytes_max: usize) -> Result<(), Rejection> {
    check_name("name", name)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() <= bytes_max && begins && name.chars().all(is_part) {
        return Ok(());
    }
    let problem =
        format!("write 1 to {bytes_max} letters, digits and -_. of which the first is a letter or a digit");
    Err(Rejection::invalid("name", problem))
}
