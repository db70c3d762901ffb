//! `/readyz?role=boot|dhcp|tftp`: whether nodes may be sent to this member now. Whoever moves the service address in
//! mode `external` decides by it, so it must not say yes a moment too early nor too late.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::{Config, Role};
use super::drain::Stop;

/// The roles whose ports are open; cheap to clone.
///
/// A majority is not asked for: what a member has, it may tell nodes without one. What it has not it refuses with 503
/// by itself, and another member without a majority could not do better.
#[derive(Clone, Debug)]
pub(super) struct OpenRoles {
    configured: BTreeSet<Role>,
    open: Arc<Mutex<BTreeSet<Role>>>,
    stop: Stop,
}

impl OpenRoles {
    /// None is open yet; none is any more after `stop`.
    pub(super) fn new(config: &Config, stop: Stop) -> Self {
        let configured = Role::ALL.into_iter().filter(|role| config.serves(*role));
        Self {
            configured: configured.collect(),
            open: Arc::default(),
            stop,
        }
    }

    /// The ports of these roles are open now. With several networks a role is ready when it is on the first of them:
    /// they open together, or the member ends.
    pub(super) fn add(&self, roles: &[Role]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend(roles);
    }

    /// Whether nodes may be sent here for the role of that name.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn ready(&self, name: &str) -> Result<(), String> {
        let Some(role) = Role::ALL.into_iter().find(|role| role.to_string() == name) else {
            return Err(format!("`{name}` is not a role; accepted: boot, dhcp, tftp"));
        };
        if !self.configured.contains(&role) {
            return Err(format!(
                "no [[network]] of this member has the role `{role}` in its configuration"
            ));
        }
        if self.stop.is_reached() {
            return Err("this member is stopping".to_owned());
        }
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains(&role) {
            Ok(())
        } else {
            Err(
                "this member has not heard from a leader since it started, so it answers no node yet"
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
            "roles = [\"boot\", \"dhcp\", \"tftp\"]",
            "roles = [\"boot\", \"dhcp\"]",
        );
        Config::parse(&text, Path::new("member-1.toml")).unwrap()
    }

    /// keepalived must bring no node to a port that is still closed, and take the address away before it closes.
    #[test]
    fn a_role_is_ready_from_the_opening_of_its_ports_to_the_drain() {
        let drain = Drain::default();
        let roles = OpenRoles::new(&config(), drain.finishing());
        assert!(roles.ready("boot").unwrap_err().contains("leader"));
        roles.add(&[Role::Boot]);
        assert_eq!(roles.ready("boot"), Ok(()));
        assert!(roles.ready("dhcp").is_err(), "each role for itself");
        drain.finish();
        assert!(roles.ready("boot").unwrap_err().contains("stopping"));
    }

    /// A check script with a slip in it must not look like a member that is down.
    #[test]
    fn what_can_never_be_ready_is_told_apart() {
        let drain = Drain::default();
        let roles = OpenRoles::new(&config(), drain.finishing());
        assert!(
            roles
                .ready("bot")
                .unwrap_err()
                .contains("accepted: boot, dhcp, tftp")
        );
        assert!(roles.ready("tftp").unwrap_err().contains("[[network]]"));
    }
}
