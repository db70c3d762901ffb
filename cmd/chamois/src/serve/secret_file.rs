//! A secret that stands in a file of its own, for its owner only.

use std::io::{Error, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Bytes of such a file at most.
const FILE_BYTES_MAX: u64 = 1024;
/// Permissions of the group and of others.
const OTHERS: u32 = 0o077;

/// The secret, without blanks around it.
///
/// # Errors
/// Naming the file and the remedy; never the secret.
pub(super) fn read(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let unreadable = |error: Error| format!("cannot read {shown}: {error}");
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        let mode = mode & 0o7777;
        return Err(format!(
            "{shown} has mode {mode:04o}, so others than its owner may use it; set 0600"
        ));
    }
    let mut text = String::new();
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let secret = text.trim();
    let is_secret = !secret.is_empty() && text.len() as u64 <= FILE_BYTES_MAX;
    if !is_secret || secret.contains(char::is_whitespace) {
        return Err(format!(
            "{shown} must have the secret alone, at most {FILE_BYTES_MAX} bytes"
        ));
    }
    Ok(secret.to_owned())
}
