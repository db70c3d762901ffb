//! What is secret is opened for the boot that holds its token, and for nobody else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::{Boot, BootTokenError, BootTokens, SealError};
use model::{BootContext, Xname};
use prost::Message;
use prost_types::Struct;
use proto::cloud_init::v1::cloud_init_command::{Change, OpenBootSession};
use proto::cloud_init::v1::{CloudInitCommand, Group, InstanceInfo};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Error;
use state::State;
use state::cloud_init::{BOOT_TOKEN_KEY, BootAccess, group_meta_data_secret, group_secret, instance_secret};

use crate::node::Node;

/// When a member that cannot open what is secret is asked again: another one answers by then.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a document may show of what is secret.
#[derive(Clone, Default)]
pub(crate) struct Opened {
    /// The token, where it is good: it goes into the URLs of what is secret.
    pub(crate) token: Option<String>,
    /// Groups with their contents.
    pub(crate) groups: BTreeMap<String, Arc<Group>>,
    /// Meta-data of the node alone.
    pub(crate) instance: Option<Struct>,
    /// Why the rest of what is secret is not shown: stands in its place.
    pub(crate) withheld: Option<String>,
}

impl Opened {
    /// Nothing, and why.
    pub(crate) fn nothing(why: impl Into<String>) -> Opened {
        Opened {
            withheld: Some(why.into()),
            ..Opened::default()
        }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("has_token", &self.token.is_some())
            .field("groups", &self.groups.keys())
            .finish_non_exhaustive()
    }
}

/// Opens secrets of this cluster.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    store: Store,
    tokens: BootTokens,
}

/// Who asks, with what.
pub(crate) struct Holder<'a> {
    pub(crate) node: &'a Node,
    pub(crate) context: Option<BootContext>,
    pub(crate) token: &'a str,
    pub(crate) principal: &'a str,
}

impl Opener {
    pub(crate) fn new(store: Store, tokens: BootTokens) -> Opener {
        Opener { store, tokens }
    }

    /// What a document may name of what is secret, without using the token. A member that cannot tell whether the token is
    /// good names it: what is secret will be asked for, and is 503 here.
    pub(crate) fn named(&self, state: &State, holder: &Holder<'_>) -> Opened {
        match self.verify(state, holder) {
            Err(Error::Denied { .. }) => Opened::default(),
            Ok(_) | Err(_) => Opened {
                token: Some(holder.token.to_owned()),
                ..Opened::default()
            },
        }
    }

    /// As [`Opener::open`], for a document of which only a part is secret: the rest of it is served without a good token, without
    /// a majority, and by a member that has not got the key.
    ///
    /// # Errors
    /// What passes by itself, e.g. a member at its limit, or an address that is another's now: the node asks again, and is then
    /// taken for who it is.
    pub(crate) async fn open_or_withhold(
        &self,
        state: &State,
        holder: &Holder<'_>,
        labels: &[&str],
    ) -> Result<Opened, Error> {
        let opened = match self.verify(state, holder) {
            Err(error) => Err(error),
            Ok(ends_at_ms) => match self.begin(state, holder, ends_at_ms).await {
                Ok(()) => self.opened(state, holder, labels),
                Err(error @ (Error::Denied { .. } | Error::NoQuorum { .. })) => Err(error),
                Err(passing) => return Err(passing),
            },
        };
        let reason = match opened {
            Ok(opened) => return Ok(opened),
            Err(Error::Denied { reason }) => reason,
            Err(Error::NotReady { .. }) => "the member that was asked cannot open it".to_owned(),
            Err(Error::NoQuorum { .. }) => {
                "this boot could not be made known to a majority of the members".to_owned()
            }
            Err(other) => return Err(other),
        };
        tracing::warn!(node = %holder.node.xname, reason, "a document is served without what is secret");
        Ok(Opened::nothing(reason))
    }

    /// Uses the token: the first use is an entry of the log, which a majority must take; a repeat of the same peer is none.
    /// Opens the groups with these labels, which are secret, and what is secret of the node itself.
    ///
    /// # Errors
    /// `Denied` for a token of another boot, node or peer, `NotReady` for a member that cannot tell; `NoQuorum`.
    pub(crate) async fn open(
        &self,
        state: &State,
        holder: &Holder<'_>,
        labels: &[&str],
    ) -> Result<Opened, Error> {
        let token_expires_at_ms = self.verify(state, holder)?;
        self.begin(state, holder, token_expires_at_ms).await?;
        self.opened(state, holder, labels)
    }

    fn opened(&self, state: &State, holder: &Holder<'_>, labels: &[&str]) -> Result<Opened, Error> {
        let mut opened = Opened {
            token: Some(holder.token.to_owned()),
            ..Opened::default()
        };
        for label in labels {
            let Some(group) = state.cloud_init.group(label) else {
                continue;
            };
            let file: Option<Group> = self.contents(state, &group_secret(label))?;
            let meta_data: Option<Group> = self.contents(state, &group_meta_data_secret(label))?;
            let whole = Group {
                file: file.and_then(|sealed| sealed.file),
                meta_data: meta_data.and_then(|sealed| sealed.meta_data),
                ..group.as_ref().clone()
            };
            opened.groups.insert((*label).to_owned(), Arc::new(whole));
        }
        let own: Option<InstanceInfo> = self.contents(state, &instance_secret(&holder.node.xname))?;
        opened.instance = own.and_then(|own| own.meta_data);
        Ok(opened)
    }

    fn verify(&self, state: &State, holder: &Holder<'_>) -> Result<u64, Error> {
        let key = state.cluster.secret(BOOT_TOKEN_KEY);
        let (Some(key), Some(context)) = (key, holder.context) else {
            return Err(refused(holder, &BootTokenError::Other));
        };
        let boot = Boot {
            xname: holder.node.xname.as_str(),
            mac: holder.node.mac.0,
            address: holder.node.address,
            boot_id: context.boot_id,
        };
        let verified = self
            .tokens
            .verify(&key, &boot, holder.token, self.store.cluster_time_ms());
        verified.map_err(|error| match error {
            BootTokenError::Key(error) => cannot_open(&error),
            error => refused(holder, &error),
        })
    }

    async fn begin(&self, state: &State, holder: &Holder<'_>, token_expires_at_ms: u64) -> Result<(), Error> {
        let open = OpenBootSession {
            node: holder.node.xname.to_string(),
            boot_id: holder
                .context
                .map(|context| format!("{:016x}", context.boot_id))
                .unwrap_or_default(),
            address: holder.node.address.to_string(),
            token_expires_at_ms,
        };
        let now_ms = self.store.cluster_time_ms();
        match state.cloud_init.boot_access(&holder.node.xname, &open, now_ms) {
            BootAccess::Open => return Ok(()),
            BootAccess::Refused(reason) => return Err(refused(holder, &reason)),
            BootAccess::New => {}
        }
        let change = Some(Change::OpenBootSession(open));
        let command = Command::CloudInit(CloudInitCommand { change });
        match self.store.propose(holder.principal, command, None).await {
            Ok(_) => self.check_holds_address(holder),
            Err(Error::Conflict { detail }) => Err(refused(holder, &detail)),
            Err(error) => Err(error),
        }
    }

    /// The entry is applied here now, so this member knows whose the address was then: before it, it may have been behind.
    fn check_holds_address(&self, holder: &Holder<'_>) -> Result<(), Error> {
        let state = self.store.state();
        let interface = state.smd.interface_by_ip(holder.node.address);
        match interface {
            Some(interface) if interface.component_id == holder.node.xname.as_str() => Ok(()),
            _ => {
                tracing::warn!(node = %holder.node.xname, "the address is another's now");
                Err(Error::NotReady {
                    retry_after: RETRY_AFTER,
                    reason: "the address has gone to another node".to_owned(),
                })
            }
        }
    }

    fn contents<M: Message + Default>(&self, state: &State, name: &str) -> Result<Option<M>, Error> {
        let Some(sealed) = state.cluster.secret(name) else {
            return Ok(None);
        };
        let opened = self.tokens.sealer().open(&sealed);
        let opened = opened.map_err(|error| cannot_open(&error))?;
        let contents = M::decode(opened.bytes());
        contents
            .map(Some)
            .map_err(|_| Error::Internal(format!("{name} holds what no service has sealed")))
    }
}

/// Labels of the node's groups that are secret.
pub(crate) fn secret_labels<'a>(state: &'a State, node: &Xname) -> Vec<&'a str> {
    let labels = state.smd.group_labels_of(node);
    let is_secret = |label: &&str| state.cloud_init.group(label).is_some_and(|group| group.secret);
    labels.filter(is_secret).collect()
}

/// Whether anything that the node is given is secret.
pub(crate) fn has_secrets(state: &State, node: &Xname) -> bool {
    let info = state.cloud_init.instance_info(node);
    info.is_some_and(|info| info.secret) || !secret_labels(state, node).is_empty()
}

/// The log names who was refused, and never the token.
fn refused(holder: &Holder<'_>, reason: &dyn fmt::Display) -> Error {
    let Node { xname, address, .. } = holder.node;
    tracing::warn!(node = %xname, peer = %address, %reason, "what is secret was not given");
    Error::Denied {
        reason: format!("what is secret is not given to {xname} at {address}: {reason}"),
    }
}

fn cannot_open(error: &SealError) -> Error {
    tracing::error!(%error, "this member cannot open what is secret");
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason: "it cannot open what is secret; ask another one".to_owned(),
    }
}
