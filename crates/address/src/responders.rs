//! Which of the members that hear each other answers a client whose question reaches them all (DHCP by broadcast). Pure.
//!
//! Each client has an order of members that every member computes alike: the first that lives answers. One that falls
//! silent is stood in for by the next, and none of the other clients notices.

use std::time::Duration;

use tokio::time::Instant;

/// Who answers a question that every member has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responder {
    /// This member.
    Own,
    /// This member, in the place of one that has fallen silent.
    StandIn,
    /// Another member.
    Other {
        /// Its id, as far as that is known.
        member: Option<u64>,
        /// When it was last heard; `None` where members do not hear each other.
        heard: Option<Instant>,
    },
}

/// This member and the others that live, as it hears them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Responders {
    pub(crate) me: u64,
    /// The others, and when each was last heard.
    pub(crate) others: Vec<(u64, Instant)>,
    /// Whoever was not heard for so long is stood in for.
    pub(crate) silent_after: Duration,
}

impl Responders {
    /// Who answers the client with this MAC at `now`.
    pub(crate) fn of(&self, client: [u8; 6], now: Instant) -> Responder {
        let me = place(client, self.me);
        let before_me = self
            .others
            .iter()
            .map(|(id, heard)| (place(client, *id), *heard))
            .filter(|(place, _)| *place > me);
        let (mut first_heard, mut silent) = (None, false);
        for (place, heard) in before_me {
            if now.saturating_duration_since(heard) >= self.silent_after {
                silent = true;
            } else if first_heard.is_none_or(|(first, _)| place > first) {
                first_heard = Some((place, heard));
            }
        }
        match (first_heard, silent) {
            (Some(((_, member), heard)), _) => Responder::Other {
                member: Some(member),
                heard: Some(heard),
            },
            (None, true) => Responder::StandIn,
            (None, false) => Responder::Own,
        }
    }
}

/// Which of `members` answers the client with this MAC while all of them live and share the clients.
pub fn responder_among(client: [u8; 6], members: impl IntoIterator<Item = u64>) -> Option<u64> {
    members.into_iter().max_by_key(|id| place(client, *id))
}

/// A member's place in a client's order; the highest comes first. The same on every member and in every release: members
/// of two releases serve one network while a cluster is upgraded.
fn place(client: [u8; 6], member: u64) -> (u64, u64) {
    let [a, b, c, d, e, f] = client;
    let client = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    (mixed(client ^ mixed(member)), member)
}

/// The finalizer of SplitMix64: every bit of the input moves half of the output's.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT_AFTER: Duration = Duration::from_millis(500);

    fn client(number: u32) -> [u8; 6] {
        let [a, b, c, d] = number.to_be_bytes();
        [2, 0, a, b, c, d]
    }

    /// How member `me` sees the others, each heard so many milliseconds before `now`.
    fn seen_by(me: u64, others: &[(u64, u64)], now: Instant) -> Responders {
        let heard = |(id, ago): &(u64, u64)| (*id, now - Duration::from_millis(*ago));
        Responders {
            me,
            others: others.iter().map(heard).collect(),
            silent_after: SILENT_AFTER,
        }
    }

    fn now() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// The point of it: nobody is answered twice, nobody is left out, and the work is shared.
    #[test]
    fn every_client_has_one_responder_and_each_member_a_share() {
        let now = now();
        let mut shares = [0; 3];
        for number in 0..3000 {
            let own = |me: u64| {
                let others: Vec<_> = (1..=3).filter(|id| *id != me).map(|id| (id, 100)).collect();
                seen_by(me, &others, now).of(client(number), now) == Responder::Own
            };
            let owners: Vec<u64> = (1..=3).filter(|id| own(*id)).collect();
            assert_eq!(owners.len(), 1, "client {number}: {owners:?}");
            shares[owners[0] as usize - 1] += 1;
        }
        assert!(
            shares.iter().all(|share| (900..1100).contains(share)),
            "{shares:?}"
        );
    }

    #[test]
    fn one_other_stands_in_for_a_silent_member_and_only_for_its_clients() {
        let now = now();
        for number in 0..300 {
            let of = |me, others: &[(u64, u64)]| seen_by(me, others, now).of(client(number), now);
            let was_of_one = of(1, &[(2, 0), (3, 0)]) == Responder::Own;
            let stand_ins = |silence| {
                let seen = [of(2, &[(1, silence), (3, 0)]), of(3, &[(1, silence), (2, 0)])];
                seen.iter().filter(|seen| **seen == Responder::StandIn).count()
            };
            assert_eq!(stand_ins(499), 0, "client {number}: not silent yet");
            assert_eq!(stand_ins(500), usize::from(was_of_one), "client {number}");
        }
    }

    /// What waits is let go of when the one that should answer was heard after it came.
    #[test]
    fn the_other_is_the_one_that_answers() {
        let now = now();
        for number in 0..100 {
            let of = |me, others: &[(u64, u64)]| seen_by(me, others, now).of(client(number), now);
            let Responder::Other { member, heard } = of(1, &[(2, 20), (3, 30)]) else {
                continue;
            };
            let (owner, ago) = match of(2, &[(1, 0), (3, 0)]) {
                Responder::Own => (2, 20),
                _ => (3, 30),
            };
            assert_eq!(member, Some(owner), "client {number}");
            assert_eq!(heard, Some(now - Duration::from_millis(ago)));
        }
    }

    #[test]
    fn who_hears_nobody_answers_everybody() {
        let now = now();
        assert!((0..100).all(|number| seen_by(7, &[], now).of(client(number), now) == Responder::Own));
    }

    /// Two releases on one network must agree.
    #[test]
    fn the_order_is_for_ever() {
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf, "SplitMix64 from 0, as published");
        let order: Vec<_> = (0..8)
            .filter_map(|number| responder_among(client(number), 1..=3))
            .collect();
        assert_eq!(order, [1, 1, 3, 3, 2, 3, 3, 2]);
        assert_eq!(responder_among(client(0), []), None);
    }
}
