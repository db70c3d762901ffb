//! What the guard asks of whoever knows policies, tokens and revocations: `access::Authorities` implements it on the replicated state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use proto::auth::v1::Grant;
use tokio::sync::watch;

use crate::{Error, Identity};

/// Who a caller is that acts by policies, and what proves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// `user/<name>`, `service/<name>` or `node/<xname>`; as logs and `Change.principal` show it.
    pub name: String,
    /// As the OIDC provider named them, without `group/`; sorted.
    pub groups: Vec<String>,
    /// What the token may do at most, as in `chamois.auth.v1.Role.permissions`; `None`: all that policies give.
    pub permissions: Option<Vec<String>>,
    /// `jti` of an access token or id of an API token; empty for a certificate.
    pub token_id: String,
    /// Login session of an access token; may be empty.
    pub session_id: String,
    /// When token or certificate were issued, cluster time; 0 for an API token.
    pub issued_at_ms: u64,
    /// SHA-256 of the certificate (DER); empty for a token that was not given for one.
    pub certificate_sha256: Vec<u8>,
    /// From when on it proves nothing, cluster time; 0: it has no end. Streams and connections live longer.
    pub expires_at_ms: u64,
    /// The key that signed an access token: when that is trusted no more, neither is what it signed. Empty for everything else.
    pub key_id: String,
    /// The CA that has signed the certificate of the connection, by its id: when that is trusted no more, neither is what it signed. Empty
    /// for everything else, and for a site's own CA that a member's configuration names.
    pub authority_id: String,
    /// Host names and addresses that the certificate of the connection is good for.
    pub host_names: Vec<String>,
}

/// What a caller is given for one method.
#[derive(Clone, Debug)]
pub struct Access {
    /// On what.
    pub scope: Scope,
    /// What goes into the header of each entry that the call makes; `None` for who needs no policy.
    pub grant: Option<Arc<Grant>>,
}

/// A part of the system, or all of it.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Everything.
    Everything,
    /// What some policies select.
    Part(Arc<dyn Part>),
}

impl Scope {
    /// The part; `None` for everything.
    pub fn part(&self) -> Option<&Arc<dyn Part>> {
        match self {
            Self::Everything => None,
            Self::Part(part) => Some(part),
        }
    }
}

/// The part of the system that some policies select: sets that were made once for a revision of policies and groups.
pub trait Part: fmt::Debug + Send + Sync {
    /// Whether a component is in it, by its normalised id; tens of nanoseconds.
    fn has_component(&self, id: &str) -> bool;

    /// Whether a group was named, so that what is kept under its name is in it.
    fn has_group(&self, name: &str) -> bool;

    /// Whether objects of a kind are, by the field number in `chamois.raft.v1.SnapshotRow`.
    fn has_kind(&self, number: u32) -> bool;
}

/// Knows policies, tokens and revocations of this member's applied state. Takes no lock and asks nobody: ten microseconds.
pub trait Authority: Send + Sync {
    /// Whom a bearer token speaks for; `None` if it is none of the kinds that this authority issues or trusts, so that the
    /// cluster's offline key may have signed it.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is forged, has ended or was revoked; the text never quotes it.
    fn authenticate(&self, token: &str) -> Result<Option<Identity>, Error>;

    /// What `identity` is given of `permission` (`<area>.<access>`).
    ///
    /// # Errors
    /// `Denied` naming the permission and nothing about any object; `Unauthenticated` for who was revoked; `NotReady` on a member
    /// that has been without a leader for too long to say, for anything but local reads.
    fn access(&self, identity: &Identity, permission: &str) -> Result<Access, Error>;

    /// What an entry of the log says of somebody who changes what is his own: what proves him, so that one who was revoked earlier in
    /// the log changes nothing. `None` for who needs no policies, and where the log may not say it yet.
    fn proof(&self, identity: &Identity) -> Option<Arc<Grant>> {
        let _ = identity;
        None
    }

    /// A page token that tells nobody what it leads to, good on every member: a list goes on behind an object that its caller may not
    /// know of.
    ///
    /// # Errors
    /// `Denied` where nobody can seal it; `NotReady` on a member that cannot.
    fn seal_page(&self, token: &str) -> Result<String, Error> {
        let _ = token;
        Err(no_pages())
    }

    /// What [`Authority::seal_page`] was given.
    ///
    /// # Errors
    /// `Invalid` naming `page_token` for what was never sealed, else as [`Authority::seal_page`].
    fn open_page(&self, token: &str) -> Result<String, Error> {
        let _ = token;
        Err(no_pages())
    }

    /// Grows whenever policies, roles, groups, partitions, tokens or revocations may have changed: who holds a stream asks
    /// [`Authority::access`] again. It is at most 250 ms behind the applied state.
    fn changes(&self) -> watch::Receiver<u64>;

    /// How long what proves an identity is good still; `None` if it has no end. Whoever holds a stream asks [`Authority::access`]
    /// again then, too.
    fn ends_in(&self, identity: &Identity) -> Option<Duration> {
        let _ = identity;
        None
    }
}

fn no_pages() -> Error {
    Error::Denied {
        reason: "pages are for whoever may see the whole list; leave out page_size and page_token".to_owned(),
    }
}
