//! The ways by which a guest's firmware comes to iPXE's script.

use std::path::Path;

use super::MachineError;

/// A firmware and its network boot client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Firmware {
    /// SeaBIOS, and iPXE in the card's ROM: DHCP, then the script by HTTP.
    BiosIpxe,
    /// SeaBIOS and the PXE client of the card's ROM: DHCP, `undionly.kpxe` by TFTP, then as above. Debian has no
    /// PXE ROM but iPXE's, so whoever wants a ROM that does not call itself iPXE must see to it on the wire.
    BiosPxe,
    /// OVMF's PXE client: DHCP, `snponly.efi` by TFTP, then iPXE's script by HTTP.
    UefiPxe,
    /// OVMF's HTTP boot: DHCP with `HTTPClient`, HEAD and GET of `snponly.efi`, then iPXE's script by HTTP.
    UefiHttp,
}

/// Debian's combined ROM of its virtio card: BIOS and EFI.
const IPXE_ROM: (&str, &str) = ("/usr/lib/ipxe/qemu/efi-virtio.rom", "ipxe-qemu");
/// OVMF with its variables in one image; what it stores is forgotten with the guest.
const OVMF: (&str, &str) = ("/usr/share/ovmf/OVMF.fd", "ovmf");

impl Firmware {
    /// All of them.
    pub const ALL: [Firmware; 4] = [
        Firmware::BiosIpxe,
        Firmware::BiosPxe,
        Firmware::UefiPxe,
        Firmware::UefiHttp,
    ];

    /// Name for people and for the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Firmware::BiosIpxe => "bios-ipxe",
            Firmware::BiosPxe => "bios-pxe",
            Firmware::UefiPxe => "uefi-pxe",
            Firmware::UefiHttp => "uefi-http",
        }
    }

    /// Whether its first loader comes by TFTP.
    #[must_use]
    pub fn uses_tftp(self) -> bool {
        matches!(self, Firmware::BiosPxe | Firmware::UefiPxe)
    }

    /// The card's ROM; OVMF brings its own network stack and gets none.
    pub(crate) fn rom(self) -> Result<&'static str, MachineError> {
        match self {
            Firmware::BiosIpxe | Firmware::BiosPxe => installed(IPXE_ROM),
            Firmware::UefiPxe | Firmware::UefiHttp => Ok(""),
        }
    }

    /// QEMU's arguments for the firmware itself.
    pub(crate) fn arguments(self) -> Result<Vec<String>, MachineError> {
        let switch = |name: &str, on: bool| {
            let on = if on { "y" } else { "n" };
            [
                "-fw_cfg".to_owned(),
                format!("name=opt/org.tianocore/{name},string={on}"),
            ]
        };
        Ok(match self {
            Firmware::BiosIpxe | Firmware::BiosPxe => Vec::new(),
            Firmware::UefiPxe | Firmware::UefiHttp => {
                let mut all = vec!["-bios".to_owned(), installed(OVMF)?.to_owned()];
                all.extend(switch("IPv4PXESupport", self == Firmware::UefiPxe));
                all.extend(switch("IPv6PXESupport", false));
                all
            }
        })
    }
}

fn installed((file, package): (&'static str, &'static str)) -> Result<&'static str, MachineError> {
    if Path::new(file).exists() {
        Ok(file)
    } else {
        Err(MachineError::MissingFile { file, package })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_is_named_with_its_package() {
        let error = installed(("/nonexistent/OVMF.fd", "ovmf")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("apt-get install --no-install-recommends ovmf"),
            "{error}"
        );
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<_> =
            Firmware::ALL.iter().map(|firmware| firmware.name()).collect();
        assert_eq!(names.len(), Firmware::ALL.len());
    }
}
