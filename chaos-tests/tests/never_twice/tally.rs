//! What came of a run, in numbers, and what clients were told in a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use chaos_tests::never_twice::client::Event;
use chaos_tests::never_twice::frame::Mac;
use chaos_tests::never_twice::holdings::{History, Note};
use chaos_tests::never_twice::population::Population;

use crate::site::{is_node, is_on_the_left};

/// How much later than its lease ends a client may believe that it does: the answer's way, and whole seconds.
const ON_ITS_WAY_MS: u64 = 1000;

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) rounds: usize,
    pub(crate) faults: usize,
    pub(crate) bindings: u64,
    pub(crate) renewals: u64,
    pub(crate) refusals: u64,
    pub(crate) stops: u64,
    pub(crate) changes: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, streets: &[Population], faults: usize) {
        self.rounds += 1;
        self.faults += faults;
        for counts in streets.iter().map(Population::counts) {
            self.bindings += counts.bindings.load(Ordering::Relaxed);
            self.renewals += counts.renewals.load(Ordering::Relaxed);
            self.refusals += counts.refusals.load(Ordering::Relaxed);
            self.stops += counts.stops.load(Ordering::Relaxed);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults, {} bindings, {} renewals, {} refusals, {} released or declined, {} changes of reservations",
            self.faults, self.bindings, self.renewals, self.refusals, self.stops, self.changes
        )
    }
}

/// What clients were told in a while.
#[derive(Default)]
pub(crate) struct Told {
    /// Known nodes that were given their address.
    pub(crate) nodes_on_the_left: BTreeSet<Mac>,
    /// Leases of strangers that reach beyond what they had.
    pub(crate) new_on_the_left: Vec<Note>,
    pub(crate) new_on_the_right: usize,
}

pub(crate) fn told_between(history: &History, since_ms: u64, until_ms: u64) -> Told {
    let (mut told, mut ends) = (Told::default(), BTreeMap::<(Mac, Ipv4Addr), u64>::new());
    for note in history.notes() {
        let Event::Acked {
            address,
            until_ms: end,
            ..
        } = note.event
        else {
            continue;
        };
        let had_until = ends.entry((note.client, address)).or_default();
        let is_new = end > *had_until + ON_ITS_WAY_MS;
        *had_until = end.max(*had_until);
        if !(since_ms..until_ms).contains(&note.at_ms) {
            continue;
        }
        match (is_on_the_left(note.client), is_node(note.client)) {
            (true, true) => drop(told.nodes_on_the_left.insert(note.client)),
            (true, false) if is_new => told.new_on_the_left.push(*note),
            (false, false) if is_new => told.new_on_the_right += 1,
            (_, false) | (false, true) => {}
        }
    }
    told
}
