//! proxyDHCP (PXE 2.1 sections 2.2.3 and 2.4.5): another server gives the addresses, this one tells known nodes what to boot.
//! Pure.

use dhcproto::v4::{DhcpOption, MessageType};
use model::Xname;
use state::State;

use crate::boot::{PXE_VENDOR_OPTIONS, add_boot_options};
use crate::counters::Count;
use crate::link::Link;
use crate::network::{BIOS_LOADER, Site};
use crate::policy::Decision;
use crate::reply::Reply;
use crate::request::{Client, Request};

/// Port 67: a DHCPDISCOVER of a client that boots is offered a file, and no address.
pub(super) fn decide(state: &State, request: &Request<'_>, site: &Site<'_>) -> Decision {
    if request.message_type != MessageType::Discover {
        return Decision::Silent(Count::ProxyOnly);
    }
    told(state, request, site, MessageType::Offer)
}

/// Port 4011: the client has its address and asks for the file.
pub(super) fn decide_on_proxy_port(state: &State, request: &Request<'_>, site: &Site<'_>) -> Decision {
    let asks = matches!(request.message_type, MessageType::Request | MessageType::Inform);
    if !asks || request.ciaddr.is_unspecified() {
        return Decision::Silent(Count::ProxyOnly);
    }
    told(state, request, site, MessageType::Ack)
}

fn told(state: &State, request: &Request<'_>, site: &Site<'_>, message_type: MessageType) -> Decision {
    match boot(state, request, site, message_type) {
        Ok(reply) => Decision::Reply(reply),
        Err(why) => Decision::Silent(why),
    }
}

fn boot(
    state: &State,
    request: &Request<'_>,
    site: &Site<'_>,
    message_type: MessageType,
) -> Result<Reply, Count> {
    let interface = state.smd.interface(&request.mac).ok_or(Count::UnknownMac)?;
    if request.client == Client::Other {
        return Err(Count::ProxyOnly);
    }
    let link = Link::of(state, request, site.network)?;
    // so that nobody can have the answer sent elsewhere
    if !request.ciaddr.is_unspecified() && !link.net.contains(request.ciaddr) {
        return Err(Count::NoAddressAsked);
    }
    let is_node = interface
        .component_id
        .parse::<Xname>()
        .is_ok_and(|xname| xname.is_node());
    if !is_node {
        return Err(Count::ProxyOnly);
    }
    let mut reply = Reply::new(message_type);
    // The client's own address, from the other server; never one of ours.
    reply.ciaddr = request.ciaddr;
    let server = request.server_id_override;
    let server = server.unwrap_or(site.network.service_address);
    reply.options.push(DhcpOption::ServerIdentifier(server));
    add_boot_options(&mut reply, request, site.network, site.loaders);
    if reply.file.is_empty() {
        return Err(reply.note.unwrap_or(Count::ProxyOnly));
    }
    if is_for_uefi_pxe(request, &reply) {
        let is_vendor = |option: &DhcpOption| matches!(option, DhcpOption::VendorExtensions(_));
        reply.options.retain(|option| !is_vendor(option));
    }
    // Without class `PXEClient` an offer without an address is no proxy's, for iPXE too.
    if request.client == Client::Ipxe {
        let class = DhcpOption::ClassIdentifier(b"PXEClient".to_vec());
        let vendor = DhcpOption::VendorExtensions(PXE_VENDOR_OPTIONS.to_vec());
        reply.options.extend([class, vendor]);
    }
    Ok(reply)
}

/// UEFI's PXE client drops the offer of a proxy that says "ask no one else" by option 43 (EDK II until April 2017, issue 6944, and
/// the firmware made of it). Without the option every one of them takes it, and asks port 4011 for the file.
fn is_for_uefi_pxe(request: &Request<'_>, reply: &Reply) -> bool {
    request.client == Client::Pxe && reply.file != BIOS_LOADER
}
