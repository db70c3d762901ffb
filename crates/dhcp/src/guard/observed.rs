//! Mode `observe`: what this member would answer beside what the other server does, client by client. Bounded.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::MacAddr;
use proto::dhcp::v1::ObservedAnswer;
use proto::dhcp::v1::observed_answer::Difference;
use tokio::time::Instant;

use super::told::{Told, difference};

/// Clients whose answers are waited for at a time.
const AWAITED_MAX: usize = 4096;
/// An answer that has not been seen by then will not be: it went to its client alone.
const AWAITED_FOR: Duration = Duration::from_secs(10);
/// Clients listed with differences at most.
const LISTED_MAX: usize = 1024;

/// What this member would have done.
#[derive(Clone, Debug)]
pub(super) enum Ours {
    /// Said this; the address is any of a pool's, or the client's own.
    Answer { told: Box<Told>, is_of_a_pool: bool },
    /// Said nothing, for this reason.
    Silence(&'static str),
}

/// What is known of the other server's answer.
#[derive(Debug)]
pub(super) enum Theirs<'a> {
    /// All of it.
    Answer(&'a Told),
    /// The address that the client says it was offered.
    Address(Ipv4Addr),
}

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    /// `is_news`: the first difference of this client.
    Different {
        is_news: bool,
    },
    /// This member has not seen the question.
    NothingToCompare,
}

/// The clients of one network.
#[derive(Debug, Default)]
pub(super) struct Observed(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    awaited: BTreeMap<MacAddr, Awaited>,
    listed: BTreeMap<MacAddr, ObservedAnswer>,
}

#[derive(Debug)]
struct Awaited {
    ours: Ours,
    xid: u32,
    since: Instant,
}

impl Observed {
    /// Keeps what this member would have answered; without an answer of our own to a DHCPREQUEST (a lease that would have to be
    /// committed) what it would have offered stands.
    pub(super) fn expect(&self, mac: MacAddr, xid: u32, ours: Option<Ours>, now: Instant) {
        let mut inner = self.lock();
        let Some(ours) = ours else {
            return;
        };
        if !inner.awaited.contains_key(&mac) && inner.awaited.len() >= AWAITED_MAX {
            inner
                .awaited
                .retain(|_, awaited| now < awaited.since + AWAITED_FOR);
            if inner.awaited.len() >= AWAITED_MAX {
                return;
            }
        }
        let awaited = Awaited {
            ours,
            xid,
            since: now,
        };
        inner.awaited.insert(mac, awaited);
    }

    /// The other server has answered.
    pub(super) fn compare(
        &self,
        mac: MacAddr,
        xid: u32,
        server: Ipv4Addr,
        theirs: &Theirs<'_>,
        now_ms: u64,
    ) -> Compared {
        let mut inner = self.lock();
        let Some(awaited) = inner.awaited.get(&mac).filter(|awaited| awaited.xid == xid) else {
            return Compared::NothingToCompare;
        };
        let differences = differences(&awaited.ours, theirs);
        if differences.is_empty() {
            // an address alone takes nothing back that a whole answer has shown
            if matches!(theirs, Theirs::Answer(_)) {
                inner.listed.remove(&mac);
            }
            return Compared::Same;
        }
        let is_news = !inner.listed.contains_key(&mac);
        if is_news && inner.listed.len() >= LISTED_MAX {
            return Compared::Different { is_news: false };
        }
        let listed = inner.listed.entry(mac).or_default();
        listed.mac = mac.to_string();
        listed.server = server.to_string();
        listed.seen_at_ms = now_ms;
        listed.times += 1;
        listed.differences = differences;
        Compared::Different { is_news }
    }

    /// Clients with differences, sorted by MAC.
    pub(super) fn list(&self, network: &str) -> Vec<ObservedAnswer> {
        let inner = self.lock();
        let listed = inner.listed.values().map(|answer| ObservedAnswer {
            network: network.to_owned(),
            ..answer.clone()
        });
        listed.collect()
    }

    /// The differences of a client, for the log: `router ours 10.97.0.254 theirs 10.97.0.1; …`.
    pub(super) fn describe(&self, mac: MacAddr) -> String {
        let inner = self.lock();
        let differences = inner.listed.get(&mac).map(|answer| answer.differences.as_slice());
        let one = |one: &Difference| format!("{} ours `{}` theirs `{}`", one.field, one.ours, one.theirs);
        let all: Vec<String> = differences.unwrap_or_default().iter().map(one).collect();
        all.join("; ")
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn differences(ours: &Ours, theirs: &Theirs<'_>) -> Vec<Difference> {
    match (ours, theirs) {
        (Ours::Answer { told, is_of_a_pool }, Theirs::Answer(theirs)) => {
            told.differences(theirs, *is_of_a_pool)
        }
        (
            Ours::Answer {
                is_of_a_pool: true, ..
            },
            Theirs::Address(_),
        ) => Vec::new(),
        (Ours::Answer { told, .. }, Theirs::Address(theirs)) => {
            let theirs = theirs.to_string();
            match told.address() == theirs {
                true => Vec::new(),
                false => vec![difference("address", told.address(), &theirs)],
            }
        }
        (Ours::Silence(why), Theirs::Answer(theirs)) => {
            vec![difference("answer", &format!("none ({why})"), theirs.answer())]
        }
        (Ours::Silence(why), Theirs::Address(theirs)) => {
            vec![difference(
                "address",
                &format!("none ({why})"),
                &theirs.to_string(),
            )]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::answer;

    const MAC: MacAddr = crate::testing::NODE;
    const XID: u32 = 0x1234_5678;
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 9, 9);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 2, 1);

    fn told(last: u8) -> Told {
        Told::parse(&answer(2, Ipv4Addr::new(10, 97, 2, last), &[])).unwrap()
    }

    fn would_offer(last: u8, is_of_a_pool: bool) -> Option<Ours> {
        Some(Ours::Answer {
            told: Box::new(told(last)),
            is_of_a_pool,
        })
    }

    fn compare(observed: &Observed, theirs: &Told) -> Compared {
        observed.compare(MAC, XID, SERVER, &Theirs::Answer(theirs), 7)
    }

    #[test]
    fn what_differs_is_listed_until_it_does_not() {
        let (observed, now) = (Observed::default(), Instant::now());
        assert_eq!(compare(&observed, &told(1)), Compared::NothingToCompare);
        observed.expect(MAC, XID, would_offer(1, false), now);
        assert_eq!(compare(&observed, &told(1)), Compared::Same);
        assert_eq!(
            compare(&observed, &told(9)),
            Compared::Different { is_news: true }
        );
        assert_eq!(
            compare(&observed, &told(9)),
            Compared::Different { is_news: false },
            "it is logged once"
        );
        let listed = observed.list("boot");
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (
                listed[0].network.as_str(),
                listed[0].server.as_str(),
                listed[0].times
            ),
            ("boot", "10.97.9.9", 2)
        );
        assert_eq!(listed[0].mac, MAC.to_string());
        assert_eq!(
            observed.describe(MAC),
            "address ours `10.97.2.1` theirs `10.97.2.9`"
        );
        assert_eq!(compare(&observed, &told(1)), Compared::Same);
        assert!(observed.list("boot").is_empty(), "corrected");
    }

    #[test]
    fn an_answer_to_another_question_is_not_compared() {
        let (observed, now) = (Observed::default(), Instant::now());
        observed.expect(MAC, XID + 1, would_offer(1, false), now);
        assert_eq!(compare(&observed, &told(9)), Compared::NothingToCompare);
    }

    /// A switch brings an answer to its client alone; what the client says next tells the address still.
    #[test]
    fn the_address_that_a_client_was_offered_is_enough() {
        let (observed, now) = (Observed::default(), Instant::now());
        observed.expect(MAC, XID, would_offer(1, false), now);
        let chosen = |address| observed.compare(MAC, XID, SERVER, &Theirs::Address(address), 7);
        assert_eq!(chosen(ADDRESS), Compared::Same);
        assert_eq!(chosen(SERVER), Compared::Different { is_news: true });
        observed.expect(MAC, XID, would_offer(1, true), now);
        assert_eq!(chosen(SERVER), Compared::Same, "any address of a pool will do");
        assert_eq!(observed.list("boot").len(), 1, "and proves nothing else");
    }

    #[test]
    fn an_answer_where_this_member_would_be_silent_is_a_difference() {
        let (observed, now) = (Observed::default(), Instant::now());
        observed.expect(MAC, XID, Some(Ours::Silence("unknown_mac")), now);
        assert_eq!(
            compare(&observed, &told(1)),
            Compared::Different { is_news: true }
        );
        assert_eq!(
            observed.describe(MAC),
            "answer ours `none (unknown_mac)` theirs `offer`"
        );
    }

    /// The answer to a DHCPREQUEST from a pool is only known when it is committed, and here nothing is.
    #[test]
    fn an_answer_that_cannot_be_known_leaves_the_offer() {
        let (observed, now) = (Observed::default(), Instant::now());
        observed.expect(MAC, XID, would_offer(1, false), now);
        observed.expect(MAC, XID, None, now);
        assert_eq!(compare(&observed, &told(1)), Compared::Same);
    }

    #[test]
    fn a_flood_takes_no_more_memory_and_makes_room_in_time() {
        let (observed, now) = (Observed::default(), Instant::now());
        let mac = |n: usize| {
            let [.., a, b] = n.to_be_bytes();
            MacAddr([2, 9, 0, 0, a, b])
        };
        for n in 0..AWAITED_MAX + 10 {
            observed.expect(mac(n), XID, would_offer(1, false), now);
            observed.compare(mac(n), XID, SERVER, &Theirs::Answer(&told(9)), 7);
        }
        assert_eq!(observed.lock().awaited.len(), AWAITED_MAX);
        assert_eq!(observed.list("boot").len(), LISTED_MAX);
        observed.expect(MAC, XID, would_offer(1, false), now + AWAITED_FOR);
        assert_eq!(observed.lock().awaited.len(), 1);
    }
}
