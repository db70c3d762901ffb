//! Who may do what: policies and roles as replicated resources, and the decision that the guard of `rpc` asks for.
//! `OVERVIEW.md` beside `Cargo.toml` shows how one call is decided.
#![forbid(unsafe_code)]

mod actions;
mod api_tokens;
mod authorities;
mod authority;
mod break_glass;
mod certificates;
mod explain;
mod issued;
mod key_rotation;
mod late;
mod login;
mod oauth;
mod oidc;
mod page_seal;
mod parts;
mod policies;
mod providers;
mod question;
mod rates;
mod revocations;
mod rights;
mod roles;
mod scopes;
mod service;
mod sessions;
mod signing_keys;
mod table;
#[cfg(test)]
mod testing;
mod token_checks;
mod token_service;
#[cfg(test)]
mod token_testing;

use std::sync::Arc;

use proto::auth::v1::certificate_service_server::CertificateServiceServer;
use proto::auth::v1::login_service_server::LoginServiceServer;
use proto::auth::v1::oauth_service_server::OauthServiceServer;
use proto::auth::v1::oidc_provider_service_server::OidcProviderServiceServer;
use proto::auth::v1::policy_service_server::PolicyServiceServer;
use proto::auth::v1::token_service_server::TokenServiceServer;
use raft::Store;
use rpc::{Rules, RulesError};
use tonic::service::RoutesBuilder;

pub use authorities::{
    active as active_authority, look_after_authorities, signing_authority, trusted_authorities,
};
pub use authority::Authorities;
pub use break_glass::{BREAK_GLASS_VALID_FOR, BreakGlass};
pub use certificates::CertificateLog;
pub use key_rotation::{Pace, rotate_signing_keys};
pub use oidc::{Ask, Fetch, Fetched, Oidc};
pub use token_checks::TokenChecks;

use crate::certificates::CertificateService;
use crate::login::{LoginService, Logins};
use crate::oauth::OauthService;
use crate::providers::ProviderService;
use crate::rights::Rights;
use crate::service::PolicyService;
use crate::token_service::TokenService;

/// Adds the services to `routes`: those of tokens and certificates where the authority checks any, and those of logins where it has
/// providers.
///
/// # Errors
/// A descriptor that does not decode, which `rules` were read from.
pub fn add_services(
    routes: &mut RoutesBuilder,
    store: &Store,
    authorities: &Authorities,
    rules: &Rules,
    certificate_log: CertificateLog,
) -> Result<(), RulesError> {
    let service = PolicyService::new(store.clone(), authorities.clone(), rules)?;
    routes.add_service(PolicyServiceServer::new(service));
    if let Some(tokens) = authorities.tokens() {
        let rights = Rights::new(Arc::new(authorities.clone()), rules);
        let sealer = tokens.sealer().clone();
        let certificates = CertificateService::new(store.clone(), sealer, rights.clone(), certificate_log);
        let logins = authorities
            .oidc()
            .map(|oidc| Logins::new(tokens.clone(), oidc.clone()));
        let oauth = OauthService::new(tokens.clone(), logins.clone());
        routes
            .add_service(CertificateServiceServer::new(certificates))
            .add_service(TokenServiceServer::new(TokenService::new(tokens.clone(), rights)))
            .add_service(OauthServiceServer::new(oauth));
        if let Some(logins) = logins {
            let providers = ProviderService::new(store.clone(), tokens.sealer().clone());
            routes
                .add_service(LoginServiceServer::new(LoginService::new(logins)))
                .add_service(OidcProviderServiceServer::new(providers));
        }
    }
    Ok(())
}
