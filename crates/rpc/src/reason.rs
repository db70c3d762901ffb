//! Why a request was not honoured, in one word that programs compare: the `reason` of `google.rpc.ErrorInfo`.

use std::fmt;

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::{ETAG, HTTP_STATUS, OLDEST_REVISION, OUTCOME, RETRY_AFTER_S, REVISION};

/// The reasons there are; `proto/README.md` lists them for clients in every language. One that is not known here, of a newer
/// member, reads as what its gRPC code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A field has a value that is not accepted.
    InvalidField,
    /// The object does not exist.
    NotFound,
    /// The key is taken.
    AlreadyExists,
    /// The change contradicts what is stored.
    Conflict,
    /// The object is at another revision than expected.
    RevisionMismatch,
    /// The client session has lapsed.
    SessionExpired,
    /// Another request was made under the same idempotency key or number.
    RequestDiffers,
    /// No or no acceptable credentials.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// A message, list or packet is over its limit.
    TooLarge,
    /// No majority of members can be reached; nothing was changed.
    NoQuorum,
    /// The member cannot answer yet, or cannot be reached; nothing was changed.
    NotReady,
    /// The change may or may not have been made.
    OutcomeUnknown,
    /// A bound of the member is reached; nothing was changed.
    Overloaded,
    /// No answer in time; a change may still be made.
    DeadlineExceeded,
    /// No service there has this method.
    NoSuchMethod,
    /// The changes that a watch asks for are not kept any more.
    Compacted,
    /// The caller has the current answer already.
    NotModified,
    /// What the change needs is not switched on in the whole cluster yet.
    FeatureLevel,
    /// A member's disk failed.
    Storage,
    /// The caller has gone away.
    Cancelled,
    /// A bug.
    Internal,
}

/// Every reason with its word.
const WORDS: [(Reason, &str); 22] = [
    (Reason::InvalidField, "INVALID_FIELD"),
    (Reason::NotFound, "NOT_FOUND"),
    (Reason::AlreadyExists, "ALREADY_EXISTS"),
    (Reason::Conflict, "CONFLICT"),
    (Reason::RevisionMismatch, "REVISION_MISMATCH"),
    (Reason::SessionExpired, "SESSION_EXPIRED"),
    (Reason::RequestDiffers, "REQUEST_DIFFERS"),
    (Reason::Unauthenticated, "UNAUTHENTICATED"),
    (Reason::PermissionDenied, "PERMISSION_DENIED"),
    (Reason::TooLarge, "TOO_LARGE"),
    (Reason::NoQuorum, "NO_QUORUM"),
    (Reason::NotReady, "NOT_READY"),
    (Reason::OutcomeUnknown, "OUTCOME_UNKNOWN"),
    (Reason::Overloaded, "OVERLOADED"),
    (Reason::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Reason::NoSuchMethod, "NO_SUCH_METHOD"),
    (Reason::Compacted, "COMPACTED"),
    (Reason::NotModified, "NOT_MODIFIED"),
    (Reason::FeatureLevel, "FEATURE_LEVEL"),
    (Reason::Storage, "STORAGE"),
    (Reason::Cancelled, "CANCELLED"),
    (Reason::Internal, "INTERNAL"),
];

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        let found = WORDS.iter().find(|(reason, _)| *reason == self);
        found.map_or("INTERNAL", |(_, word)| word)
    }

    /// The reason of this word; `None` for one of a newer member.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let found = WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(reason, _)| *reason)
    }

    /// What code and metadata say, where a status has no details: those of handlers' own making, of a member before 0.10, of a
    /// client's own library. No `_` arm, so that a new code needs a decision.
    pub(crate) fn of_code(status: &Status) -> Self {
        let has = |key| status.metadata().contains_key(key);
        match status.code() {
            Code::InvalidArgument if http_status(status.metadata()) == Some("422") => Self::RequestDiffers,
            Code::InvalidArgument => Self::InvalidField,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::FailedPrecondition if has(ETAG) => Self::NotModified,
            Code::FailedPrecondition => Self::Conflict,
            Code::Aborted if has(REVISION) => Self::RevisionMismatch,
            Code::Aborted => Self::Conflict,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::PermissionDenied,
            // a member that is overloaded says when to come back; gRPC libraries refuse what is too large by this code
            Code::ResourceExhausted if has(RETRY_AFTER_S) => Self::Overloaded,
            Code::ResourceExhausted => Self::TooLarge,
            Code::Unavailable if has(OUTCOME) => Self::OutcomeUnknown,
            Code::Unavailable => Self::NotReady,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::Unimplemented => Self::NoSuchMethod,
            Code::OutOfRange if has(OLDEST_REVISION) => Self::Compacted,
            Code::OutOfRange => Self::InvalidField,
            Code::Cancelled => Self::Cancelled,
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Self::Internal,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn http_status(metadata: &MetadataMap) -> Option<&str> {
    metadata.get(HTTP_STATUS)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Clients in other languages compare these words; one that changes breaks them.
    #[test]
    fn every_reason_has_a_word_of_its_own_and_is_found_by_it() {
        let words: BTreeSet<&str> = WORDS.iter().map(|(_, word)| *word).collect();
        assert_eq!(words.len(), WORDS.len());
        for (reason, word) in WORDS {
            assert_eq!((reason.as_str(), Reason::of_word(word)), (word, Some(reason)));
            assert_eq!(reason.to_string(), word);
        }
        assert_eq!(Reason::of_word("OF_A_NEWER_MEMBER"), None);
        assert_eq!(Reason::of_word("not_found"), None);
    }

    /// What a member of 0.9 says has code and metadata only.
    #[test]
    fn code_and_metadata_say_it_where_details_do_not() {
        let with = |code, metadata: &[(&'static str, &str)]| {
            let mut status = Status::new(code, "x");
            for (key, value) in metadata {
                status.metadata_mut().insert(*key, value.parse().unwrap());
            }
            Reason::of_code(&status)
        };
        type Metadata = &'static [(&'static str, &'static str)];
        let table: [(Code, Metadata, Reason); 15] = [
            (Code::InvalidArgument, &[], Reason::InvalidField),
            (
                Code::InvalidArgument,
                &[(HTTP_STATUS, "422")],
                Reason::RequestDiffers,
            ),
            (Code::FailedPrecondition, &[], Reason::Conflict),
            (
                Code::FailedPrecondition,
                &[(ETAG, "\"c-7\"")],
                Reason::NotModified,
            ),
            (Code::Aborted, &[(REVISION, "7")], Reason::RevisionMismatch),
            (Code::Aborted, &[], Reason::Conflict),
            (Code::ResourceExhausted, &[], Reason::TooLarge),
            (
                Code::ResourceExhausted,
                &[(RETRY_AFTER_S, "1")],
                Reason::Overloaded,
            ),
            (Code::Unavailable, &[], Reason::NotReady),
            (Code::Unavailable, &[(OUTCOME, "unknown")], Reason::OutcomeUnknown),
            (Code::OutOfRange, &[(OLDEST_REVISION, "40")], Reason::Compacted),
            (Code::OutOfRange, &[], Reason::InvalidField),
            (Code::Unimplemented, &[], Reason::NoSuchMethod),
            (Code::Cancelled, &[], Reason::Cancelled),
            (Code::DataLoss, &[], Reason::Internal),
        ];
        for (code, metadata, reason) in table {
            assert_eq!(with(code, metadata), reason, "{code:?} {metadata:?}");
        }
    }
}
