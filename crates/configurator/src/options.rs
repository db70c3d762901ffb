//! What a target is told beside the state: names and values, as `--option ttl=60` gives them.

use std::collections::BTreeMap;

use crate::Error;

/// Values by name. A target says which names it knows, see [`crate::render`].
#[derive(Clone, Debug, Default)]
pub struct Options(BTreeMap<String, String>);

/// An option that a target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name, e.g. `ttl`.
    pub name: &'static str,
    /// What it is for, with its unit and its default.
    pub meaning: &'static str,
}

impl Options {
    /// Of two values of one name the last.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Options {
        Options(values.into_iter().collect())
    }

    /// The value, if one was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value, or what counts without one.
    pub fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default)
    }

    /// A number.
    ///
    /// # Errors
    /// `Option` for a value that is none.
    pub fn number(&self, name: &'static str, default: u64) -> Result<u64, Error> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        let parsed = value.trim().parse();
        parsed.map_err(|_| Error::option(name, format!("`{value}` is no number; write e.g. {default}")))
    }

    /// `true` or `false`; without a value false.
    ///
    /// # Errors
    /// `Option` for another word.
    pub fn flag(&self, name: &'static str) -> Result<bool, Error> {
        match self.or(name, "false") {
            "true" | "yes" | "1" | "" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            other => Err(Error::option(
                name,
                format!("`{other}` is neither true nor false"),
            )),
        }
    }

    /// The parts of a value between commas, without blanks around them; empty ones are left out.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let parts = self.or(name, "").split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// The names that were given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(values: &[(&str, &str)]) -> Options {
        Options::new(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let options = options(&[("ttl", " 60"), ("bmcs", "yes"), ("ns", "a, b,,"), ("no", "no")]);
        assert_eq!(options.number("ttl", 1), Ok(60));
        assert_eq!(options.number("refresh", 7), Ok(7));
        assert_eq!((options.flag("bmcs"), options.flag("no")), (Ok(true), Ok(false)));
        assert_eq!(options.flag("absent"), Ok(false));
        assert_eq!(options.list("ns"), ["a", "b"]);
        assert!(options.list("absent").is_empty());
        assert_eq!(options.or("ns", "x"), "a, b,,");
        assert_eq!(options.names().count(), 4);
    }

    #[test]
    fn a_value_of_another_kind_is_named() {
        let options = options(&[("ttl", "soon"), ("bmcs", "maybe"), ("serial", "-1")]);
        let text = |error: Error| error.to_string();
        assert_eq!(
            options.number("ttl", 60).map_err(text),
            Err("option ttl: `soon` is no number; write e.g. 60".to_owned())
        );
        assert!(options.number("serial", 1).is_err());
        assert_eq!(
            options.flag("bmcs").map_err(text),
            Err("option bmcs: `maybe` is neither true nor false".to_owned())
        );
    }
}
