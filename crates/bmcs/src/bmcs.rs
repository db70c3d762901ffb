//! Where a BMC is, how it is logged in to, and which key it must show.

use std::sync::Arc;

use auth::Sealer;
use model::Xname;
use proto::discovery::v1::Bmc;
use proto::http::v1::ObjectMeta;
use proto::smd::v1::RedfishEndpoint;
use raft::Store;
use redfish::{Address, Connector, Limits, Login, Password, Trust};
use rpc::Error;
use state::State;
use state::discovery::credential_secret;
use state::smd::password_name;

use crate::reach::Reach;
use crate::{propose, sealed};

/// Word for the kind in errors.
const KIND: &str = "BMC";
/// What `Bmc.service` says of one that speaks Redfish.
pub(crate) const REDFISH: &str = "redfish";

/// What this member knows of BMCs, and the way to them. Clones share it.
#[derive(Clone)]
pub struct Bmcs(Arc<Inner>);

struct Inner {
    store: Store,
    sealer: Sealer,
    connector: Connector,
    reach: Reach,
}

/// The computer system of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSystem {
    /// The BMC that it is behind.
    pub bmc: Xname,
    /// Its URI there.
    pub uri: String,
    /// What it can be told, as the BMC names it; may be empty.
    pub reset_types: Vec<String>,
}

impl std::fmt::Debug for Bmcs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bmcs")
            .field("reach", &self.0.reach)
            .finish_non_exhaustive()
    }
}

impl Bmcs {
    /// Those of the state of `store`, whose passwords `sealer` opens. `connector` goes to those in `reach`.
    #[must_use]
    pub fn new(store: Store, sealer: Sealer, connector: Connector, reach: Reach) -> Bmcs {
        Bmcs(Arc::new(Inner {
            store,
            sealer,
            connector,
            reach,
        }))
    }

    /// The replicated state.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What seals passwords, and opens them.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.0.connector
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.0.reach
    }

    /// Whether this member goes to that address.
    #[must_use]
    pub fn reaches(&self, address: &Address) -> bool {
        self.0.reach.contains(address)
    }

    /// Whether this member goes to any BMC.
    pub(crate) fn reaches_any(&self) -> bool {
        !self.0.reach.0.is_empty()
    }

    /// Where the BMC answers: where it was found, or where SMD's Redfish endpoint says, whichever was learned last.
    ///
    /// # Errors
    /// `NotFound` for a BMC that nobody knows; `Conflict` for one whose address is none.
    pub fn address_of(&self, bmc: &Xname) -> Result<Address, Error> {
        let state = self.0.store.state();
        let found = state.discovery.bmc_of(bmc).map(|found| Bmc::clone(found));
        let endpoint = state.smd.redfish_endpoint(bmc);
        let text = match (&found, &endpoint) {
            (Some(found), None) => found.address.clone(),
            (Some(found), Some(endpoint)) if !has_moved(found, endpoint) => found.address.clone(),
            (_, Some(endpoint)) => host_of(endpoint),
            (None, None) => {
                return Err(Error::NotFound {
                    kind: KIND.to_owned(),
                    id: bmc.to_string(),
                });
            }
        };
        text.parse().map_err(|problem| Error::Conflict {
            detail: format!(
                "the address of {bmc} is none: {problem}; set FQDN or IPAddress of its Redfish endpoint"
            ),
        })
    }

    /// How the BMC is logged in to: by its own credential, that of its address, of a group, or the default. `None`: there is none.
    ///
    /// # Errors
    /// `Internal` if a stored password does not open here.
    pub fn login_for(&self, bmc: &Xname, address: &Address) -> Result<Option<Login>, Error> {
        self.login(Some(bmc), address)
    }

    /// [`Bmcs::login_for`] of one that may have no xname yet.
    pub(crate) fn login(&self, bmc: Option<&Xname>, address: &Address) -> Result<Option<Login>, Error> {
        let state = self.0.store.state();
        if let Some(bmc) = bmc {
            let own = self.password(&state, &password_name(bmc))?;
            let user = user_of(&state, bmc);
            if let (Some(password), Some(user)) = (own, user) {
                return Ok(Some(Login { user, password }));
            }
        }
        for scope in other_scopes(&state, bmc, address) {
            let Some(credential) = state.discovery.credential(&scope) else {
                continue;
            };
            let user = credential.user.clone();
            if let Some(password) = self.password(&state, &credential_secret(&scope))? {
                return Ok(Some(Login { user, password }));
            }
        }
        Ok(None)
    }

    fn password(&self, state: &State, name: &str) -> Result<Option<Password>, Error> {
        sealed::open(&self.0.sealer, state, name)
    }

    /// Which key is believed: the one that was seen first; of one that nobody has seen, whatever it shows.
    #[must_use]
    pub fn trust_for(&self, address: &Address) -> Trust {
        let state = self.0.store.state();
        let known = state.discovery.bmc(&address.to_string());
        match known.map(|known| known.key_sha256.clone()) {
            Some(key) if !key.is_empty() => Trust::Pinned(key),
            Some(_) | None => Trust::FirstUse,
        }
    }

    /// [`Bmcs::trust_for`] of a BMC that may have been found elsewhere: at another address it must show the key that it had there.
    /// Whoever may change where an endpoint is could else have its password sent to any host.
    pub(crate) fn trust(&self, bmc: Option<&Xname>, address: &Address) -> Trust {
        let elsewhere = bmc.and_then(|bmc| self.found_elsewhere(bmc, address));
        match elsewhere {
            Some(found) => Trust::Pinned(found.key_sha256),
            None => self.trust_for(address),
        }
    }

    /// The BMC as it was found, if that was at another address than this one and its key is known.
    pub(crate) fn found_elsewhere(&self, bmc: &Xname, address: &Address) -> Option<Bmc> {
        let state = self.0.store.state();
        let found = state.discovery.bmc_of(bmc)?;
        let is_elsewhere = found.address != address.to_string() && !found.key_sha256.is_empty();
        is_elsewhere.then(|| Bmc::clone(found))
    }

    /// A connection to the BMC, logged in. A first key is remembered, a changed one noted: nothing is sent to who shows it.
    ///
    /// # Errors
    /// Why not, as its crawl would say it.
    pub async fn open(&self, bmc: &Xname, limits: &Limits) -> Result<redfish::Bmc, redfish::Error> {
        let address = self.address_of(bmc).map_err(|error| no_address(bmc, &error))?;
        let login = self.login_for(bmc, &address);
        let login = login.map_err(|error| redfish::Error::Credentials {
            what: "the login".to_owned(),
            problem: error.to_string(),
        })?;
        self.open_with(bmc, &address, login, limits).await
    }

    /// [`Bmcs::open`] with another login than the stored one.
    pub(crate) async fn open_with(
        &self,
        bmc: &Xname,
        address: &Address,
        login: Option<Login>,
        limits: &Limits,
    ) -> Result<redfish::Bmc, redfish::Error> {
        let trust = self.trust(Some(bmc), address);
        let opened = self.0.connector.open(address, login, trust, limits).await;
        match &opened {
            Ok(open) => self.saw_key(Some(bmc), address, open.key_sha256()).await,
            // what shows another key at another address is another BMC: its key is none of this one
            Err(redfish::Error::KeyChanged { .. }) if self.found_elsewhere(bmc, address).is_some() => {}
            Err(redfish::Error::KeyChanged { shown, .. }) => self.saw_key(Some(bmc), address, shown).await,
            Err(_) => {}
        }
        opened
    }

    /// Remembers a key that is not known yet, or is another one. A failure is told in the log only: the next connection sees it
    /// again.
    pub(crate) async fn saw_key(&self, bmc: Option<&Xname>, address: &Address, key: &str) {
        let text = address.to_string();
        let is_known = {
            let state = self.0.store.state();
            let known = state.discovery.bmc(&text);
            known.is_some_and(|known| match known.other_key_sha256.as_str() {
                "" => known.key_sha256 == key,
                other => other == key,
            })
        };
        if is_known || key.is_empty() {
            return;
        }
        let seen = Bmc {
            address: text,
            service: REDFISH.to_owned(),
            xname: bmc.map(Xname::to_string).unwrap_or_default(),
            key_sha256: key.to_owned(),
            ..Bmc::default()
        };
        let noted = propose::put_bmcs(&self.0.store, &propose::cluster(), vec![seen]).await;
        if let Err(error) = noted {
            tracing::warn!(%address, %error, "the key of a BMC was not remembered");
        }
    }

    /// The computer system of a node, as the last discovery found it.
    ///
    /// # Errors
    /// `NotFound` for a node behind no Redfish endpoint.
    pub fn system_of(&self, node: &Xname) -> Result<NodeSystem, Error> {
        let missing = || Error::NotFound {
            kind: "ComponentEndpoint".to_owned(),
            id: node.to_string(),
        };
        let endpoint = self.0.store.state().smd.component_endpoint(node);
        let endpoint = endpoint.ok_or_else(missing)?;
        let bmc: Xname = endpoint.redfish_endpoint_id.parse().map_err(|_| missing())?;
        let system = endpoint.redfish_system_info.as_ref();
        let reset = system.and_then(|system| system.actions.as_ref()?.reset.as_ref());
        Ok(NodeSystem {
            bmc,
            uri: endpoint.odata_id.clone(),
            reset_types: reset
                .map(|reset| reset.allowable_values.clone())
                .unwrap_or_default(),
        })
    }
}

/// Whether it is worth a crawl: of a PDU that speaks JAWS nobody reads a tree, and it is shown no password.
pub(crate) fn is_redfish(state: &State, address: &str) -> bool {
    let known = state.discovery.bmc(address);
    known.is_none_or(|known| known.service == REDFISH)
}

fn no_address(bmc: &Xname, error: &Error) -> redfish::Error {
    redfish::Error::Unreachable {
        address: bmc.to_string(),
        problem: error.to_string(),
    }
}

/// An address as SMD has it, with a port or without.
pub(crate) fn host_of(endpoint: &RedfishEndpoint) -> String {
    let texts = [&endpoint.fqdn, &endpoint.ip_address, &endpoint.hostname];
    let is_address = |text: &&&String| {
        text.parse::<Address>()
            .is_ok_and(|address| address.ip().is_some())
    };
    // A name that only says which xname it is resolves nowhere, as a rule, where an address is known.
    let named = |text: &&&String| !text.is_empty();
    let found = texts.iter().find(is_address).or_else(|| texts.iter().find(named));
    found.map(|text| (**text).clone()).unwrap_or_default()
}

/// Whether the endpoint says another place than where the BMC was found, and was changed since.
fn has_moved(found: &Bmc, endpoint: &RedfishEndpoint) -> bool {
    let host = |text: &str| {
        text.parse::<Address>()
            .map(|address| address.host().to_owned())
            .ok()
    };
    let said = host(&host_of(endpoint));
    let changed_at = |meta: Option<&ObjectMeta>| {
        let modified = meta.and_then(|meta| meta.modified.as_ref());
        modified.map_or(0, |modified| modified.revision)
    };
    said.is_some()
        && said != host(&found.address)
        && changed_at(endpoint.meta.as_ref()) > changed_at(found.meta.as_ref())
}

/// Who logs in with the BMC's own password.
fn user_of(state: &State, bmc: &Xname) -> Option<String> {
    let credential = state.discovery.credential(&format!("bmc:{bmc}"));
    let credential = credential.map(|credential| credential.user.clone());
    let endpoint = state.smd.redfish_endpoint(bmc);
    let endpoint = endpoint.map(|endpoint| endpoint.user.clone());
    [credential, endpoint]
        .into_iter()
        .flatten()
        .find(|user| !user.is_empty())
}

/// The scopes after the BMC's own, in the order in which they are tried.
fn other_scopes(state: &State, bmc: Option<&Xname>, address: &Address) -> Vec<String> {
    let mut scopes = vec![format!("address:{}", address.host())];
    if let Some(bmc) = bmc {
        let behind = state.smd.component_endpoints_of(bmc);
        let nodes = behind.filter_map(|endpoint| endpoint.id.parse::<Xname>().ok());
        let mut labels = std::collections::BTreeSet::new();
        for id in nodes.chain([bmc.clone()]) {
            labels.extend(state.smd.group_labels_of(&id).map(str::to_owned));
        }
        scopes.extend(labels.into_iter().map(|label| format!("group:{label}")));
    }
    scopes.push("default".to_owned());
    scopes
}

#[cfg(test)]
mod tests {
    use proto::http::v1::Change;

    use super::*;

    fn endpoint(fqdn: &str, ip_address: &str, revision: u64) -> RedfishEndpoint {
        RedfishEndpoint {
            fqdn: fqdn.to_owned(),
            ip_address: ip_address.to_owned(),
            meta: meta(revision),
            ..RedfishEndpoint::default()
        }
    }

    fn meta(revision: u64) -> Option<ObjectMeta> {
        let modified = Change {
            revision,
            ..Change::default()
        };
        Some(ObjectMeta {
            modified: Some(modified),
            ..ObjectMeta::default()
        })
    }

    #[test]
    fn an_address_is_better_than_a_name_and_a_port_is_kept() {
        assert_eq!(
            host_of(&endpoint("10.1.0.7:8443", "10.1.0.7", 1)),
            "10.1.0.7:8443"
        );
        assert_eq!(host_of(&endpoint("x0c0s0b0", "10.1.0.7", 1)), "10.1.0.7");
        assert_eq!(host_of(&endpoint("bmc1.example", "", 1)), "bmc1.example");
    }

    /// Whoever corrects an address in SMD must not meet the old one for ever, nor a crawl the one that it found.
    #[test]
    fn what_was_said_last_of_an_address_counts() {
        let found = Bmc {
            address: "10.1.0.7:8443".to_owned(),
            meta: meta(5),
            ..Bmc::default()
        };
        assert!(
            !has_moved(&found, &endpoint("10.1.0.7", "10.1.0.7", 9)),
            "same host"
        );
        assert!(!has_moved(&found, &endpoint("10.1.0.8", "10.1.0.8", 4)), "older");
        assert!(has_moved(&found, &endpoint("10.1.0.8", "10.1.0.8", 9)));
    }

    #[test]
    fn the_nearest_credential_is_tried_first() {
        let address = "10.1.0.7:8443".parse().unwrap();
        let scopes = other_scopes(&State::new(), Some(&"x0c0s0b0".parse().unwrap()), &address);
        assert_eq!(scopes, ["address:10.1.0.7", "default"]);
    }
}
