//! Why there is no file, as callers are told.

use rpc::Error;

/// The configurator's own words, under the code that says whose fault it is.
pub(crate) fn told(error: configurator::Error) -> Error {
    use configurator::Error as Why;
    match error {
        Why::UnknownTarget { name, hint, all } => Error::NotFound {
            kind: "target".to_owned(),
            id: format!("{name}{hint}; there are {all}, and templates"),
        },
        Why::Option { name, problem } => rpc::invalid("option", format!("{name}: {problem}")),
        why @ Why::Template { .. } => rpc::invalid("template", why),
        why @ Why::NotPossible { .. } => Error::Conflict {
            detail: why.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    #[test]
    fn each_reason_has_a_code_and_says_where() {
        let option = configurator::Error::Option {
            name: "ttl".into(),
            problem: "`x` is no number".into(),
        };
        let template = configurator::Error::Template {
            name: "motd".into(),
            line: Some(3),
            problem: "it ends within a block".into(),
        };
        let impossible = configurator::Error::NotPossible {
            target: "hosts",
            problem: "two nodes have one name".into(),
        };
        let unknown = configurator::target("hots").unwrap_err();
        for (error, code, part) in [
            (option, Code::InvalidArgument, "ttl: `x` is no number"),
            (template, Code::InvalidArgument, "motd, line 3"),
            (impossible, Code::FailedPrecondition, "two nodes"),
            (unknown, Code::NotFound, "hosts"),
        ] {
            let status = Status::from(told(error));
            assert!(status.message().contains(part), "{status}");
            assert_eq!(status.code(), code, "{status}");
        }
    }
}
