//! What every list filter of HSM v2 shares: values of one key are alternatives, `!` negates one.

use rpc::Error;

/// Most values of one key.
const VALUES_MAX: usize = 10_000;

/// The values of one key, e.g. `role=Compute&role=!Management`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOf<T> {
    /// Sorted, as `unwanted` is.
    wanted: Vec<T>,
    unwanted: Vec<T>,
}

impl<T: Ord> OneOf<T> {
    /// Parses each value, after its `!`, by `parse`.
    ///
    /// # Errors
    /// What `parse` says; `Invalid` for more than 10,000 values.
    pub(crate) fn parse(
        values: &[String],
        parse: impl Fn(&str) -> Result<T, Error>,
    ) -> Result<OneOf<T>, Error> {
        if values.len() > VALUES_MAX {
            return Err(bad_query(format!("more than {VALUES_MAX} values of one key")));
        }
        let mut one_of = OneOf {
            wanted: Vec::new(),
            unwanted: Vec::new(),
        };
        for value in values {
            match value.strip_prefix('!') {
                Some(value) => one_of.unwanted.push(parse(value)?),
                None => one_of.wanted.push(parse(value)?),
            }
        }
        one_of.wanted.sort_unstable();
        one_of.unwanted.sort_unstable();
        Ok(one_of)
    }

    /// Whether `value` is one of those wanted, if any are, and none of those unwanted.
    pub(crate) fn admits(&self, value: &T) -> bool {
        (self.wanted.is_empty() || self.wanted.binary_search(value).is_ok())
            && self.unwanted.binary_search(value).is_err()
    }

    /// The values of which one must be met; none: any may be.
    pub(crate) fn wanted(&self) -> &[T] {
        &self.wanted
    }

    /// As [`OneOf::admits`], for a value that is compared by `is`.
    pub(crate) fn admits_if(&self, is: impl Fn(&T) -> bool) -> bool {
        (self.wanted.is_empty() || self.wanted.iter().any(&is)) && !self.unwanted.iter().any(is)
    }
}

/// HSM's answer to a value that it does not accept.
pub(crate) fn bad_query(problem: impl Into<String>) -> Error {
    Error::Invalid {
        field: "bad query param".to_owned(),
        problem: problem.into(),
    }
}

/// `true` or `false`, as Go's `strconv.ParseBool` reads them.
pub(crate) fn parse_bool(text: &str) -> Result<bool, Error> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(bad_query("Argument was not valid")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> OneOf<String> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        OneOf::parse(&values, |text| Ok(text.to_owned())).unwrap()
    }

    #[test]
    fn values_are_alternatives_and_a_negated_one_excludes() {
        let cases: [(&[&str], &str, bool); 8] = [
            (&[], "a", true),
            (&["a", "b"], "b", true),
            (&["a", "b"], "c", false),
            (&["!a"], "b", true),
            (&["!a"], "a", false),
            (&["!a", "!b"], "b", false),
            (&["a", "!a"], "a", false),
            (&[""], "", true),
        ];
        for (values, value, admitted) in cases {
            assert_eq!(
                texts(values).admits(&value.to_owned()),
                admitted,
                "{values:?} {value}"
            );
        }
    }

    #[test]
    fn a_bound_keeps_one_request_from_costing_too_much() {
        let values = vec!["a".to_owned(); VALUES_MAX + 1];
        assert!(OneOf::parse(&values, |text| Ok(text.to_owned())).is_err());
    }

    #[test]
    fn booleans_are_those_of_go() {
        assert!(parse_bool("T").unwrap() && parse_bool("1").unwrap());
        assert!(!parse_bool("False").unwrap());
        assert_eq!(
            parse_bool("yes").unwrap_err().to_string(),
            "bad query param: Argument was not valid"
        );
    }
}
