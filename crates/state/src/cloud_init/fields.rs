//! What a field of cloud-init's data may hold: it ends up in URLs, host names and files of every node.

use model::{InvalidValue, Rejection};

use crate::bounds::{
    NAME_BYTES_MAX, PUBLIC_KEY_BYTES_MAX, PUBLIC_KEYS_MAX, URL_BYTES_MAX, check_count, check_text,
};

/// Longest host name with its domain (RFC 1035), bytes.
const HOST_NAME_BYTES_MAX: usize = 253;
/// Longest part of a host name between dots (RFC 1035), bytes.
const LABEL_BYTES_MAX: usize = 63;
/// Longest instance-id, bytes: cloud-init makes a directory of that name.
const INSTANCE_ID_BYTES_MAX: usize = 128;

/// Texts without control characters and of bounded length; empty ones are not set.
pub(super) fn check_texts(fields: &[(&str, &str)]) -> Result<(), Rejection> {
    fields
        .iter()
        .try_for_each(|(field, text)| check_text(field, text, NAME_BYTES_MAX))
}

/// An `http` URL, or nothing. It is put in front of `/<group>.yaml`, and stands on a line of its own.
pub(super) fn check_url(field: &str, url: &str) -> Result<(), Rejection> {
    check_text(field, url, URL_BYTES_MAX)?;
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let known = rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains([' ', '?', '#', '"', '\\'])
    });
    if url.is_empty() || known {
        return Ok(());
    }
    let accepted = "write a URL without query, e.g. http://10.97.0.1:8081/cloud-init";
    Err(Rejection::invalid(
        field,
        InvalidValue::new("a base URL", url, accepted),
    ))
}

/// Lines of `authorized_keys`.
pub(super) fn check_public_keys(keys: &[String]) -> Result<(), Rejection> {
    const FIELD: &str = "public-keys";
    check_count(FIELD, keys.len(), PUBLIC_KEYS_MAX)?;
    for (at, key) in keys.iter().enumerate() {
        let field = format!("{FIELD}[{at}]");
        check_text(&field, key, PUBLIC_KEY_BYTES_MAX)?;
        if key.split_whitespace().count() < 2 {
            let accepted = "write the line of a .pub file, e.g. ssh-ed25519 AAAAC3… user@host";
            let problem = InvalidValue::new("a line of authorized_keys", key, accepted);
            return Err(Rejection::invalid(&field, problem));
        }
    }
    Ok(())
}

/// A host name with or without its domain, or nothing.
pub(super) fn check_host_name(field: &str, name: &str) -> Result<(), Rejection> {
    if name.is_empty() || (name.len() <= HOST_NAME_BYTES_MAX && name.split('.').all(is_label)) {
        return Ok(());
    }
    let accepted = "write letters, digits and dashes, with dots between parts, e.g. c01.example.org";
    Err(Rejection::invalid(
        field,
        InvalidValue::new("a host name", name, accepted),
    ))
}

fn is_label(label: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(known)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What host names begin with, or nothing. A letter comes first: a name of digits only would be taken for an address.
pub(super) fn check_short_name(field: &str, name: &str, bytes_max: usize) -> Result<(), Rejection> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_start = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(known);
    if name.is_empty() || (is_start && name.len() <= bytes_max) {
        return Ok(());
    }
    let accepted =
        format!("write a letter and then letters, digits or dashes, at most {bytes_max}, e.g. nid");
    Err(Rejection::invalid(
        field,
        InvalidValue::new("the beginning of a host name", name, accepted),
    ))
}

/// An instance-id, or nothing.
pub(super) fn check_instance_id(field: &str, id: &str) -> Result<(), Rejection> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if id.len() <= INSTANCE_ID_BYTES_MAX && id.bytes().all(known) && !id.starts_with('.') {
        return Ok(());
    }
    let accepted = format!("write letters, digits, `-`, `_`, `:` and `.`, at most {INSTANCE_ID_BYTES_MAX}");
    Err(Rejection::invalid(
        field,
        InvalidValue::new("an instance-id", id, accepted),
    ))
}
