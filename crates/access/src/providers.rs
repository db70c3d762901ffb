//! `OidcProviderService`: whose logins are believed, as a replicated resource.

use auth::Sealer;
use proto::auth::v1::auth_command::{Change, DeleteProvider, PutProvider};
use proto::auth::v1::{
    AuthCommand, DeleteOidcProviderRequest, DeleteOidcProviderResponse, ListOidcProvidersRequest,
    ListOidcProvidersResponse, OidcProvider, PutOidcProviderRequest, oidc_provider_service_server,
};
use proto::cluster::v1::SealedSecret;
use proto::http::v1::ObjectMeta;
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error, invalid};
use state::State;
use tonic::{Request, Response, Status};

use crate::rights::require_level;

/// Longest client secret, bytes.
const SECRET_BYTES_MAX: usize = 1024;

/// The service of the API port.
#[derive(Clone)]
pub(crate) struct ProviderService {
    store: Store,
    sealer: Sealer,
}

impl ProviderService {
    pub(crate) fn new(store: Store, sealer: Sealer) -> ProviderService {
        ProviderService { store, sealer }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }

    async fn put(&self, request: Request<PutOidcProviderRequest>) -> Result<OidcProvider, Error> {
        let author = rpc::author(&request);
        let asked = request.into_inner();
        self.store.linearize().await?;
        let state = self.store.state();
        require_level(&state)?;
        let provider = asked
            .provider
            .clone()
            .ok_or_else(|| invalid("provider", "it is missing"))?;
        let (name, put) = (provider.name.clone(), self.put_of(&state, provider, &asked)?);
        self.propose(&author, Change::PutProvider(put)).await?;
        let stored = self.store.state_after(&author).auth.provider(&name);
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{name} was deleted by someone else"),
        })?;
        let stored = shown(&stored);
        Ok(OidcProvider {
            meta: author.told_meta(stored.meta),
            ..stored
        })
    }

    /// A secret that is there stays with the issuer and the client that it was given for: nobody gets it sent elsewhere.
    fn put_of(
        &self,
        state: &State,
        provider: OidcProvider,
        asked: &PutOidcProviderRequest,
    ) -> Result<PutProvider, Error> {
        if provider.client_secret.is_some() {
            let problem = "it is what the log has; give the secret as `password`";
            return Err(invalid("provider.client_secret", problem));
        }
        if provider.audiences.contains(&provider.client_id) {
            let problem = "the client id is the audience of ID tokens, which are no access tokens; name the API that they are for";
            return Err(invalid("provider.audiences", problem));
        }
        if asked.without_secret && !asked.password.is_empty() {
            return Err(invalid(
                "without_secret",
                "a secret is given, too; give one of the two",
            ));
        }
        let before = state.auth.provider(&provider.name);
        let sealed_before = before.as_ref().and_then(|before| before.client_secret.as_ref());
        let client_secret = match asked.password.as_str() {
            "" => None,
            secret => Some(self.sealed(&provider.name, secret, sealed_before)?),
        };
        let keeps = client_secret.is_none() && !asked.without_secret;
        let is_same = before
            .as_ref()
            .is_none_or(|before| before.issuer == provider.issuer && before.client_id == provider.client_id);
        if keeps && sealed_before.is_some() && !is_same {
            let problem =
                "issuer or client id is another: give the client secret again, or say `without_secret`";
            return Err(invalid("password", problem));
        }
        Ok(PutProvider {
            provider: Some(OidcProvider {
                client_secret,
                ..provider
            }),
            keep_client_secret: keeps,
        })
    }

    fn sealed(&self, name: &str, secret: &str, before: Option<&SealedSecret>) -> Result<SealedSecret, Error> {
        if secret.len() > SECRET_BYTES_MAX || secret.contains(char::is_control) {
            return Err(invalid(
                "password",
                format!("one line of {SECRET_BYTES_MAX} bytes at most is accepted"),
            ));
        }
        let version = before.map_or(0, |before| before.version).saturating_add(1);
        let sealed = self
            .sealer
            .seal(&format!("oidc-client/{name}"), version, secret.as_bytes());
        sealed.map_err(|error| Error::Internal(error.to_string()))
    }
}

/// Whether a login, or the yes to one, still has a provider that people may log in through: else what was begun with it must not go on.
/// What came from no provider needs none. One that was put later than `begun` (a revision) is another one of the same name.
pub(crate) fn stands_behind(state: &State, provider: &str, begun: u64) -> bool {
    let found = state.auth.provider(provider);
    let is_its = |found: &OidcProvider| found.logins && created(found.meta.as_ref()) <= begun;
    provider.is_empty() || found.is_some_and(|found| is_its(&found))
}

/// The revision that an object came to be at.
pub(crate) fn created(meta: Option<&ObjectMeta>) -> u64 {
    let created = meta.and_then(|meta| meta.created.as_ref());
    created.map_or(0, |created| created.revision)
}

/// What the API shows: a secret is in no answer, not even sealed.
fn shown(provider: &OidcProvider) -> OidcProvider {
    OidcProvider {
        client_secret: None,
        ..provider.clone()
    }
}

#[tonic::async_trait]
impl oidc_provider_service_server::OidcProviderService for ProviderService {
    #[tracing::instrument(level = "debug", name = "auth.list_oidc_providers", skip_all)]
    async fn list_oidc_providers(
        &self,
        _request: Request<ListOidcProvidersRequest>,
    ) -> Result<Response<ListOidcProvidersResponse>, Status> {
        let state = self.store.state();
        let providers = state.auth.providers().map(|provider| shown(provider));
        Ok(Response::new(ListOidcProvidersResponse {
            providers: providers.collect(),
        }))
    }

    #[tracing::instrument(name = "auth.put_oidc_provider", skip_all)]
    async fn put_oidc_provider(
        &self,
        request: Request<PutOidcProviderRequest>,
    ) -> Result<Response<OidcProvider>, Status> {
        Ok(Response::new(self.put(request).await?))
    }

    #[tracing::instrument(name = "auth.delete_oidc_provider", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_oidc_provider(
        &self,
        request: Request<DeleteOidcProviderRequest>,
    ) -> Result<Response<DeleteOidcProviderResponse>, Status> {
        let author = rpc::author(&request);
        let name = request.into_inner().name;
        let delete = Change::DeleteProvider(DeleteProvider { name });
        let revision = self.propose(&author, delete).await?.revision;
        Ok(Response::new(DeleteOidcProviderResponse { revision }))
    }
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::oidc_provider_service_server::OidcProviderService as _;

    use super::*;
    use crate::oidc::testing::provider;
    use crate::token_testing::{Bed, request_of, user};

    async fn put(bed: &Bed, provider: OidcProvider, password: &str) -> Result<OidcProvider, Status> {
        let asked = PutOidcProviderRequest {
            provider: Some(provider),
            password: password.to_owned(),
            without_secret: false,
        };
        ask(bed, asked).await
    }

    async fn ask(bed: &Bed, asked: PutOidcProviderRequest) -> Result<OidcProvider, Status> {
        let service = ProviderService::new(bed.store.clone(), bed.sealer.clone());
        let answer = service.put_oidc_provider(request_of(&user("ada"), asked)).await;
        answer.map(Response::into_inner)
    }

    fn secret_of(bed: &Bed) -> Option<String> {
        let sealed = bed
            .store
            .state()
            .auth
            .provider("idp")
            .unwrap()
            .client_secret
            .clone()?;
        let opened = bed.sealer.open(&sealed).unwrap();
        Some(String::from_utf8(opened.bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_secret_is_sealed_kept_and_shown_to_nobody() {
        let bed = Bed::new().await;
        let answer = put(&bed, provider(), "c4n4ry").await.unwrap();
        assert_eq!(answer.client_secret, None);
        assert_eq!(secret_of(&bed).as_deref(), Some("c4n4ry"));
        let renamed = OidcProvider {
            user_claim: "email".into(),
            ..provider()
        };
        put(&bed, renamed, "").await.unwrap();
        assert_eq!(secret_of(&bed).as_deref(), Some("c4n4ry"), "it stays what it was");
        put(&bed, provider(), "other").await.unwrap();
        assert_eq!(secret_of(&bed).as_deref(), Some("other"));
        let service = ProviderService::new(bed.store.clone(), bed.sealer.clone());
        let listed = service
            .list_oidc_providers(request_of(&user("ada"), ListOidcProvidersRequest {}))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (listed.providers.len(), &listed.providers[0].client_secret),
            (1, &None)
        );
    }

    /// Whoever can change the issuer must not get what was meant for the old one.
    #[tokio::test]
    async fn a_secret_does_not_follow_to_another_issuer() {
        let bed = Bed::new().await;
        put(&bed, provider(), "c4n4ry").await.unwrap();
        let elsewhere = OidcProvider {
            issuer: "https://evil.example.org".into(),
            ..provider()
        };
        let refused = put(&bed, elsewhere.clone(), "").await.unwrap_err();
        assert!(refused.message().contains("client secret again"), "{refused:?}");
        let public = PutOidcProviderRequest {
            provider: Some(elsewhere),
            password: String::new(),
            without_secret: true,
        };
        ask(&bed, public).await.unwrap();
        assert_eq!(secret_of(&bed), None);
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_refused() {
        let bed = Bed::new().await;
        let both = PutOidcProviderRequest {
            provider: Some(provider()),
            password: "x".into(),
            without_secret: true,
        };
        let nothing = PutOidcProviderRequest::default();
        let sealed = PutOidcProviderRequest {
            provider: Some(OidcProvider {
                client_secret: Some(SealedSecret::default()),
                ..provider()
            }),
            ..PutOidcProviderRequest::default()
        };
        let of_id_tokens = PutOidcProviderRequest {
            provider: Some(OidcProvider {
                accepts_access_tokens: true,
                audiences: vec!["smd".into(), provider().client_id],
                ..provider()
            }),
            ..PutOidcProviderRequest::default()
        };
        for asked in [both, nothing, sealed, of_id_tokens] {
            ask(&bed, asked).await.unwrap_err();
        }
        put(&bed, provider(), &"x".repeat(2000)).await.unwrap_err();
        put(&bed, provider(), "a\nb").await.unwrap_err();
    }

    #[tokio::test]
    async fn a_provider_that_is_deleted_is_gone() {
        let bed = Bed::new().await;
        put(&bed, provider(), "").await.unwrap();
        let service = ProviderService::new(bed.store.clone(), bed.sealer.clone());
        let delete = || {
            let asked = DeleteOidcProviderRequest { name: "idp".into() };
            service.delete_oidc_provider(request_of(&user("ada"), asked))
        };
        delete().await.unwrap();
        assert!(bed.store.state().auth.provider("idp").is_none());
        delete().await.unwrap_err();
    }
}
