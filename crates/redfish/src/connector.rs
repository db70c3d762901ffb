//! Opens BMCs.

use std::sync::Arc;

use futures::FutureExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::bmc::{Bmc, Session};
use crate::client::Core;
use crate::connection::{Dial, Way};
use crate::read::root;
use crate::session::Auth;
use crate::trust::Trust;
use crate::wire::{Wire, within};
use crate::{Address, Error, Limits, Login, ServiceRoot, uri, value};

/// Opens connections to BMCs, and bounds the requests to all of them together. Clones share the bound.
#[derive(Clone)]
pub struct Connector {
    dial: Dial,
    all: Arc<Semaphore>,
}

/// What a BMC says to somebody who has not logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its service root.
    pub root: ServiceRoot,
    /// SHA-256 of the key that it showed, 64 hex digits; empty: it is spoken to in the clear.
    pub key_sha256: String,
}

impl Connector {
    /// Connects by `dial`; at most `requests_max` requests are in flight to all BMCs together.
    #[must_use]
    pub fn new(dial: Dial, requests_max: usize) -> Connector {
        Connector {
            dial,
            all: Arc::new(Semaphore::new(requests_max.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Connects as the operating system does.
    #[must_use]
    pub fn system(requests_max: usize) -> Connector {
        let dial: Dial = Arc::new(|host: String, port: u16| {
            async move { TcpStream::connect((host.as_str(), port)).await }.boxed()
        });
        Connector::new(dial, requests_max)
    }

    /// A connection for what speaks no Redfish, made as those of this connector are: where it may not go, this does not either.
    ///
    /// # Errors
    /// Those of the dialler.
    pub async fn dial(&self, to: &Address) -> std::io::Result<TcpStream> {
        (self.dial)(to.host().to_owned(), to.port()).await
    }

    /// Asks for the service root, without logging in.
    ///
    /// # Errors
    /// [`Error::NotRedfish`] if something else answers, [`Error::Credentials`] if even that wants a login, and those of the
    /// connection.
    pub async fn probe(&self, to: &Address, trust: Trust, limits: &Limits) -> Result<Probe, Error> {
        let core = self.core(to, None, trust, limits)?;
        let read = Box::pin(read_root(&core));
        let root = within(limits.total, &to.to_string(), read).await??;
        Ok(Probe {
            root: root::service_root(&root),
            key_sha256: core.wire.way().key_sha256(),
        })
    }

    /// Reads the service root and logs in: by a session, or with user and password in each request where the BMC has no sessions.
    /// Without a login, only what is public can be read.
    ///
    /// # Errors
    /// As [`Connector::probe`]; [`Error::Credentials`] if the login is refused.
    pub async fn open(
        &self,
        to: &Address,
        login: Option<Login>,
        trust: Trust,
        limits: &Limits,
    ) -> Result<Bmc, Error> {
        let core = self.core(to, login, trust, limits)?;
        within(limits.total, &to.to_string(), Box::pin(opened(core))).await?
    }

    fn core(&self, to: &Address, login: Option<Login>, trust: Trust, limits: &Limits) -> Result<Core, Error> {
        let way = Way::new(to.clone(), self.dial.clone(), trust)?;
        let wire = Wire::new(way, limits, self.all.clone());
        Ok(Core::new(wire, Auth::new(login)))
    }
}

async fn opened(mut core: Core) -> Result<Bmc, Error> {
    let root = read_root(&core).await?;
    core.expand_as(&root);
    // whatever happens from here on, the session is deleted
    let session = Session(Arc::new(core));
    if session.0.auth.has_login() {
        let collection = sessions(&session.0, &root).await;
        session.0.auth.log_in(&session.0.wire, &collection).await?;
    }
    let root = root::service_root(&root);
    Ok(Bmc::new(session, root))
}

async fn read_root(core: &Core) -> Result<Arc<Value>, Error> {
    let result = match core.fresh(uri::ROOT).await {
        // the standard wants it public, but some BMCs want a login even for that
        Err(Error::Credentials { .. }) if core.auth.has_login() => {
            core.auth.use_basic().await?;
            core.fresh(uri::ROOT).await
        }
        result => result,
    };
    let not_redfish = |problem: String| Error::NotRedfish {
        address: core.address().to_string(),
        problem,
    };
    match result {
        Ok(root) if root::is_service_root(&root) => Ok(root),
        Ok(_) => Err(not_redfish("its JSON is no service root".to_owned())),
        Err(
            error @ (Error::Broken { .. }
            | Error::Status {
                status: 300..=499, ..
            }),
        ) => Err(not_redfish(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Where sessions are made, as the root says, or its session service; empty: nowhere.
async fn sessions(core: &Core, root: &Value) -> String {
    let mut link = value::link(root, "Links/Sessions").to_owned();
    let service = value::link(root, "SessionService");
    if link.is_empty() && !service.is_empty() {
        // a service that is not public cannot be read before the login; the standard says where its sessions are
        link = match core.fresh(service).await {
            Ok(service) => value::link(&service, "Sessions").to_owned(),
            Err(_) => format!("{}/Sessions", service.trim_end_matches('/')),
        };
    }
    match link.is_empty() {
        true => link,
        false => core.key(&link).unwrap_or_default(),
    }
}
