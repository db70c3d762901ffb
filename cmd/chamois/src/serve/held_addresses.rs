//! Which service addresses this member holds now: node ports put the handles in, the cluster's status
//! reads them.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use address::Held;

/// Pause between two looks whether an address has left.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The handles, one per network that is served; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldAddresses(Arc<Mutex<Vec<(Ipv4Addr, Held)>>>);

impl HeldAddresses {
    /// Puts in the handle of one network, in the place of an older one.
    pub(super) fn put(&self, address: Ipv4Addr, held: Held) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| *known != address);
        all.push((address, held));
    }

    /// Waits until whoever moves the addresses has taken all of them from this host, at most `at_most`: one that stands
    /// on every host all the time (anycast on `lo`) is never taken away, only its route.
    pub(super) async fn until_taken_away(&self, at_most: Duration) {
        let gone = async {
            while !self.now().is_empty() {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        if tokio::time::timeout(at_most, gone).await.is_err() {
            tracing::info!(addresses = ?self.now(), "still on this host; its ports close all the same");
        }
    }

    /// The addresses held at this moment, as text.
    pub(super) fn now(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|(_, held)| held.is_held())
            .map(|(address, _)| address.to_string())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use address::external::ExternalWatch;

    use super::*;

    /// A node that is sent to an address which is still here must find the ports open.
    #[tokio::test]
    async fn a_member_waits_for_its_address_to_leave_and_not_for_ever() {
        let held = HeldAddresses::default();
        held.until_taken_away(Duration::ZERO).await;
        let watch = ExternalWatch::start(Ipv4Addr::LOCALHOST).unwrap();
        held.put(Ipv4Addr::LOCALHOST, watch.held());
        let (begun, bound) = (Instant::now(), Duration::from_millis(60));
        held.until_taken_away(bound).await;
        assert!(begun.elapsed() >= bound, "the address is still here");
        assert_eq!(held.now(), ["127.0.0.1"]);
        let taken_away = async {
            tokio::time::sleep(bound).await;
            drop(watch);
        };
        let long = Duration::from_secs(3600);
        tokio::join!(held.until_taken_away(long), taken_away);
        assert!(held.now().is_empty());
    }

    /// Ports that are bound again have another handle for the same address.
    #[test]
    fn an_address_is_named_once() {
        let held = HeldAddresses::default();
        for _ in 0..2 {
            held.put(Ipv4Addr::LOCALHOST, Held::always());
        }
        assert_eq!(held.now(), ["127.0.0.1"]);
    }
}
