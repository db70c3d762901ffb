//! The CAs that sign certificates of members, users, services and nodes: each is trusted before it signs, and as long as what it has
//! signed may run.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Rejection;
use proto::auth::v1::CertificateAuthority;
use proto::auth::v1::auth_command::{ActivateAuthority, AddAuthority, RemoveAuthority};
use proto::auth::v1::certificate_authority::Stage;
use proto::cluster::v1::cluster_command::reseal_secrets::Resealed;
use proto::raft::v1::outcome::Applied;
use sha2::{Digest, Sha256};

use super::{created, forms, full, malformed, providers, updated};
use crate::RowKind;
use crate::bounds::{AUTHORITIES_MAX, KEY_PUBLISHED_MS};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::sealed::{hex, reseal_in};
use crate::snapshot::SnapshotError;
use crate::table::Table;

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";
/// Word for the kind in rejections.
const KIND: &str = "certificate authority";

/// By id. One signs at most.
#[derive(Clone, Default)]
pub(super) struct Authorities(Table<CertificateAuthority>);

impl Authorities {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<CertificateAuthority>> {
        self.0.get(&id.to_owned())
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<CertificateAuthority>> {
        self.0.values()
    }

    fn active(&self) -> Option<&Arc<CertificateAuthority>> {
        self.iter().find(|authority| authority.stage() == Stage::Active)
    }

    /// Trusted from now on.
    pub(super) fn add(
        &mut self,
        add: &AddAuthority,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = add
            .authority
            .as_ref()
            .ok_or_else(|| Rejection::invalid("authority", "it is missing"))?;
        check(given)?;
        if given.stage() != Stage::Next {
            return Err(Rejection::invalid("authority.stage", "a new one is STAGE_NEXT"));
        }
        if self.get(&given.id).is_some() {
            return Err(Rejection::AlreadyExists {
                kind: KIND.to_owned(),
                id: given.id.clone(),
                detail: String::new(),
            });
        }
        if self.0.len() >= AUTHORITIES_MAX {
            return Err(full(AUTHORITIES_MAX));
        }
        let authority = CertificateAuthority {
            stage_since_ms: at.time_ms,
            meta: at.created(),
            ..given.clone()
        };
        self.0.put(given.id.clone(), authority, changes);
        Ok(created(&given.id))
    }

    /// It signs from now on, and the one that did is trusted on.
    pub(super) fn activate(
        &mut self,
        activate: &ActivateAuthority,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let unknown = || Rejection::not_found(KIND, &activate.id);
        let next = self.get(&activate.id).ok_or_else(unknown)?.as_ref().clone();
        if next.stage() == Stage::Active {
            return Ok(Applied {
                unchanged: vec![next.id],
                ..Applied::default()
            });
        }
        check_may_sign(&next, activate.urgent, at.time_ms)?;
        let mut applied = updated(&next.id);
        if let Some(active) = self.active().map(|active| active.as_ref().clone()) {
            applied.updated.push(active.id.clone());
            let retiring = CertificateAuthority {
                private_key: None,
                ..active
            };
            self.set_stage(retiring, Stage::Retiring, at, changes);
        }
        self.set_stage(next, Stage::Active, at, changes);
        Ok(applied)
    }

    fn set_stage(
        &mut self,
        authority: CertificateAuthority,
        stage: Stage,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let authority = CertificateAuthority {
            stage: stage.into(),
            stage_since_ms: at.time_ms,
            meta: at.modified(authority.meta.as_ref()),
            ..authority
        };
        self.0.put(authority.id.clone(), authority, changes);
    }

    /// Nothing that it has signed is accepted any more.
    pub(super) fn remove(
        &mut self,
        remove: &RemoveAuthority,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let known = self.get(&remove.id);
        let known = known.ok_or_else(|| Rejection::not_found(KIND, &remove.id))?;
        if known.stage() == Stage::Active {
            return Err(Rejection::Conflict {
                detail: format!("{} signs; activate another one first", remove.id),
            });
        }
        self.0.remove(&remove.id, changes);
        Ok(deleted(std::iter::once(remove.id.clone())))
    }

    /// Whether the secret of this id was still the one that was sealed anew.
    pub(super) fn reseal(&mut self, id: &str, resealed: &Resealed, changes: &mut Changes) -> bool {
        let id = id.to_owned();
        reseal_in(
            &mut self.0,
            &id,
            resealed,
            |row| row.private_key.as_mut(),
            changes,
        )
    }

    pub(super) fn load(
        &mut self,
        row: CertificateAuthority,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let id = self.0.check_load(&row, RowKind::CertificateAuthority)?;
        check(&row).map_err(|problem| malformed(RowKind::CertificateAuthority, problem))?;
        let stage = row.stage();
        let is_second = stage == Stage::Active && self.active().is_some();
        if is_second || stage == Stage::Unspecified {
            return Err(malformed(
                RowKind::CertificateAuthority,
                format!("the stage of {id} cannot be"),
            ));
        }
        self.0.put(id, row, changes);
        Ok(())
    }
}

fn check_may_sign(next: &CertificateAuthority, urgent: bool, now_ms: u64) -> Result<(), Rejection> {
    let refuse = |detail: String| Err(Rejection::Conflict { detail });
    if next.stage() != Stage::Next {
        return refuse(format!("{} has signed before; add a new one", next.id));
    }
    if next.private_key.is_none() {
        return refuse(format!(
            "{} has no private key here: the site's own CA signs elsewhere",
            next.id
        ));
    }
    if !urgent && now_ms.saturating_sub(next.stage_since_ms) < KEY_PUBLISHED_MS {
        return refuse(format!(
            "{} is trusted for less than {} minutes; repeat it later, or say that it is urgent",
            next.id,
            KEY_PUBLISHED_MS / 60_000
        ));
    }
    Ok(())
}

/// One certificate under its own digest, and its private key sealed for nothing else.
fn check(authority: &CertificateAuthority) -> Result<(), Rejection> {
    providers::check_ca("authority.certificate_pem", &authority.certificate_pem)?;
    let Some(der) = der_of(&authority.certificate_pem) else {
        let problem = "it is one certificate in PEM";
        return Err(Rejection::invalid("authority.certificate_pem", problem));
    };
    let digest: [u8; 32] = Sha256::digest(&der).into();
    let id = hex(&digest);
    if authority.id != id {
        let problem = format!("it is the SHA-256 of the certificate, {id}");
        return Err(Rejection::invalid("authority.id", problem));
    }
    match &authority.private_key {
        Some(sealed) => forms::check_sealed("authority.private_key", sealed, &format!("ca-key/{id}")),
        None => Ok(()),
    }
}

/// The bytes of the one certificate; `None` for anything else.
fn der_of(pem: &str) -> Option<Vec<u8>> {
    let body = pem.trim().strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
    let text: String = body.split_whitespace().collect();
    let der = STANDARD.decode(text).ok()?;
    (!der.is_empty()).then_some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_certificate_is_read_from_pem() {
        let pem = |body: &str| format!("{PEM_BEGIN}\n{body}\n{PEM_END}\n");
        assert_eq!(der_of(&pem("AQID")), Some(vec![1, 2, 3]));
        assert_eq!(der_of(&pem("AQ\r\nID")), Some(vec![1, 2, 3]));
        let two = pem("AQID") + &pem("AQID");
        for wrong in ["", "AQID", &pem(""), &pem("!"), &two, PEM_BEGIN, PEM_END] {
            assert_eq!(der_of(wrong), None, "{wrong}");
        }
    }
}
