//! How long a node may stay in a phase of its boot before it counts as stuck: pure, from the configuration.

use proto::bss::v1::boot_phase::Phase;

/// Seconds from the first attempt at a phase to the next phase; `[boot]` of the configuration. The defaults are several times
/// what slow hardware takes in a boot storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseDeadlines {
    /// From the offer of an address to its acknowledgement: the client asks again after 4 s, 8 s, 16 s.
    pub dhcp_s: u32,
    /// From there to the boot script: a loader of some hundred kilobytes, iPXE's own DHCP, and up to 15 s of waiting for a
    /// router.
    pub loader_s: u32,
    /// From the script to the kernel, and from there to the initrd: gigabytes, with hundreds of nodes on one link.
    pub kernel_s: u32,
    /// From the initrd to cloud-init's first document: the kernel starts, finds its devices and mounts its root.
    pub system_s: u32,
    /// From cloud-init's first documents to its user-data.
    pub cloud_init_s: u32,
    /// From there to the phone-home: what user-data and vendor-data have cloud-init do, packages and scripts.
    pub phone_home_s: u32,
}

impl Default for PhaseDeadlines {
    fn default() -> Self {
        Self {
            dhcp_s: 60,
            loader_s: 120,
            kernel_s: 600,
            system_s: 600,
            cloud_init_s: 120,
            phone_home_s: 1800,
        }
    }
}

impl PhaseDeadlines {
    /// How long a node may stay in a phase, milliseconds; for ever at home.
    pub(crate) fn time_to_next_ms(&self, phase: Phase) -> u64 {
        let seconds = match phase {
            Phase::Unspecified | Phase::Offered => self.dhcp_s,
            Phase::Acknowledged | Phase::Loader => self.loader_s,
            Phase::Script | Phase::Kernel => self.kernel_s,
            Phase::Initrd => self.system_s,
            Phase::NetworkConfig | Phase::MetaData => self.cloud_init_s,
            Phase::UserData | Phase::VendorData => self.phone_home_s,
            Phase::PhonedHome => return u64::MAX,
        };
        u64::from(seconds) * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each key is some phase's: one that no phase looks at would be set in vain.
    #[test]
    fn every_phase_on_the_way_has_a_deadline_and_every_deadline_a_phase() {
        let deadlines = PhaseDeadlines {
            dhcp_s: 1,
            loader_s: 2,
            kernel_s: 3,
            system_s: 4,
            cloud_init_s: 5,
            phone_home_s: 6,
        };
        let by_phase = [1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6].map(|seconds: u64| seconds * 1000);
        for (number, expected) in (0..).zip(by_phase) {
            let phase = Phase::try_from(number).unwrap();
            assert_eq!(deadlines.time_to_next_ms(phase), expected, "{phase:?}");
        }
        assert_eq!(deadlines.time_to_next_ms(Phase::PhonedHome), u64::MAX);
    }
}
