//! The error of everything here that reads what an administrator wrote.

/// A field that cannot be meant: which one, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// As in the message or the file, e.g. `targets[2]`.
    pub field: String,
    /// What is wrong with it, and what is accepted.
    pub problem: String,
}

impl Invalid {
    /// That `field` has this problem.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Invalid {
        Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_field_and_the_problem() {
        let invalid = Invalid::new("targets[2]", "`a b` is no host name");
        assert_eq!(invalid.to_string(), "targets[2]: `a b` is no host name");
    }
}
