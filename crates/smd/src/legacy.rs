//! Where HSM v2 answers otherwise than the error map says: one pure function per quirk.

use model::NodeState;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::{
    DeleteResponse, MapsResponse, PatchComponentsResponse, PutHardwareResponse, ResourceUris,
};
use raft::Committed;
use rpc::Error;
use tonic::{Response, Status};

/// What HSM keeps to itself behind its 204: how many components were changed, how many were so already, how many were
/// refused, and why the first of them was.
pub(crate) fn told(answer: PatchComponentsResponse) -> Response<PatchComponentsResponse> {
    let (applied, unchanged) = (answer.applied.len(), answer.unchanged.len());
    let refused = answer.refused.first().map(|first| {
        let (count, id, reason) = (answer.refused_count, &first.id, &first.reason);
        format!("{count} ({id}: {reason})")
    });
    let mut response = Response::new(answer);
    let metadata = response.metadata_mut();
    rpc::set_http_header(metadata, "chamois-applied", &applied.to_string());
    if unchanged > 0 {
        rpc::set_http_header(metadata, "chamois-unchanged", &unchanged.to_string());
    }
    if let Some(refused) = refused {
        rpc::set_http_header(metadata, "chamois-refused", &refused);
    }
    response
}

/// Neither HSM's 204 nor our own says which state is meant when none is given.
pub(crate) fn state_missing() -> Error {
    let names = NodeState::ALL.map(NodeState::as_str).join(", ");
    rpc::invalid("State", format!("it is missing; write one of {names}"))
}

/// Answer to the delete of one object.
pub(crate) fn deleted_one(committed: &Committed) -> DeleteResponse {
    DeleteResponse {
        code: 0,
        message: "deleted 1 entry".to_owned(),
        revision: committed.revision,
    }
}

/// As [`deleted_one`], for a delete that may name several.
pub(crate) fn deleted_some(committed: &Committed) -> DeleteResponse {
    match committed.applied.deleted_count {
        0 | 1 => deleted_one(committed),
        count => DeleteResponse {
            message: format!("deleted {count} entries"),
            ..deleted_one(committed)
        },
    }
}

/// Answer to the delete of a whole collection; HSM writes "entries" for one, too, and 404 for none.
///
/// # Errors
/// `no entries to delete` for an empty collection, and everything else that went wrong.
pub(crate) fn deleted_all(outcome: Result<Committed, Error>) -> Result<DeleteResponse, Status> {
    match outcome {
        Ok(Committed { revision, applied }) => Ok(DeleteResponse {
            code: 0,
            message: format!("deleted {} entries", applied.deleted_count),
            revision,
        }),
        Err(Error::NotFound { .. }) => Err(Status::not_found("no entries to delete")),
        Err(error) => Err(error.into()),
    }
}

/// A GET of something that is no xname is a GET of an object that does not exist.
pub(crate) fn no_such_xname(id: &str) -> Error {
    Error::NotFound {
        kind: "xname".to_owned(),
        id: id.escape_debug().to_string(),
    }
}

/// Answer to an interface that does not exist, or whose id is no MAC.
pub(crate) fn no_such_interface(id: &str) -> Error {
    Error::NotFound {
        kind: "component ethernet interface".to_owned(),
        id: id.escape_debug().to_string(),
    }
}

/// Answer to a service endpoint that does not exist.
pub(crate) fn no_such_service(service: &str, id: &str) -> Error {
    Error::NotFound {
        kind: "service under redfish endpoint".to_owned(),
        id: format!("{} of {}", service.escape_debug(), id.escape_debug()),
    }
}

/// Answer to a group that does not exist.
pub(crate) fn no_such_group(label: &str) -> Error {
    Error::NotFound {
        kind: "group".to_owned(),
        id: label.to_owned(),
    }
}

/// Answer to a partition that does not exist.
pub(crate) fn no_such_partition(name: &str) -> Error {
    Error::NotFound {
        kind: "partition".to_owned(),
        id: name.to_owned(),
    }
}

/// Answer to a subscription that does not exist; HSM's words.
pub(crate) fn no_such_subscription() -> Status {
    Status::not_found("Subscription not found")
}

/// Answer to the delete of one subscription; HSM does not count it.
pub(crate) fn unsubscribed(revision: u64) -> DeleteResponse {
    DeleteResponse {
        code: 0,
        message: "Subscription deleted".to_owned(),
        revision,
    }
}

/// Answer to the delete of all subscriptions; none is no error.
pub(crate) fn unsubscribed_all(committed: &Committed) -> DeleteResponse {
    DeleteResponse {
        message: format!("{} Subscriptions deleted", committed.applied.deleted_count),
        ..unsubscribed(committed.revision)
    }
}

/// Answer to a POST of node maps or power maps.
pub(crate) fn created_or_modified(committed: &Committed) -> MapsResponse {
    let entries = committed.applied.created.len() + committed.applied.updated.len();
    MapsResponse {
        code: 0,
        message: format!("Created or modified {entries} entries"),
        revision: committed.revision,
    }
}

/// Answer to a unit that does not exist.
pub(crate) fn no_such_fru(fru_id: &str) -> Error {
    Error::NotFound {
        kind: "FRU ID".to_owned(),
        id: fru_id.escape_debug().to_string(),
    }
}

/// Answer to a post of `count` places; HSM says "Created" of those that were there, too, and "entries" of one.
pub(crate) fn created_hardware(count: usize, revision: u64, applied: Option<Applied>) -> PutHardwareResponse {
    let applied = applied.unwrap_or_default();
    PutHardwareResponse {
        code: 0,
        message: format!("Created {count} entries"),
        revision,
        created: applied.created,
        updated: applied.updated,
        unchanged: applied.unchanged,
    }
}

/// HSM answers 204 instead of an empty list of what was created.
pub(crate) fn created_or_empty(uris: ResourceUris) -> Response<ResourceUris> {
    let is_empty = uris.uris.is_empty();
    let mut response = Response::new(uris);
    if is_empty {
        rpc::set_http_status(response.metadata_mut(), 204);
    }
    response
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::{ResourceUri, patch_components_response};

    use super::*;

    fn committed(deleted: &[&str]) -> Committed {
        let deleted: Vec<String> = deleted.iter().map(|id| (*id).to_owned()).collect();
        Committed {
            revision: 9,
            applied: Applied {
                deleted_count: deleted.len() as u64,
                deleted,
                ..Applied::default()
            },
        }
    }

    #[test]
    fn deletes_are_counted_in_the_words_of_hsm() {
        assert_eq!(deleted_one(&committed(&["a"])).message, "deleted 1 entry");
        assert_eq!(deleted_some(&committed(&["a"])).message, "deleted 1 entry");
        assert_eq!(deleted_some(&committed(&["a", "b"])).message, "deleted 2 entries");
        let all = deleted_all(Ok(committed(&["a", "b"]))).unwrap();
        assert_eq!((all.message.as_str(), all.revision), ("deleted 2 entries", 9));
        let none = deleted_all(Err(Error::NotFound {
            kind: "component".into(),
            id: "there are none".into(),
        }));
        let none = none.unwrap_err();
        assert_eq!(
            (none.code(), none.message()),
            (tonic::Code::NotFound, "no entries to delete")
        );
        let no_quorum = Err(Error::NoQuorum {
            retry_after: std::time::Duration::from_secs(1),
        });
        assert_eq!(
            deleted_all(no_quorum).unwrap_err().code(),
            tonic::Code::Unavailable
        );
    }

    #[test]
    fn subscriptions_and_maps_are_counted_in_the_words_of_hsm() {
        assert_eq!(unsubscribed(3).message, "Subscription deleted");
        assert_eq!(
            unsubscribed_all(&committed(&[])).message,
            "0 Subscriptions deleted"
        );
        assert_eq!(
            unsubscribed_all(&committed(&["1", "2"])).message,
            "2 Subscriptions deleted"
        );
        let mut put = committed(&[]);
        put.applied.created = vec!["x0".into()];
        put.applied.updated = vec!["x1".into(), "x2".into()];
        let answer = created_or_modified(&put);
        assert_eq!(
            (answer.code, answer.message.as_str()),
            (0, "Created or modified 3 entries")
        );
    }

    #[test]
    fn headers_tell_what_a_204_does_not() {
        let refusal = |id: &str| patch_components_response::Refusal {
            id: id.into(),
            reason: "it is Ready".into(),
        };
        let header = |answer: &Response<_>, name: &str| {
            let name = format!("{}{name}", rpc::HTTP_HEADER_PREFIX);
            let value = answer.metadata().get(name.as_str());
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let quiet = told(PatchComponentsResponse {
            applied: vec!["x0".into(), "x1".into()],
            ..PatchComponentsResponse::default()
        });
        assert_eq!(header(&quiet, "chamois-applied").as_deref(), Some("2"));
        assert_eq!(header(&quiet, "chamois-unchanged"), None);
        assert_eq!(header(&quiet, "chamois-refused"), None);
        let loud = told(PatchComponentsResponse {
            unchanged: vec!["x0".into()],
            refused: vec![refusal("x1"), refusal("x2")],
            refused_count: 2,
            ..PatchComponentsResponse::default()
        });
        assert_eq!(header(&loud, "chamois-applied").as_deref(), Some("0"));
        assert_eq!(header(&loud, "chamois-unchanged").as_deref(), Some("1"));
        assert_eq!(
            header(&loud, "chamois-refused").as_deref(),
            Some("2 (x1: it is Ready)")
        );
    }

    #[test]
    fn nothing_created_is_no_content() {
        let status = |uris: Vec<ResourceUri>| {
            let answer = created_or_empty(ResourceUris {
                uris,
                ..ResourceUris::default()
            });
            let status = answer.metadata().get(rpc::HTTP_STATUS);
            status.map(|status| status.to_str().unwrap().to_owned())
        };
        assert_eq!(status(Vec::new()).as_deref(), Some("204"));
        assert_eq!(status(vec![ResourceUri::default()]), None);
    }

    /// Ids come from URLs: they go into logs and terminals.
    #[test]
    fn ids_are_escaped() {
        assert_eq!(no_such_xname("a\nb").to_string(), "no such xname: a\\nb");
    }
}
