//! The packets that a client would send, byte by byte.

use std::net::Ipv4Addr;

use model::MacAddr;
use proto::dhcp::v1::ExplainDhcpRequest;
use rpc::Error;

use crate::precheck::{COOKIE, FIXED_BYTES};

/// An option has one byte for its length.
const VALUE_BYTES_MAX: usize = 255;
const LINK_SELECTION: u8 = 5;

/// What is known of the client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) mac: MacAddr,
    pub(super) requested: Option<Ipv4Addr>,
    relay: Option<Ipv4Addr>,
    /// What it sends in every message.
    options: Vec<(u8, Vec<u8>)>,
}

impl Client {
    /// # Errors
    /// `Invalid` with the field.
    pub(super) fn of(request: &ExplainDhcpRequest) -> Result<Client, Error> {
        let mac = request.mac.parse().map_err(|e| rpc::invalid("mac", e))?;
        let relay = address("relay", &request.relay)?;
        let link = address("link", &request.link)?;
        let mut options = Vec::new();
        let mut add = |code: u8, field: &str, value: Vec<u8>| {
            if value.len() > VALUE_BYTES_MAX {
                let problem = format!("{} bytes; a client sends {VALUE_BYTES_MAX} at most", value.len());
                return Err(rpc::invalid(field, problem));
            }
            if !value.is_empty() {
                options.push((code, value));
            }
            Ok(())
        };
        add(93, "architectures", architectures(&request.architectures)?)?;
        add(60, "vendor_class", request.vendor_class.clone().into_bytes())?;
        add(77, "user_class", request.user_class.clone().into_bytes())?;
        add(61, "client_id", from_hex(&request.client_id)?)?;
        match (link, relay) {
            (Some(link), Some(_)) => {
                let sub_option = [&[LINK_SELECTION, 4][..], &link.octets()].concat();
                add(82, "link", sub_option)?;
            }
            (Some(link), None) => add(118, "link", link.octets().to_vec())?,
            (None, _) => {}
        }
        Ok(Client {
            mac,
            requested: address("requested", &request.requested)?,
            relay,
            options,
        })
    }

    pub(super) fn discover(&self) -> Vec<u8> {
        let wish = self.requested.map(|address| (50, address.octets().to_vec()));
        self.message(1, wish)
    }

    /// The DHCPREQUEST after a DHCPOFFER of `server`.
    pub(super) fn request(&self, address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
        let chosen = [(50, address.octets().to_vec()), (54, server.octets().to_vec())];
        self.message(3, chosen)
    }

    fn message(&self, kind: u8, more: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Vec<u8> {
        let mut packet = vec![0; FIXED_BYTES];
        packet[..3].copy_from_slice(&[1, 1, 6]); // BOOTREQUEST, Ethernet, its length
        packet[24..28].copy_from_slice(&self.relay.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        packet[28..34].copy_from_slice(&self.mac.0);
        packet[236..].copy_from_slice(&COOKIE);
        packet.extend([53, 1, kind]);
        for (code, value) in more.into_iter().chain(self.options.clone()) {
            packet.extend([code, value.len() as u8]);
            packet.extend(value);
        }
        packet.push(255);
        packet
    }
}

fn address(field: &str, text: &str) -> Result<Option<Ipv4Addr>, Error> {
    let read = |text: &str| {
        text.parse().map_err(|_| {
            let problem = format!("`{}` is not an IPv4 address, e.g. 10.98.0.1", text.escape_debug());
            rpc::invalid(field, problem)
        })
    };
    (!text.is_empty()).then(|| read(text)).transpose()
}

fn architectures(given: &[u32]) -> Result<Vec<u8>, Error> {
    let mut value = Vec::new();
    for architecture in given {
        let code = u16::try_from(*architecture).map_err(|_| {
            let problem = format!("{architecture} is given; 0 to 65535 are accepted, e.g. 7 for UEFI on x64");
            rpc::invalid("architectures", problem)
        })?;
        value.extend(code.to_be_bytes());
    }
    Ok(value)
}

fn from_hex(text: &str) -> Result<Vec<u8>, Error> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !b":-".contains(byte)).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| {
        let problem = "two hexadecimal digits for each byte are accepted, e.g. 01:02:00:00:00:00:a1";
        rpc::invalid("client_id", problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Client as Kind, Request};

    fn given() -> ExplainDhcpRequest {
        ExplainDhcpRequest {
            mac: "02:00:00:00:00:a1".into(),
            architectures: vec![7, 16],
            vendor_class: "PXEClient:Arch:00007".into(),
            client_id: "01:02-0a".into(),
            relay: "10.97.9.1".into(),
            link: "10.98.0.7".into(),
            requested: "10.97.2.9".into(),
            ..ExplainDhcpRequest::default()
        }
    }

    #[test]
    fn what_is_said_of_a_client_is_what_the_server_reads() {
        let client = Client::of(&given()).unwrap();
        let packet = client.discover();
        let request = Request::parse(&packet).unwrap();
        assert_eq!(request.mac, client.mac);
        assert_eq!(request.client, Kind::Pxe);
        assert_eq!(request.architectures, [7, 16]);
        assert_eq!(request.client_id.as_deref(), Some(&[1, 2, 10][..]));
        assert_eq!(request.giaddr, Ipv4Addr::new(10, 97, 9, 1));
        assert_eq!(request.subnet_selection, Some(Ipv4Addr::new(10, 98, 0, 7)));
        assert_eq!(request.requested, Some(Ipv4Addr::new(10, 97, 2, 9)));

        let server = Ipv4Addr::new(10, 97, 0, 1);
        let packet = client.request(Ipv4Addr::new(10, 97, 2, 1), server);
        let request = Request::parse(&packet).unwrap();
        assert_eq!(request.asked(), Some(Ipv4Addr::new(10, 97, 2, 1)));
        assert_eq!(request.server_id, Some(server));
    }

    /// Without a relay it is the client that names its link.
    #[test]
    fn a_link_without_a_relay_is_option_118() {
        let alone = ExplainDhcpRequest {
            relay: String::new(),
            user_class: "iPXE".into(),
            ..given()
        };
        let packet = Client::of(&alone).unwrap().discover();
        let request = Request::parse(&packet).unwrap();
        assert_eq!(request.subnet_selection, Some(Ipv4Addr::new(10, 98, 0, 7)));
        assert!(request.relay_info.is_none() && !request.is_relayed());
        assert_eq!(request.client, Kind::Ipxe);
    }

    #[test]
    fn what_no_client_can_send_is_refused_by_its_field() {
        type Change = fn(&mut ExplainDhcpRequest);
        let cases: [(&str, Change); 8] = [
            ("mac", |it| it.mac = "a1".into()),
            ("relay", |it| it.relay = "here".into()),
            ("link", |it| it.link = "10.98.0.0/16".into()),
            ("requested", |it| it.requested = "::1".into()),
            ("client_id", |it| it.client_id = "01:2".into()),
            ("client_id", |it| it.client_id = "zz".into()),
            ("architectures", |it| it.architectures = vec![65_536]),
            ("vendor_class", |it| it.vendor_class = "x".repeat(256)),
        ];
        for (field, change) in cases {
            let mut request = given();
            change(&mut request);
            let refused = Client::of(&request).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{field}: ")), "{refused}");
        }
    }
}
