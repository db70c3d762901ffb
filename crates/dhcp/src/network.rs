//! What a server knows of the network it answers on, and of the loaders it can hand out.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use model::Ipv4Net;
use state::dhcp::LeaseClient;

use crate::share::Share;

/// Loader of a BIOS: iPXE over the card's own UNDI driver.
pub const BIOS_LOADER: &str = "undionly.kpxe";
/// Loader of a UEFI on x64: iPXE over the firmware's own network protocol.
pub const UEFI_LOADER: &str = "snponly.efi";
/// The same for a UEFI of 32 bits (iPXE's `bin-i386-efi/snponly.efi`), which does not start the one for x64.
pub const UEFI_IA32_LOADER: &str = "snponly-i386.efi";
/// The same for a UEFI on 64-bit ARM (iPXE's `bin-arm64-efi/snponly.efi`).
pub const UEFI_ARM64_LOADER: &str = "snponly-arm64.efi";
/// The same for a UEFI on 32-bit ARM (iPXE's `bin-arm32-efi/snponly.efi`).
pub const UEFI_ARM32_LOADER: &str = "snponly-arm32.efi";
/// The same for a UEFI on 64-bit RISC-V (iPXE's `bin-riscv64-efi/snponly.efi`).
pub const UEFI_RISCV64_LOADER: &str = "snponly-riscv64.efi";
/// The same for a UEFI on 64-bit LoongArch (iPXE's `bin-loong64-efi/snponly.efi`).
pub const UEFI_LOONG64_LOADER: &str = "snponly-loong64.efi";

/// One `[[network]]` of the configuration, as DHCP sees it.
#[derive(Clone, Debug)]
pub struct Network {
    /// Server identifier, `siaddr` and host of all URLs, whichever member answers.
    pub service_address: Ipv4Addr,
    /// The other members' own addresses, where no service address moves (address mode `list`): the first script asks
    /// them too. Otherwise none.
    pub alternatives: Vec<Ipv4Addr>,
    /// The members' own addresses on this network, this one's among them: no client gets one of them.
    pub members: Vec<Ipv4Addr>,
    /// Port of the nodes' HTTP server; `None` where nobody serves it (no role `boot`, e.g. among BMCs): then nobody is
    /// sent there.
    pub http_port: Option<u16>,
    /// Subnets, besides the one of the service address, whose relays and nodes may ask here.
    pub relayed_subnets: Vec<Ipv4Net>,
    /// Longest lease of a known node as long as this member hears no leader, seconds: what SMD says may have changed
    /// meanwhile.
    pub isolated_lease_s: u32,
}

/// What a decision depends on besides the state and the packet.
pub struct Site<'a> {
    /// The network.
    pub network: &'a Network,
    /// What can be booted.
    pub loaders: &'a Loaders,
    /// Cluster time, milliseconds.
    pub now_ms: u64,
    /// Longest lease for known nodes, where this member hears no leader.
    pub isolated_lease_s: Option<u32>,
    /// Whether an address has been offered to another client a moment ago.
    pub is_offered: &'a dyn Fn(Ipv4Addr, &LeaseClient) -> bool,
    /// This member's share of the pools; asked only where a client has no address yet.
    pub share: &'a dyn Fn() -> Share,
}

impl<'a> Site<'a> {
    /// A member that hears its leader, has offered nothing and is alone.
    pub fn new(network: &'a Network, loaders: &'a Loaders, now_ms: u64) -> Site<'a> {
        Site {
            network,
            loaders,
            now_ms,
            isolated_lease_s: None,
            is_offered: &|_, _| false,
            share: &|| Share::WHOLE,
        }
    }
}

impl Network {
    /// URL of the boot script for the node with this MAC, or for what iPXE makes of it.
    pub(crate) fn script_url(&self, mac: impl fmt::Display) -> Option<String> {
        self.script_url_at(self.service_address, mac)
    }

    pub(crate) fn script_url_at(&self, member: Ipv4Addr, mac: impl fmt::Display) -> Option<String> {
        let port = self.http_port?;
        Some(format!("http://{member}:{port}/boot/v1/bootscript?mac={mac}"))
    }

    /// URL of a loader for UEFI HTTP boot; the node port has them below `/loaders/` (`gateway::LOADERS_PREFIX`).
    pub(crate) fn loader_url(&self, loader: &str) -> Option<String> {
        let (address, port) = (self.service_address, self.http_port?);
        Some(format!("http://{address}:{port}/loaders/{loader}"))
    }
}

/// The loaders that are there to be fetched; others are never offered, so no node waits for a file that is missing.
#[derive(Clone, Debug, Default)]
pub struct Loaders {
    over_tftp: BTreeSet<String>,
    over_http: BTreeSet<String>,
}

impl Loaders {
    /// The names that the TFTP server has, and none over HTTP.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Loaders {
        let over_tftp = names.into_iter().map(str::to_owned).collect();
        Loaders {
            over_tftp,
            over_http: BTreeSet::new(),
        }
    }

    /// And the names that the nodes' HTTP server has below `/loaders/`, for UEFI HTTP boot.
    #[must_use]
    pub fn and_over_http<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Loaders {
        self.over_http.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// Loaders that most sites' nodes need and that TFTP does not have: worth a warning at start.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> + '_ {
        [BIOS_LOADER, UEFI_LOADER]
            .into_iter()
            .filter(|loader| !self.over_tftp.contains(*loader))
    }

    /// Whether TFTP has it.
    pub fn has_over_tftp(&self, loader: &str) -> bool {
        self.over_tftp.contains(loader)
    }

    /// Whether the nodes' HTTP server has it.
    pub fn has_over_http(&self, loader: &str) -> bool {
        self.over_http.contains(loader)
    }
}

#[cfg(test)]
mod tests {
    use model::MacAddr;

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
        let network = crate::testing::network();
        let mac = MacAddr([2, 0, 0, 0, 0, 0xa1]);
        assert_eq!(
            network.script_url(mac).unwrap(),
            "http://10.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:a1"
        );
        assert_eq!(
            network.loader_url("snponly.efi").unwrap(),
            "http://10.97.0.1:8081/loaders/snponly.efi"
        );
    }
}
