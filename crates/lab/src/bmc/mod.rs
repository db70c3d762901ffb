//! Emulated BMCs: Redfish over HTTPS on many loopback addresses of one process, each with logins, power, tasks and events of
//! its own, and with every fault that a crawler must bear.
//!
//! What they serve is a [`Tree`]: one that was captured from real hardware, or one that is made here. Many BMCs share one
//! tree; what differs between them is kept beside it. Start with [`BmcFleet`].

mod accounts;
mod answers;
mod certificate;
mod counts;
mod events;
mod expand;
mod faults;
mod handle;
mod identity;
mod login;
mod made;
mod open_files;
mod overlay;
mod power;
mod request;
mod serve;
mod shown;
mod spoil;
mod tasks;
mod tree;
mod tree_files;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use self::faults::{Fault, Faults};
pub use self::handle::BmcHandle;
pub use self::made::Blade;
pub use self::power::{Power, PowerChange};
pub use self::tree::{Tree, TreeError};

/// One BMC to be.
#[derive(Clone, Debug)]
pub struct BmcSpec {
    /// Where it listens. Port 0: a free one, which [`BmcHandle::address`] tells.
    pub address: SocketAddr,
    /// What it serves.
    pub tree: Arc<Tree>,
    /// The user of its one account that can log in.
    pub user: String,
    /// The password, until somebody changes it through the account.
    pub password: String,
    /// How long it thinks about each request before it begins to answer.
    pub latency: Duration,
    /// What is wrong with it.
    pub faults: Faults,
}

/// Emulated BMCs at work. Dropping it ends them, with their connections.
#[derive(Debug)]
pub struct BmcFleet {
    bmcs: Vec<BmcHandle>,
    _listeners: JoinSet<()>,
}

impl BmcFleet {
    /// Opens all of them, on the current runtime.
    ///
    /// # Errors
    /// With the address that cannot be listened at: it is not this host's, or in use, or no more files may be open.
    pub fn start(specs: Vec<BmcSpec>) -> io::Result<BmcFleet> {
        open_files::allow(specs.len());
        let mut listeners = JoinSet::new();
        let mut bmcs = Vec::with_capacity(specs.len());
        for (number, spec) in specs.into_iter().enumerate() {
            let listener = serve::listen(spec.address)
                .map_err(|error| io::Error::new(error.kind(), format!("BMC at {}: {error}", spec.address)))?;
            let address = listener.local_addr()?;
            let bmc = Arc::new(overlay::Bmc::new(number, BmcSpec { address, ..spec })?);
            listeners.spawn(serve::until_dropped(listener, Arc::clone(&bmc)));
            bmcs.push(BmcHandle::new(bmc));
        }
        Ok(BmcFleet {
            bmcs,
            _listeners: listeners,
        })
    }

    /// BMC `number`, in the order in which they were given.
    ///
    /// # Panics
    /// If there are no more than `number`.
    pub fn bmc(&self, number: usize) -> &BmcHandle {
        &self.bmcs[number]
    }

    /// All of them.
    pub fn bmcs(&self) -> &[BmcHandle] {
        &self.bmcs
    }

    /// Gives every BMC serial numbers, UUIDs and MACs of its own, derived from those of the tree that they share; otherwise many
    /// BMCs with one tree are the same hardware seen many times.
    pub fn make_distinct(&self) {
        for (bmc, seed) in self.bmcs.iter().zip(1..) {
            bmc.set_identity(seed);
        }
    }

    /// `callback` is called for every change of power of every BMC; see [`BmcHandle::on_power`].
    pub fn on_power(&self, callback: impl Fn(&PowerChange) + Send + Sync + 'static) {
        let callback: power::Callback = Arc::new(callback);
        for bmc in &self.bmcs {
            bmc.add_callback(Arc::clone(&callback));
        }
    }
}
