//! What a boot file is called: a relative path below `/files/`.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// Longest name, bytes; the URL that it stands in is at most three times as long.
pub const BOOT_FILE_NAME_BYTES_MAX: usize = 255;

/// A relative path such as `debian-12/vmlinuz`: segments of printable characters, none of them hidden (a leading
/// dot), none empty, so that a name is the same file on every member and can never leave the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootFileName(String);

impl BootFileName {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BootFileName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |accepted: &str| Err(InvalidValue::new("a boot file's name", text, accepted));
        if text.len() > BOOT_FILE_NAME_BYTES_MAX {
            return refuse("at most 255 bytes are accepted");
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return refuse("write a path without control characters and backslashes");
        }
        if text
            .split('/')
            .any(|part| part.is_empty() || part.starts_with('.'))
        {
            return refuse(
                "write a relative path such as debian-12/vmlinuz, no part of which begins with a dot",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BootFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_paths() {
        let longest = "x".repeat(BOOT_FILE_NAME_BYTES_MAX);
        for name in [
            "vmlinuz",
            "debian-12/vmlinuz",
            "a b/ü%2e",
            "v1..2/x.img",
            longest.as_str(),
        ] {
            assert_eq!(name.parse::<BootFileName>().unwrap().as_str(), name);
        }
    }

    /// A name that could be another file on another member, or one outside the folder, must not get in.
    #[test]
    fn what_could_leave_the_folder_is_refused() {
        let too_long = "x".repeat(BOOT_FILE_NAME_BYTES_MAX + 1);
        let bad = [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            ".content/x",
            "a/.b",
            "a\\b",
            "a\nb",
            "a\0",
            "a\u{7f}",
            "a\u{85}",
            too_long.as_str(),
        ];
        for name in bad {
            let error = name.parse::<BootFileName>().unwrap_err().to_string();
            assert!(error.contains("boot file's name"), "{error}");
        }
    }
}
