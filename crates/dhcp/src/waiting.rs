//! Packets that another member should answer, kept for a moment in case it cannot. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use model::MacAddr;
use tokio::time::Instant;

/// Clients whose packet waits, at most; what comes beyond is left to the holder, and to the client's repetition.
const WAITING_MAX: usize = 4096;
/// A packet waits no longer: by then the address has moved, or the client has asked again.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// A holder that was heard this long after a packet came has had time to answer it, a power-on storm's queue included.
const ANSWERED_WITHIN: Duration = Duration::from_millis(250);
/// Pause between two looks at what waits.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

pub use address::Responder;

/// One packet as it came; DHCPv4 and DHCPv6 have senders of their own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<S> {
    /// The whole datagram.
    pub packet: Vec<u8>,
    /// Who sent it, in the words of the server's socket.
    pub sender: S,
    /// When.
    pub arrived: Instant,
}

/// The newest packet of each client that waits.
#[derive(Debug)]
pub struct Waiting<S>(BTreeMap<MacAddr, Kept<S>>);

/// What has been decided about packets that waited.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled<S> {
    /// To be answered now.
    pub due: Vec<Kept<S>>,
    /// Left to the other member.
    pub left: usize,
}

impl<S> Default for Waiting<S> {
    fn default() -> Waiting<S> {
        Waiting(BTreeMap::new())
    }
}

impl<S> Waiting<S> {
    /// Keeps a packet; one that the client sent before is no longer of use, and is given back. `Err` with this packet
    /// when there is no room.
    ///
    /// # Errors
    /// The packet itself, when too many clients wait.
    pub fn keep(&mut self, mac: MacAddr, kept: Kept<S>) -> Result<Option<Kept<S>>, Kept<S>> {
        if self.0.len() >= WAITING_MAX && !self.0.contains_key(&mac) {
            return Err(kept);
        }
        Ok(self.0.insert(mac, kept))
    }

    /// The client has been answered, or asks something new.
    pub fn forget(&mut self, mac: MacAddr) -> Option<Kept<S>> {
        self.0.remove(&mac)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out what need not wait any longer; `turn` says whose turn it is to answer a client's packet.
    pub fn settle(&mut self, turn: impl Fn(MacAddr, &Kept<S>) -> Responder, now: Instant) -> Settled<S> {
        let fate = |mac: MacAddr, kept: &Kept<S>| match turn(mac, kept) {
            Responder::Own | Responder::StandIn => Fate::Due,
            Responder::Other { heard, .. } => kept.left_to(heard, now),
        };
        let mut settled = Settled::default();
        let mut still = BTreeMap::new();
        for (mac, kept) in std::mem::take(&mut self.0) {
            match fate(mac, &kept) {
                Fate::Due => settled.due.push(kept),
                Fate::Left => settled.left += 1,
                Fate::Waits => drop(still.insert(mac, kept)),
            }
        }
        self.0 = still;
        settled
    }
}

enum Fate {
    Due,
    Left,
    Waits,
}

impl<S> Kept<S> {
    fn left_to(&self, heard: Option<Instant>, now: Instant) -> Fate {
        let answered = heard.is_some_and(|heard| heard >= self.arrived + ANSWERED_WITHIN);
        match answered || now >= self.arrived + WAIT_MAX {
            true => Fate::Left,
            false => Fate::Waits,
        }
    }
}

impl<S> Default for Settled<S> {
    fn default() -> Settled<S> {
        Settled {
            due: Vec::new(),
            left: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(arrived: Instant) -> Kept<()> {
        Kept {
            packet: vec![1],
            sender: (),
            arrived,
        }
    }

    fn other_heard(heard: Option<Instant>) -> Responder {
        Responder::Other {
            member: Some(2),
            heard,
        }
    }

    fn nothing() -> Settled<()> {
        Settled { due: vec![], left: 0 }
    }

    fn mac(n: usize) -> MacAddr {
        let [.., a, b] = n.to_be_bytes();
        MacAddr([2, 0, 0, 0, a, b])
    }

    fn with_one(arrived: Instant) -> Waiting<()> {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.keep(mac(1), kept(arrived)), Ok(None));
        waiting
    }

    /// The holder lived when the packet came and a while after: it has answered, and a second answer would be waste.
    #[test]
    fn a_packet_is_left_to_a_holder_that_was_heard_after_it() {
        let came = Instant::now();
        let mut waiting = with_one(came);
        let heard = |millis| other_heard(Some(came + Duration::from_millis(millis)));
        let now = came + Duration::from_millis(300);
        assert_eq!(waiting.settle(|_, _| heard(0), now), nothing(), "before it");
        assert_eq!(
            waiting.settle(|_, _| heard(249), now),
            nothing(),
            "it may have died with the packet unread"
        );
        assert_eq!(
            waiting.settle(|_, _| heard(250), now),
            Settled { due: vec![], left: 1 }
        );
        assert!(waiting.is_empty());
    }

    /// One of two members that share the clients with this one has died.
    #[test]
    fn only_the_clients_of_a_dead_member_are_answered_in_its_place() {
        let came = Instant::now();
        let mut waiting = with_one(came);
        assert_eq!(waiting.keep(mac(2), kept(came)), Ok(None));
        assert_eq!(waiting.keep(mac(3), kept(came)), Ok(None));
        let turn = |client, _: &Kept<()>| match client {
            client if client == mac(1) => Responder::StandIn,
            client if client == mac(2) => other_heard(Some(came + Duration::from_millis(400))),
            _ => other_heard(Some(came)),
        };
        let settled = waiting.settle(turn, came + Duration::from_millis(500));
        assert_eq!((settled.due, settled.left), (vec![kept(came)], 1));
        assert_eq!(
            waiting.0.into_keys().collect::<Vec<_>>(),
            [mac(3)],
            "not known yet"
        );
    }

    #[test]
    fn what_waits_is_answered_when_the_turn_comes() {
        let came = Instant::now();
        for turn in [Responder::Own, Responder::StandIn] {
            let mut waiting = with_one(came);
            let settled = waiting.settle(|_, _| turn, came + Duration::from_millis(900));
            assert_eq!(settled.due, vec![kept(came)]);
            assert!(waiting.is_empty(), "answered once");
        }
    }

    /// On loopback no holder is heard: only the time ends the waiting.
    #[test]
    fn nothing_waits_for_ever() {
        let came = Instant::now();
        let mut waiting = with_one(came);
        let unheard = other_heard(None);
        let just_before = came + WAIT_MAX - Duration::from_nanos(1);
        assert_eq!(waiting.settle(|_, _| unheard, just_before), nothing());
        assert_eq!(
            waiting.settle(|_, _| unheard, came + WAIT_MAX),
            Settled { due: vec![], left: 1 }
        );
    }

    /// A DHCPREQUEST says that its DHCPDISCOVER has been answered.
    #[test]
    fn a_client_waits_with_its_newest_packet_only() {
        let came = Instant::now();
        let mut waiting = with_one(came);
        let newer = kept(came + Duration::from_secs(1));
        assert_eq!(waiting.keep(mac(1), newer.clone()), Ok(Some(kept(came))));
        assert_eq!(waiting.forget(mac(1)), Some(newer));
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_flood_takes_no_more_memory_and_no_place_of_those_before_it() {
        let came = Instant::now();
        let mut waiting = Waiting::default();
        for n in 0..WAITING_MAX {
            assert_eq!(waiting.keep(mac(n), kept(came)), Ok(None));
        }
        assert_eq!(waiting.keep(mac(WAITING_MAX), kept(came)), Err(kept(came)));
        assert_eq!(
            waiting.keep(mac(7), kept(came)),
            Ok(Some(kept(came))),
            "who waits already may ask anew"
        );
        assert_eq!(waiting.0.len(), WAITING_MAX);
    }
}
