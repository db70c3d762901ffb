//! What members ask each other for: which keys one has, to keep another one, and to give one away. On the peer port alone, where
//! both ends are known by their pinned keys.

use auth::{KekStore, KekStoreError};
use proto::cluster::v1::secret_peer_service_server::SecretPeerService;
use proto::cluster::v1::{
    FetchKekRequest, FetchKekResponse, KeepKekRequest, KeepKekResponse, ListKeksRequest, ListKeksResponse,
};
use rpc::{Error, Identity};
use tonic::{Request, Response, Status};

use super::listed;

/// The service of the peer port.
#[derive(Clone, Debug)]
pub(in crate::serve) struct PeerKeks(pub(in crate::serve) KekStore);

#[tonic::async_trait]
impl SecretPeerService for PeerKeks {
    async fn list_keks(
        &self,
        request: Request<ListKeksRequest>,
    ) -> Result<Response<ListKeksResponse>, Status> {
        member(&request)?;
        let keks = self.0.clone();
        Ok(Response::new(on_disk(move || listed(&keks)).await?))
    }

    async fn keep_kek(&self, request: Request<KeepKekRequest>) -> Result<Response<KeepKekResponse>, Status> {
        let from = member(&request)?;
        let KeepKekRequest { kek, id } = request.into_inner();
        let keks = self.0.clone();
        let kept = on_disk(move || match kek.is_empty() {
            true => keks.require(&id),
            false => keks.keep(&kek),
        });
        kept.await?.map_err(|error| refused(&error))?;
        tracing::info!(member = from, "a key of secrets is kept");
        Ok(Response::new(KeepKekResponse {}))
    }

    async fn fetch_kek(
        &self,
        request: Request<FetchKekRequest>,
    ) -> Result<Response<FetchKekResponse>, Status> {
        let to = member(&request)?;
        let id = &request.get_ref().id;
        let kek = self.0.sealer().key_pem(id).ok_or_else(|| Error::NotFound {
            kind: "key of secrets".to_owned(),
            id: id.clone(),
        })?;
        tracing::info!(
            member = to,
            key = id,
            "a key of secrets is given to a member that lacks it"
        );
        Ok(Response::new(FetchKekResponse { kek }))
    }
}

/// The guard admits members only; a key leaves for nobody else, whatever becomes of the guard.
fn member<T>(request: &Request<T>) -> Result<u64, Status> {
    match &rpc::caller(request).identity {
        Identity::Member(id) => Ok(*id),
        _ => Err(Error::Denied {
            reason: "members of the cluster only, on the peer port".to_owned(),
        }
        .into()),
    }
}

/// Disk and commands, not on the threads that answer.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|failed| Status::internal(failed.to_string()))
}

/// What is wrong here, as whoever asks is told.
pub(super) fn refused(error: &KekStoreError) -> Status {
    let text = error.to_string();
    match error {
        KekStoreError::Key(_) => rpc::invalid("kek", text).into(),
        KekStoreError::NotGiven { .. } | KekStoreError::Full | KekStoreError::Source(_) => {
            Status::failed_precondition(text)
        }
        KekStoreError::Write { .. } => Status::internal(text),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::{KekSource, Sealer};
    use rpc::Caller;

    use super::*;

    fn service() -> (tempfile::TempDir, PeerKeks) {
        rpc::tls::install_crypto_provider();
        let (dir, sealer) = (tempfile::tempdir().unwrap(), Sealer::generate().unwrap());
        let keks = KekStore::new(dir.path(), KekSource::File, sealer);
        (dir, PeerKeks(keks))
    }

    fn by<T>(identity: Identity, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(Caller {
            identity,
            peer: None,
            local: None,
        });
        request
    }

    #[tokio::test]
    async fn a_member_keeps_a_key_and_gives_it_to_another_one() {
        let (_dir, service) = service();
        let new = Sealer::generate().unwrap();
        let keep = KeepKekRequest {
            kek: new.to_pem().unwrap(),
            id: new.sealing_id(),
        };
        service.keep_kek(by(Identity::Member(1), keep)).await.unwrap();
        let list = by(Identity::Member(2), ListKeksRequest {});
        let listed = service.list_keks(list).await.unwrap().into_inner();
        assert!(listed.kek_ids.contains(&new.sealing_id()), "{listed:?}");
        let fetch = FetchKekRequest { id: new.sealing_id() };
        let fetched = service.fetch_kek(by(Identity::Member(2), fetch)).await.unwrap();
        assert_eq!(fetched.into_inner().kek, new.to_pem().unwrap());
        let unknown = FetchKekRequest { id: "00".into() };
        let unknown = service.fetch_kek(by(Identity::Member(2), unknown)).await;
        assert_eq!(unknown.unwrap_err().code(), tonic::Code::NotFound);
    }

    /// Whatever the guard lets through by mistake: no key for anybody but a member.
    #[tokio::test]
    async fn nobody_else_is_given_a_key_or_told_of_one() {
        let (_dir, service) = service();
        let id = service.0.sealer().sealing_id();
        let principal = Arc::new(rpc::Principal::default());
        let user = Identity::User { name: "root".into() };
        for identity in [Identity::Anonymous, user, Identity::Known(principal)] {
            let fetch = by(identity.clone(), FetchKekRequest { id: id.clone() });
            let denied = service.fetch_kek(fetch).await.unwrap_err();
            assert_eq!(denied.code(), tonic::Code::PermissionDenied);
            let keep = by(identity.clone(), KeepKekRequest::default());
            service.keep_kek(keep).await.unwrap_err();
            service
                .list_keks(by(identity, ListKeksRequest {}))
                .await
                .unwrap_err();
        }
    }

    #[tokio::test]
    async fn what_is_no_key_is_refused_without_being_shown() {
        let (_dir, service) = service();
        let keep = KeepKekRequest {
            kek: "c4n4ry".into(),
            id: String::new(),
        };
        assert!(!format!("{keep:?}").contains("c4n4ry"));
        let refused = service.keep_kek(by(Identity::Member(1), keep)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(!refused.message().contains("c4n4ry"), "{refused:?}");
    }
}
