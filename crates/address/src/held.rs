//! Whether this member holds a service address right now, as those who answer on it ask.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::responders::{Responder, Responders};

/// How the address is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Not by this member.
    No,
    /// By a claim that the helper confirmed, or because it was seen on an interface (external); past this moment it may
    /// be gone.
    Until(Instant),
    /// Until told otherwise: by a bound socket (loopback), or because every member has its own (list).
    UntilToldOtherwise,
}

impl Holding {
    /// Whether the address is held at `now`.
    pub fn at(self, now: Instant) -> bool {
        match self {
            Holding::No => false,
            Holding::Until(end) => now < end,
            Holding::UntilToldOtherwise => true,
        }
    }
}

/// What a member that does not hold the address knows of the one that does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The members that live; none where members do not hear each other.
    pub(crate) responders: Option<Responders>,
    /// Which other member holds the address, where one says so.
    pub(crate) holder: Option<u64>,
    /// When a holder was last heard; none where members do not hear each other (loopback).
    pub(crate) holder_heard: Option<Instant>,
    /// Until when this member answers in the place of a holder that has fallen silent.
    pub(crate) stands_in_until: Option<Instant>,
}

/// A handle on "do I hold it?"; cheap to clone and to ask.
#[derive(Clone, Debug)]
pub struct Held {
    holding: watch::Receiver<Holding>,
    standing: watch::Receiver<Standing>,
    edge: watch::Receiver<bool>,
}

impl Held {
    /// The two ends: what decides, and what is asked.
    pub(crate) fn new() -> (HeldSender, Held) {
        let (holding, holding_rx) = watch::channel(Holding::No);
        let (standing, standing_rx) = watch::channel(Standing::default());
        let (edge, edge_rx) = watch::channel(false);
        (
            HeldSender {
                holding,
                standing,
                edge,
            },
            Held {
                holding: holding_rx,
                standing: standing_rx,
                edge: edge_rx,
            },
        )
    }

    /// For an address that nobody else can have: the member's own, where no service address moves.
    #[must_use]
    pub fn always() -> Held {
        let (_, mut held) = Held::new();
        held.holding = watch::channel(Holding::UntilToldOtherwise).1;
        held.edge = watch::channel(true).1;
        held
    }

    /// Whether this member holds the address at this very moment. It looks at the clock, so a process that
    /// was stopped and goes on says "no" before it has had time to notice.
    pub fn is_held(&self) -> bool {
        self.holding.borrow().at(Instant::now())
    }

    /// Who answers what was sent to the address: its holder; or, until somebody has taken it from one that has fallen
    /// silent, the first of the others, where any member may. It looks at the clock, as [`Held::is_held`] does.
    pub fn responder(&self) -> Responder {
        if self.is_held() {
            return Responder::Own;
        }
        let standing = self.standing.borrow();
        match standing.stands_in_until {
            Some(until) if Instant::now() < until => Responder::StandIn,
            _ => Responder::Other {
                member: standing.holder,
                heard: standing.holder_heard,
            },
        }
    }

    /// Who answers what every member has heard from the client with this MAC: the members that live share the clients.
    /// Where they do not hear each other it is the holder of the address.
    pub fn responder_of(&self, client: [u8; 6]) -> Responder {
        let standing = self.standing.borrow();
        match &standing.responders {
            Some(responders) => responders.of(client, Instant::now()),
            None => {
                drop(standing);
                self.responder()
            }
        }
    }

    /// Changes of the answer, for those who bind or release sockets by it. Before sending an answer
    /// ask [`Held::is_held`]: a change may be told late, never the answer to that.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.edge.clone()
    }

    /// Waits until this member holds the address.
    ///
    /// # Errors
    /// When the decider has ended and the address will never be held.
    pub async fn held(&self) -> Result<(), Ended> {
        self.edge
            .clone()
            .wait_for(|held| *held)
            .await
            .map(drop)
            .map_err(|_| Ended)
    }
}

/// The task that decides about the address has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service address is no longer looked after: its holder task has ended")]
pub struct Ended;

/// Where the decider writes. Dropping it says "no" for ever.
#[derive(Debug)]
pub(crate) struct HeldSender {
    holding: watch::Sender<Holding>,
    standing: watch::Sender<Standing>,
    edge: watch::Sender<bool>,
}

impl HeldSender {
    /// Publishes how the address is held; returns true if the answer changed.
    pub(crate) fn set(&self, holding: Holding) -> bool {
        self.holding.send_replace(holding);
        let held = holding.at(Instant::now());
        self.edge
            .send_if_modified(|edge| std::mem::replace(edge, held) != held)
    }

    /// Publishes how this member stands to the holder.
    pub(crate) fn set_standing(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }
}

impl Drop for HeldSender {
    fn drop(&mut self) {
        self.set(Holding::No);
        self.set_standing(Standing::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Responder = Responder::Other {
        member: None,
        heard: None,
    };
    use std::time::Duration;

    /// The point of the type: the end of a claim needs nobody to announce it.
    #[test]
    fn a_claim_ends_by_itself() {
        let end = Instant::now() + Duration::from_secs(60);
        assert!(Holding::Until(end).at(end - Duration::from_nanos(1)));
        assert!(!Holding::Until(end).at(end));
        let (sender, held) = Held::new();
        sender.set(Holding::Until(end));
        assert!(held.is_held());
        sender.holding.send_replace(Holding::Until(Instant::now())); // as if 60 s had passed: no edge is told
        assert!(!held.is_held());
    }

    #[test]
    fn renewals_are_no_change() {
        let (sender, held) = Held::new();
        let mut watch = held.watch();
        assert!(sender.set(Holding::Until(Instant::now() + Duration::from_secs(60))));
        assert!(*watch.borrow_and_update());
        assert!(!sender.set(Holding::Until(Instant::now() + Duration::from_secs(61))));
        assert!(!watch.has_changed().unwrap());
        assert!(sender.set(Holding::No));
        assert!(!*watch.borrow_and_update());
    }

    /// A decider that is late, or was stopped, must not leave two members answering for ever.
    #[test]
    fn standing_in_ends_by_itself_and_with_its_decider() {
        let (sender, held) = Held::new();
        let standing = |until| Standing {
            responders: None,
            holder: None,
            holder_heard: None,
            stands_in_until: Some(until),
        };
        assert_eq!(held.responder(), NOBODY);
        sender.set_standing(standing(Instant::now() + Duration::from_secs(60)));
        assert_eq!((held.responder(), held.is_held()), (Responder::StandIn, false));
        sender.set_standing(standing(Instant::now()));
        assert_eq!(held.responder(), NOBODY);
        sender.set_standing(standing(Instant::now() + Duration::from_secs(60)));
        drop(sender);
        assert_eq!(held.responder(), NOBODY);
    }

    /// On loopback, and where somebody else moves the address, its holder answers whatever comes.
    #[test]
    fn members_share_the_clients_only_where_they_hear_each_other() {
        let (sender, held) = Held::new();
        let client = [2, 0, 0, 0, 0, 1];
        assert_eq!(held.responder_of(client), NOBODY);
        sender.set(Holding::UntilToldOtherwise);
        assert_eq!(held.responder_of(client), Responder::Own);
        let heard = Instant::now() + Duration::from_secs(60);
        let other = |id| Responders {
            me: 2,
            others: vec![(id, heard)],
            silent_after: Duration::from_millis(500),
        };
        let of = |responders| {
            sender.set_standing(Standing {
                responders: Some(responders),
                ..Standing::default()
            });
            held.responder_of(client)
        };
        let seen = [of(other(1)), of(other(3))];
        let another = |member| Responder::Other {
            member: Some(member),
            heard: Some(heard),
        };
        assert!(
            seen.contains(&another(1)) || seen.contains(&another(3)),
            "{seen:?}"
        );
        assert_eq!(
            held.responder(),
            Responder::Own,
            "what comes to the address is the holder's"
        );
    }

    /// A decider that panicked must not leave a member answering for ever.
    #[tokio::test]
    async fn a_dropped_decider_means_no() {
        let (sender, held) = Held::new();
        sender.set(Holding::UntilToldOtherwise);
        assert!(held.is_held());
        drop(sender);
        assert!(!held.is_held());
        assert_eq!(held.held().await, Err(Ended));
    }
}
