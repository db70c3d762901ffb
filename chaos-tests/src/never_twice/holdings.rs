//! Who took itself to have which address from when to when, and the judgement over it: no two clients at one time.
//!
//! A client has an address from the DHCPACK to the end of the lease by its own clock, whether it asks again or vanishes; less
//! only if it said itself that it stops, or was told to.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use super::client::Event;
use super::frame::Mac;

/// One line of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// Who notes it.
    pub client: Mac,
    /// What.
    pub event: Event,
}

/// A client had an address for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Who.
    pub client: Mac,
    /// What.
    pub address: Ipv4Addr,
    /// Its first moment, milliseconds since the run began.
    pub from_ms: u64,
    /// The first moment after it.
    pub until_ms: u64,
}

/// Everything that was noted, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Note>);

impl History {
    /// The notes of all clients, in any order; each client's own in the order in which it made them.
    pub fn new(mut notes: Vec<Note>) -> History {
        notes.sort_by_key(|note| note.at_ms);
        History(notes)
    }

    /// All notes.
    pub fn notes(&self) -> &[Note] {
        &self.0
    }

    /// Who had what when, by address and then by time.
    pub fn uses(&self) -> Vec<Use> {
        let (mut open, mut uses) = (BTreeMap::<Mac, Use>::new(), Vec::new());
        for note in &self.0 {
            let before = open.remove(&note.client);
            let (after, ended) = step(before, note);
            uses.extend(ended);
            if let Some(after) = after {
                open.insert(note.client, after);
            }
        }
        uses.extend(open.into_values());
        uses.sort_by_key(|one| (one.address, one.from_ms, one.until_ms));
        uses
    }

    /// Every pair of clients that had one address at one time.
    pub fn doubled(&self) -> Vec<Doubled> {
        let (mut doubled, mut longest): (Vec<Doubled>, Option<Use>) = (Vec::new(), None);
        for one in self.uses() {
            let before = longest.filter(|before| before.address == one.address);
            if let Some(before) = before
                && before.client != one.client
                && before.until_ms > one.from_ms
            {
                doubled.push(self.explained(before, one));
            }
            // of all that began earlier the one that lasts longest is met first
            longest = match before {
                Some(before) if before.until_ms >= one.until_ms => Some(before),
                _ => Some(one),
            };
        }
        doubled
    }

    /// How often an address came to another client than the one that had it before.
    pub fn passed_on(&self) -> usize {
        let uses = self.uses();
        let is_passed =
            |pair: &&[Use]| pair[0].address == pair[1].address && pair[0].client != pair[1].client;
        uses.windows(2).filter(is_passed).count()
    }

    fn explained(&self, one: Use, other: Use) -> Doubled {
        let concerns = |note: &&Note| {
            let (Event::Acked { address, .. } | Event::Stopped { address, .. }) = note.event;
            address == one.address && [one.client, other.client].contains(&note.client)
        };
        Doubled {
            one,
            other,
            notes: self.0.iter().filter(concerns).copied().collect(),
        }
    }
}

/// What a client has after a note, and what it no longer has.
fn step(before: Option<Use>, note: &Note) -> (Option<Use>, Option<Use>) {
    let cut = |one: Use| Use {
        until_ms: one.until_ms.min(note.at_ms),
        ..one
    };
    match (note.event, before) {
        (
            Event::Acked {
                address, until_ms, ..
            },
            before,
        ) => {
            let fresh = Use {
                client: note.client,
                address,
                from_ms: note.at_ms,
                until_ms,
            };
            match before {
                // without a gap it is one use
                Some(before) if before.address == address && before.until_ms >= note.at_ms => {
                    let from_ms = before.from_ms;
                    (Some(Use { from_ms, ..fresh }), None)
                }
                before => (Some(fresh), before.map(cut)),
            }
        }
        (Event::Stopped { address, .. }, Some(before)) if before.address == address => {
            (None, Some(cut(before)))
        }
        (Event::Stopped { .. }, before) => (before, None),
    }
}

/// Two clients had one address at one time.
#[derive(Clone, PartialEq, Eq)]
pub struct Doubled {
    /// The one that had it first.
    pub one: Use,
    /// The one that got it as well.
    pub other: Use,
    /// What both noted about that address.
    pub notes: Vec<Note>,
}

impl fmt::Debug for Doubled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overlap = self
            .one
            .until_ms
            .min(self.other.until_ms)
            .saturating_sub(self.other.from_ms);
        writeln!(
            f,
            "{} was given to two clients, for {overlap} ms at one time:",
            self.one.address
        )?;
        for one in [&self.one, &self.other] {
            writeln!(
                f,
                "  {} had it from {} to {}",
                mac_text(one.client),
                one.from_ms,
                one.until_ms
            )?;
        }
        for note in &self.notes {
            writeln!(
                f,
                "  {:>9} {} {:?}",
                note.at_ms,
                mac_text(note.client),
                note.event
            )?;
        }
        Ok(())
    }
}

/// As SMD writes it.
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::super::client::{How, Why};
    use super::*;

    const X: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 1);
    const Y: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 2);
    const NONE: [u64; 0] = [];

    fn note(at_ms: u64, client: u8, event: Event) -> Note {
        let client = [2, 0, 0, 0, 0, client];
        Note { at_ms, client, event }
    }

    fn acked(at_ms: u64, client: u8, address: Ipv4Addr, until_ms: u64) -> Note {
        let how = How::Selecting;
        note(
            at_ms,
            client,
            Event::Acked {
                address,
                until_ms,
                how,
            },
        )
    }

    fn stopped(at_ms: u64, client: u8, address: Ipv4Addr) -> Note {
        let why = Why::Released;
        note(at_ms, client, Event::Stopped { address, why })
    }

    fn overlaps(notes: &[Note]) -> Vec<u64> {
        let doubled = History::new(notes.to_vec()).doubled();
        doubled
            .iter()
            .map(|both| both.one.until_ms.min(both.other.until_ms) - both.other.from_ms)
            .collect()
    }

    /// The rule that everything rests on must be able to fail, and to say why.
    #[test]
    fn two_clients_with_one_address_are_found() {
        let both = [acked(0, 1, X, 20_000), acked(19_999, 2, X, 40_000)];
        assert_eq!(overlaps(&both), [1]);
        let text = format!("{:?}", History::new(both.to_vec()).doubled());
        assert!(
            text.contains("10.97.200.1 was given to two clients, for 1 ms"),
            "{text}"
        );
        assert!(
            text.contains("02:00:00:00:00:02 had it from 19999 to 40000"),
            "{text}"
        );
        assert_eq!(
            overlaps(&[acked(0, 1, X, 20_000), acked(20_000, 2, X, 40_000)]),
            NONE
        );
        assert_eq!(overlaps(&[acked(0, 1, X, 20_000), acked(5, 2, Y, 20_000)]), NONE);
    }

    /// Who vanishes says nothing: it has the address to the end of its lease.
    #[test]
    fn silence_ends_nothing_before_the_lease() {
        let vanished = [acked(0, 1, X, 20_000), acked(1, 1, Y, 20_000), acked(2, 2, X, 9)];
        assert_eq!(overlaps(&vanished), NONE, "it has had another address since");
        let vanished = [
            acked(0, 1, X, 20_000),
            acked(9000, 1, X, 29_000),
            acked(25_000, 2, X, 45_000),
        ];
        assert_eq!(overlaps(&vanished), [4000]);
    }

    #[test]
    fn who_stops_has_it_no_longer() {
        let notes = [
            acked(0, 1, X, 20_000),
            stopped(5000, 1, X),
            acked(5000, 2, X, 25_000),
        ];
        assert_eq!(overlaps(&notes), NONE);
        let notes = [
            acked(0, 1, X, 20_000),
            stopped(5001, 1, X),
            acked(5000, 2, X, 25_000),
        ];
        assert_eq!(overlaps(&notes), [1]);
        let of_another = [
            acked(0, 1, X, 20_000),
            stopped(5000, 1, Y),
            acked(5000, 2, X, 25_000),
        ];
        assert_eq!(overlaps(&of_another), [15_000]);
        let late = [
            acked(0, 1, X, 20_000),
            stopped(30_000, 1, X),
            acked(21_000, 2, X, 41_000),
        ];
        assert_eq!(overlaps(&late), NONE, "its lease had ended before");
    }

    /// A shorter answer is the newer one, and counts.
    #[test]
    fn the_last_answer_counts() {
        let notes = [
            acked(0, 1, X, 20_000),
            acked(1000, 1, X, 5000),
            acked(5000, 2, X, 25_000),
        ];
        assert_eq!(overlaps(&notes), NONE);
        assert_eq!(History::new(notes.to_vec()).passed_on(), 1);
    }

    /// A long use must not be forgotten behind a short one that began after it.
    #[test]
    fn the_longest_use_is_compared_with_all_that_follow() {
        let notes = [
            acked(0, 1, X, 60_000),
            acked(10, 2, X, 20_000),
            acked(30_000, 3, X, 50_000),
        ];
        assert_eq!(overlaps(&notes), [19_990, 20_000]);
    }

    #[test]
    fn the_same_client_may_have_it_again() {
        let notes = [
            acked(0, 1, X, 20_000),
            acked(90_000, 1, X, 110_000),
            acked(5, 1, X, 20_005),
        ];
        let history = History::new(notes.to_vec());
        assert_eq!((history.doubled(), history.passed_on()), (vec![], 0));
        assert_eq!(history.uses().len(), 2);
    }
}
