//! `/readyz?role=boot|dhcp|tftp|dns`: whether nodes may be sent to this member now. Whoever moves the service address in
//! mode `external` decides by it, so it must not say yes a moment too early nor too late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::config::{Config, Role};
use super::drain::Stop;
use super::readiness::STOPPING;

/// The roles whose ports are open; cheap to clone.
///
/// A majority is not asked for: what a member has, it may tell nodes without one. What it has not it refuses with 503
/// by itself, and another member without a majority could not do better.
#[derive(Clone, Debug)]
pub(super) struct OpenRoles {
    configured: BTreeSet<Role>,
    /// By the network's name.
    open: Arc<Mutex<BTreeMap<String, Vec<Role>>>>,
    leaving: Stop,
}

impl OpenRoles {
    /// None is open yet. From `leaving` on none is ready any more, though the ports stay open for those who are on the
    /// way.
    pub(super) fn new(config: &Config, leaving: Stop) -> Self {
        let configured = Role::OF_NODES.into_iter().filter(|role| config.serves(*role));
        Self {
            configured: configured.collect(),
            open: Arc::default(),
            leaving,
        }
    }

    /// The ports of these roles are open on a network now. With several networks a role is ready when it is on the first
    /// of them.
    pub(super) fn add(&self, network: &str, roles: &[Role]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(network.to_owned(), roles.to_vec());
    }

    /// Nothing is open on a network any more: its interface is gone.
    pub(super) fn remove(&self, network: &str) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(network);
    }

    /// Whether nodes may be sent here for the role of that name.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn ready(&self, name: &str) -> Result<(), String> {
        let Some(role) = Role::OF_NODES.into_iter().find(|role| role.to_string() == name) else {
            return Err(format!("`{name}` is not a role; accepted: boot, dhcp, tftp, dns"));
        };
        if !self.configured.contains(&role) {
            return Err(format!(
                "no [[network]] of this member has the role `{role}` in its configuration"
            ));
        }
        if self.leaving.is_reached() {
            return Err(STOPPING.to_owned());
        }
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().any(|roles| roles.contains(&role)) {
            Ok(())
        } else {
            Err(
                "this member answers no node now: it has not heard from a leader since it started, or an interface \
                 is gone"
                    .to_owned(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::serve::drain::Drain;

    fn config() -> Config {
        let text = include_str!("../../../../deploy/examples/member-1.toml").replace(
            "roles = [\"boot\", \"dhcp\", \"tftp\", \"dns\"]",
            "roles = [\"boot\", \"dhcp\"]",
        );
        Config::parse(&text, Path::new("member-1.toml")).unwrap()
    }

    /// keepalived must bring no node to a port that is still closed, and take the address away before it closes: the
    /// role is not ready from the leaving on, the ports are open until the drain that comes after it.
    #[test]
    fn a_role_is_ready_from_the_opening_of_its_ports_to_the_leaving() {
        let drain = Drain::default();
        let roles = OpenRoles::new(&config(), drain.leaving());
        assert!(roles.ready("boot").unwrap_err().contains("leader"));
        roles.add("boot", &[Role::Boot]);
        assert_eq!(roles.ready("boot"), Ok(()));
        assert!(roles.ready("dhcp").is_err(), "each role for itself");
        drain.leave();
        assert_eq!(roles.ready("boot"), Err(STOPPING.to_owned()));
        assert!(!drain.finishing().is_reached(), "nodes are answered still");
    }

    #[test]
    fn a_role_whose_interface_is_gone_is_not_ready() {
        let drain = Drain::default();
        let roles = OpenRoles::new(&config(), drain.leaving());
        roles.add("boot", &[Role::Boot]);
        roles.remove("boot");
        assert!(roles.ready("boot").unwrap_err().contains("interface is gone"));
    }

    /// A check script with a slip in it must not look like a member that is down.
    #[test]
    fn what_can_never_be_ready_is_told_apart() {
        let drain = Drain::default();
        let roles = OpenRoles::new(&config(), drain.leaving());
        assert!(
            roles
                .ready("bot")
                .unwrap_err()
                .contains("accepted: boot, dhcp, tftp, dns")
        );
        assert!(roles.ready("tftp").unwrap_err().contains("[[network]]"));
    }
}
