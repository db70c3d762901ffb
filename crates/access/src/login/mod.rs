//! Logins of people through the site's provider: in a browser, and on a device without one (RFC 8628). Nothing is kept between
//! two steps: what a step needs of the one before it stands in what the browser or device brings back, authenticated with the
//! cluster's login key, so any member may take it, and strangers write nothing to the log.

mod begin;
mod callback;
mod device;
mod exchanging;
mod key;
mod page;
mod session;
mod ticket;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use proto::auth::v1::{
    ApproveDeviceRequest, BeginDeviceRequest, CallbackRequest, GetDevicePageRequest, LoginRequest,
    OidcProvider, login_service_server,
};
use proto::google::api::HttpBody;
use rpc::Error;
use state::State;
use state::auth::LOGIN_KEY;
use tonic::{Request, Response, Status};

pub(crate) use self::device::poll;
use self::exchanging::Exchanging;
pub(crate) use self::key::{LoginKey, new_login_key};
use crate::TokenChecks;
use crate::oauth::answer;
use crate::oidc::Oidc;
use crate::rates::{MINUTE_MS, Rates};
use crate::rights::require_level;
use crate::token_checks::not_ready;

/// Longest host, bytes: a DNS name, a colon and a port.
const HOST_BYTES_MAX: usize = 253 + 6;

/// What logins need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Logins(Arc<Inner>);

struct Inner {
    checks: TokenChecks,
    oidc: Oidc,
    /// The key of the state, opened; it is made once for a cluster.
    key: ArcSwapOption<LoginKey>,
    begun: Rates,
    polled: Rates,
    /// Device codes that tokens were given for here.
    used: Rates,
    /// Codes that a provider did not take, by where they came from.
    failed: Rates,
    exchanging: Exchanging,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

impl Logins {
    pub(crate) fn new(checks: TokenChecks, oidc: Oidc) -> Logins {
        Logins(Arc::new(Inner {
            checks,
            oidc,
            key: ArcSwapOption::empty(),
            begun: Rates::new(device::BEGINS_A_MINUTE_MAX, MINUTE_MS),
            polled: Rates::new(1, device::POLL_PAUSE_MS),
            used: Rates::new(1, ticket::LOGIN_MS),
            failed: Rates::new(callback::FAILED_A_MINUTE_MAX, MINUTE_MS),
            exchanging: Exchanging::default(),
        }))
    }

    fn now_ms(&self) -> u64 {
        self.0.checks.store().cluster_time_ms()
    }

    fn state(&self) -> Arc<State> {
        self.0.checks.store().state()
    }

    /// The cluster's login key.
    ///
    /// # Errors
    /// `FeatureLevel` before this cluster has logins; `NotReady` as long as the leader has made no key, and on a member that cannot
    /// open it.
    fn key(&self) -> Result<Arc<LoginKey>, Error> {
        let state = self.state();
        require_level(&state)?;
        let sealed = state.cluster.secret(LOGIN_KEY);
        let sealed = sealed.ok_or_else(|| not_ready("the leader has made no key yet for logins"))?;
        let opened = self.0.key.load_full();
        if let Some(opened) = opened.filter(|opened| opened.is_of(&sealed)) {
            return Ok(opened);
        }
        let opened = LoginKey::open(self.0.checks.sealer(), &sealed).map_err(|error| {
            tracing::warn!(%error, "the key for logins cannot be opened");
            not_ready("it cannot open the key for logins; ask another member")
        })?;
        let opened = Arc::new(opened);
        self.0.key.store(Some(Arc::clone(&opened)));
        Ok(opened)
    }

    /// Whether an answer must say which provider it is of. With one there is no other that it could be of. Source: RFC 9207.
    fn has_several_providers(&self) -> bool {
        let state = self.state();
        state.auth.providers().filter(|provider| provider.logins).count() > 1
    }

    /// The provider that is named, or the only one.
    ///
    /// # Errors
    /// `Invalid` if none of this name has logins, or there is none or more than one to choose from.
    fn provider(&self, name: &str) -> Result<Arc<OidcProvider>, Error> {
        let state = self.state();
        let with_logins: Vec<_> = state
            .auth
            .providers()
            .filter(|provider| provider.logins)
            .collect();
        let named = with_logins.iter().find(|provider| provider.name == name);
        match (named, with_logins.as_slice()) {
            (Some(provider), _) => Ok(Arc::clone(provider)),
            (None, [only]) if name.is_empty() => Ok(Arc::clone(only)),
            (None, []) => Err(rpc::invalid(
                "provider",
                "no OIDC provider has logins; an administrator adds one with `chamois oidc put NAME --logins`",
            )),
            (None, several) => {
                let names: Vec<_> = several.iter().map(|provider| provider.name.as_str()).collect();
                Err(rpc::invalid(
                    "provider",
                    format!("name one of {}", names.join(", ")),
                ))
            }
        }
    }
}

/// A host becomes part of addresses that browsers and providers are given.
///
/// # Errors
/// `Invalid` for what is no host.
pub(crate) fn check_host(host: &str) -> Result<(), Error> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    match !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.bytes().all(is_part) {
        true => Ok(()),
        false => Err(rpc::invalid("host", "name this member by host and port")),
    }
}

/// One file each says what is done.
#[derive(Clone, Debug)]
pub(crate) struct LoginService {
    logins: Logins,
}

impl LoginService {
    pub(crate) fn new(logins: Logins) -> LoginService {
        LoginService { logins }
    }
}

#[tonic::async_trait]
impl login_service_server::LoginService for LoginService {
    #[tracing::instrument(level = "debug", name = "login.begin", skip_all)]
    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(page::answer(self.logins.begin(request.get_ref()).await))
    }

    #[tracing::instrument(name = "login.callback", skip_all)]
    async fn callback(&self, request: Request<CallbackRequest>) -> Result<Response<HttpBody>, Status> {
        let peer = rpc::caller(&request).peer;
        let returned = request.into_inner();
        Ok(page::answer(Box::pin(self.logins.returned(peer, returned)).await))
    }

    #[tracing::instrument(level = "debug", name = "login.begin_device", skip_all)]
    async fn begin_device(&self, request: Request<BeginDeviceRequest>) -> Result<Response<HttpBody>, Status> {
        let peer = rpc::caller(&request).peer;
        Ok(answer(self.logins.begin_device(peer, request.get_ref())))
    }

    #[tracing::instrument(level = "debug", name = "login.device_page", skip_all)]
    async fn get_device_page(
        &self,
        request: Request<GetDevicePageRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let state = self.logins.state();
        let with_logins = state.auth.providers().filter(|provider| provider.logins);
        let names: Vec<&str> = with_logins.map(|provider| provider.name.as_str()).collect();
        Ok(page::answer(Ok(page::device_form(
            &request.get_ref().user_code,
            &names,
        ))))
    }

    #[tracing::instrument(name = "login.approve_device", skip_all)]
    async fn approve_device(
        &self,
        request: Request<ApproveDeviceRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        Ok(page::answer(self.logins.begin_approval(request.get_ref()).await))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
