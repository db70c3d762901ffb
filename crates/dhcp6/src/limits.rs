//! How often a client may ask: DHCPv4's limits (crates/dhcp, `guard/limits.rs`), for what DHCPv6 knows of a client. Pure.

use std::hash::{BuildHasher, RandomState};
use std::net::Ipv6Addr;

use dhcp::{Excess, Limiter, Limits};
use model::MacAddr;
use state::State;
use tokio::time::Instant;

use crate::counters::Count;
use crate::identity;
use crate::request::Request;

/// The buckets, of a fixed number.
pub(crate) struct ClientLimiter {
    limiter: Limiter<u64>,
    /// A DUID may be long, so clients are told apart by a hash. It is of this process alone: nobody can choose a DUID that
    /// takes another one's packets away.
    names: RandomState,
}

/// Whose packets are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asker<'a> {
    /// The MAC that is answered, else the most trusted one. By its DUID a client could be as many as it likes.
    Mac(MacAddr),
    /// Nothing tells its MAC.
    Duid(&'a [u8]),
    /// It has no DUID either: the address that it asks from.
    Address(Ipv6Addr),
}

impl ClientLimiter {
    pub(crate) fn new(limits: Limits, now: Instant) -> ClientLimiter {
        ClientLimiter {
            limiter: Limiter::new(limits, now),
            names: RandomState::new(),
        }
    }

    /// Takes a packet's worth.
    ///
    /// # Errors
    /// `TooManyPackets` of this client; `TooManyStrangers` where SMD does not know it and too many such have come.
    pub(crate) fn take(&mut self, state: &State, request: &Request<'_>, now: Instant) -> Result<(), Count> {
        if !self.limiter.limits() {
            return Ok(());
        }
        let (asker, is_known) = asker(state, request);
        self.limiter.take(self.names.hash_one(asker), is_known, now)?;
        Ok(())
    }
}

impl From<Excess> for Count {
    fn from(excess: Excess) -> Count {
        match excess {
            Excess::Packets => Count::TooManyPackets,
            Excess::Strangers => Count::TooManyStrangers,
        }
    }
}

/// Who asks, and whether SMD knows it.
fn asker<'a>(state: &State, request: &Request<'a>) -> (Asker<'a>, bool) {
    if let Ok(mac) = request.mac_in(state) {
        return (Asker::Mac(mac), true);
    }
    let mac = identity::macs(request).first().copied().map(Asker::Mac);
    let stranger = mac.or_else(|| request.client_id.map(Asker::Duid));
    let stranger = stranger.unwrap_or_else(|| Asker::Address(identity::sender(request)));
    (stranger, false)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::request::Arrival;
    use crate::testing::{NODE, RawMessage, STRANGER, duid_ll, world};

    const SOLICIT: u8 = 1;
    const INFORMATION_REQUEST: u8 = 11;
    const STABLE_PRIVATE: &str = "fe80::1234:5678:9abc:def0";
    const OF_NODE: &str = "fe80::ff:fe00:a1";
    const UUID: [u8; 6] = [0, 4, 1, 2, 3, 4];

    const LIMITS: Limits = Limits {
        packets_per_s: 5,
        packets_burst: 10,
        strangers_per_s: 3,
    };

    fn solicit(duid: &[u8]) -> Vec<u8> {
        RawMessage::new(SOLICIT).options(&[(1, duid)]).bytes()
    }

    fn request<'a>(packet: &'a [u8], source: &str) -> Request<'a> {
        Request::parse(packet, Arrival::multicast(source.parse().unwrap())).unwrap()
    }

    #[tokio::test]
    async fn a_client_is_its_mac_else_its_duid_else_its_address() {
        let state = world().await.state();
        let nameless = RawMessage::new(INFORMATION_REQUEST).bytes();
        let address = STABLE_PRIVATE.parse().unwrap();
        for (packet, source, expected) in [
            (solicit(&duid_ll(NODE)), STABLE_PRIVATE, (Asker::Mac(NODE), true)),
            (solicit(&UUID), OF_NODE, (Asker::Mac(NODE), true)),
            // what is answered is what is counted
            (solicit(&duid_ll(STRANGER)), OF_NODE, (Asker::Mac(NODE), true)),
            (
                solicit(&duid_ll(STRANGER)),
                STABLE_PRIVATE,
                (Asker::Mac(STRANGER), false),
            ),
            (solicit(&UUID), STABLE_PRIVATE, (Asker::Duid(&UUID), false)),
            (nameless, STABLE_PRIVATE, (Asker::Address(address), false)),
        ] {
            assert_eq!(asker(&state, &request(&packet, source)), expected);
        }
    }

    #[tokio::test]
    async fn a_client_may_ask_so_often_and_changing_its_duid_does_not_help() {
        let (state, now) = (world().await.state(), Instant::now());
        let mut limiter = ClientLimiter::new(LIMITS, now);
        let mut take = |duid: &[u8], now| {
            let packet = solicit(duid);
            limiter.take(&state, &request(&packet, OF_NODE), now)
        };
        assert!((0..10).all(|n| take(&[0, 4, n], now).is_ok()));
        assert_eq!(take(&[0, 4, 99], now), Err(Count::TooManyPackets));
        let later = now + Duration::from_millis(200);
        assert_eq!(take(&[0, 4, 100], later), Ok(()));
        assert_eq!(take(&[0, 4, 101], later), Err(Count::TooManyPackets));
    }

    #[tokio::test]
    async fn invented_duids_end_at_a_bound_and_a_node_does_not_feel_it() {
        let (state, now) = (world().await.state(), Instant::now());
        let mut limiter = ClientLimiter::new(LIMITS, now);
        let mut take = |duid: &[u8]| {
            let packet = solicit(duid);
            limiter.take(&state, &request(&packet, STABLE_PRIVATE), now)
        };
        assert!((0..3).all(|n| take(&[0, 4, n]).is_ok()));
        assert_eq!(take(&[0, 4, 3]), Err(Count::TooManyStrangers));
        assert_eq!(take(&duid_ll(STRANGER)), Err(Count::TooManyStrangers));
        assert_eq!(take(&duid_ll(NODE)), Ok(()));
    }

    #[tokio::test]
    async fn without_limits_nobody_is_dropped() {
        let (state, now) = (world().await.state(), Instant::now());
        let mut limiter = ClientLimiter::new(Limits::default(), now);
        let packet = solicit(&UUID);
        let request = request(&packet, STABLE_PRIVATE);
        assert!((0..1000).all(|_| limiter.take(&state, &request, now).is_ok()));
    }
}
