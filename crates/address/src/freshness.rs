//! Decides whether an authentic advert is also a *new* one: replays and old sequences are refused.
//!
//! A sequence alone cannot tell a replay from the truth right after a start, when nothing is remembered.
//! So each advert also says the highest sequence its sender has seen from the receiver (`heard`), and
//! a member believes only adverts that echo something it has sent *in this life*. Sequences start at
//! the wall clock in microseconds, so that a later life starts higher; a clock that went back heals
//! itself: the peer's echo tells how far the sequence once was, and the member continues above it.

use std::collections::BTreeMap;

use crate::advert::Advert;

/// Why an authentic advert is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// The sender is none of the configured peers.
    #[error("the sender is not a peer of this member")]
    UnknownMember,
    /// The sequence was seen before, or a higher one was.
    #[error("the sequence is not above the highest one seen: repeated, or late")]
    OldSequence,
    /// Nothing proves that the advert was made since this member started. Normal for the first one of each peer.
    #[error("the sender has not heard this member since it started")]
    NotAnswering,
}

/// What this member has sent and heard in this life, on one network.
#[derive(Debug)]
pub struct Freshness {
    /// The first sequence of this life that counts as proof.
    life: u64,
    next: u64,
    highest: BTreeMap<u64, u64>,
}

impl Freshness {
    /// `initial_sequence`: microseconds since the Unix epoch at start; only its order between two starts matters.
    pub fn new(initial_sequence: u64, peers: impl IntoIterator<Item = u64>) -> Freshness {
        let first = initial_sequence.max(1); // 0 means "never heard"
        Freshness {
            life: first,
            next: first,
            highest: peers.into_iter().map(|peer| (peer, 0)).collect(),
        }
    }

    /// The sequence of a new advert.
    pub fn next_sequence(&mut self) -> u64 {
        let sequence = self.next;
        self.next = self.next.saturating_add(1);
        sequence
    }

    /// What an advert to `peer` says it has heard from it.
    pub fn heard(&self, peer: u64) -> u64 {
        self.highest.get(&peer).copied().unwrap_or(0)
    }

    /// Takes note of an authentic advert and says whether to believe it.
    ///
    /// # Errors
    /// A [`Stale`]; the advert then says nothing about who holds the address.
    pub fn accept(&mut self, advert: &Advert) -> Result<(), Stale> {
        self.accept_from(advert.from, advert.sequence, advert.heard)
    }

    /// The same for any datagram of `from`: all kinds count in one sequence.
    ///
    /// # Errors
    /// A [`Stale`]; the datagram then says nothing.
    pub(crate) fn accept_from(&mut self, from: u64, sequence: u64, heard: u64) -> Result<(), Stale> {
        let highest = self.highest.get_mut(&from).ok_or(Stale::UnknownMember)?;
        if heard >= self.next {
            // An earlier life of this member counted further (its clock was ahead): go on above it.
            self.next = heard.saturating_add(1);
            self.life = self.next;
        }
        if sequence <= *highest {
            return Err(Stale::OldSequence);
        }
        *highest = sequence;
        if heard < self.life {
            return Err(Stale::NotAnswering);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advert::ClusterTag;

    /// One member's side of the exchange.
    struct Member {
        id: u64,
        freshness: Freshness,
    }

    impl Member {
        fn started_at(id: u64, peer: u64, clock: u64) -> Member {
            Member {
                id,
                freshness: Freshness::new(clock, [peer]),
            }
        }

        fn advert_to(&mut self, peer: u64) -> Advert {
            Advert {
                cluster: ClusterTag::of("c"),
                network: "boot".into(),
                from: self.id,
                to: peer,
                sequence: self.freshness.next_sequence(),
                heard: self.freshness.heard(peer),
                holds: true,
                answers: false,
            }
        }
    }

    fn pair(clock_a: u64, clock_b: u64) -> (Member, Member) {
        (
            Member::started_at(1, 2, clock_a),
            Member::started_at(2, 1, clock_b),
        )
    }

    /// Lets two members exchange one advert each way and returns whether both were believed.
    fn exchange(a: &mut Member, b: &mut Member) -> (Result<(), Stale>, Result<(), Stale>) {
        let to_b = a.advert_to(b.id);
        let at_b = b.freshness.accept(&to_b);
        let to_a = b.advert_to(a.id);
        (at_b, a.freshness.accept(&to_a))
    }

    /// One advert is needed to prove the other side alive; from then on everything new is believed.
    #[test]
    fn members_believe_each_other_after_one_exchange() {
        let (mut a, mut b) = pair(1_000, 2_000);
        assert_eq!(exchange(&mut a, &mut b), (Err(Stale::NotAnswering), Ok(())));
        assert_eq!(exchange(&mut a, &mut b), (Ok(()), Ok(())));
    }

    #[test]
    fn a_replayed_advert_is_refused() {
        let (mut a, mut b) = pair(1_000, 2_000);
        let _ = exchange(&mut a, &mut b);
        let recorded = a.advert_to(2);
        assert_eq!(b.freshness.accept(&recorded), Ok(()));
        assert_eq!(b.freshness.accept(&recorded), Err(Stale::OldSequence));
        assert_eq!(b.freshness.accept(&a.advert_to(2)), Ok(()));
        assert_eq!(b.freshness.accept(&recorded), Err(Stale::OldSequence));
    }

    /// A restarted member remembers no sequence. A recorded advert of a dead holder would keep it from
    /// taking the address, so it must not be believed.
    #[test]
    fn a_recording_from_an_earlier_life_is_refused_after_a_restart() {
        let (mut a, mut b) = pair(1_000, 2_000);
        let _ = exchange(&mut a, &mut b);
        let recorded = a.advert_to(2);
        assert_eq!(b.freshness.accept(&recorded), Ok(()));
        let mut restarted = Member::started_at(2, 1, 9_000);
        assert_eq!(restarted.freshness.accept(&recorded), Err(Stale::NotAnswering));
    }

    /// A member whose clock went back by far is heard again after one exchange, not after hours.
    #[test]
    fn a_clock_that_went_back_heals_itself() {
        let (mut a, mut b) = pair(1_000_000, 2_000);
        let _ = exchange(&mut a, &mut b);
        let _ = exchange(&mut a, &mut b);
        let mut a = Member::started_at(1, 2, 5); // restarted with a clock near zero
        assert_eq!(
            exchange(&mut a, &mut b),
            (Err(Stale::OldSequence), Err(Stale::NotAnswering))
        );
        assert_eq!(exchange(&mut a, &mut b), (Ok(()), Ok(())));
    }

    #[test]
    fn a_stranger_is_refused() {
        let (_, mut b) = pair(1, 1);
        let mut stranger = Member::started_at(9, 2, 1);
        assert_eq!(
            b.freshness.accept(&stranger.advert_to(2)),
            Err(Stale::UnknownMember)
        );
    }

    /// The highest possible sequence must not overflow into acceptance of everything.
    #[test]
    fn the_end_of_the_numbers_is_no_panic() {
        let (mut a, mut b) = pair(u64::MAX, u64::MAX);
        let _ = exchange(&mut a, &mut b);
        let _ = exchange(&mut a, &mut b);
    }
}
