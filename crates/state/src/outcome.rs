//! What `apply` says, in the log's own words: outcomes that change something list keys, rejections are
//! `model::Rejection` in wire form.

use model::Rejection;
use proto::raft::v1::Outcome;
use proto::raft::v1::outcome::rejected::Kind;
use proto::raft::v1::outcome::{Applied, Rejected, Result as Wire};

use crate::bounds::IDS_LISTED_MAX;

pub(crate) fn applied(revision: u64, applied: Applied) -> Outcome {
    Outcome {
        revision,
        result: Some(Wire::Applied(applied)),
    }
}

/// What a delete says: how many are gone, and the first of them.
pub(crate) fn deleted(ids: impl ExactSizeIterator<Item = String>) -> Applied {
    Applied {
        deleted_count: ids.len() as u64,
        deleted: ids.take(IDS_LISTED_MAX).collect(),
        ..Default::default()
    }
}

/// The outcome that says no; `revision` is the log index of the entry.
pub fn rejected(revision: u64, rejection: &Rejection) -> Outcome {
    Outcome {
        revision,
        result: Some(Wire::Rejected(to_wire(rejection))),
    }
}

/// The rejection of an outcome; `None` if the command was applied. An outcome without a result, or of a kind that
/// this version does not know, is a `Bug`: it must never be taken for success.
pub fn rejection(outcome: &Outcome) -> Option<Rejection> {
    match &outcome.result {
        Some(Wire::Applied(_)) => None,
        Some(Wire::Rejected(rejected)) => Some(from_wire(rejected)),
        None => Some(Rejection::Bug {
            detail: "the outcome has no result".into(),
        }),
    }
}

fn to_wire(rejection: &Rejection) -> Rejected {
    let rejected = |kind: Kind| Rejected {
        kind: kind.into(),
        ..Default::default()
    };
    match rejection.clone() {
        Rejection::Invalid { field, problem } => Rejected {
            subject: field,
            detail: problem,
            ..rejected(Kind::Invalid)
        },
        Rejection::NotFound { kind, id } => Rejected {
            subject: kind,
            id,
            ..rejected(Kind::NotFound)
        },
        Rejection::AlreadyExists { kind, id, detail } => Rejected {
            subject: kind,
            id,
            detail,
            ..rejected(Kind::AlreadyExists)
        },
        Rejection::Conflict { detail } => Rejected {
            detail,
            ..rejected(Kind::Conflict)
        },
        Rejection::RevisionMismatch { id, expected, actual } => Rejected {
            id,
            expected_revision: expected,
            actual_revision: actual,
            ..rejected(Kind::RevisionMismatch)
        },
        Rejection::SessionExpired => rejected(Kind::SessionExpired),
        Rejection::RequestDiffers => rejected(Kind::RequestDiffers),
        Rejection::FeatureLevel { needed, current } => Rejected {
            expected_revision: needed.into(),
            actual_revision: current.into(),
            ..rejected(Kind::FeatureLevel)
        },
        Rejection::Denied { permission } => Rejected {
            detail: rejection.to_string(),
            subject: permission,
            ..rejected(Kind::Denied)
        },
        // members of older versions write the same, so the other object stays out
        Rejection::OfAnother { rejection, .. } => to_wire(&rejection),
        Rejection::Bug { detail } => Rejected {
            detail,
            ..rejected(Kind::Bug)
        },
    }
}

fn from_wire(rejected: &Rejected) -> Rejection {
    let Rejected {
        kind: _,
        subject,
        id,
        detail,
        actual_revision,
        expected_revision,
    } = rejected.clone();
    match rejected.kind() {
        Kind::Invalid => Rejection::Invalid {
            field: subject,
            problem: detail,
        },
        Kind::NotFound => Rejection::NotFound { kind: subject, id },
        Kind::AlreadyExists => Rejection::AlreadyExists {
            kind: subject,
            id,
            detail,
        },
        Kind::Conflict => Rejection::Conflict { detail },
        Kind::RevisionMismatch => Rejection::RevisionMismatch {
            id,
            expected: expected_revision,
            actual: actual_revision,
        },
        Kind::SessionExpired => Rejection::SessionExpired,
        Kind::RequestDiffers => Rejection::RequestDiffers,
        Kind::FeatureLevel => Rejection::FeatureLevel {
            needed: u32::try_from(expected_revision).unwrap_or(u32::MAX),
            current: u32::try_from(actual_revision).unwrap_or(u32::MAX),
        },
        Kind::Denied => Rejection::Denied { permission: subject },
        Kind::Bug => Rejection::Bug { detail },
        Kind::Unspecified => Rejection::Bug {
            detail: format!("rejection of unknown kind {}", rejected.kind),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_survives_the_wire() {
        let text = |text: &str| text.to_owned();
        let all = [
            Rejection::Invalid {
                field: text("params"),
                problem: text("too long"),
            },
            Rejection::NotFound {
                kind: text("component"),
                id: text("x0"),
            },
            Rejection::AlreadyExists {
                kind: text("NID"),
                id: text("7"),
                detail: text("owned by x0"),
            },
            Rejection::Conflict { detail: text("both") },
            Rejection::RevisionMismatch {
                id: text("x0"),
                expected: 3,
                actual: u64::MAX,
            },
            Rejection::SessionExpired,
            Rejection::FeatureLevel {
                needed: 2,
                current: 1,
            },
            Rejection::Denied {
                permission: text("bss.write"),
            },
            Rejection::Bug {
                detail: text("overflow"),
            },
        ];
        for expected in all {
            let outcome = rejected(9, &expected);
            assert_eq!(outcome.revision, 9);
            assert_eq!(rejection(&outcome), Some(expected));
        }
    }

    /// An outcome is part of the replicated state: another byte than an older member's would stop one of them.
    #[test]
    fn because_of_what_it_is_refused_is_not_in_the_log() {
        let plain = Rejection::Conflict {
            detail: "x0 is in the group g".into(),
        };
        let told = plain.clone().of_another("group", "g");
        assert_eq!(rejected(9, &told), rejected(9, &plain));
    }

    /// A newer member may say no in a way that this one does not know; silence is no success either.
    #[test]
    fn what_is_not_understood_is_not_taken_for_success() {
        let unknown = Outcome {
            revision: 1,
            result: Some(Wire::Rejected(Rejected {
                kind: 99,
                ..Default::default()
            })),
        };
        assert!(matches!(rejection(&unknown), Some(Rejection::Bug { .. })));
        assert!(matches!(
            rejection(&Outcome::default()),
            Some(Rejection::Bug { .. })
        ));
        assert_eq!(rejection(&applied(1, Applied::default())), None);
    }
}
