//! `TokenService`: tokens of machines, logins, and the keys that sign access tokens.

use proto::auth::v1::auth_command::Change;
use proto::auth::v1::{
    AuthCommand, CreateApiTokenRequest, CreateApiTokenResponse, DeleteApiTokenRequest,
    DeleteApiTokenResponse, ListApiTokensRequest, ListApiTokensResponse, ListSessionsRequest,
    ListSessionsResponse, ListSigningKeysRequest, ListSigningKeysResponse, RevokeTokensRequest,
    RevokeTokensResponse, RotateSigningKeyRequest, RotateSigningKeyResponse, token_service_server,
};
use proto::raft::v1::entry::Command;
use raft::Committed;
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::TokenChecks;
use crate::rights::Rights;
use crate::signing_keys::{Rotation, listed, rotation};

/// One file each says what is done: `api_tokens.rs`, `sessions.rs`, `revocations.rs`, `signing_keys.rs`.
#[derive(Clone, Debug)]
pub(crate) struct TokenService {
    pub(crate) checks: TokenChecks,
    pub(crate) rights: Rights,
}

impl TokenService {
    pub(crate) fn new(checks: TokenChecks, rights: Rights) -> TokenService {
        TokenService { checks, rights }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.checks.store().cluster_time_ms()
    }

    pub(crate) async fn propose_by(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        let committed = self.checks.store().propose_by(author, command).await?;
        warn_of_refused(&committed);
        Ok(committed)
    }

    async fn rotate(
        &self,
        request: Request<RotateSigningKeyRequest>,
    ) -> Result<RotateSigningKeyResponse, Error> {
        let author = rpc::author(&request);
        let asked = request.into_inner();
        let how = Rotation {
            urgent: asked.urgent,
            distrust_active: asked.distrust_active,
        };
        self.checks.store().linearize().await?;
        let rotate = rotation(&self.checks.store().state(), self.checks.sealer(), how)?;
        let committed = self.propose_by(&author, Change::RotateSigningKey(rotate)).await?;
        let active = self.checks.store().state().auth.active_key();
        Ok(RotateSigningKeyResponse {
            active_id: active.map(|key| key.id.clone()).unwrap_or_default(),
            revision: committed.revision,
        })
    }
}

/// A login has ended and there was no room to note that its access tokens are revoked: they end within minutes, and a member that
/// knows of no such login asks the others before it refuses them.
pub(crate) fn warn_of_refused(committed: &Committed) {
    for refusal in &committed.applied.refused {
        tracing::warn!(
            id = refusal.id,
            reason = refusal.reason,
            "a revocation could not be noted"
        );
    }
}

#[tonic::async_trait]
impl token_service_server::TokenService for TokenService {
    #[tracing::instrument(name = "auth.create_api_token", skip_all, fields(principal = ?request.get_ref().principal))]
    async fn create_api_token(
        &self,
        request: Request<CreateApiTokenRequest>,
    ) -> Result<Response<CreateApiTokenResponse>, Status> {
        Ok(Response::new(self.create(request).await?))
    }

    #[tracing::instrument(level = "debug", name = "auth.list_api_tokens", skip_all)]
    async fn list_api_tokens(
        &self,
        request: Request<ListApiTokensRequest>,
    ) -> Result<Response<ListApiTokensResponse>, Status> {
        let caller = rpc::caller(&request).identity.clone();
        Ok(Response::new(self.api_tokens(&caller, request.into_inner())?))
    }

    #[tracing::instrument(name = "auth.delete_api_token", skip_all, fields(id = ?request.get_ref().id))]
    async fn delete_api_token(
        &self,
        request: Request<DeleteApiTokenRequest>,
    ) -> Result<Response<DeleteApiTokenResponse>, Status> {
        Ok(Response::new(
            TokenService::delete_api_token(self, request).await?,
        ))
    }

    #[tracing::instrument(level = "debug", name = "auth.list_sessions", skip_all)]
    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let caller = rpc::caller(&request).identity.clone();
        Ok(Response::new(self.sessions(&caller, request.into_inner())?))
    }

    #[tracing::instrument(name = "auth.revoke_tokens", skip_all)]
    async fn revoke_tokens(
        &self,
        request: Request<RevokeTokensRequest>,
    ) -> Result<Response<RevokeTokensResponse>, Status> {
        Ok(Response::new(self.revoke(request).await?))
    }

    #[tracing::instrument(level = "debug", name = "auth.list_signing_keys", skip_all)]
    async fn list_signing_keys(
        &self,
        _: Request<ListSigningKeysRequest>,
    ) -> Result<Response<ListSigningKeysResponse>, Status> {
        let keys = listed(&self.checks.store().state());
        Ok(Response::new(ListSigningKeysResponse { keys }))
    }

    #[tracing::instrument(name = "auth.rotate_signing_key", skip_all)]
    async fn rotate_signing_key(
        &self,
        request: Request<RotateSigningKeyRequest>,
    ) -> Result<Response<RotateSigningKeyResponse>, Status> {
        Ok(Response::new(self.rotate(request).await?))
    }
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::token_service_server::TokenService as _;

    use super::*;
    use crate::token_testing::{Bed, FakeAuthority, request_of, rights, user};

    #[tokio::test]
    async fn a_rotation_by_hand_waits_for_the_hour_unless_it_is_urgent() {
        let bed = Bed::new().await;
        let service = TokenService::new(bed.checks.clone(), rights(FakeAuthority::nobody()));
        let ask = |urgent| {
            let asked = RotateSigningKeyRequest {
                urgent,
                ..RotateSigningKeyRequest::default()
            };
            service.rotate_signing_key(request_of(&user("ada"), asked))
        };
        let early = ask(false).await.unwrap_err();
        assert!(early.message().contains("less than 60 minutes"), "{early:?}");
        let before = bed.store.state().auth.active_key().unwrap();
        let rotated = ask(true).await.unwrap().into_inner();
        assert_ne!(rotated.active_id, before.id);
        let keys = service
            .list_signing_keys(request_of(&user("ada"), ListSigningKeysRequest {}))
            .await
            .unwrap()
            .into_inner()
            .keys;
        assert_eq!(keys.len(), 3);
        let signs = keys.iter().find(|key| key.id == rotated.active_id).unwrap();
        assert_eq!(signs.stage_since_ms, bed.store.state().time_ms());
    }
}
