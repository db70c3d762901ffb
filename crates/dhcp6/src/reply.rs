//! An answer, and its bytes.

use dhcproto::v6::{DhcpOption, MessageType, OptionCode, Status, StatusCode, UnknownOption};
use dhcproto::{Encodable, Encoder};

use crate::counters::Count;
use crate::relay;
use crate::request::Request;

/// An ADVERTISE or REPLY.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// One of the two.
    pub message_type: MessageType,
    /// Options in their order on the wire.
    pub options: Vec<DhcpOption>,
    /// Something worth counting that did not prevent the answer.
    pub note: Option<Count>,
}

impl Reply {
    /// Writes the answer to `request`, relays around it, into `message`, which is cleared first.
    pub fn write(&self, request: &Request<'_>, message: &mut Vec<u8>) {
        let mut own = vec![self.message_type.into()];
        own.extend_from_slice(&request.xid);
        let mut part = Vec::new();
        for option in &self.options {
            part.clear();
            option
                .encode(&mut Encoder::new(&mut part))
                .expect("writing to memory fails only when a length overflows usize");
            own.extend_from_slice(&part);
        }
        message.clear();
        message.append(&mut relay::wrap(&request.relays, own));
    }
}

/// An option that dhcproto has no type for, or writes wrongly (a vendor class with the number of its texts as its length).
pub(crate) fn raw(code: u16, value: impl Into<Vec<u8>>) -> DhcpOption {
    DhcpOption::Unknown(UnknownOption::new(OptionCode::Unknown(code), value.into()))
}

/// Option 13.
pub(crate) fn status(status: Status, text: &str) -> DhcpOption {
    let msg = text.to_owned();
    DhcpOption::StatusCode(StatusCode { status, msg })
}

#[cfg(test)]
mod tests {
    use dhcproto::v6::Message;
    use dhcproto::{Decodable as _, Decoder};

    use super::*;
    use crate::request::Arrival;
    use crate::testing::{NODE, RawMessage, duid_ll, relayed};

    fn reply() -> Reply {
        let message_type = MessageType::Advertise;
        let options = vec![raw(59, *b"url"), status(Status::NoBinding, "none")];
        Reply {
            message_type,
            options,
            note: None,
        }
    }

    fn written(packet: &[u8]) -> Vec<u8> {
        let arrival = Arrival::multicast("fe80::1".parse().unwrap());
        let mut message = vec![7; 100];
        reply().write(&Request::parse(packet, arrival).unwrap(), &mut message);
        message
    }

    #[test]
    fn the_transaction_id_comes_back_and_options_keep_their_order() {
        let packet = RawMessage::new(1).options(&[(1, &duid_ll(NODE))]).bytes();
        let expected = [
            &[2, 0x12, 0x34, 0x56, 0, 59, 0, 3][..],
            b"url",
            &[0, 13, 0, 6, 0, 3],
            b"none",
        ]
        .concat();
        assert_eq!(written(&packet), expected);
        let read = Message::decode(&mut Decoder::new(&expected)).unwrap();
        assert_eq!(read.opts().iter().count(), 2);
    }

    #[test]
    fn relays_stand_around_it() {
        let packet = RawMessage::new(1).options(&[(1, &duid_ll(NODE))]).bytes();
        let packet = relayed(&packet, 0, "fd00:98::1", "fe80::1", &[(18, b"x")]);
        let message = written(&packet);
        assert_eq!(message[..2], [13, 0]);
        assert!(message.ends_with(b"none"));
    }
}
