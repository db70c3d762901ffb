//! Why there is no file.

/// What is wrong, and with what; nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no target of that name.
    #[error("no such target: {name}{hint}; there are {all}")]
    UnknownTarget {
        /// What was asked for.
        name: String,
        /// The nearest name, as a question behind the text; empty: none is near.
        hint: String,
        /// The names there are.
        all: String,
    },
    /// An option that the target does not have, or a value that it cannot take.
    #[error("option {name}: {problem}")]
    Option {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A template that cannot be read or rendered.
    #[error("template {name}{}: {problem}", at(*.line))]
    Template {
        /// Its name.
        name: String,
        /// The line of its body, from 1; `None` where it is the template as a whole.
        line: Option<usize>,
        /// What is wrong there.
        problem: String,
    },
    /// What the state says cannot be said in the target's format, or not in what it means.
    #[error("target {target}: {problem}")]
    NotPossible {
        /// The target.
        target: &'static str,
        /// Which object it is, and why.
        problem: String,
    },
}

impl Error {
    /// `NotPossible`, in short.
    pub(crate) fn not_possible(target: &'static str, problem: impl Into<String>) -> Error {
        Error::NotPossible {
            target,
            problem: problem.into(),
        }
    }

    /// `Option`, in short.
    pub(crate) fn option(name: &str, problem: impl Into<String>) -> Error {
        Error::Option {
            name: name.to_owned(),
            problem: problem.into(),
        }
    }
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_names_what_it_is_about() {
        let template = |line| Error::Template {
            name: "motd".to_owned(),
            line,
            problem: "it ends within a block".to_owned(),
        };
        assert_eq!(
            template(Some(3)).to_string(),
            "template motd, line 3: it ends within a block"
        );
        assert_eq!(
            template(None).to_string(),
            "template motd: it ends within a block"
        );
        let refused = Error::not_possible("hosts", "x0c0s0b0n0 has no address");
        assert_eq!(refused.to_string(), "target hosts: x0c0s0b0n0 has no address");
        assert_eq!(
            Error::option("ttl", "`x` is no number").to_string(),
            "option ttl: `x` is no number"
        );
    }
}
