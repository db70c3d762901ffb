//! What is said of the measurement: conditions in words, and the figures.

use bench::perfdhcp::{AVALANCHE_MAX, DROPS_PERCENT_MAX};
use bench::{Aim, Machine, Rounds, Row};

use super::super::args::DhcpArgs;
use super::super::servers::MEMBERS;
use super::side::{CHECKED_NODES, Side, TRIES};

/// A power-on storm is over in so many seconds.
const AVALANCHE_AIM_S: f64 = 3.0;

pub(super) fn note_conditions(machine: &mut Machine, args: &DhcpArgs, sides: &[Side]) {
    machine.note(format!(
        "{MEMBERS} members, one Kea with one thread, {} reservations each; perfdhcp as a relay, on loopback in a network namespace of their own, all at normal priority",
        args.nodes
    ));
    let kept = match args.kea_in_memory {
        true => "in memory only (persist false)",
        false => "in memory and appends it to a file (persist true, its default)",
    };
    machine.note(format!(
        "Kea keeps a lease for each DHCPACK, memfile, {kept}; Chamois keeps none: reserved addresses are answered from the replicated state"
    ));
    machine.note(format!(
        "{} reserved addresses were asked for and compared on each side before the load",
        args.nodes.min(CHECKED_NODES)
    ));
    machine.note(format!(
        "{} s at each rate, at most {DROPS_PERCENT_MAX} % lost, best of {TRIES}; {} rounds in turn; perfdhcp and servers share the host",
        args.common.seconds, args.common.rounds
    ));
    for side in sides.iter().filter(|side| side.beyond_generator) {
        machine.note(format!(
            "{} took all that perfdhcp could send; its limit lies higher",
            side.name
        ));
    }
    for side in sides.iter().filter(|side| side.avalanche_s.broken_off() > 0) {
        machine.note(format!(
            "{}: all at once was not over within {} s in {} of {} rounds; such a round counts as above that",
            side.name,
            AVALANCHE_MAX.as_secs(),
            side.avalanche_s.broken_off(),
            side.avalanche_s.count()
        ));
    }
}

pub(super) fn rows(sides: &[Side], args: &DhcpArgs) -> Vec<Row> {
    let Some((ours, others)) = sides.split_first() else {
        return Vec::new();
    };
    let theirs = others.first();
    let peer = theirs.map(|side| side.name.as_str()).unwrap_or_default();
    let less = |name: &str, unit, pick: fn(&Side) -> &Rounds| {
        Row::less(name, unit, pick(ours), theirs.map(pick)).map(|row| row.beside(peer))
    };
    let rate = Row::more(
        "exchanges with at most 1 % lost",
        "1/s",
        &ours.rate,
        theirs.map(|side| &side.rate),
    );
    let clients = args.avalanche.min(args.nodes);
    let rows = [
        rate.map(|row| row.beside(peer).aiming(Aim::RatioAtLeast(2.0))),
        less("CPU per 10,000 exchanges", "s", |side| &side.cost)
            .map(|row| row.aiming(Aim::RatioAtLeast(3.0))),
        less("to disk per 10,000 exchanges", "KiB", |side| &side.disk_kib),
        less("mean time to a DHCPOFFER", "ms", |side| &side.offer_mean_ms),
        less(&format!("{clients} clients at once"), "s", |side| {
            &side.avalanche_s
        })
        .map(|row| row.aiming(Aim::AtMost(AVALANCHE_AIM_S))),
        less(
            &format!("packets sent again, {clients} clients at once"),
            "",
            |side| &side.resent,
        ),
    ];
    rows.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bench::Meter;
    use bench::perfdhcp::Server;

    use super::*;

    #[test]
    fn without_kea_our_figures_stand_alone() {
        let server = Server {
            address: Ipv4Addr::LOCALHOST,
            port: 1,
        };
        let mut side = Side::new("Chamois", server, Meter::new([]));
        side.rate.add(9000.0);
        let args = DhcpArgs {
            common: super::super::super::args::Common {
                seconds: 1,
                rounds: 1,
                place: super::super::super::args::Place {
                    json: true,
                    state_dir: None,
                },
            },
            nodes: 10,
            rates: vec![100],
            pool_rates: vec![0],
            avalanche: 0,
            kea_in_memory: false,
        };
        let alone = rows(&[side], &args);
        assert_eq!(alone.len(), 1, "what was not measured is no row");
        assert_eq!((alone[0].ours, alone[0].peer, alone[0].met), (9000.0, None, None));
    }
}
