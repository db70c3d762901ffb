//! Who holds a network's service address: a pure state machine, one per member and network.
//!
//! Inputs are adverts, ticks and the loss of the claim, each with the time; outputs are what to do.
//! No I/O, no clock: its tests run years in milliseconds. Two holders for a moment are harmless (every
//! member gives the same answer), so there is no quorum and no vote; they end by rank. A holder keeps
//! the address until it dies or loses its claim: a member that comes back never takes it away.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest;

/// The election's times. Every member of a network should have the same.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Pause between two adverts.
    pub advertise_every: Duration,
    /// A member counts as live for this long after its last advert.
    pub live_for: Duration,
    /// Silence of holders after which the first in rank takes the address. At least four adverts long,
    /// so that a few lost datagrams move nothing.
    pub takeover_after: Duration,
    /// Silence of holders after which the first in rank of the others answers what any member can (DHCP) in their
    /// place, before it takes the address. Two adverts long; an answer too many is harmless, a move is not.
    pub stand_in_after: Duration,
    /// Each further member in rank waits this much longer, so that normally one takes, and the next one
    /// does if it cannot.
    pub rank_step: Duration,
    /// After its claim was lost a member leaves the address to others for this long.
    pub barred_for: Duration,
    /// A pause between two inputs longer than this means that the process was frozen: it must not act on
    /// what it knew before. Equal to the life of a claim, after which the helper has removed the address.
    pub frozen_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            advertise_every: Duration::from_millis(200),
            live_for: Duration::from_millis(1000),
            takeover_after: Duration::from_millis(900),
            stand_in_after: Duration::from_millis(500),
            rank_step: Duration::from_millis(300),
            barred_for: Duration::from_millis(2000),
            frozen_after: crate::claim::CLAIM_LIFE,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A believed advert of another member.
    Advert {
        /// The other member.
        from: u64,
        /// Whether it says that it holds the address.
        holds: bool,
    },
    /// Time passed. Due at least every `advertise_every`.
    Tick,
    /// The address could not be added, or is no longer ours.
    ClaimLost,
    /// This member stops: it gives the address up and never takes it again.
    Leave,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Claim the address and keep claiming it.
    Take,
    /// Stop answering on the address, then give it up.
    Release,
    /// Tell the wire again who has the address: nodes may know the MAC of another holder that has just gone.
    Announce,
    /// Tell every other member.
    Advertise {
        /// Whether this member holds the address.
        holds: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Duration,
    holds: bool,
    /// When it last gave the address up: as its claim failed, or as it leaves, it will not take it for a while.
    gave_up: Option<Duration>,
}

/// One member's view of one network. Times are monotonic, counted from any fixed origin.
#[derive(Debug)]
pub struct Election {
    network: String,
    me: u64,
    timing: Timing,
    others: BTreeMap<u64, Seen>,
    holding: bool,
    left: bool,
    /// Another member holds the address too and will give it up or die; or it was away and may have held it.
    contested: bool,
    /// When a holder was last heard; the start, and the end of a freeze, count as hearing one.
    holder_heard: Duration,
    /// When the first in rank may take the address.
    vacant_at: Duration,
    barred_until: Duration,
    last_input: Duration,
    last_advert: Option<Duration>,
}

impl Election {
    /// A member that has just started: it listens for `takeover_after` before it takes anything.
    pub fn new(network: &str, me: u64, timing: Timing, now: Duration) -> Election {
        Election {
            network: network.to_owned(),
            me,
            timing,
            others: BTreeMap::new(),
            holding: false,
            left: false,
            contested: false,
            holder_heard: now,
            vacant_at: now + timing.takeover_after,
            barred_until: now,
            last_input: now,
            last_advert: None,
        }
    }

    /// Whether this member means to hold the address. It *holds* it only while its claim is confirmed too.
    pub fn holds(&self) -> bool {
        self.holding
    }

    /// When another member that holds the address was last heard.
    pub fn holder_heard(&self) -> Duration {
        self.holder_heard
    }

    /// The other member that holds the address, if one says so; of two the one that was heard last.
    pub fn holder(&self, now: Duration) -> Option<u64> {
        let holders = self.live(now).filter(|(_, seen)| seen.holds);
        holders.max_by_key(|(_, seen)| seen.at).map(|(id, _)| id)
    }

    /// Whether this member, which holds nothing, is the one to answer for a holder that has fallen silent: the first
    /// in rank among those that live and do not hold the address.
    pub fn stands_in(&self, now: Duration) -> bool {
        let silent = now.saturating_sub(self.holder_heard) >= self.timing.stand_in_after;
        let may_answer = !self.holding && !self.left && now >= self.barred_until;
        let mut before_me = self
            .live(now)
            .filter(|(id, seen)| !seen.holds && self.goes_before_me(now, *id, *seen));
        silent && may_answer && before_me.next().is_none()
    }

    /// Takes note of `input` at `now` and says what to do, in order.
    pub fn handle(&mut self, now: Duration, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.notice_freeze(now, &mut outputs);
        match input {
            Input::Advert { from, holds } => self.advert(now, from, holds, &mut outputs),
            Input::Tick => self.tick(now, &mut outputs),
            Input::ClaimLost => self.lose(now, &mut outputs),
            Input::Leave => {
                self.left = true;
                self.lose(now, &mut outputs);
            }
        }
        outputs
    }

    /// A process that was stopped knows nothing about the time it missed: not that it still holds the
    /// address, and not that the others were silent.
    fn notice_freeze(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        let frozen = now.saturating_sub(self.last_input) > self.timing.frozen_after;
        self.last_input = now;
        if frozen {
            self.holder_heard = now;
            self.vacant_at = now + self.timing.takeover_after;
            self.lose(now, outputs);
        }
    }

    fn advert(&mut self, now: Duration, from: u64, holds: bool, outputs: &mut Vec<Output>) {
        let was_away = !self.live(now).any(|(id, _)| id == from);
        self.contested |= self.holding && (holds || was_away);
        let before = self.others.get(&from).copied();
        let gave_up = match before {
            Some(seen) if seen.holds && !holds => Some(now),
            Some(seen) => seen.gave_up,
            None => None,
        };
        let seen = Seen {
            at: now,
            holds,
            gave_up,
        };
        self.others.insert(from, seen);
        if holds {
            self.holder_heard = now;
            self.vacant_at = now + self.timing.takeover_after;
            if self.holding && self.outranks(from, self.me) {
                self.release(now, outputs);
            }
        } else if before.is_some_and(|seen| seen.holds) && !self.other_holder_lives(now) {
            self.vacant_at = now; // given up knowingly: nobody needs to wait for silence
        }
    }

    fn tick(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        if self.may_take(now) {
            self.holding = true;
            outputs.push(Output::Take);
            self.advertise(now, outputs);
        }
        if self.contested && !self.other_holder_lives(now) {
            self.contested = false;
            outputs.push(Output::Announce);
        }
        let due = self
            .last_advert
            .is_none_or(|at| now.saturating_sub(at) >= self.timing.advertise_every);
        if due {
            self.advertise(now, outputs);
        }
    }

    fn may_take(&self, now: Duration) -> bool {
        let free = !self.holding && !self.left && now >= self.barred_until;
        free && now >= self.vacant_at + self.timing.rank_step * self.live_before_me(now)
    }

    fn lose(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        if self.holding {
            self.barred_until = now + self.timing.barred_for;
            self.vacant_at = self.vacant_at.max(now);
            self.release(now, outputs);
        }
    }

    fn release(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        self.holding = false;
        self.contested = false;
        outputs.push(Output::Release);
        self.advertise(now, outputs);
    }

    fn advertise(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        self.last_advert = Some(now);
        outputs.push(Output::Advertise { holds: self.holding });
    }

    fn live<'a>(&'a self, now: Duration) -> impl Iterator<Item = (u64, Seen)> + 'a {
        let live = move |seen: &Seen| now.saturating_sub(seen.at) <= self.timing.live_for;
        self.others
            .iter()
            .filter(move |(_, seen)| live(seen))
            .map(|(id, seen)| (*id, *seen))
    }

    fn other_holder_lives(&self, now: Duration) -> bool {
        self.live(now).any(|(_, seen)| seen.holds)
    }

    fn live_before_me(&self, now: Duration) -> u32 {
        let before = self
            .live(now)
            .filter(|(id, seen)| self.goes_before_me(now, *id, *seen))
            .count();
        u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// Whether this member lets the other one try first. Not one that has just given up: waiting for all of those that
    /// cannot hold the address, again and again, the one that can would never have its turn.
    fn goes_before_me(&self, now: Duration, id: u64, seen: Seen) -> bool {
        let barred = seen
            .gave_up
            .is_some_and(|at| now.saturating_sub(at) < self.timing.barred_for);
        !barred && self.outranks(id, self.me)
    }

    fn outranks(&self, one: u64, other: u64) -> bool {
        rank(&self.network, one) > rank(&self.network, other)
    }
}

/// A member's rank on a network; the highest comes first. By hash, so that the addresses of several
/// networks spread over the members.
fn rank(network: &str, member: u64) -> (u64, u64) {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&member.to_be_bytes());
    hash.update(network.as_bytes());
    let hash = hash.finish();
    let (first, _) = hash
        .as_ref()
        .split_first_chunk::<8>()
        .expect("SHA-256 has 32 bytes");
    (u64::from_be_bytes(*first), member)
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;
