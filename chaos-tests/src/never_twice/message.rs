//! DHCP messages of emulated clients and what they read of the answers. Not with the server's codec, so that each is the
//! other's judge (RFC 2131, 2132).

use std::net::Ipv4Addr;

use super::frame::Mac;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const FIXED_BYTES: usize = 240;
const PACKET_BYTES_MIN: usize = 300;

/// Option 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFC's names")]
pub enum Kind {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Option 53.
    pub kind: Kind,
    /// Kept in repetitions.
    pub xid: u32,
    /// `chaddr`.
    pub mac: Mac,
    /// Option 61; none if empty.
    pub client_id: Vec<u8>,
    /// `ciaddr`: the address that the client has and answers for.
    pub own: Option<Ipv4Addr>,
    /// Option 50.
    pub requested: Option<Ipv4Addr>,
    /// Option 54.
    pub server: Option<Ipv4Addr>,
}

impl Message {
    /// The bytes of the UDP payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut packet = vec![0; FIXED_BYTES];
        packet[..3].copy_from_slice(&[1, 1, 6]); // BOOTREQUEST, Ethernet, its length
        packet[4..8].copy_from_slice(&self.xid.to_be_bytes());
        let own = self.own.unwrap_or(Ipv4Addr::UNSPECIFIED);
        packet[12..16].copy_from_slice(&own.octets());
        packet[28..34].copy_from_slice(&self.mac);
        packet[236..].copy_from_slice(&COOKIE);
        let mut option = |code: u8, value: &[u8]| {
            packet.extend([code, u8::try_from(value.len()).unwrap_or(0)]);
            packet.extend(value);
        };
        option(53, &[self.kind as u8]);
        if !self.client_id.is_empty() {
            option(61, &self.client_id);
        }
        for (code, address) in [(50, self.requested), (54, self.server)] {
            if let Some(address) = address {
                option(code, &address.octets());
            }
        }
        packet.push(255);
        packet.resize(packet.len().max(PACKET_BYTES_MIN), 0);
        packet
    }
}

/// What a client reads of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Option 53.
    pub kind: Kind,
    /// That of the question.
    pub xid: u32,
    /// `chaddr`.
    pub mac: Mac,
    /// `yiaddr`.
    pub address: Ipv4Addr,
    /// Option 54.
    pub server: Option<Ipv4Addr>,
    /// Option 51, seconds.
    pub lease_s: Option<u32>,
}

impl Answer {
    /// Reads a BOOTREPLY; `None` for anything else.
    pub fn decode(packet: &[u8]) -> Option<Answer> {
        let fixed: &[u8; FIXED_BYTES] = packet.first_chunk()?;
        if fixed[..3] != [2, 1, 6] || fixed[236..] != COOKIE {
            return None;
        }
        let (mut kind, mut server, mut lease_s) = (None, None, None);
        let mut rest = &packet[FIXED_BYTES..];
        loop {
            let (&code, after) = rest.split_first()?;
            match code {
                0 => rest = after,
                255 => break,
                _ => {
                    let (&length, after) = after.split_first()?;
                    let (value, after) = after.split_at_checked(usize::from(length))?;
                    rest = after;
                    match code {
                        53 => kind = answer_kind(value),
                        51 => lease_s = Some(u32::from_be_bytes(value.try_into().ok()?)),
                        54 => server = Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?)),
                        _ => {}
                    }
                }
            }
        }
        Some(Answer {
            kind: kind?,
            xid: u32::from_be_bytes(fixed[4..8].try_into().ok()?),
            mac: fixed[28..34].try_into().ok()?,
            address: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
            server,
            lease_s,
        })
    }
}

fn answer_kind(value: &[u8]) -> Option<Kind> {
    match value {
        [2] => Some(Kind::Offer),
        [5] => Some(Kind::Ack),
        [6] => Some(Kind::Nak),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 1);

    fn request() -> Message {
        Message {
            kind: Kind::Request,
            xid: 0x0102_0304,
            mac: [2, 0, 0, 0, 0, 9],
            client_id: vec![255, 1],
            own: None,
            requested: Some(ADDRESS),
            server: Some(Ipv4Addr::new(10, 97, 0, 1)),
        }
    }

    /// The same bytes as a server would send them.
    fn turned(message: &Message, kind: u8) -> Vec<u8> {
        let mut packet = message.encode();
        packet[0] = 2;
        packet[242] = kind;
        packet[16..20].copy_from_slice(&ADDRESS.octets());
        packet
    }

    #[test]
    fn an_answer_is_read() {
        let answer = Answer::decode(&turned(&request(), 5)).unwrap();
        assert_eq!(
            (answer.kind, answer.xid, answer.mac),
            (Kind::Ack, 0x0102_0304, [2, 0, 0, 0, 0, 9])
        );
        assert_eq!((answer.address, answer.lease_s), (ADDRESS, None));
        assert_eq!(answer.server, Some(Ipv4Addr::new(10, 97, 0, 1)));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        assert_eq!(Answer::decode(&request().encode()), None, "a question");
        let packet = turned(&request(), 5);
        assert_eq!(Answer::decode(&packet[..250]), None, "cut off");
        assert_eq!(
            Answer::decode(&turned(&request(), 3)),
            None,
            "no server says that"
        );
    }

    /// An address that a client has stands in the header, one that it would like in an option.
    #[test]
    fn a_question_says_what_is_had_and_what_is_wished() {
        let has = Message {
            own: Some(ADDRESS),
            requested: None,
            server: None,
            ..request()
        };
        assert_eq!(has.encode()[12..16], ADDRESS.octets());
        assert_eq!(request().encode()[12..16], [0; 4]);
        assert!(
            request()
                .encode()
                .windows(6)
                .any(|bytes| bytes == [50, 4, 10, 97, 200, 1])
        );
        assert!(has.encode().len() >= PACKET_BYTES_MIN);
    }
}
