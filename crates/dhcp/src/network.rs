//! What a server knows of the network it answers on, and of the loaders it can hand out.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use model::{Ipv4Net, MacAddr};

/// Loader of a BIOS: iPXE over the card's own UNDI driver.
pub const BIOS_LOADER: &str = "undionly.kpxe";
/// Loader of a UEFI: iPXE over the firmware's own network protocol.
pub const UEFI_LOADER: &str = "snponly.efi";

/// One `[[network]]` of the configuration, as DHCP sees it.
#[derive(Clone, Debug)]
pub struct Network {
    /// Server identifier, `siaddr` and host of all URLs, whichever member answers.
    pub service_address: Ipv4Addr,
    /// Port of the nodes' HTTP server.
    pub http_port: u16,
    /// Subnets, besides the one of the service address, whose relays and nodes may ask here.
    pub relayed_subnets: Vec<Ipv4Net>,
}

impl Network {
    /// URL of the boot script for the node with this MAC.
    pub(crate) fn script_url(&self, mac: MacAddr) -> String {
        format!(
            "http://{}:{}/boot/v1/bootscript?mac={mac}",
            self.service_address, self.http_port
        )
    }

    /// URL of a loader for UEFI HTTP boot.
    pub(crate) fn loader_url(&self, loader: &str) -> String {
        format!(
            "http://{}:{}/files/{loader}",
            self.service_address, self.http_port
        )
    }
}

/// The loaders that are there to be fetched: by TFTP, and by HTTP below `/files/`.
#[derive(Clone, Debug, Default)]
pub struct Loaders(BTreeSet<String>);

impl Loaders {
    /// The names that the TFTP server has; others are never offered, so no node waits for a file that is missing.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Loaders {
        Loaders(names.into_iter().map(str::to_owned).collect())
    }

    /// Loaders that some nodes need and that are not there: worth a warning at start.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> + '_ {
        [BIOS_LOADER, UEFI_LOADER]
            .into_iter()
            .filter(|loader| !self.contains(loader))
    }

    pub(crate) fn contains(&self, loader: &str) -> bool {
        self.0.contains(loader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_loader_is_named() {
        assert_eq!(
            Loaders::default().missing().collect::<Vec<_>>(),
            [BIOS_LOADER, UEFI_LOADER]
        );
        assert_eq!(
            Loaders::new([BIOS_LOADER, "other"]).missing().collect::<Vec<_>>(),
            [UEFI_LOADER]
        );
        assert_eq!(Loaders::new([BIOS_LOADER, UEFI_LOADER]).missing().count(), 0);
    }

    #[test]
    fn urls_name_the_service_address() {
        let network = Network {
            service_address: Ipv4Addr::new(10, 97, 0, 1),
            http_port: 8081,
            relayed_subnets: vec![],
        };
        let mac = MacAddr([2, 0, 0, 0, 0, 0xa1]);
        assert_eq!(
            network.script_url(mac),
            "http://10.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:a1"
        );
        assert_eq!(
            network.loader_url("snponly.efi"),
            "http://10.97.0.1:8081/files/snponly.efi"
        );
    }
}
