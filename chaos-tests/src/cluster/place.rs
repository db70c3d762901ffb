//! Where members are: on loopback addresses of their own, or each in a network namespace.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::fs::File;
use std::path::Path;
use std::process::Command;

use lab::LoopbackNet;
use lab::machine::{Network, member_address};
use nix::sched::{CloneFlags, setns};

/// Addresses, and what runs a command there.
#[derive(Debug)]
pub enum Place {
    /// 127.B.1.m: cheap, and nothing between the members can be cut.
    Loopback(LoopbackNet),
    /// A namespace for each member on one bridge, which a [`crate::bridge_filter::BridgeFilter`] can cut. Callers are on
    /// the bridge itself and reach every member whatever is cut between them.
    Namespaces(Network),
}

impl Place {
    /// Loopback addresses that nobody else has.
    pub fn loopback() -> Place {
        Place::Loopback(lab::claim_loopback_net().unwrap())
    }

    /// Member `id`'s own address.
    pub fn address(&self, id: u64) -> String {
        match self {
            Place::Loopback(net) => net.member_address(id).to_string(),
            Place::Namespaces(_) => member_address(id),
        }
    }

    /// A command that runs where member `id` is; its process id is that of `program`.
    pub fn command(&self, id: u64, program: &Path) -> Command {
        match self {
            Place::Loopback(_) => Command::new(program),
            Place::Namespaces(network) => network.member(id).command(program),
        }
    }

    /// Brings the calling thread, and the threads it starts, to where callers are.
    pub fn enter(&self) {
        if let Place::Namespaces(network) = self {
            let namespace = File::open(format!("/run/netns/{}", network.bridge().name())).unwrap();
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        }
    }
}
