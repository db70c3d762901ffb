//! Options that policies and subnets say by their number.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, OptionCode, UnknownOption};
use proto::dhcp::v1::{RawOption, Subnet};
use state::dhcp::{PolicyChoice, option_bytes};

use crate::reply::Reply;

const VENDOR_OPTIONS: u8 = 43;
const CLASS_ID: u8 = 60;
const TFTP_SERVER: u8 = 66;
const BOOTFILE: u8 = 67;
const IPXE: u8 = 175;

/// Adds them behind all others, or in the place of what the server says by itself; a policy's count more than the subnet's.
/// A client that boots from the network keeps what it was given for that.
pub(crate) fn add_raw_options(reply: &mut Reply, policies: &PolicyChoice<'_>, subnet: &Subnet) {
    let read = |option: &RawOption| {
        let code = u8::try_from(option.code).ok()?;
        Some((code, Cow::Owned(option_bytes(option)?)))
    };
    let mut options: BTreeMap<u8, Cow<'_, [u8]>> = subnet.options.iter().filter_map(read).collect();
    let of_policies = policies.options().into_iter();
    options.extend(of_policies.map(|(code, value)| (code, Cow::Borrowed(value))));
    let boots = !reply.siaddr.is_unspecified();
    for (code, value) in options {
        let is_for_boot = matches!(code, VENDOR_OPTIONS | CLASS_ID | TFTP_SERVER | BOOTFILE | IPXE);
        if boots && is_for_boot {
            continue;
        }
        match code {
            TFTP_SERVER => set_server(reply, &value),
            BOOTFILE => reply.file = text(&value),
            _ => {}
        }
        put(reply, code, value.into_owned());
    }
}

/// Clients that read only the fixed fields find the server there, too.
fn set_server(reply: &mut Reply, name: &[u8]) {
    reply.sname = text(name);
    if let Ok(address) = reply.sname.parse::<Ipv4Addr>() {
        reply.siaddr = address;
    }
}

fn text(value: &[u8]) -> String {
    std::str::from_utf8(value).unwrap_or_default().to_owned()
}

fn put(reply: &mut Reply, code: u8, value: Vec<u8>) {
    let option = DhcpOption::Unknown(UnknownOption::new(code.into(), value));
    let is_it = |other: &&mut DhcpOption| u8::from(OptionCode::from(&**other)) == code;
    match reply.options.iter_mut().find(is_it) {
        Some(own) => *own = option,
        None => reply.options.push(option),
    }
}
