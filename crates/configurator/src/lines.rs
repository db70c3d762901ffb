//! Values that go into a file as they are given: on one line, and with what stands for a host's own in braces.

use crate::{Error, Options};

/// The value of an option that is written into a line.
///
/// # Errors
/// `Option` for one that would begin another line.
pub(crate) fn line<'a>(options: &'a Options, name: &str, default: &'a str) -> Result<&'a str, Error> {
    let value = options.or(name, default).trim();
    match value.chars().any(char::is_control) {
        true => Err(Error::option(name, "it must be on one line")),
        false => Ok(value),
    }
}

/// The parts of a value between `;`, without empty ones.
///
/// # Errors
/// As [`line`].
pub(crate) fn statements<'a>(
    options: &'a Options,
    name: &str,
    default: &'a str,
) -> Result<Vec<&'a str>, Error> {
    let parts = line(options, name, default)?.split(';').map(str::trim);
    Ok(parts.filter(|part| !part.is_empty()).collect())
}

/// Puts values where a pattern has their names in braces. `None`: a value that the pattern names is not there.
///
/// # Errors
/// `Option` for a name that is none, or a brace without its other.
pub(crate) fn fill(
    option: &str,
    pattern: &str,
    values: &[(&str, Option<&str>)],
) -> Result<Option<String>, Error> {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((name, after)) = behind.split_once('}') else {
            return Err(Error::option(
                option,
                format!("`{pattern}` has a `{{` without its `}}`"),
            ));
        };
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            let known: Vec<String> = values.iter().map(|(known, _)| format!("{{{known}}}")).collect();
            let problem = format!("there is no {{{name}}}; there are {}", known.join(", "));
            return Err(Error::option(option, problem));
        };
        let Some(value) = value else { return Ok(None) };
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    Ok(Some(text))
}

/// A text in quotes, as JSON has it and YAML reads it, too.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(value: &str) -> Options {
        Options::new([("it".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_value_is_on_one_line() {
        assert_eq!(line(&options(" a b "), "it", "x"), Ok("a b"));
        assert_eq!(line(&options("a"), "other", "x"), Ok("x"));
        for value in ["a\nb", "a\rb", "a\0b"] {
            let refused = line(&options(value), "it", "").unwrap_err().to_string();
            assert_eq!(refused, "option it: it must be on one line");
        }
        assert_eq!(statements(&options("a; b=c ;;"), "it", ""), Ok(vec!["a", "b=c"]));
        assert!(statements(&options("a;\nb"), "it", "").is_err());
    }

    #[test]
    fn values_stand_where_their_names_are() {
        let values = [("name", Some("nid1")), ("address", None)];
        let filled = |pattern| fill("device", pattern, &values);
        assert_eq!(
            filled("ssh {name}-{name}.x"),
            Ok(Some("ssh nid1-nid1.x".to_owned()))
        );
        assert_eq!(filled("plain"), Ok(Some("plain".to_owned())));
        assert_eq!(filled("ipmi:{address}"), Ok(None));
        let refused = |pattern| filled(pattern).unwrap_err().to_string();
        assert_eq!(
            refused("{nam}"),
            "option device: there is no {nam}; there are {name}, {address}"
        );
        assert_eq!(
            refused("a{name"),
            "option device: `a{name` has a `{` without its `}`"
        );
    }

    #[test]
    fn a_text_in_quotes_stays_in_them() {
        assert_eq!(quoted("a\"b\n\\"), r#""a\"b\n\\""#);
        assert_eq!(quoted("on"), "\"on\"");
    }
}
