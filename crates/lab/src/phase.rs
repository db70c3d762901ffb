//! The phases of a boot, and how many nodes have completed each.

use serde::Serialize;

/// What a node is busy with, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Getting an address.
    Dhcp,
    /// Getting the iPXE script.
    Script,
    /// Getting the kernel.
    Kernel,
    /// Getting the initramfs.
    Initrd,
    /// Getting cloud-init's four documents.
    CloudInit,
    /// Telling the cluster that it is up.
    PhoneHome,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Phase; 6] = [
        Phase::Dhcp,
        Phase::Script,
        Phase::Kernel,
        Phase::Initrd,
        Phase::CloudInit,
        Phase::PhoneHome,
    ];

    /// The phase's name as users see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Dhcp => "dhcp",
            Phase::Script => "script",
            Phase::Kernel => "kernel",
            Phase::Initrd => "initrd",
            Phase::CloudInit => "cloud-init",
            Phase::PhoneHome => "phone-home",
        }
    }
}

/// How far a fleet is; every count only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Nodes of the fleet.
    pub total: usize,
    /// Nodes that were powered on.
    pub started: usize,
    /// Nodes that have completed each phase, in the order of [`Phase::ALL`].
    pub completed: [usize; 6],
    /// Nodes that are up.
    pub booted: usize,
    /// Nodes that gave up, or were given something wrong.
    pub failed: usize,
}

impl Progress {
    /// Nodes that have completed `phase`.
    pub fn completed(&self, phase: Phase) -> usize {
        self.completed[phase as usize]
    }

    /// Whether every node is up or has failed.
    pub fn is_over(&self) -> bool {
        self.booted + self.failed >= self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `completed` is indexed by phase.
    #[test]
    fn phases_are_numbered_in_order() {
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
            assert_eq!(serde_yaml_ng::to_string(&phase).unwrap().trim(), phase.as_str());
        }
    }

    #[test]
    fn a_fleet_is_over_when_no_node_is_left() {
        let mut progress = Progress {
            total: 3,
            booted: 1,
            failed: 1,
            ..Progress::default()
        };
        assert!(!progress.is_over());
        progress.failed = 2;
        assert!(progress.is_over());
    }
}
