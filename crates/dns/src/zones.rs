//! The zones, and which of them a name lies in: the domains of the subnets, and the reverse zones of addresses.

use state::State;

use crate::labels::Labels;
use crate::reverse::{self, Range};

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// A domain of subnets.
    Domain(String),
    /// A block of addresses; the range is that of the name that was asked for.
    Addresses(Range),
}

/// Where a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) zone: Zone,
    /// Labels of the zone's own name.
    pub(crate) apex_labels: usize,
}

impl Place {
    /// The closest zone around a name; `None` for what is none of ours. Without any domain there are no names, and so no
    /// zones.
    pub(crate) fn of(state: &State, labels: &Labels) -> Option<Place> {
        state.dhcp.domains().next()?;
        Place::among_addresses(state, labels).or_else(|| Place::in_a_domain(state, labels))
    }

    fn among_addresses(state: &State, labels: &Labels) -> Option<Place> {
        let range = Range::of(labels)?;
        let digits = reverse::zone_digits(state, &range)?;
        Some(Place {
            zone: Zone::Addresses(range),
            apex_labels: digits + reverse::SUFFIX_LABELS,
        })
    }

    fn in_a_domain(state: &State, labels: &Labels) -> Option<Place> {
        let closest = (1..=labels.len())
            .rev()
            .find(|count| state.dhcp.has_domain(labels.last(*count)))?;
        Some(Place {
            zone: Zone::Domain(labels.last(closest).to_owned()),
            apex_labels: closest,
        })
    }

    /// The domain in which the name servers of the zone are.
    pub(crate) fn servers_domain<'a>(&'a self, state: &'a State) -> &'a str {
        match &self.zone {
            Zone::Domain(domain) => domain,
            Zone::Addresses(_) => state.dhcp.domains().next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Name;

    use super::*;
    use crate::testing::{put_subnet, world};

    fn apex(state: &State, name: &str) -> Option<String> {
        let labels = Labels::of(&Name::from_ascii(name).unwrap());
        let place = Place::of(state, &labels)?;
        Some(labels.last(place.apex_labels).to_owned())
    }

    #[tokio::test]
    async fn a_name_lies_in_the_closest_zone() {
        let world = world().await;
        put_subnet(&world.store, "10.120.0.0/25", "rack1.demo.example").await;
        put_subnet(&world.store, "10.130.0.0/20", "").await;
        let state = world.store.state();
        for (name, zone) in [
            ("demo.example.", "demo.example"),
            ("a.b.Demo.Example.", "demo.example"),
            ("rack1.demo.example.", "rack1.demo.example"),
            ("a.rack1.demo.example.", "rack1.demo.example"),
            ("xdemo.example.", ""),
            ("example.", ""),
            (".", ""),
            ("1.2.97.10.in-addr.arpa.", "97.10.in-addr.arpa"),
            ("97.10.IN-ADDR.arpa.", "97.10.in-addr.arpa"),
            ("x.1.2.97.10.in-addr.arpa.", "97.10.in-addr.arpa"),
            ("10.in-addr.arpa.", ""),
            ("in-addr.arpa.", ""),
            ("1.0.113.10.in-addr.arpa.", ""),
            // smaller than a block of 256: the zone is that block, as it is what a resolver can be pointed to
            ("200.0.120.10.in-addr.arpa.", "0.120.10.in-addr.arpa"),
            // 4,096 addresses: sixteen zones, and not the one around them
            ("7.15.130.10.in-addr.arpa.", "15.130.10.in-addr.arpa"),
            ("130.10.in-addr.arpa.", ""),
            ("7.16.130.10.in-addr.arpa.", ""),
        ] {
            let expected = (!zone.is_empty()).then(|| zone.to_owned());
            assert_eq!(apex(&state, name), expected, "{name}");
        }
    }

    /// IPv6 has no subnets here: the zone is the network of 64 bits around an address that somebody has.
    #[tokio::test]
    async fn a_network_of_ipv6_in_which_somebody_is_is_a_zone() {
        let state = world().await.store.state();
        let around = |ip: &str| {
            let name = Name::from(ip.parse::<std::net::Ipv6Addr>().unwrap());
            apex(&state, &name.to_ascii())
        };
        let zone = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        assert_eq!(around("fd00::a1").as_deref(), Some(zone));
        assert_eq!(around("fd00::ffff").as_deref(), Some(zone));
        assert_eq!(around("fd00:0:0:1::a1"), None);
        assert_eq!(apex(&state, &format!("{zone}.")).as_deref(), Some(zone));
        assert_eq!(apex(&state, "d.f.ip6.arpa."), None);
    }

    #[tokio::test]
    async fn without_a_domain_there_are_no_zones() {
        let store = raft::Store::in_memory();
        put_subnet(&store, "10.97.0.0/16", "").await;
        assert_eq!(apex(&store.state(), "1.2.97.10.in-addr.arpa."), None);
        assert_eq!(apex(&store.state(), "demo.example."), None);
    }
}
