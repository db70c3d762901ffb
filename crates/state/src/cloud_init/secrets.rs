//! What of cloud-init is secret: sealed by the services, kept among the cluster's secrets, and in no row that is shown.

use model::{Rejection, Xname};
use proto::cluster::v1::SealedSecret;

use crate::changes::Changes;
use crate::cluster::{Cluster, check_secret};

/// Name of the sealed key of the tokens of boots. It is there from the first secret on.
pub const BOOT_TOKEN_KEY: &str = "cloud-init/boot-token-key";

/// Name of the sealed secret that is a group's file and meta-data.
pub fn group_secret(name: &str) -> String {
    format!("cloud-init/group/{name}")
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

/// What a write brings, sealed.
pub(super) struct Sealed<'a> {
    pub(super) contents: Option<&'a SealedSecret>,
    pub(super) token_key: Option<&'a SealedSecret>,
}

impl Sealed<'_> {
    /// Whether what is sealed may be stored as `name`, of an object that says whether it is secret.
    ///
    /// # Errors
    /// `Invalid` naming the field.
    pub(super) fn check(&self, is_secret: bool, name: &str) -> Result<(), Rejection> {
        let given = [
            ("sealed", self.contents, name),
            ("token_key", self.token_key, BOOT_TOKEN_KEY),
        ];
        for (field, sealed, name) in given {
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
    pub(super) fn store(&self, is_secret: bool, name: &str, secrets: &mut Cluster, changes: &mut Changes) {
        if !is_secret {
            secrets.forget_secret(name, changes);
        }
        if let Some(contents) = self.contents {
            secrets.put_secret(contents.clone(), changes);
        }
        if let Some(key) = self
            .token_key
            .filter(|_| secrets.secret(BOOT_TOKEN_KEY).is_none())
        {
            secrets.put_secret(key.clone(), changes);
        }
    }
}
