//! What a server has received by message type, and how long its clients waited for their answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dhcproto::v4::MessageType;
use rpc::{Histogram, HistogramReading};
use state::State;

use crate::counters::{Count, Counters};
use crate::reply::Reply;
use crate::request::Request;

/// From a packet that is answered at once to the longest wait for a majority, seconds.
const SECONDS: &[f64] = &[
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 3.0,
];
/// What clients send, as the metric names it; the last stands for everything else.
const RECEIVED: [&str; 6] = ["discover", "request", "decline", "release", "inform", "other"];

/// Messages and waits of one server; never reset.
#[derive(Debug)]
pub(crate) struct Traffic {
    received: [AtomicU64; RECEIVED.len()],
    offer_known: Histogram,
    offer_pool: Histogram,
    ack_known: Histogram,
    ack_pool: Histogram,
}

impl Default for Traffic {
    fn default() -> Traffic {
        let histogram = || Histogram::new(SECONDS);
        Traffic {
            received: [const { AtomicU64::new(0) }; RECEIVED.len()],
            offer_known: histogram(),
            offer_pool: histogram(),
            ack_known: histogram(),
            ack_pool: histogram(),
        }
    }
}

impl Traffic {
    /// A sound message has arrived.
    pub(crate) fn received(&self, kind: MessageType) {
        let place = match kind {
            MessageType::Discover => 0,
            MessageType::Request => 1,
            MessageType::Decline => 2,
            MessageType::Release => 3,
            MessageType::Inform => 4,
            _ => 5,
        };
        self.received[place].fetch_add(1, Ordering::Relaxed);
    }

    /// `reply` came to its end as `count` says, `took` after its request had arrived. Offers and acknowledgements that were sent
    /// are noted, apart for nodes, whose addresses SMD has, and for clients of the pools.
    pub(crate) fn answered(
        &self,
        state: &State,
        request: &Request<'_>,
        reply: &Reply,
        count: Count,
        took: Duration,
    ) {
        let is_known = || {
            let interface = state.smd.interface(&request.mac);
            interface.is_some_and(|interface| {
                let mut own = interface.ip_addresses.iter();
                own.any(|own| own.ip_address.parse() == Ok(reply.yiaddr))
            })
        };
        let histogram = match count {
            Count::Offers if is_known() => &self.offer_known,
            Count::Offers => &self.offer_pool,
            Count::Acks if is_known() => &self.ack_known,
            Count::Acks => &self.ack_pool,
            _ => return,
        };
        histogram.observe(took);
    }

    /// Messages by direction and type. Those sent are among the packets of `counters`.
    pub(crate) fn messages(&self, counters: &Counters) -> Vec<(&'static str, &'static str, u64)> {
        let received = RECEIVED.iter().zip(&self.received);
        let received = received.map(|(kind, count)| ("received", *kind, count.load(Ordering::Relaxed)));
        let sent = [
            ("offer", counters.get(Count::Offers)),
            ("ack", counters.get(Count::Acks) + counters.get(Count::InformAcks)),
            ("nak", counters.get(Count::Naks)),
        ];
        received
            .chain(sent.map(|(kind, count)| ("sent", kind, count)))
            .collect()
    }

    /// Waits by answer and kind of client.
    pub(crate) fn waits(&self) -> [(&'static str, &'static str, HistogramReading); 4] {
        [
            ("offer", "known", self.offer_known.read()),
            ("offer", "pool", self.offer_pool.read()),
            ("ack", "known", self.ack_known.read()),
            ("ack", "pool", self.ack_pool.read()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use model::MacAddr;

    use super::*;
    use crate::testing::{self, RawPacket};

    fn observations(traffic: &Traffic) -> Vec<(&'static str, &'static str, u64)> {
        let all = |reading: &HistogramReading| reading.buckets.last().unwrap().1;
        let waits = traffic.waits();
        waits
            .iter()
            .map(|(answer, client, reading)| (*answer, *client, all(reading)))
            .collect()
    }

    /// Who waits for a commit must not hide among those that do not.
    #[tokio::test]
    async fn nodes_and_clients_of_pools_are_told_apart() {
        let state = testing::world(10, 97).await.state();
        let traffic = Traffic::default();
        let stranger = MacAddr([2, 9, 9, 9, 9, 1]);
        let note = |mac, address: [u8; 4], count| {
            let packet = RawPacket {
                mac,
                ..RawPacket::discover()
            }
            .bytes();
            let mut reply = Reply::new(MessageType::Offer);
            reply.yiaddr = Ipv4Addr::from(address);
            let request = Request::parse(&packet).unwrap();
            traffic.answered(&state, &request, &reply, count, Duration::from_millis(2));
        };
        note(testing::NODE, [10, 97, 2, 1], Count::Offers);
        note(testing::NODE, [10, 97, 2, 1], Count::Acks);
        note(testing::NODE, [10, 97, 2, 1], Count::Acks);
        // a node may have an address of a pool, too
        note(testing::NODE_WITHOUT_ADDRESS, [10, 97, 200, 1], Count::Offers);
        note(stranger, [10, 97, 200, 2], Count::Acks);
        for unsent in [
            Count::SendFailed,
            Count::Unroutable,
            Count::InformAcks,
            Count::Naks,
        ] {
            note(stranger, [10, 97, 200, 2], unsent);
        }
        let expected = [
            ("offer", "known", 1),
            ("offer", "pool", 1),
            ("ack", "known", 2),
            ("ack", "pool", 1),
        ];
        assert_eq!(observations(&traffic), expected);
        assert_eq!(traffic.waits()[0].2.sum, 0.002);
    }

    #[test]
    fn messages_are_counted_by_direction_and_type() {
        let (traffic, counters) = (Traffic::default(), Counters::default());
        for kind in [1, 3, 3, 4, 7, 8, 2, 13] {
            traffic.received(MessageType::from(kind));
        }
        for count in [
            Count::Offers,
            Count::Acks,
            Count::InformAcks,
            Count::Naks,
            Count::NoSubnet,
        ] {
            counters.add(count);
        }
        let expected = [
            ("received", "discover", 1),
            ("received", "request", 2),
            ("received", "decline", 1),
            ("received", "release", 1),
            ("received", "inform", 1),
            ("received", "other", 2),
            ("sent", "offer", 1),
            ("sent", "ack", 2),
            ("sent", "nak", 1),
        ];
        assert_eq!(traffic.messages(&counters), expected);
    }
}
