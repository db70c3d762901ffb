//! The cells of the matrix: by which firmware a guest boots, in which phase the member dies, and how.

use std::fmt;

use lab::machine::Firmware;

/// Which cells are run: unset for a dozen, `all`, or names such as `uefi-pxe/tftp/kill` with commas between.
const SWITCH: &str = "CHAMOIS_BOOT_CELLS";

/// How far the boot is when the member dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The firmware's first DHCPOFFER is on the wire.
    Offer,
    /// The loader is under way by TFTP.
    Tftp,
    /// The loader is under way by the firmware's own HTTP.
    FirmwareHttp,
    /// iPXE has DHCP's first script and connects for the node's own, which nobody has answered.
    ScriptAsked,
    /// The boot script has been answered.
    Script,
    /// The kernel is under way.
    Kernel,
    /// The initramfs is under way.
    Initrd,
    /// The kernel runs; nobody has asked for cloud-init data yet.
    BeforeCloudInit,
    /// Cloud-init has some of its documents and has asked for the next, which nobody has answered.
    CloudInit,
}

impl Phase {
    /// All of them, in the order of a boot.
    pub(crate) const ALL: [Phase; 9] = [
        Phase::Offer,
        Phase::Tftp,
        Phase::FirmwareHttp,
        Phase::ScriptAsked,
        Phase::Script,
        Phase::Kernel,
        Phase::Initrd,
        Phase::BeforeCloudInit,
        Phase::CloudInit,
    ];

    /// Whether a boot by this firmware has the phase.
    pub(crate) fn is_part_of(self, firmware: Firmware) -> bool {
        match self {
            Phase::Tftp => firmware.uses_tftp(),
            Phase::FirmwareHttp => firmware == Firmware::UefiHttp,
            _ => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Phase::Offer => "offer",
            Phase::Tftp => "tftp",
            Phase::FirmwareHttp => "firmware-http",
            Phase::ScriptAsked => "script-asked",
            Phase::Script => "script",
            Phase::Kernel => "kernel",
            Phase::Initrd => "initrd",
            Phase::BeforeCloudInit => "before-cloud-init",
            Phase::CloudInit => "cloud-init",
        }
    }
}

/// What happens to the member that holds the service address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// SIGKILL.
    Kill,
    /// Its cable is pulled: no reset reaches anybody.
    LinkDown,
    /// SIGSTOP: its sockets stay open and silent.
    Freeze,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Fault; 3] = [Fault::Kill, Fault::LinkDown, Fault::Freeze];

    fn name(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::LinkDown => "link-down",
            Fault::Freeze => "freeze",
        }
    }
}

/// One boot: undisturbed, or with a fault in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) firmware: Firmware,
    pub(crate) fault: Option<(Phase, Fault)>,
}

impl Cell {
    /// Whether its fault is in this phase.
    pub(crate) fn is_in(self, phase: Phase) -> bool {
        self.fault.is_some_and(|(of, _)| of == phase)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.firmware.name())?;
        match self.fault {
            Some((phase, fault)) => write!(f, "/{}/{}", phase.name(), fault.name()),
            None => write!(f, "/undisturbed"),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a run consists of.
pub(crate) struct Plan {
    /// Undisturbed boots of each path; their median is what the cells are compared with.
    pub(crate) undisturbed: usize,
    /// The cells with faults.
    pub(crate) cells: Vec<Cell>,
}

impl Plan {
    /// As the environment asks for it.
    pub(crate) fn from_environment() -> Plan {
        match std::env::var(SWITCH).ok().as_deref() {
            None | Some("") => Plan {
                undisturbed: 1,
                cells: DOZEN.iter().map(|name| by_name(name)).collect(),
            },
            Some("all") => Plan {
                undisturbed: 3,
                cells: all_cells(),
            },
            Some(names) => Plan {
                undisturbed: 1,
                cells: names.split(',').map(by_name).collect(),
            },
        }
    }

    /// Undisturbed boots first, then the cells.
    pub(crate) fn boots(&self) -> Vec<Cell> {
        let used = |firmware: &Firmware| self.cells.iter().any(|cell| cell.firmware == *firmware);
        let undisturbed = Firmware::ALL.into_iter().filter(used).flat_map(|firmware| {
            let boot = Cell {
                firmware,
                fault: None,
            };
            std::iter::repeat_n(boot, self.undisturbed)
        });
        let faults = self.cells.iter().copied().filter(|cell| cell.fault.is_some());
        undisturbed.chain(faults).collect()
    }
}

/// For every change: each path, each phase and each fault at least once.
const DOZEN: [&str; 12] = [
    "bios-ipxe/script-asked/freeze",
    "bios-ipxe/script/link-down",
    "bios-ipxe/cloud-init/link-down",
    "bios-ipxe/cloud-init/freeze",
    "bios-pxe/offer/link-down",
    "bios-pxe/tftp/kill",
    "bios-pxe/initrd/freeze",
    "uefi-pxe/tftp/freeze",
    "uefi-pxe/kernel/kill",
    "uefi-pxe/before-cloud-init/link-down",
    "uefi-http/firmware-http/kill",
    "uefi-http/cloud-init/kill",
];

fn all_cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for firmware in Firmware::ALL {
        for phase in Phase::ALL.into_iter().filter(|phase| phase.is_part_of(firmware)) {
            for fault in Fault::ALL {
                let fault = Some((phase, fault));
                cells.push(Cell { firmware, fault });
            }
        }
    }
    cells
}

fn by_name(name: &str) -> Cell {
    let undisturbed = Firmware::ALL.into_iter().map(|firmware| Cell {
        firmware,
        fault: None,
    });
    let mut known = all_cells().into_iter().chain(undisturbed);
    known.find(|cell| cell.to_string() == name).unwrap_or_else(|| {
        panic!("{SWITCH}: no cell {name:?}; `all`, or names like uefi-pxe/tftp/kill with commas between")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_killed_in_each_of_its_phases_in_three_ways() {
        assert_eq!(all_cells().len(), (7 + 8 + 8 + 8) * 3);
    }

    #[test]
    fn the_dozen_has_every_path_phase_and_fault() {
        let cells: Vec<Cell> = DOZEN.iter().map(|name| by_name(name)).collect();
        for firmware in Firmware::ALL {
            assert!(cells.iter().any(|cell| cell.firmware == firmware), "{firmware:?}");
        }
        let has =
            |wanted: &dyn Fn((Phase, Fault)) -> bool| cells.iter().any(|cell| cell.fault.is_some_and(wanted));
        for phase in Phase::ALL {
            assert!(has(&|(of, _)| of == phase), "{phase:?}");
        }
        for fault in Fault::ALL {
            assert!(has(&|(_, of)| of == fault), "{fault:?}");
        }
    }

    #[test]
    fn undisturbed_boots_of_the_paths_in_use_come_first() {
        let plan = Plan {
            undisturbed: 2,
            cells: vec![by_name("uefi-pxe/tftp/kill")],
        };
        let names: Vec<String> = plan.boots().iter().map(Cell::to_string).collect();
        assert_eq!(
            names,
            [
                "uefi-pxe/undisturbed",
                "uefi-pxe/undisturbed",
                "uefi-pxe/tftp/kill"
            ]
        );
    }
}
