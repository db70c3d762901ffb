//! Which messages came before: the sign that nobody else answers them.

use std::hash::{DefaultHasher, Hash, Hasher};

use dhcproto::v4::MessageType;
use model::MacAddr;

use crate::request::Request;

/// Messages remembered; a later one takes the place of an earlier one with the same hash. Who is forgotten so waits
/// for one repetition more.
const REMEMBERED_MAX: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    mac: MacAddr,
    xid: u32,
    /// A DHCPREQUEST has the xid of its DHCPDISCOVER but is no repetition of it.
    message_type: u8,
}

/// A table of fixed size; no clock is needed, as clients choose a new xid for each attempt to get an address.
pub(crate) struct Repeats(Vec<Option<Key>>);

impl Repeats {
    /// An empty table.
    pub(crate) fn new() -> Repeats {
        Repeats(vec![None; REMEMBERED_MAX])
    }

    /// Whether this message was here before; from now on it was.
    pub(crate) fn note(&mut self, request: &Request<'_>) -> bool {
        let message_type = MessageType::into(request.message_type);
        let key = Key {
            mac: request.mac,
            xid: request.xid,
            message_type,
        };
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = &mut self.0[hasher.finish() as usize % REMEMBERED_MAX];
        place.replace(key) == Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::RawPacket;

    fn note(repeats: &mut Repeats, raw: &RawPacket) -> bool {
        repeats.note(&Request::parse(&raw.bytes()).unwrap())
    }

    #[test]
    fn only_the_same_message_of_the_same_client_is_a_repetition() {
        let mut repeats = Repeats::new();
        let first = RawPacket::discover();
        assert!(!note(&mut repeats, &first));
        assert!(!note(
            &mut repeats,
            &RawPacket {
                xid: 9,
                ..first.clone()
            }
        ));
        assert!(!note(
            &mut repeats,
            &RawPacket {
                mac: MacAddr([2, 0, 0, 0, 0, 9]),
                ..first.clone()
            }
        ));
        assert!(
            !note(&mut repeats, &RawPacket::new(3)),
            "the DHCPREQUEST that follows"
        );
        assert!(note(&mut repeats, &first));
        assert!(note(&mut repeats, &first));
    }

    #[test]
    fn a_flood_of_strangers_takes_no_more_memory() {
        let mut repeats = Repeats::new();
        for xid in 0..3 * REMEMBERED_MAX as u32 {
            note(
                &mut repeats,
                &RawPacket {
                    xid,
                    ..RawPacket::discover()
                },
            );
        }
        assert_eq!(repeats.0.len(), REMEMBERED_MAX);
    }
}
