//! What SMD said when, as far as the administrator can know it, and the judgement of what clients were told: nothing contrary
//! to it, but what a member says that has not heard of a change yet.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use super::client::Event;
use super::frame::Mac;
use super::holdings::{Note, mac_text};

/// How long a change may be unknown to some member, or a lease from before it may be told: the longest fault, the time that a
/// member needs to catch up, and a lease of a pool.
pub const STALE_MS: u64 = 45_000;

/// An interface had an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reservation {
    mac: Mac,
    address: Ipv4Addr,
    /// When it was asked for, and when that was acknowledged; milliseconds since the run began.
    begun_ms: (u64, u64),
    /// The same of its end.
    ended_ms: Option<(u64, u64)>,
}

impl Reservation {
    /// Some member may go by it at this time.
    fn may_be(&self, at_ms: u64) -> bool {
        self.begun_ms.0 <= at_ms && self.ended_ms.is_none_or(|(_, known)| at_ms <= known + STALE_MS)
    }

    /// Every member must have gone by it for long.
    fn must_be(&self, at_ms: u64) -> bool {
        self.begun_ms.1 + STALE_MS <= at_ms && self.ended_ms.is_none_or(|(asked, _)| asked >= at_ms)
    }
}

/// All reservations that there ever were.
#[derive(Clone, Debug)]
pub struct Book {
    pool: RangeInclusive<Ipv4Addr>,
    entries: Vec<Reservation>,
}

impl Book {
    /// Nothing is reserved; strangers get addresses of `pool`.
    pub fn new(pool: RangeInclusive<Ipv4Addr>) -> Book {
        Book {
            pool,
            entries: Vec::new(),
        }
    }

    /// The interface's addresses are these, asked for and acknowledged at these times.
    pub fn set(&mut self, mac: Mac, addresses: &[Ipv4Addr], asked_ms: u64, known_ms: u64) {
        let now = (asked_ms, known_ms);
        for entry in self
            .entries
            .iter_mut()
            .filter(|entry| entry.mac == mac && entry.ended_ms.is_none())
        {
            if !addresses.contains(&entry.address) {
                entry.ended_ms = Some(now);
            }
        }
        for address in addresses {
            if !self.current(mac).contains(address) {
                self.entries.push(Reservation {
                    mac,
                    address: *address,
                    begun_ms: now,
                    ended_ms: None,
                });
            }
        }
    }

    /// What the interface has now.
    pub fn current(&self, mac: Mac) -> Vec<Ipv4Addr> {
        let own = self
            .entries
            .iter()
            .filter(|entry| entry.mac == mac && entry.ended_ms.is_none());
        own.map(|entry| entry.address).collect()
    }

    /// Whether any interface has the address now.
    pub fn is_taken(&self, address: Ipv4Addr) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.address == address && entry.ended_ms.is_none())
    }

    /// What clients were told that SMD did not say.
    pub fn contrary<'a>(&'a self, notes: &'a [Note]) -> impl Iterator<Item = String> + 'a {
        notes.iter().filter_map(move |note| {
            let Event::Acked { address, .. } = note.event else {
                return None;
            };
            let why = self.why_not(note.client, address, note.at_ms)?;
            Some(format!(
                "{} ms: {} was given {address}: {why}",
                note.at_ms,
                mac_text(note.client)
            ))
        })
    }

    fn why_not(&self, mac: Mac, address: Ipv4Addr, at_ms: u64) -> Option<String> {
        let of = |entry: &&Reservation| entry.mac == mac;
        let at = |entry: &&Reservation| entry.address == address;
        if self
            .entries
            .iter()
            .filter(of)
            .filter(at)
            .any(|entry| entry.may_be(at_ms))
        {
            return None;
        }
        if !self.pool.contains(&address) {
            return Some("SMD never said so, and no pool has it".to_owned());
        }
        let mut certain = self.entries.iter().filter(|entry| entry.must_be(at_ms));
        let broken = certain.find(|entry| of(entry) || at(entry))?;
        Some(format!("{} has {} in SMD", mac_text(broken.mac), broken.address))
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::How;
    use super::*;

    const NODE: Mac = [2, 0, 0, 0, 0, 1];
    const OTHER: Mac = [2, 0, 0, 0, 0, 2];
    const FIXED: Ipv4Addr = Ipv4Addr::new(10, 97, 2, 1);
    const POOLED: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 7);

    fn book() -> Book {
        let mut book = Book::new(Ipv4Addr::new(10, 97, 200, 1)..=Ipv4Addr::new(10, 97, 200, 9));
        book.set(NODE, &[FIXED], 10, 20);
        book
    }

    fn problems(book: &Book, client: Mac, address: Ipv4Addr, at_ms: u64) -> Vec<String> {
        let (until_ms, how) = (at_ms + 20_000, How::Selecting);
        let event = Event::Acked {
            address,
            until_ms,
            how,
        };
        book.contrary(&[Note { at_ms, client, event }]).collect()
    }

    #[test]
    fn a_reservation_is_its_nodes_alone() {
        let book = book();
        assert_eq!(
            problems(&book, NODE, FIXED, 15),
            [""; 0],
            "it may be so before it is known"
        );
        let told = problems(&book, OTHER, FIXED, 15);
        assert!(
            told[0].contains("02:00:00:00:00:02 was given 10.97.2.1"),
            "{told:?}"
        );
        assert_eq!(
            problems(&book, NODE, FIXED, 5).len(),
            1,
            "before anybody asked for it"
        );
    }

    #[test]
    fn a_reservation_that_has_moved_is_told_for_a_while() {
        let mut book = book();
        book.set(NODE, &[], 1000, 2000);
        assert_eq!((book.current(NODE), book.is_taken(FIXED)), (vec![], false));
        assert_eq!(problems(&book, NODE, FIXED, 2000 + STALE_MS), [""; 0]);
        assert_eq!(problems(&book, NODE, FIXED, 2001 + STALE_MS).len(), 1);
    }

    /// Strangers may have what is in the pool until it is reserved, and as long as they have it.
    #[test]
    fn an_address_of_the_pool_is_anybodys_until_it_is_reserved() {
        let mut book = book();
        assert_eq!(problems(&book, OTHER, POOLED, 5), [""; 0]);
        book.set(NODE, &[FIXED, POOLED], 1000, 2000);
        assert_eq!(problems(&book, OTHER, POOLED, 1999 + STALE_MS), [""; 0]);
        let told = problems(&book, OTHER, POOLED, 2000 + STALE_MS);
        assert!(
            told[0].contains("02:00:00:00:00:01 has 10.97.200.7 in SMD"),
            "{told:?}"
        );
    }

    /// Who has an address in SMD has none of a pool.
    #[test]
    fn a_known_node_gets_its_own() {
        assert_eq!(
            problems(&book(), NODE, POOLED, 19 + STALE_MS),
            [""; 0],
            "not known everywhere"
        );
        assert_eq!(problems(&book(), NODE, POOLED, 20 + STALE_MS).len(), 1);
    }
}
