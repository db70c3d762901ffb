//! MACs that SMD does not know: collected for a moment, and told to the cluster in one entry.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::MacAddr;
use proto::dhcp::v1::UnknownClient;
use proto::dhcp::v1::dhcp_command::{Change, NoteUnknownClients};
use raft::Store;
use state::State;
use state::bounds::{DHCP_TEXT_BYTES_MAX, UNKNOWN_CLIENTS_PER_COMMAND_MAX};
use state::cluster::FEATURE_LEVEL_DHCP;

use crate::binder::propose;
use crate::link::Link;
use crate::network::Network;
use crate::request::Request;

/// How long MACs are collected for one entry.
pub(crate) const COLLECTED_FOR: Duration = Duration::from_secs(2);
/// A MAC is told of again after this long, milliseconds.
const TOLD_AGAIN_AFTER_MS: u64 = 10 * 60 * 1000;

/// MACs that are to be told of.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<BTreeMap<MacAddr, UnknownClient>>);

impl Strangers {
    /// Notes who asks, unless the cluster has heard of it lately. True if it is the first of a new collection, which somebody
    /// must [`Strangers::tell`] after [`COLLECTED_FOR`].
    pub(crate) fn note(&self, state: &State, request: &Request<'_>, network: &Network, now_ms: u64) -> bool {
        let is_fresh = |known: &UnknownClient| known.last_seen_at_ms + TOLD_AGAIN_AFTER_MS > now_ms;
        let known = state.dhcp.unknown_client(&request.mac);
        if state.feature_level() < FEATURE_LEVEL_DHCP
            || state.smd.interface(&request.mac).is_some()
            || known.is_some_and(|known| is_fresh(&known))
        {
            return false;
        }
        let link = Link::of(state, request, network);
        let network = link.map(|link| link.subnet.network.clone()).unwrap_or_default();
        let mut collected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // beyond it they come with one of their next messages
        if collected.len() >= UNKNOWN_CLIENTS_PER_COMMAND_MAX || collected.contains_key(&request.mac) {
            return false;
        }
        collected.insert(request.mac, about(request, &network));
        collected.len() == 1
    }

    /// Commits what was collected. Without a majority it is forgotten: who asks, asks again.
    pub(crate) async fn tell(&self, store: &Store) {
        let collected = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let clients: Vec<UnknownClient> = collected.into_values().collect();
        if let Err(error) = propose(store, Change::NoteUnknownClients(NoteUnknownClients { clients })).await {
            tracing::debug!(%error, "dhcp: unknown clients were not noted");
        }
    }
}

fn about(request: &Request<'_>, network: &str) -> UnknownClient {
    let relay = match request.is_relayed() {
        true => request.giaddr.to_string(),
        false => String::new(),
    };
    UnknownClient {
        mac: request.mac.to_string(),
        network: network.to_owned(),
        relay,
        architecture: request.architectures.first().copied().map(u32::from),
        vendor_class: text(request.vendor_class.as_deref()),
        hostname: text(request.hostname.as_deref()),
        ..UnknownClient::default()
    }
}

/// What a client says of itself, as the log takes it.
pub(crate) fn text(bytes: Option<&[u8]>) -> String {
    let printable = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    let bytes = bytes.unwrap_or_default();
    bytes.iter().take(DHCP_TEXT_BYTES_MAX).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::testing::{self, RawPacket};

    fn stranger(n: u8) -> RawPacket {
        RawPacket {
            mac: MacAddr([2, 9, 9, 9, 9, n]),
            ..RawPacket::discover()
        }
    }

    fn note(strangers: &Strangers, store: &Store, raw: &RawPacket, now_ms: u64) -> bool {
        let packet = raw.bytes();
        let request = Request::parse(&packet).unwrap();
        strangers.note(&store.state(), &request, &testing::network(), now_ms)
    }

    #[tokio::test]
    async fn strangers_are_told_of_together_and_again_after_ten_minutes() {
        let store = testing::world(10, 97).await;
        let strangers = Strangers::default();
        let first = RawPacket {
            giaddr: Ipv4Addr::new(10, 98, 0, 1),
            ..stranger(1).options(&[(93, &[0, 7]), (60, b"PXE\x01"), (12, b"\xffbox")])
        };
        let now_ms = store.cluster_time_ms();
        assert!(note(&strangers, &store, &first, now_ms));
        assert!(!note(&strangers, &store, &first, now_ms));
        assert!(!note(&strangers, &store, &stranger(2), now_ms));
        let before = store.state().applied_index();
        strangers.tell(&store).await;
        assert_eq!(store.state().applied_index(), before + 1);
        let state = store.state();
        let told: Vec<_> = state.dhcp.unknown_clients().collect();
        assert_eq!(told.len(), 2);
        assert_eq!(
            (told[0].mac.as_str(), told[0].network.as_str()),
            ("02:09:09:09:09:01", "10.98.0.0/16")
        );
        assert_eq!(
            (told[0].relay.as_str(), told[0].architecture),
            ("10.98.0.1", Some(7))
        );
        assert_eq!(
            (told[0].vendor_class.as_str(), told[0].hostname.as_str()),
            ("PXE?", "?box")
        );
        assert_eq!((told[1].relay.as_str(), told[1].architecture), ("", None));
        let seen_at_ms = told[0].last_seen_at_ms;
        assert!(!note(
            &strangers,
            &store,
            &first,
            seen_at_ms + TOLD_AGAIN_AFTER_MS - 1
        ));
        assert!(note(&strangers, &store, &first, seen_at_ms + TOLD_AGAIN_AFTER_MS));
    }

    #[tokio::test]
    async fn a_flood_of_strangers_fills_one_entry() {
        let store = testing::world(10, 97).await;
        let strangers = Strangers::default();
        for n in 0..1000_u16 {
            let [a, b] = n.to_be_bytes();
            let raw = RawPacket {
                mac: MacAddr([2, 9, 9, 9, a, b]),
                ..RawPacket::discover()
            };
            note(&strangers, &store, &raw, 0);
        }
        strangers.tell(&store).await;
        assert_eq!(
            store.state().dhcp.unknown_clients().count(),
            UNKNOWN_CLIENTS_PER_COMMAND_MAX
        );
    }

    #[tokio::test]
    async fn members_of_an_older_version_are_told_nothing() {
        let store = Store::in_memory_with(State::at_level(FEATURE_LEVEL_DHCP - 1));
        assert!(!note(&Strangers::default(), &store, &stranger(1), 0));
    }
}
