//! Writes that are tried out instead of made, whichever generated client sends them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use proto::http::v1::WouldChange;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::{VALIDATE_ONLY, WOULD_CHANGE};

/// How a write ends that was tried out.
pub const ONLY_TRIED: &str = "it was only tried out; nothing was changed";

/// What a client that changes nothing does with the calls of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is a read, or the cluster keeps no trace of it: it is sent as it is.
    AsItIs,
    /// It is a write that the cluster can try out.
    TriedOut,
    /// It is a write that cannot be tried out: it is not sent.
    Refused,
}

/// What becomes of the calls of a client that changes nothing, and what they would have changed. Clones share it.
///
/// A write that was tried out ends with `CANCELLED`: whatever its caller would do next supposes that it was made.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// By gRPC path; what is not here is not sent.
    methods: Arc<BTreeMap<String, Treatment>>,
    told: Arc<Mutex<Option<WouldChange>>>,
}

impl Trials {
    /// `methods` are the gRPC paths (`/chamois.smd.v1.GroupService/CreateGroup`) of all methods that may be called: of any other it is
    /// not known whether it changes something.
    pub fn new(methods: impl IntoIterator<Item = (String, Treatment)>) -> Trials {
        Trials {
            methods: Arc::new(methods.into_iter().collect()),
            told: Arc::default(),
        }
    }

    /// What the writes until now would have changed; `None`: there was none.
    pub fn would_change(&self) -> Option<WouldChange> {
        self.told().clone()
    }

    /// Marks a write; true if the call is one.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` for one that cannot be tried out, and for a method that is not known; it is not sent.
    pub(super) fn mark(&self, path: &str, headers: &mut HeaderMap) -> Result<bool, Status> {
        match self.methods.get(path) {
            None => {
                let text = format!("it is not known whether {path} changes something; it was not sent");
                Err(Status::failed_precondition(text))
            }
            Some(Treatment::AsItIs) => Ok(false),
            Some(Treatment::TriedOut) => {
                headers.insert(VALIDATE_ONLY, HeaderValue::from_static("true"));
                Ok(true)
            }
            Some(Treatment::Refused) => {
                let text = format!("{path} cannot be tried out; nothing was changed");
                Err(Status::failed_precondition(text))
            }
        }
    }

    /// Keeps what the answer to a marked write says, and gives how it ends.
    pub(super) fn ended(&self, headers: &HeaderMap) -> Status {
        let metadata = MetadataMap::from_headers(headers.clone());
        let bytes = metadata
            .get_bin(WOULD_CHANGE)
            .and_then(|value| value.to_bytes().ok());
        let Some(told) = bytes.and_then(|bytes| WouldChange::decode(bytes).ok()) else {
            return Status::internal("the member did not say what would change; is it an older version?");
        };
        let mut all = self.told();
        let all = all.get_or_insert_with(WouldChange::default);
        all.validate_only = true;
        all.changes.extend(told.changes);
        all.left_out += told.left_out;
        Status::new(Code::Cancelled, ONLY_TRIED)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Option<WouldChange>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proto::http::v1::ObjectChange;
    use tonic::metadata::MetadataValue;

    use super::*;

    const CREATE: &str = "/chamois.smd.v1.GroupService/CreateGroup";

    fn answer(id: &str) -> HeaderMap {
        let told = WouldChange {
            changes: vec![ObjectChange {
                id: id.into(),
                ..ObjectChange::default()
            }],
            ..WouldChange::default()
        };
        let mut metadata = MetadataMap::new();
        metadata.insert_bin(WOULD_CHANGE, MetadataValue::from_bytes(&told.encode_to_vec()));
        metadata.into_headers()
    }

    #[test]
    fn writes_are_marked_reads_are_not_and_what_cannot_be_tried_is_not_sent() {
        let trials = Trials::new([
            ("/a.B/Get".to_owned(), Treatment::AsItIs),
            (CREATE.to_owned(), Treatment::TriedOut),
            ("/a.B/Start".to_owned(), Treatment::Refused),
        ]);
        let mut headers = HeaderMap::new();
        assert!(!trials.mark("/a.B/Get", &mut headers).unwrap());
        assert!(headers.is_empty());
        assert!(trials.mark(CREATE, &mut headers).unwrap());
        assert_eq!(headers[VALIDATE_ONLY], "true");
        let refused = trials.mark("/a.B/Start", &mut HeaderMap::new()).unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
    }

    /// It may be a write of a newer version.
    #[test]
    fn what_is_not_known_is_not_sent() {
        let trials = Trials::new([(CREATE.to_owned(), Treatment::TriedOut)]);
        let mut headers = HeaderMap::new();
        for trials in [trials, Trials::default()] {
            let refused = trials.mark("/a.B/New", &mut headers).unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition);
            assert!(refused.message().contains("/a.B/New"), "{refused}");
        }
        assert!(headers.is_empty());
    }

    #[test]
    fn what_each_write_would_have_changed_is_kept() {
        let trials = Trials::new([]);
        assert!(trials.would_change().is_none());
        assert_eq!(trials.ended(&answer("a")).code(), Code::Cancelled);
        assert_eq!(trials.ended(&answer("b")).code(), Code::Cancelled);
        let told = trials.would_change().unwrap();
        let ids: Vec<_> = told.changes.iter().map(|change| change.id.as_str()).collect();
        assert_eq!((ids, told.validate_only), (vec!["a", "b"], true));
    }

    /// An older member that ignores the mark may have made the change: that is no dry run.
    #[test]
    fn an_answer_that_does_not_say_is_an_error() {
        let trials = Trials::new([]);
        assert_eq!(trials.ended(&HeaderMap::new()).code(), Code::Internal);
        assert!(trials.would_change().is_none());
    }
}
