//! Which messages came before: the sign that nobody else answers them.

use std::hash::{DefaultHasher, Hash, Hasher};

use model::MacAddr;

/// Messages remembered; a later one takes the place of an earlier one with the same hash. Who is forgotten so waits
/// for one repetition more.
const REMEMBERED_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    mac: MacAddr,
    xid: u32,
    /// A DHCPREQUEST has the xid of its DHCPDISCOVER but is no repetition of it.
    message_type: u8,
}

/// A table of fixed size; no clock is needed, as clients choose a new xid for each attempt to get an address.
#[derive(Debug)]
pub struct Repeats(Vec<Option<Key>>);

impl Default for Repeats {
    fn default() -> Repeats {
        Repeats(vec![None; REMEMBERED_MAX])
    }
}

impl Repeats {
    /// Whether this message of this client was here before; from now on it was.
    pub fn note(&mut self, mac: MacAddr, xid: u32, message_type: u8) -> bool {
        let key = Key {
            mac,
            xid,
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

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn only_the_same_message_of_the_same_client_is_a_repetition() {
        let mut repeats = Repeats::default();
        assert!(!repeats.note(MAC, 7, 1));
        assert!(!repeats.note(MAC, 9, 1));
        assert!(!repeats.note(MacAddr([2, 0, 0, 0, 0, 9]), 7, 1));
        assert!(!repeats.note(MAC, 7, 3), "the DHCPREQUEST that follows");
        assert!(repeats.note(MAC, 7, 1));
        assert!(repeats.note(MAC, 7, 1));
    }

    #[test]
    fn a_flood_of_strangers_takes_no_more_memory() {
        let mut repeats = Repeats::default();
        for xid in 0..3 * REMEMBERED_MAX as u32 {
            repeats.note(MAC, xid, 1);
        }
        assert_eq!(repeats.0.len(), REMEMBERED_MAX);
    }
}
