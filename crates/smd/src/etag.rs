//! The ETag of a part of an object: that of the object, so that it can be written under the same condition.

use proto::http::v1::ObjectMeta;
use raft::Store;
use tonic::Response;

/// Gives `response` the ETag of the object with this meta.
pub(crate) fn set<T>(response: &mut Response<T>, store: &Store, meta: Option<&ObjectMeta>) {
    if let Some(modified) = meta.and_then(|meta| meta.modified.as_ref()) {
        rpc::set_etag(response.metadata_mut(), &store.etag(modified.revision));
    }
}
