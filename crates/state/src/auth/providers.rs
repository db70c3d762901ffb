//! OIDC providers: whose logins are believed.

use std::net::Ipv4Addr;
use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::OidcProvider;
use proto::auth::v1::auth_command::{DeleteProvider, PutProvider};
use proto::cluster::v1::cluster_command::reseal_secrets::Resealed;
use proto::raft::v1::outcome::Applied;

use super::{created, forms, full, malformed, updated};
use crate::RowKind;
use crate::bounds::{
    CA_PEM_BYTES_MAX, NAME_BYTES_MAX, OIDC_KEYS_AGE_S_MAX, OIDC_PROVIDERS_MAX, OIDC_TEXTS_MAX, URL_BYTES_MAX,
    check_name, check_text,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::sealed::reseal_in;
use crate::selectors;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// How a certificate in PEM begins.
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// By name; no two have one issuer.
#[derive(Clone, Default)]
pub(super) struct Providers(Table<OidcProvider>);

impl Providers {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<OidcProvider>> {
        self.0.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<OidcProvider>> {
        self.0.values()
    }

    pub(super) fn put(
        &mut self,
        put: &PutProvider,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put
            .provider
            .as_ref()
            .ok_or_else(|| Rejection::invalid("provider", "it is missing"))?;
        let mut provider = normalised(given)?;
        let before = self.get(&provider.name).cloned();
        if put.keep_client_secret {
            if provider.client_secret.is_some() {
                let problem = "a secret is given, too; give one or keep the one that is there";
                return Err(Rejection::invalid("keep_client_secret", problem));
            }
            provider.client_secret = before.as_ref().and_then(|before| before.client_secret.clone());
        }
        self.check_issuer_is_free(&provider)?;
        if before.is_none() && self.0.len() >= OIDC_PROVIDERS_MAX {
            return Err(full(OIDC_PROVIDERS_MAX));
        }
        let name = provider.name.clone();
        let (meta, applied) = match before {
            Some(before) => (at.modified(before.meta.as_ref()), updated(&name)),
            None => (at.created(), created(&name)),
        };
        provider.meta = meta;
        self.0.put(name, provider, changes);
        Ok(applied)
    }

    /// A token names its issuer, so two providers of one issuer would both be meant.
    fn check_issuer_is_free(&self, new: &OidcProvider) -> Result<(), Rejection> {
        let mut others = self.iter().filter(|other| other.name != new.name);
        match others.find(|other| other.issuer == new.issuer) {
            None => Ok(()),
            Some(owner) => Err(Rejection::AlreadyExists {
                kind: "issuer".to_owned(),
                id: new.issuer.clone(),
                detail: format!("it is that of provider {}", owner.name),
            }),
        }
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteProvider,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        self.0
            .remove(&delete.name, changes)
            .ok_or_else(|| Rejection::not_found("OIDC provider", &delete.name))?;
        Ok(deleted(std::iter::once(delete.name.clone())))
    }

    /// Whether the secret of this id was still the one that was sealed anew.
    pub(super) fn reseal(&mut self, id: &str, resealed: &Resealed, changes: &mut Changes) -> bool {
        let id = id.to_owned();
        reseal_in(
            &mut self.0,
            &id,
            resealed,
            |row| row.client_secret.as_mut(),
            changes,
        )
    }

    pub(super) fn load(&mut self, row: OidcProvider, changes: &mut Changes) -> Result<(), SnapshotError> {
        let name = self.0.check_load(&row, RowKind::OidcProvider)?;
        normalised(&row).map_err(|problem| malformed(RowKind::OidcProvider, problem))?;
        self.check_issuer_is_free(&row)
            .map_err(|problem| malformed(RowKind::OidcProvider, problem))?;
        self.0.put(name, row, changes);
        Ok(())
    }
}

/// Scopes and audiences sorted, each once. Its meta is not the client's to give.
fn normalised(given: &OidcProvider) -> Result<OidcProvider, Rejection> {
    forms::check_label("name", &given.name)?;
    check_issuer(&given.issuer)?;
    check_name("client_id", &given.client_id)?;
    if let Some(secret) = &given.client_secret {
        forms::check_sealed("client_secret", secret, &format!("oidc-client/{}", given.name))?;
    }
    check_text("user_claim", &given.user_claim, NAME_BYTES_MAX)?;
    check_text("groups_claim", &given.groups_claim, NAME_BYTES_MAX)?;
    check_ca("ca_pem", &given.ca_pem)?;
    let provider = OidcProvider {
        scopes: texts("scopes", &given.scopes)?,
        audiences: texts("audiences", &given.audiences)?,
        meta: None,
        ..given.clone()
    };
    if provider.accepts_access_tokens && provider.audiences.is_empty() {
        let problem = "none is given; access tokens are accepted for at least one audience that is named";
        return Err(Rejection::invalid("audiences", problem));
    }
    if provider.keys_max_age_s > OIDC_KEYS_AGE_S_MAX {
        let problem = format!(
            "{} is given; write up to {OIDC_KEYS_AGE_S_MAX} seconds, or 0 for an hour",
            provider.keys_max_age_s
        );
        return Err(Rejection::invalid("keys_max_age_s", problem));
    }
    Ok(provider)
}

/// Words without blanks.
fn texts(field: &str, given: &[String]) -> Result<Vec<String>, Rejection> {
    selectors::normalised(field, given, OIDC_TEXTS_MAX, |text| {
        check_name(field, text)?;
        match text.contains(char::is_whitespace) {
            false => Ok(text.clone()),
            true => Err(Rejection::invalid(
                field,
                format!("{text:?} holds a blank; write one word"),
            )),
        }
    })
}

/// Certificates, or nothing. Whether they can be read is for whoever speaks TLS.
pub(super) fn check_ca(field: &str, pem: &str) -> Result<(), Rejection> {
    if pem.len() > CA_PEM_BYTES_MAX || !(pem.is_empty() || pem.contains(PEM_BEGIN)) {
        let problem = format!("it is PEM, `{PEM_BEGIN}` and so on, {CA_PEM_BYTES_MAX} bytes at most");
        return Err(Rejection::invalid(field, problem));
    }
    Ok(())
}

/// A login over a line that others can read or change would be anybody's.
fn check_issuer(issuer: &str) -> Result<(), Rejection> {
    check_text("issuer", issuer, URL_BYTES_MAX)?;
    let is_plain = !issuer.contains(|c: char| c.is_whitespace() || "?#@\\".contains(c));
    let authority = |rest: &str| rest.split('/').next().unwrap_or_default().to_owned();
    let is_accepted = match (issuer.strip_prefix("https://"), issuer.strip_prefix("http://")) {
        (Some(rest), _) => !authority(rest).is_empty(),
        (None, Some(rest)) => is_loopback(&authority(rest)),
        (None, None) => false,
    };
    match is_plain && is_accepted {
        true => Ok(()),
        false => {
            let problem = "write an https URL without user, query and fragment, e.g. https://login.example.org/realms/hpc; \
                           http is for loopback addresses only";
            Err(Rejection::invalid("issuer", problem))
        }
    }
}

/// A host with or without a port.
fn is_loopback(authority: &str) -> bool {
    let is_port = |text: &str| {
        text.is_empty()
            || text
                .strip_prefix(':')
                .is_some_and(|port| port.parse::<u16>().is_ok())
    };
    if let Some(port) = authority.strip_prefix("[::1]") {
        return is_port(port);
    }
    let end = authority.find(':').unwrap_or(authority.len());
    let (host, port) = authority.split_at(end);
    let is_local = host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    is_local && is_port(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_this_machine() {
        for right in [
            "https://login.example.org",
            "https://login.example.org:8443/realms/hpc",
            "http://127.0.0.1:9000",
            "http://localhost/x",
            "http://[::1]:1",
            "http://[::1]",
        ] {
            assert_eq!(check_issuer(right), Ok(()), "{right}");
        }
        for wrong in [
            "",
            "login.example.org",
            "https://",
            "https:///x",
            "http://login.example.org",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://localhost:x",
            "http://[::1].example.org",
            "https://a@b",
            "https://a?b",
            "https://a#b",
            "https://a b",
            "https://a\\b",
            "file:///etc/passwd",
            "ftp://a",
        ] {
            assert!(check_issuer(wrong).is_err(), "{wrong}");
        }
    }
}
