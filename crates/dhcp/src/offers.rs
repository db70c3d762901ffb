//! Addresses that were offered a moment ago: nobody else is offered them until their client has had time to ask for them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use state::dhcp::LeaseClient;
use tokio::time::Instant;

/// Time for a DHCPREQUEST to come, repetitions included.
const OFFER_LASTS: Duration = Duration::from_secs(10);
/// Offers remembered at most. Beyond it two clients may be offered one address: one of them is refused and asks again.
const OFFERS_MAX: usize = 65_536;

/// What this member has offered. The log knows nothing of it, and other members need not.
#[derive(Debug, Default)]
pub(crate) struct Offers(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_address: BTreeMap<Ipv4Addr, (LeaseClient, Instant)>,
    by_client: BTreeMap<LeaseClient, Ipv4Addr>,
    /// In the order in which they end.
    ends: std::collections::VecDeque<(Instant, Ipv4Addr)>,
}

impl Offers {
    /// Whether an address is offered to another client.
    pub(crate) fn is_anothers(&self, address: Ipv4Addr, client: &LeaseClient, now: Instant) -> bool {
        let inner = self.lock();
        let offer = inner.by_address.get(&address);
        offer.is_some_and(|(theirs, ends)| theirs != client && *ends > now)
    }

    /// A client has been offered an address; what it was offered before is free again.
    pub(crate) fn note(&self, address: Ipv4Addr, client: &LeaseClient, now: Instant) {
        let mut inner = self.lock();
        inner.forget_ended(now);
        inner.forget(client);
        if inner.ends.len() >= OFFERS_MAX {
            return;
        }
        let ends = now + OFFER_LASTS;
        inner.by_address.insert(address, (client.clone(), ends));
        inner.by_client.insert(client.clone(), address);
        inner.ends.push_back((ends, address));
    }

    /// The client has chosen another server, or has its address.
    pub(crate) fn forget(&self, client: &LeaseClient) {
        self.lock().forget(client);
    }

    /// Offers that have not ended.
    pub(crate) fn outstanding(&self, now: Instant) -> usize {
        let mut inner = self.lock();
        inner.forget_ended(now);
        inner.by_address.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget_ended(&mut self, now: Instant) {
        while let Some((ends, address)) = self.ends.front().copied().filter(|(ends, _)| *ends <= now) {
            self.ends.pop_front();
            // it may have been offered again since
            if self
                .by_address
                .get(&address)
                .is_some_and(|(_, newest)| *newest == ends)
                && let Some((client, _)) = self.by_address.remove(&address)
                && self.by_client.get(&client) == Some(&address)
            {
                self.by_client.remove(&client);
            }
        }
    }

    fn forget(&mut self, client: &LeaseClient) {
        if let Some(address) = self.by_client.remove(client)
            && self
                .by_address
                .get(&address)
                .is_some_and(|(theirs, _)| theirs == client)
        {
            self.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::MacAddr;

    const X: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 1);
    const Y: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 2);

    fn client(n: u8) -> LeaseClient {
        LeaseClient::new(MacAddr([2, 0, 0, 0, 0, n]), &[])
    }

    #[test]
    fn an_offer_counts_for_others_and_for_a_while() {
        let (offers, now) = (Offers::default(), Instant::now());
        offers.note(X, &client(1), now);
        assert!(offers.is_anothers(X, &client(2), now));
        assert!(!offers.is_anothers(X, &client(1), now), "it may have it again");
        assert!(!offers.is_anothers(Y, &client(2), now));
        assert!(offers.is_anothers(X, &client(2), now + OFFER_LASTS - Duration::from_nanos(1)));
        assert!(!offers.is_anothers(X, &client(2), now + OFFER_LASTS));
    }

    #[test]
    fn a_client_has_one_offer_and_lets_go_of_it() {
        let (offers, now) = (Offers::default(), Instant::now());
        offers.note(X, &client(1), now);
        offers.note(Y, &client(1), now);
        assert!(!offers.is_anothers(X, &client(2), now));
        assert!(offers.is_anothers(Y, &client(2), now));
        offers.forget(&client(1));
        assert!(!offers.is_anothers(Y, &client(2), now));
    }

    /// The end of an old offer must not end a newer one of the same address.
    #[test]
    fn an_offer_that_was_renewed_lasts_from_then_on() {
        let (offers, now) = (Offers::default(), Instant::now());
        offers.note(X, &client(1), now);
        let later = now + OFFER_LASTS / 2;
        offers.note(X, &client(1), later);
        offers.note(Y, &client(2), now + OFFER_LASTS);
        assert!(offers.is_anothers(X, &client(2), now + OFFER_LASTS));
        assert!(!offers.is_anothers(X, &client(2), later + OFFER_LASTS));
    }

    #[test]
    fn a_flood_takes_no_more_memory_and_ends() {
        let (offers, now) = (Offers::default(), Instant::now());
        let stranger = |n: u32| {
            let [a, b, c, d] = n.to_be_bytes();
            LeaseClient::new(MacAddr([2, 1, a, b, c, d]), &[])
        };
        let many = u32::try_from(OFFERS_MAX).unwrap() + 100;
        for n in 0..many {
            offers.note(Ipv4Addr::from(0x0a00_0000 + n), &stranger(n), now);
        }
        assert_eq!(offers.lock().by_address.len(), OFFERS_MAX);
        offers.note(Y, &client(1), now + OFFER_LASTS);
        let inner = offers.lock();
        assert_eq!(
            (inner.by_address.len(), inner.by_client.len(), inner.ends.len()),
            (1, 1, 1)
        );
    }
}
