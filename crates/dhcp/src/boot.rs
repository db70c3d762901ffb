//! What a node is told to boot: iPXE its script, firmware the iPXE loader that fits it.

use dhcproto::v4::DhcpOption;

use crate::counters::Count;
use crate::first_script::FIRST_SCRIPT;
use crate::network::{
    BIOS_LOADER, Loaders, Network, UEFI_ARM32_LOADER, UEFI_ARM64_LOADER, UEFI_IA32_LOADER, UEFI_LOADER,
    UEFI_LOONG64_LOADER, UEFI_RISCV64_LOADER,
};
use crate::reply::Reply;
use crate::request::{Client, Request};

/// Option 43 for PXE: sub-option 6 (discovery control) = 8, "boot the given file, ask no one else" (PXE 2.1).
pub(crate) const PXE_VENDOR_OPTIONS: [u8; 4] = [6, 1, 8, 255];
/// Option 175 for iPXE: 176 (no-pxedhcp) = 1 saves the seconds it would wait for a proxy server.
const IPXE_VENDOR_OPTIONS: [u8; 3] = [176, 1, 1];
const IPXE: u8 = 175;

/// Adds boot options to the answer for a node. What cannot be booted gets its address all the same, and a note.
pub(crate) fn add_boot_options(
    reply: &mut Reply,
    request: &Request<'_>,
    network: &Network,
    loaders: &Loaders,
) {
    let offered = match request.client {
        Client::Ipxe => {
            add_script(reply, request, network, loaders);
            Ok(())
        }
        Client::Pxe => loader(request, pxe_loader)
            .and_then(|loader| existing(loader, loaders.has_over_tftp(loader)))
            .map(|loader| add_tftp(reply, network, loader)),
        Client::Http => loader(request, http_loader)
            .and_then(|loader| existing(loader, loaders.has_over_http(loader)))
            .and_then(|loader| network.loader_url(loader).ok_or(Count::LoaderMissing))
            .map(|url| add_http(reply, network, url)),
        Client::Other => Ok(()),
    };
    if let Err(note) = offered {
        reply.note = Some(note);
    }
}

/// The loader for the first of a client's architectures that has one. IANA "Processor Architecture Types": BIOS; UEFI of
/// 32 bits; of x64, which says 7 or, as the RFC has it, 9; ARM of 32 and 64 bits; RISC-V and LoongArch of 64 bits; the boot
/// ROM of a Raspberry Pi, which is of ARM64.
pub fn pxe_loader(architectures: &[u16]) -> Option<&'static str> {
    architectures.iter().find_map(|architecture| match architecture {
        0 => Some(BIOS_LOADER),
        6 => Some(UEFI_IA32_LOADER),
        7 | 9 => Some(UEFI_LOADER),
        10 => Some(UEFI_ARM32_LOADER),
        11 | 41 => Some(UEFI_ARM64_LOADER),
        27 => Some(UEFI_RISCV64_LOADER),
        39 => Some(UEFI_LOONG64_LOADER),
        _ => None,
    })
}

/// The same for HTTP boot, of UEFI and of the few BIOSes that can.
pub fn http_loader(architectures: &[u16]) -> Option<&'static str> {
    architectures.iter().find_map(|architecture| match architecture {
        15 => Some(UEFI_IA32_LOADER),
        16 => Some(UEFI_LOADER),
        18 => Some(UEFI_ARM32_LOADER),
        19 => Some(UEFI_ARM64_LOADER),
        20 => Some(BIOS_LOADER),
        28 => Some(UEFI_RISCV64_LOADER),
        40 => Some(UEFI_LOONG64_LOADER),
        _ => None,
    })
}

/// The loader that a client needs, whether it is there or not.
pub(crate) fn wanted_loader(request: &Request<'_>) -> Option<&'static str> {
    match request.client {
        Client::Pxe => pxe_loader(&request.architectures),
        Client::Http => http_loader(&request.architectures),
        Client::Ipxe | Client::Other => None,
    }
}

fn loader(request: &Request<'_>, of: fn(&[u16]) -> Option<&'static str>) -> Result<&'static str, Count> {
    of(&request.architectures).ok_or(Count::ArchitectureUnknown)
}

fn existing(loader: &'static str, exists: bool) -> Result<&'static str, Count> {
    if exists {
        Ok(loader)
    } else {
        Err(Count::LoaderMissing)
    }
}

fn add_script(reply: &mut Reply, request: &Request<'_>, network: &Network, loaders: &Loaders) {
    let Some(script) = network.script_url(request.mac) else {
        return; // nobody has scripts on this network
    };
    let url = if loaders.has_over_tftp(FIRST_SCRIPT) {
        network.first_script_url()
    } else {
        script
    };
    reply.siaddr = network.service_address;
    reply
        .options
        .push(DhcpOption::BootfileName(url.clone().into_bytes()));
    reply.options.push(unknown(IPXE, &IPXE_VENDOR_OPTIONS));
    reply.file = url;
}

fn add_tftp(reply: &mut Reply, network: &Network, loader: &str) {
    let server = network.service_address.to_string();
    reply.siaddr = network.service_address;
    reply
        .options
        .push(DhcpOption::ClassIdentifier(b"PXEClient".to_vec()));
    reply
        .options
        .push(DhcpOption::TFTPServerName(server.clone().into_bytes()));
    reply
        .options
        .push(DhcpOption::BootfileName(loader.as_bytes().to_vec()));
    reply
        .options
        .push(DhcpOption::VendorExtensions(PXE_VENDOR_OPTIONS.to_vec()));
    (reply.file, reply.sname) = (loader.to_owned(), server);
}

/// Without option 60 the firmware ignores the offer; the URL must be absolute (UEFI 2.5 section 23.7).
fn add_http(reply: &mut Reply, network: &Network, url: String) {
    reply.siaddr = network.service_address;
    reply
        .options
        .push(DhcpOption::ClassIdentifier(b"HTTPClient".to_vec()));
    reply
        .options
        .push(DhcpOption::BootfileName(url.clone().into_bytes()));
    reply.file = url;
}

fn unknown(code: u8, value: &[u8]) -> DhcpOption {
    DhcpOption::Unknown(dhcproto::v4::UnknownOption::new(code.into(), value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{RawPacket, network};
    use dhcproto::v4::MessageType;
    use std::net::Ipv4Addr;

    fn boot(options: &[(u8, &[u8])], loaders: &[&str]) -> Reply {
        let network = network();
        let packet = RawPacket::discover().options(options).bytes();
        let mut reply = Reply::new(MessageType::Offer);
        let loaders = Loaders::new(loaders.iter().copied()).and_over_http(loaders.iter().copied());
        add_boot_options(&mut reply, &Request::parse(&packet).unwrap(), &network, &loaders);
        reply
    }

    const ALL: [&str; 7] = [
        BIOS_LOADER,
        UEFI_LOADER,
        UEFI_IA32_LOADER,
        UEFI_ARM64_LOADER,
        UEFI_ARM32_LOADER,
        UEFI_RISCV64_LOADER,
        UEFI_LOONG64_LOADER,
    ];

    fn pxe(arch: &[u8]) -> Reply {
        boot(&[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, arch)], &ALL)
    }

    #[test]
    fn each_architecture_gets_its_loader() {
        for (arch, loader) in [
            (0, BIOS_LOADER),
            (6, UEFI_IA32_LOADER),
            (7, UEFI_LOADER),
            (9, UEFI_LOADER),
            (10, UEFI_ARM32_LOADER),
            (11, UEFI_ARM64_LOADER),
            (27, UEFI_RISCV64_LOADER),
            (39, UEFI_LOONG64_LOADER),
            (41, UEFI_ARM64_LOADER),
        ] {
            let reply = pxe(&[0, arch]);
            assert_eq!((reply.file.as_str(), reply.note), (loader, None), "{arch}");
            assert_eq!(reply.sname, "10.97.0.1");
        }
    }

    #[test]
    fn the_first_architecture_with_a_loader_counts() {
        assert_eq!(pxe(&[0, 33, 0, 7, 0, 0]).file, UEFI_LOADER);
    }

    #[test]
    fn an_architecture_without_a_loader_gets_no_bootfile_and_a_note() {
        for arch in [&[0, 5][..], &[0, 16], &[0, 28], &[0, 33]] {
            let reply = pxe(arch);
            assert_eq!(reply.note, Some(Count::ArchitectureUnknown), "{arch:?}");
            assert!(reply.options.is_empty() && reply.siaddr.is_unspecified());
        }
        let no_list = boot(&[(60, b"PXEClient")], &[BIOS_LOADER]);
        assert_eq!(no_list.note, Some(Count::ArchitectureUnknown));
    }

    #[test]
    fn a_loader_that_is_not_in_the_folder_is_not_offered() {
        let reply = boot(&[(60, b"PXEClient"), (93, &[0, 7])], &[BIOS_LOADER]);
        assert_eq!(reply.note, Some(Count::LoaderMissing));
        assert!(reply.options.is_empty() && reply.file.is_empty());
    }

    /// iPXE needs no loader, so a missing one must not matter.
    #[test]
    fn ipxe_gets_its_script_even_without_loaders() {
        let reply = boot(&[(77, b"iPXE"), (60, b"PXEClient"), (93, &[0, 0])], &[]);
        assert_eq!(
            reply.file,
            "http://10.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:a1"
        );
        assert_eq!(reply.note, None);
    }

    #[test]
    fn http_boot_gets_a_url_for_its_architectures_only() {
        for (arch, loader) in [
            (15, "snponly-i386.efi"),
            (16, "snponly.efi"),
            (18, "snponly-arm32.efi"),
            (19, "snponly-arm64.efi"),
            (20, "undionly.kpxe"),
            (28, "snponly-riscv64.efi"),
            (40, "snponly-loong64.efi"),
        ] {
            let reply = boot(&[(60, b"HTTPClient:Arch:00016"), (93, &[0, arch])], &ALL);
            assert_eq!(reply.file, format!("http://10.97.0.1:8081/loaders/{loader}"));
        }
        let reply = boot(&[(60, b"HTTPClient:Arch:00007"), (93, &[0, 7])], &[UEFI_LOADER]);
        assert_eq!(reply.note, Some(Count::ArchitectureUnknown));
    }

    /// A loader for x64 does not start on 32 bits, and the firmware would say nothing about it.
    #[test]
    fn a_firmware_of_32_bits_is_not_given_the_loader_of_64() {
        let ia32: [(u8, &[u8]); 2] = [(60, b"PXEClient"), (93, &[0, 6])];
        let reply = boot(&ia32, &[BIOS_LOADER, UEFI_LOADER]);
        assert_eq!(reply.note, Some(Count::LoaderMissing));
        let packet = RawPacket::discover().options(&ia32).bytes();
        let wanted = wanted_loader(&Request::parse(&packet).unwrap());
        assert_eq!(wanted, Some(UEFI_IA32_LOADER), "the log names it");
    }

    /// Without the role `boot` there is no HTTP server; its URL would lead nowhere.
    #[test]
    fn a_loader_that_only_tftp_has_is_not_offered_over_http() {
        let packet = RawPacket::discover()
            .options(&[(60, b"HTTPClient"), (93, &[0, 16])])
            .bytes();
        let network = network();
        let mut reply = Reply::new(MessageType::Offer);
        let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
        add_boot_options(&mut reply, &Request::parse(&packet).unwrap(), &network, &loaders);
        assert_eq!(reply.note, Some(Count::LoaderMissing));
        assert!(reply.options.is_empty() && reply.file.is_empty());
    }

    /// A node's NIC among the BMCs, say: it has its address there, and nothing to boot from.
    #[test]
    fn nobody_is_sent_to_an_http_server_that_is_not_there() {
        let network = Network {
            service_address: Ipv4Addr::new(10, 98, 0, 1),
            http_port: None,
            ..network()
        };
        let loaders = Loaders::new([]).and_over_http([UEFI_LOADER]);
        let asked: [&[(u8, &[u8])]; 2] = [
            &[(77, b"iPXE"), (60, b"PXEClient"), (93, &[0, 0])],
            &[(60, b"HTTPClient"), (93, &[0, 16])],
        ];
        for options in asked {
            let packet = RawPacket::discover().options(options).bytes();
            let mut reply = Reply::new(MessageType::Offer);
            add_boot_options(&mut reply, &Request::parse(&packet).unwrap(), &network, &loaders);
            reply.note = None;
            assert_eq!(reply, Reply::new(MessageType::Offer));
        }
    }

    #[test]
    fn ipxe_is_sent_to_the_first_script_where_tftp_has_it() {
        let reply = boot(&[(77, b"iPXE")], &[BIOS_LOADER, FIRST_SCRIPT]);
        assert_eq!(reply.file, "tftp://10.97.0.1/boot.ipxe");
    }

    #[test]
    fn who_does_not_ask_to_boot_gets_no_boot_options() {
        let reply = boot(&[(60, b"udhcp 1.35")], &[BIOS_LOADER, UEFI_LOADER]);
        assert_eq!(reply, Reply::new(MessageType::Offer));
    }
}
