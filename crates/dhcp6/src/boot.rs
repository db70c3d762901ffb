//! What a node is told to boot (RFC 5970): iPXE its script, firmware the iPXE loader that fits it.

use dhcp::{http_loader, pxe_loader};
use dhcproto::v6::DhcpOption;
use model::MacAddr;

use crate::counters::Count;
use crate::message::code;
use crate::network::Site;
use crate::reply::raw;
use crate::request::{Client, Request};

/// Before the class: Intel's number, as in what the client sends.
const ENTERPRISE_PXE: u32 = 343;

/// Adds boot options to the answer for a node. What cannot be booted gets its address all the same, and a note.
pub(crate) fn add_boot_options(
    options: &mut Vec<DhcpOption>,
    request: &Request<'_>,
    mac: MacAddr,
    site: &Site<'_>,
) -> Option<Count> {
    match url(request, mac, site) {
        Ok(Some(url)) => {
            options.push(raw(code::BOOTFILE_URL, url));
            options.extend(class_of(request.client));
            None
        }
        Ok(None) => None,
        Err(note) => Some(note),
    }
}

fn url(request: &Request<'_>, mac: MacAddr, site: &Site<'_>) -> Result<Option<String>, Count> {
    let (network, loaders) = (site.network, site.loaders);
    if request.client != Client::Other && network.url_host.is_none() {
        return Err(Count::NoUrlHost);
    }
    let architectures = &request.architectures;
    match request.client {
        // where nobody serves scripts, nothing is missing
        Client::Ipxe => Ok(network.script_url(mac)),
        Client::Pxe => {
            let loader = pxe_loader(architectures).ok_or(Count::ArchitectureUnknown)?;
            let url = loaders.has_over_tftp(loader).then(|| network.tftp_url(loader));
            url.flatten().map(Some).ok_or(Count::LoaderMissing)
        }
        Client::Http => {
            let loader = http_loader(architectures).ok_or(Count::ArchitectureUnknown)?;
            let url = loaders.has_over_http(loader).then(|| network.loader_url(loader));
            url.flatten().map(Some).ok_or(Count::LoaderMissing)
        }
        Client::Other => Ok(None),
    }
}

/// UEFI takes an offer of HTTP boot only with its class in it (UEFI 2.10 section 24.7).
fn class_of(client: Client) -> Option<DhcpOption> {
    let class: &[u8] = match client {
        Client::Pxe => b"PXEClient",
        Client::Http => b"HTTPClient",
        Client::Ipxe | Client::Other => return None,
    };
    let mut value = ENTERPRISE_PXE.to_be_bytes().to_vec();
    value.extend_from_slice(&(class.len() as u16).to_be_bytes());
    value.extend_from_slice(class);
    Some(raw(code::VENDOR_CLASS, value))
}

#[cfg(test)]
mod tests {
    use dhcp::{BIOS_LOADER, Loaders, UEFI_ARM64_LOADER, UEFI_LOADER};

    use super::*;
    use crate::network::Network;
    use crate::request::Arrival;
    use crate::testing::{NODE, RawMessage, duid_ll, network, vendor_class};

    fn boot(network: &Network, loaders: &Loaders, options: &[(u16, &[u8])]) -> (Vec<String>, Option<Count>) {
        let packet = RawMessage::new(1)
            .options(&[(1, &duid_ll(NODE))])
            .options(options)
            .bytes();
        let request = Request::parse(&packet, Arrival::multicast("fe80::1".parse().unwrap())).unwrap();
        let site = Site {
            network,
            loaders,
            now_ms: 0,
            isolated_lease_s: None,
        };
        let mut added = Vec::new();
        let note = add_boot_options(&mut added, &request, NODE, &site);
        let texts = added.iter().map(|option| match option {
            DhcpOption::Unknown(unknown) => {
                let text = String::from_utf8_lossy(unknown.data()).replace('\0', ".");
                format!("{} {text}", u16::from(unknown.code()))
            }
            other => panic!("{other:?}"),
        });
        (texts.collect(), note)
    }

    fn all() -> Loaders {
        let loaders = [BIOS_LOADER, UEFI_LOADER, UEFI_ARM64_LOADER];
        Loaders::new(loaders).and_over_http(loaders)
    }

    fn firmware(class: &[u8], architectures: &[u8]) -> (Vec<String>, Option<Count>) {
        let class = vendor_class(343, class);
        boot(
            &network(),
            &all(),
            &[(16, &class), (61, architectures), (62, &[1, 3, 16])],
        )
    }

    const SCRIPT: &str = "59 http://[fd00:97::1:1]:8081/boot/v1/bootscript?mac=02:00:00:00:00:a1";

    #[test]
    fn ipxe_is_sent_to_its_script() {
        let (options, note) = boot(&network(), &all(), &[(15, b"\0\x04iPXE"), (61, &[0, 7])]);
        assert_eq!((options, note), (vec![SCRIPT.to_owned()], None));
    }

    #[test]
    fn firmware_gets_the_loader_of_its_first_architecture_that_has_one() {
        for (architectures, loader) in [
            (&[0, 7][..], UEFI_LOADER),
            (&[0, 11], UEFI_ARM64_LOADER),
            (&[0, 33, 0, 7], UEFI_LOADER),
        ] {
            let (options, note) = firmware(b"PXEClient:Arch:00007:UNDI:003016", architectures);
            assert_eq!(options[0], format!("59 tftp://[fd00:97::1:1]/{loader}"));
            assert_eq!((options[1].as_str(), note), ("16 ..\u{1}W.\tPXEClient", None));
        }
        let (options, note) = firmware(b"HTTPClient:Arch:00016:UNDI:003016", &[0, 16]);
        assert_eq!(options[0], "59 http://[fd00:97::1:1]:8081/loaders/snponly.efi");
        assert_eq!((options[1].as_str(), note), ("16 ..\u{1}W.\nHTTPClient", None));
    }

    /// A file that nobody has would end the boot later, and with less to read.
    #[test]
    fn what_is_not_there_is_not_offered_and_noted() {
        assert_eq!(
            firmware(b"PXEClient", &[0, 33]),
            (vec![], Some(Count::ArchitectureUnknown))
        );
        assert_eq!(
            firmware(b"PXEClient", &[]),
            (vec![], Some(Count::ArchitectureUnknown))
        );
        assert_eq!(
            firmware(b"PXEClient", &[0, 6]),
            (vec![], Some(Count::LoaderMissing))
        );
        assert_eq!(
            firmware(b"HTTPClient", &[0, 7]),
            (vec![], Some(Count::ArchitectureUnknown))
        );
        let only_tftp = Loaders::new([UEFI_LOADER]);
        let class = vendor_class(343, b"HTTPClient");
        let (options, note) = boot(&network(), &only_tftp, &[(16, &class), (61, &[0, 16])]);
        assert_eq!((options, note), (vec![], Some(Count::LoaderMissing)));
    }

    #[test]
    fn without_an_own_address_or_a_server_nobody_is_sent_anywhere() {
        let homeless = Network {
            url_host: None,
            ..network()
        };
        let ipxe: [(u16, &[u8]); 1] = [(15, b"\0\x04iPXE")];
        assert_eq!(boot(&homeless, &all(), &ipxe), (vec![], Some(Count::NoUrlHost)));
        let without_http = Network {
            http_port: None,
            ..network()
        };
        assert_eq!(boot(&without_http, &all(), &ipxe), (vec![], None));
    }

    #[test]
    fn who_does_not_boot_is_told_nothing() {
        assert_eq!(boot(&network(), &all(), &[(6, &[0, 59])]), (vec![], None));
    }
}
