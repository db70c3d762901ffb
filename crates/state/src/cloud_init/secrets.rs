//! What of cloud-init is secret: sealed by the services, kept among the cluster's secrets, and in no row that is shown.

use model::{Rejection, Xname};
use prost::Message as _;
use proto::cloud_init::v1::{Group, GroupFile, InstanceInfo};
use proto::cluster::v1::SealedSecret;

use crate::RowKind;
use crate::changes::Changes;
use crate::cluster::{Cluster, check_secret};

/// Name of the sealed key of the tokens of boots. It is there from the first secret on.
pub const BOOT_TOKEN_KEY: &str = "cloud-init/boot-token-key";

/// Name of the sealed secret that is a group's file.
pub fn group_secret(name: &str) -> String {
    format!("cloud-init/group/{name}")
}

/// Name of the sealed secret that is a group's meta-data. No group's name has a `/`.
pub fn group_meta_data_secret(name: &str) -> String {
    format!("cloud-init/group/{name}/meta-data")
}

/// Name of the sealed secret that is the meta-data of one node.
pub fn instance_secret(node: &Xname) -> String {
    format!("cloud-init/instance/{node}")
}

/// A client that does not know of secrets says nothing of them, and must not make public what is one.
///
/// # Errors
/// `Conflict` that says what to do.
pub(super) fn check_stays_secret(kind: &str, id: &str, was: bool, is: bool) -> Result<(), Rejection> {
    if !was || is {
        return Ok(());
    }
    Err(Rejection::Conflict {
        detail: format!(
            "the {kind} of {id} is secret, and what is written would be public; write `secret: true`, or delete it first"
        ),
    })
}

/// What is public and would become secret must be brought by the write: nobody else could seal it.
///
/// # Errors
/// `Invalid` naming the field.
pub(super) fn check_is_brought(
    field: &str,
    is_public_now: bool,
    brought: Option<&SealedSecret>,
) -> Result<(), Rejection> {
    if !is_public_now || brought.is_some() {
        return Ok(());
    }
    let problem = "it is public, and what becomes secret must be given once more to be sealed; give it, or clear it first";
    Err(Rejection::invalid(field, problem))
}

/// An earlier version of an object that has become secret: without what is secret of it now, and secret itself, so that going
/// back to it makes nothing public. `None` if there is nothing to take away.
pub(crate) fn redacted(kind: RowKind, version: &[u8]) -> Option<Vec<u8>> {
    match kind {
        RowKind::CloudInitGroup => {
            let group = Group::decode(version).ok().filter(|group| !group.secret)?;
            let file = group.file.map(|file| GroupFile {
                content: String::new(),
                ..file
            });
            let group = Group {
                file,
                meta_data: None,
                secret: true,
                ..group
            };
            Some(group.encode_to_vec())
        }
        RowKind::InstanceInfo => {
            let info = InstanceInfo::decode(version).ok().filter(|info| !info.secret)?;
            let info = InstanceInfo {
                meta_data: None,
                secret: true,
                ..info
            };
            Some(info.encode_to_vec())
        }
        _ => None,
    }
}

/// A part of an object that may be secret.
pub(super) struct Part<'a> {
    /// What brings it, sealed.
    pub(super) field: &'static str,
    pub(super) sealed: Option<&'a SealedSecret>,
    /// What it is stored as.
    pub(super) name: String,
}

/// What a write brings, sealed.
pub(super) struct Sealed<'a, const PARTS: usize> {
    pub(super) parts: [Part<'a>; PARTS],
    pub(super) token_key: Option<&'a SealedSecret>,
}

impl<const PARTS: usize> Sealed<'_, PARTS> {
    /// Whether what is sealed may be stored, of an object that says whether it is secret.
    ///
    /// # Errors
    /// `Invalid` naming the field.
    pub(super) fn check(&self, is_secret: bool) -> Result<(), Rejection> {
        let parts = self.parts.iter();
        let parts = parts.map(|part| (part.field, part.sealed, part.name.as_str()));
        for (field, sealed, name) in parts.chain([("token_key", self.token_key, BOOT_TOKEN_KEY)]) {
            let Some(sealed) = sealed else { continue };
            check_secret(field, sealed)?;
            if !is_secret || sealed.name != name {
                let problem = format!("it is a secret of something else, not {name}");
                return Err(Rejection::invalid(field, problem));
            }
        }
        Ok(())
    }

    /// Stores what is sealed, or forgets it when the object is not secret any more. The first key stays: tokens of boots
    /// that are under way were made with it.
    pub(super) fn store(&self, is_secret: bool, secrets: &mut Cluster, changes: &mut Changes) {
        for part in &self.parts {
            match part.sealed {
                Some(sealed) => secrets.put_secret(sealed.clone(), changes),
                None if !is_secret => secrets.forget_secret(&part.name, changes),
                None => {}
            }
        }
        if let Some(key) = self
            .token_key
            .filter(|_| secrets.secret(BOOT_TOKEN_KEY).is_none())
        {
            secrets.put_secret(key.clone(), changes);
        }
    }
}
