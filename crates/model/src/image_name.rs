//! What an image is called: one word of a URL, and the folder of its boot files.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// Longest name, bytes: with the names of its parts it stays below what a boot file's name may have.
pub const IMAGE_NAME_BYTES_MAX: usize = 100;

/// A name such as `debian-12.9`: ASCII letters, digits, `.`, `_` and `-`, the first a letter or a digit. It means the same
/// in a path, a URL and a shell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName(String);

impl ImageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |accepted: &str| Err(InvalidValue::new("an image's name", text, accepted));
        if text.len() > IMAGE_NAME_BYTES_MAX {
            return refuse("at most 100 bytes are accepted");
        }
        let is_accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(is_accepted) {
            return refuse("write letters, digits, `.`, `_` and `-`, the first a letter or a digit");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BootFileName;

    #[test]
    fn a_name_is_one_word_and_a_folder() {
        let longest = "x".repeat(IMAGE_NAME_BYTES_MAX);
        for name in ["debian-12.9", "1", "Rocky_9", longest.as_str()] {
            assert_eq!(name.parse::<ImageName>().unwrap().to_string(), name);
            assert!(
                format!("{name}/vmlinuz").parse::<BootFileName>().is_ok(),
                "{name}"
            );
        }
    }

    /// A name that is a path, an option or a hidden file means something else somewhere.
    #[test]
    fn what_means_something_else_somewhere_is_refused() {
        let too_long = "x".repeat(IMAGE_NAME_BYTES_MAX + 1);
        for name in [
            "", ".", "..", ".x", "-x", "_x", "a/b", "a b", "a\nb", "ü", "a%2e", "a\\b", &too_long,
        ] {
            let error = name.parse::<ImageName>().unwrap_err().to_string();
            assert!(error.contains("image's name"), "{error}");
        }
    }
}
