//! The CAs of the cluster: which one signs, which are trusted, and how one takes the place of another. The leader records the one that
//! the cluster began with, and lets go of those that sign no longer when nothing of theirs can be valid.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::pki::CertificateAuthority as Ca;
use auth::{Sealer, authority_id};
use proto::auth::v1::auth_command::{ActivateAuthority, AddAuthority, Change, RemoveAuthority};
use proto::auth::v1::certificate_authority::Stage;
use proto::auth::v1::{AuthCommand, AuthorityInfo, CertificateAuthority};
use proto::cluster::v1::SealedSecret;
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::{Error, invalid};
use state::State;
use state::cluster::FEATURE_LEVEL_AUTH;

use crate::token_checks::not_ready;

/// Whom the leader's changes are of.
const PRINCIPAL: &str = "member/authorities";
/// The secret that the first entry of a cluster has: the key of the CA that it began with.
const FIRST_KEY: &str = "ca-key";
/// Version of every sealed key: a key is made once.
const VERSION: u32 = 1;
/// How often the leader looks.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// How long a CA is trusted that signs no longer, milliseconds: what it has signed last lives for 24 hours, and clocks differ.
const RETIRING_MS: u64 = 25 * 60 * 60 * 1000;

/// The CA that signs, opened.
///
/// # Errors
/// `Conflict` if none does, with why; `Internal` if its key cannot be opened here.
pub fn signing_authority(state: &State, sealer: &Sealer) -> Result<Ca, Error> {
    let active = active(state).ok_or_else(|| Error::Conflict {
        detail:
            "no CA signs for this cluster: it is below feature level 6, or the key of its CA is kept offline \
                 (`chamois init --static`); `chamois certificate rotate-ca` makes one that does"
                .to_owned(),
    })?;
    let sealed = active
        .private_key
        .as_ref()
        .ok_or_else(|| Error::Internal(format!("the key of CA {} is not in the state", active.id)))?;
    let key = opened(sealer, sealed)?;
    Ca::from_pem(state.cluster_name(), &active.certificate_pem, &key)
        .map_err(|_| Error::Internal(format!("the key of CA {} cannot be used", active.id)))
}

/// The CA that signs, as it is stored.
pub fn active(state: &State) -> Option<&Arc<CertificateAuthority>> {
    let mut authorities = state.auth.authorities();
    authorities.find(|authority| authority.stage() == Stage::Active)
}

/// The certificates of all CAs to trust, PEM, the one that signs first; empty where none is recorded yet.
pub fn trusted_authorities(state: &State) -> Vec<String> {
    let pem = |authority: &Arc<CertificateAuthority>| authority.certificate_pem.clone();
    let first = active(state).into_iter();
    let is_another = |authority: &&Arc<CertificateAuthority>| authority.stage() != Stage::Active;
    first
        .chain(state.auth.authorities().filter(is_another))
        .map(pem)
        .collect()
}

/// A key as it was sealed: PKCS#8 PEM.
fn opened(sealer: &Sealer, sealed: &SealedSecret) -> Result<String, Error> {
    let key = sealer
        .open(sealed)
        .map_err(|error| Error::Internal(error.to_string()))?;
    String::from_utf8(key.bytes().to_vec()).map_err(|_| Error::Internal("a CA's key is no text".to_owned()))
}

/// A row of a CA that is trusted and signs nothing yet.
fn row(certificate_pem: &str, key: Option<&str>, sealer: &Sealer) -> Result<CertificateAuthority, Error> {
    let id = authority_id(certificate_pem).map_err(|problem| invalid("certificate_pem", problem))?;
    let name = format!("ca-key/{id}");
    let sealed = key.map(|key| sealer.seal(&name, VERSION, key.as_bytes()));
    let sealed = sealed
        .transpose()
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(CertificateAuthority {
        id,
        stage: Stage::Next.into(),
        certificate_pem: certificate_pem.trim().to_owned() + "\n",
        private_key: sealed,
        ..CertificateAuthority::default()
    })
}

/// The entry that makes a new CA, or trusts a site's own.
///
/// # Errors
/// `Invalid` for what is no CA's certificate; `NotReady` until the one that the cluster began with is recorded, because it would not be
/// trusted any more.
pub(crate) fn addition(
    state: &State,
    sealer: &Sealer,
    certificate_pem: &str,
    now_ms: u64,
) -> Result<AddAuthority, Error> {
    if state.auth.authorities().next().is_none() {
        return Err(not_ready(
            "the CA that the cluster began with is not recorded yet",
        ));
    }
    let authority = match certificate_pem.trim() {
        "" => {
            let ca = Ca::generate(state.cluster_name(), at(now_ms))
                .map_err(|error| Error::Internal(error.to_string()))?;
            row(ca.certificate_pem(), Some(&ca.key_pem()), sealer)?
        }
        site => row(site, None, sealer)?,
    };
    Ok(AddAuthority {
        authority: Some(authority),
    })
}

/// A moment of cluster time.
pub(crate) fn at(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

/// What may be told of a CA.
pub(crate) fn info(authority: &CertificateAuthority) -> AuthorityInfo {
    AuthorityInfo {
        id: authority.id.clone(),
        stage: authority.stage,
        certificate_pem: authority.certificate_pem.clone(),
        stage_since_ms: authority.stage_since_ms,
        signs: authority.private_key.is_some(),
    }
}

/// While this member leads: records the CA that the cluster began with (`ca_pem`), lets it sign if its key is in the state, and ends
/// the trust in those that have signed nothing for long; until `stop`.
pub async fn look_after_authorities(
    store: Store,
    sealer: Sealer,
    ca_pem: String,
    stop: impl Future<Output = ()>,
) {
    let looking = async {
        loop {
            tokio::time::sleep(LOOK_PAUSE).await;
            if !store.leads() || store.state().feature_level() < FEATURE_LEVEL_AUTH {
                continue;
            }
            if let Err(error) = step(&store, &sealer, &ca_pem).await {
                tracing::warn!(%error, "the cluster's CAs could not be looked after");
            }
        }
    };
    tokio::select! {
        () = looking => {}
        () = stop => {}
    }
}

/// One look.
///
/// # Errors
/// As [`Store::propose`]; not that another leader was faster.
async fn step(store: &Store, sealer: &Sealer, ca_pem: &str) -> Result<(), Error> {
    let Some(change) = due(&store.state(), sealer, ca_pem, store.cluster_time_ms())? else {
        return Ok(());
    };
    let command = Command::Auth(AuthCommand { change: Some(change) });
    match store.propose(PRINCIPAL, command, None).await {
        Ok(_) | Err(Error::Conflict { .. } | Error::AlreadyExists { .. } | Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What there is to do; nothing most of the time.
fn due(state: &State, sealer: &Sealer, ca_pem: &str, now_ms: u64) -> Result<Option<Change>, Error> {
    if state.auth.authorities().next().is_none() {
        let key = state.cluster.secret(FIRST_KEY);
        let key = key.map(|sealed| opened(sealer, &sealed)).transpose()?;
        let authority = Some(row(ca_pem, key.as_deref(), sealer)?);
        return Ok(Some(Change::AddAuthority(AddAuthority { authority })));
    }
    if active(state).is_none() {
        return first_to_sign(state, ca_pem);
    }
    let mut authorities = state.auth.authorities();
    let over = authorities.find(|authority| {
        authority.stage() == Stage::Retiring && now_ms.saturating_sub(authority.stage_since_ms) >= RETIRING_MS
    });
    let remove = |id: String| Change::RemoveAuthority(RemoveAuthority { id });
    Ok(over.map(|authority| remove(authority.id.clone())))
}

/// Everybody trusts the CA that the cluster began with, so it need not wait for its hour.
fn first_to_sign(state: &State, ca_pem: &str) -> Result<Option<Change>, Error> {
    let id = authority_id(ca_pem).map_err(|problem| Error::Internal(format!("ca.pem: {problem}")))?;
    let mut authorities = state.auth.authorities();
    let can_sign = authorities.any(|authority| authority.id == id && authority.private_key.is_some());
    let activate = ActivateAuthority { id, urgent: true };
    Ok(can_sign.then_some(Change::ActivateAuthority(activate)))
}

#[cfg(test)]
#[path = "authorities_tests.rs"]
mod tests;
