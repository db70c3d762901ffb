//! `CertificateService`: certificates of users, services and nodes, and the CAs that sign them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::{CertifyError, LEAF_VALID_FOR_MAX, LEAF_VALID_FOR_MIN, Sealer};
use proto::auth::v1::auth_command::{ActivateAuthority, Change, RemoveAuthority};
use proto::auth::v1::{
    ActivateAuthorityRequest, AddAuthorityRequest, AuthCommand, AuthorityInfo, IssueCertificateRequest,
    IssueCertificateResponse, ListAuthoritiesRequest, ListAuthoritiesResponse, RemoveAuthorityRequest,
    RemoveAuthorityResponse, certificate_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::client::endpoint_host;
use rpc::tls::SpiffeId;
use rpc::{Author, Error, Identity, invalid};
use tonic::{Request, Response, Status};

use crate::authorities::{addition, at, info, signing_authority, trusted_authorities};
use crate::rights::{ADMIN, Rights, denied, known, own_name, require_level, require_within_own, stands};

/// Host names that one certificate may have.
const HOSTS_MAX: usize = 32;
/// Characters of one of them.
const HOST_LENGTH_MAX: usize = 253;
/// What a certificate gives: everything that policies give its holder.
const EVERYTHING: &str = "*.*";

/// Where certificates are written down that are no renewals: by whom, and the digest and whom it is for.
#[derive(Clone)]
pub struct CertificateLog(Arc<Written>);

/// By whom; the digest and whom it is for.
type Written = dyn Fn(&str, &str) + Send + Sync;

impl CertificateLog {
    /// Told of each before it is handed out.
    pub fn new(written: impl Fn(&str, &str) + Send + Sync + 'static) -> CertificateLog {
        CertificateLog(Arc::new(written))
    }
}

impl fmt::Debug for CertificateLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateLog").finish_non_exhaustive()
    }
}

/// The service of the API port.
#[derive(Clone, Debug)]
pub(crate) struct CertificateService {
    store: Store,
    sealer: Sealer,
    rights: Rights,
    log: CertificateLog,
}

impl CertificateService {
    pub(crate) fn new(
        store: Store,
        sealer: Sealer,
        rights: Rights,
        log: CertificateLog,
    ) -> CertificateService {
        CertificateService {
            store,
            sealer,
            rights,
            log,
        }
    }

    /// Signs a key. No row is written: a certificate is found by its digest, or by whom it is for, when it is to be refused.
    ///
    /// # Errors
    /// `Invalid` for what cannot be certified, `Denied` for what is not the caller's, `NoQuorum` on a member that cannot know what was
    /// taken back.
    async fn issue(
        &self,
        request: Request<IssueCertificateRequest>,
    ) -> Result<IssueCertificateResponse, Error> {
        let caller = rpc::caller(&request).identity.clone();
        let asked = request.into_inner();
        let valid_for = valid_for(asked.valid_for_s)?;
        // before the read index: what is taken back meanwhile is taken back of this certificate, too
        let now_ms = self.store.cluster_time_ms();
        self.store.linearize().await?;
        let state = self.store.state();
        require_level(&state)?;
        let principal = self.admit(&caller, &asked)?;
        let name = name_of(state.cluster_name(), &principal)?;
        check_hosts(&asked.names, &self.members_hosts())?;
        let is_renewal = is_own(&caller, &principal) && renews(&caller, &asked.names);
        let ca = signing_authority(&state, &self.sealer)?;
        let signed = ca.certify(&name, asked.names, &asked.public_key, valid_for, at(now_ms));
        let certificate_pem = signed.map_err(|error| refused(&error))?;
        let certificate = auth::certificates(&certificate_pem).unwrap_or_default();
        let sha256 = certificate.first().map(auth::fingerprint).unwrap_or_default();
        tracing::info!(principal, by = %caller, sha256, "a certificate was signed");
        if !is_renewal {
            self.log_signed(&caller, &sha256, &principal);
        }
        Ok(IssueCertificateResponse {
            certificate_pem,
            authorities_pem: trusted_authorities(&state).concat(),
            expires_at_ms: now_ms + u64::from(seconds(valid_for)) * 1000,
        })
    }

    fn log_signed(&self, caller: &Identity, sha256: &str, principal: &str) {
        (self.log.0)(
            &caller.principal(),
            &format!("certificate {sha256} for {principal}"),
        );
    }

    /// Whom the certificate is for, if the caller may have it. One's own is renewed by the one before; everything else is an
    /// administrator's to issue, because a token of ten minutes, or one that a provider gives to anybody, would become a day that
    /// renews itself.
    fn admit(&self, caller: &Identity, asked: &IssueCertificateRequest) -> Result<String, Error> {
        self.check_stands(caller)?;
        // also whether the caller was revoked meanwhile
        let is_administrator = self.rights.has(caller, ADMIN)?;
        let everything = [EVERYTHING.to_owned()];
        require_within_own(caller, &everything)?;
        let own = own_name(caller);
        let principal = match (asked.principal.as_str(), &own) {
            ("", Some(own)) => own.clone(),
            ("", None) => {
                let problem = "name whom it is for, user/<name>, service/<name> or node/<xname>: the cluster's own key is nobody";
                return Err(invalid("principal", problem));
            }
            (named, _) => named.to_owned(),
        };
        let is_own = is_own(caller, &principal);
        if is_own && renews(caller, &asked.names) {
            return Ok(principal);
        }
        if !is_administrator {
            return Err(denied(ADMIN));
        }
        if !is_own {
            self.rights.require_all(caller, &everything)?;
        }
        Ok(principal)
    }

    /// What the caller has shown may have ended while the request waited.
    fn check_stands(&self, caller: &Identity) -> Result<(), Error> {
        let now_ms = self.store.cluster_time_ms();
        match known(caller) {
            Some(who) if !stands(&self.store.state(), who, now_ms) => Err(Error::Unauthenticated {
                reason:
                    "what this request came with has ended; log in again, or use a certificate that stands"
                        .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Nobody else may answer under the name of a member.
    fn members_hosts(&self) -> Vec<String> {
        let members = self.store.members();
        let addresses = members
            .values()
            .flat_map(|member| [member.peer_address.clone(), member.api_address.clone()]);
        addresses
            .filter_map(|address| endpoint_host(&address).ok())
            .collect()
    }

    async fn propose_by(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }

    async fn add(&self, request: Request<AddAuthorityRequest>) -> Result<AuthorityInfo, Error> {
        let author = rpc::author(&request);
        self.store.linearize().await?;
        let state = self.store.state();
        require_level(&state)?;
        let now_ms = self.store.cluster_time_ms();
        let add = addition(&state, &self.sealer, &request.get_ref().certificate_pem, now_ms)?;
        let committed = self.propose_by(&author, Change::AddAuthority(add)).await?;
        let id = committed.applied.created.first().cloned().unwrap_or_default();
        self.stored(&author, &id)
    }

    async fn activate(&self, request: Request<ActivateAuthorityRequest>) -> Result<AuthorityInfo, Error> {
        let author = rpc::author(&request);
        let ActivateAuthorityRequest { id, urgent } = request.into_inner();
        let activate = ActivateAuthority {
            id: id.clone(),
            urgent,
        };
        self.propose_by(&author, Change::ActivateAuthority(activate))
            .await?;
        self.stored(&author, &id)
    }

    async fn remove(
        &self,
        request: Request<RemoveAuthorityRequest>,
    ) -> Result<RemoveAuthorityResponse, Error> {
        let author = rpc::author(&request);
        let id = request.into_inner().id;
        let remove = Change::RemoveAuthority(RemoveAuthority { id });
        let committed = self.propose_by(&author, remove).await?;
        Ok(RemoveAuthorityResponse {
            revision: committed.revision,
        })
    }

    fn stored(&self, author: &Author, id: &str) -> Result<AuthorityInfo, Error> {
        let state = self.store.state_after(author);
        let found = state.auth.authorities().find(|authority| authority.id == id);
        found
            .map(|authority| info(authority))
            .ok_or_else(|| Error::Conflict {
                detail: format!("CA {id} was removed by someone else"),
            })
    }
}

fn is_own(caller: &Identity, principal: &str) -> bool {
    own_name(caller).is_some_and(|own| own == principal)
}

/// Whether a caller comes by a certificate that is good for these hosts, too.
fn renews(caller: &Identity, hosts: &[String]) -> bool {
    match caller {
        Identity::User { .. } => hosts.is_empty(),
        Identity::Known(who) => {
            let by_certificate = who.token_id.is_empty() && !who.certificate_sha256.is_empty();
            by_certificate && hosts.iter().all(|host| who.host_names.contains(host))
        }
        _ => false,
    }
}

fn valid_for(asked_s: u32) -> Result<Duration, Error> {
    let asked = match asked_s {
        0 => LEAF_VALID_FOR_MAX,
        seconds => Duration::from_secs(u64::from(seconds)),
    };
    match (LEAF_VALID_FOR_MIN..=LEAF_VALID_FOR_MAX).contains(&asked) {
        true => Ok(asked),
        false => Err(invalid(
            "valid_for_s",
            format!(
                "{} to {} seconds (24 hours) are accepted, or 0 for 24 hours",
                seconds(LEAF_VALID_FOR_MIN),
                seconds(LEAF_VALID_FOR_MAX)
            ),
        )),
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// A principal as certificates name it.
fn name_of(cluster: &str, principal: &str) -> Result<SpiffeId, Error> {
    let path = match principal.split_once('/') {
        Some(("user", name)) => Some(format!("user/{name}")),
        Some(("service", name)) => Some(format!("svc/{name}")),
        Some(("node", xname)) => Some(format!("node/{xname}")),
        _ => None,
    };
    let name = path.and_then(|path| format!("spiffe://{cluster}/{path}").parse::<SpiffeId>().ok());
    name.ok_or_else(|| {
        let problem = format!(
            "{principal:?} cannot stand in a certificate; write user/<name> or service/<name> (1 to 64 of a-z 0-9 - . _), or \
             node/<xname> in normal form"
        );
        invalid("principal", problem)
    })
}

fn check_hosts(hosts: &[String], of_members: &[String]) -> Result<(), Error> {
    if hosts.len() > HOSTS_MAX {
        return Err(invalid("names", format!("at most {HOSTS_MAX} are accepted")));
    }
    for host in hosts {
        if !is_host(host) {
            let problem = format!("{host:?} is neither a host name nor an address");
            return Err(invalid("names", problem));
        }
        if of_members.iter().any(|member| member.eq_ignore_ascii_case(host)) {
            let problem = format!("{host:?} is a member's; nobody else may answer under it");
            return Err(invalid("names", problem));
        }
    }
    Ok(())
}

fn is_host(text: &str) -> bool {
    let accepted = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let is_name = !text.is_empty() && text.len() <= HOST_LENGTH_MAX && text.chars().all(accepted);
    is_name || text.parse::<IpAddr>().is_ok()
}

fn refused(error: &CertifyError) -> Error {
    match error {
        CertifyError::Pki(_) => invalid(
            "public_key",
            "it must be a P-256 key (SubjectPublicKeyInfo, DER), and names such as can stand in a certificate",
        ),
        CertifyError::Hosts(_) => invalid("names", error),
        CertifyError::ValidFor(_) => invalid("valid_for_s", error),
        CertifyError::Member(_) | CertifyError::OtherCluster(..) => invalid("principal", error),
    }
}

#[tonic::async_trait]
impl certificate_service_server::CertificateService for CertificateService {
    #[tracing::instrument(name = "auth.issue_certificate", skip_all, fields(principal = ?request.get_ref().principal))]
    async fn issue_certificate(
        &self,
        request: Request<IssueCertificateRequest>,
    ) -> Result<Response<IssueCertificateResponse>, Status> {
        Ok(Response::new(self.issue(request).await?))
    }

    #[tracing::instrument(level = "debug", name = "auth.list_authorities", skip_all)]
    async fn list_authorities(
        &self,
        _: Request<ListAuthoritiesRequest>,
    ) -> Result<Response<ListAuthoritiesResponse>, Status> {
        let state = self.store.state();
        let authorities = state.auth.authorities().map(|authority| info(authority));
        let authorities = authorities.collect();
        Ok(Response::new(ListAuthoritiesResponse { authorities }))
    }

    #[tracing::instrument(name = "auth.add_authority", skip_all)]
    async fn add_authority(
        &self,
        request: Request<AddAuthorityRequest>,
    ) -> Result<Response<AuthorityInfo>, Status> {
        Ok(Response::new(self.add(request).await?))
    }

    #[tracing::instrument(name = "auth.activate_authority", skip_all, fields(id = ?request.get_ref().id))]
    async fn activate_authority(
        &self,
        request: Request<ActivateAuthorityRequest>,
    ) -> Result<Response<AuthorityInfo>, Status> {
        Ok(Response::new(self.activate(request).await?))
    }

    #[tracing::instrument(name = "auth.remove_authority", skip_all, fields(id = ?request.get_ref().id))]
    async fn remove_authority(
        &self,
        request: Request<RemoveAuthorityRequest>,
    ) -> Result<Response<RemoveAuthorityResponse>, Status> {
        Ok(Response::new(self.remove(request).await?))
    }
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
