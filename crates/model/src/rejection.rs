//! A business "no".

use std::fmt;

/// Why a command changed nothing. The texts are what users read; `rpc` picks the status codes, and `state`
/// writes each into the log's outcome and reads it back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A field holds what it must not.
    #[error("{field}: {problem}")]
    Invalid {
        /// Name of the field as the client wrote it.
        field: String,
        /// What is wrong and what is accepted.
        problem: String,
    },
    /// The object that is meant does not exist.
    #[error("no such {kind}: {id}")]
    NotFound {
        /// Word for the kind of object, e.g. `component`.
        kind: String,
        /// The id asked for.
        id: String,
    },
    /// An object of that id, or the owner of something unique, is there already.
    #[error("{kind} {id} exists already{}", Detail(.detail))]
    AlreadyExists {
        /// Word for the kind of object.
        kind: String,
        /// The id in question.
        id: String,
        /// Who owns it and who wanted it; may be empty.
        detail: String,
    },
    /// The change would break a rule between objects.
    #[error("{detail}")]
    Conflict {
        /// Names both sides and what to do.
        detail: String,
    },
    /// The object has changed since the client read it.
    #[error("{id} is at revision {actual}, not {expected}; read it again and repeat the change")]
    RevisionMismatch {
        /// The object.
        id: String,
        /// Revision the client expected.
        expected: u64,
        /// Revision the object has.
        actual: u64,
    },
    /// The request belongs to a session whose outcomes are gone, so it may have been applied already.
    #[error(
        "this client's session has expired and the request may have been applied before; \
         read the object and, if the change is missing, send it as a new request"
    )]
    SessionExpired,
    /// Another request was made under the same idempotency key, or the same number of a session.
    #[error(
        "another request was made under this idempotency key (or this number of the session); \
         send a new request under a new one"
    )]
    RequestDiffers,
    /// The cluster's feature level does not allow the command yet.
    #[error(
        "needs feature level {needed}, the cluster is at {current}; raise it when every member is upgraded"
    )]
    FeatureLevel {
        /// Level that the command needs.
        needed: u32,
        /// Level of the cluster.
        current: u32,
    },
    /// The author's policies do not give the permission for everything that the change touches. Says nothing of what
    /// that is, or whether it exists.
    #[error("{permission} is needed for what this request names")]
    Denied {
        /// `<area>.<access>`, e.g. `bss.write`.
        permission: String,
    },
    /// `rejection`, because of another object: one that is missing, or that has what this one wants. Whoever changes both finds
    /// out from it, without reading the words, whether this one waits for that one. Is never in the log.
    #[error("{rejection}")]
    OfAnother {
        /// What is told.
        rejection: Box<Rejection>,
        /// Word for the kind of the other object, as `NotFound` has it.
        kind: String,
        /// Its id.
        id: String,
    },
    /// Applying the command failed in a way that it must not, alike on every member; nothing was changed.
    #[error("internal error, nothing was changed: {detail}")]
    Bug {
        /// What was noticed.
        detail: String,
    },
}

impl Rejection {
    /// `Invalid` from anything that says what is accepted.
    pub fn invalid(field: &str, problem: impl fmt::Display) -> Self {
        Rejection::Invalid {
            field: field.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// `NotFound`.
    pub fn not_found(kind: &str, id: impl fmt::Display) -> Self {
        Rejection::NotFound {
            kind: kind.to_owned(),
            id: id.to_string(),
        }
    }

    /// The same, said to be because of another object.
    #[must_use]
    pub fn of_another(self, kind: &str, id: impl fmt::Display) -> Self {
        Rejection::OfAnother {
            rejection: Box::new(self.plain()),
            kind: kind.to_owned(),
            id: id.to_string(),
        }
    }

    /// The same, without the other object that it is because of.
    #[must_use]
    pub fn plain(self) -> Self {
        match self {
            Rejection::OfAnother { rejection, .. } => *rejection,
            plain => plain,
        }
    }
}

/// `: ` and the detail, or nothing.
struct Detail<'a>(&'a str);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_users_read() {
        let exists = |detail: &str| Rejection::AlreadyExists {
            kind: "NID".into(),
            id: "7".into(),
            detail: detail.into(),
        };
        let cases = [
            (Rejection::invalid("State", "write On"), "State: write On"),
            (
                Rejection::not_found("component", "x0c0s0b0n0"),
                "no such component: x0c0s0b0n0",
            ),
            (exists(""), "NID 7 exists already"),
            (
                exists("owned by x0c0s0b0n0"),
                "NID 7 exists already: owned by x0c0s0b0n0",
            ),
            (
                Rejection::RevisionMismatch {
                    id: "x0".into(),
                    expected: 3,
                    actual: 9,
                },
                "x0 is at revision 9, not 3; read it again and repeat the change",
            ),
            (
                Rejection::Denied {
                    permission: "bss.write".into(),
                },
                "bss.write is needed for what this request names",
            ),
        ];
        for (rejection, text) in cases {
            assert_eq!(rejection.to_string(), text);
        }
    }

    /// Whose fault it is changes no word, and is said once.
    #[test]
    fn a_rejection_because_of_another_object_reads_the_same() {
        let plain = Rejection::invalid("members.ids", "there is no x0; create it first");
        let told = plain
            .clone()
            .of_another("group", "g")
            .of_another("component", "x0");
        assert_eq!(told.to_string(), plain.to_string());
        let Rejection::OfAnother { kind, id, .. } = &told else {
            panic!("{told:?}");
        };
        assert_eq!((kind.as_str(), id.as_str()), ("component", "x0"));
        assert_eq!(told.plain(), plain);
    }
}
