//! Clients without a reservation: each exchange is one of a client that never came before and gets a lease of a pool, on a
//! majority's disks before its DHCPACK on our side, appended to a file on Kea's.

use bench::kea::Settings;
use bench::perfdhcp::PerfDhcp;
use bench::{Aim, Machine, Row};
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{AddressPool, PutSubnetRequest, Subnet};

use super::super::args::DhcpArgs;
use super::super::progress::Progress;
use super::super::servers::Servers;
use super::side::{KEA_PORT, Side, kea_address};
use super::{climb, start_peer};
use crate::demo::Layout;
use crate::error::CliError;

/// Long enough for a run, short enough that a pool of 40,000 addresses does for all of them.
const LEASE_TIME_S: u32 = 30;
/// Leases a second that three members on one host are to commit and acknowledge.
const RATE_MIN: f64 = 2000.0;

/// Both sides under the rising load; none of them if it is left out.
pub(super) async fn measure(
    servers: &Servers,
    args: &DhcpArgs,
    progress: &Progress,
) -> Result<Vec<Side>, CliError> {
    let rates: Vec<u32> = args.pool_rates.iter().copied().filter(|rate| *rate > 0).collect();
    if rates.is_empty() {
        return Ok(Vec::new());
    }
    let layout = servers.cluster.layout().clone();
    put_pool(servers, &layout).await?;
    let settings = Settings {
        address: kea_address(&layout),
        port: KEA_PORT,
        subnet: layout.network(),
        reservations: Vec::new(),
        pool: Some(layout.pool()),
        lease_time_s: LEASE_TIME_S,
        persist: !args.kea_in_memory,
    };
    let mut kea = start_peer(&settings, &layout, progress).await?;
    let load = PerfDhcp::of_new_clients(layout.relay())?;
    let mut sides = vec![Side::ours(servers)?];
    if let Some(kea) = &mut kea {
        sides.push(Side::theirs(kea, &layout)?);
    }
    for round in 1..=args.common.rounds {
        climb(&mut sides, &load, (&rates, args.common.seconds), round, progress).await?;
        progress.note(format_args!(
            "round {round} of clients without a reservation is over"
        ));
    }
    if let Some(kea) = kea {
        kea.stop().await;
    }
    Ok(sides)
}

async fn put_pool(servers: &Servers, layout: &Layout) -> Result<(), CliError> {
    let target = servers.cluster.target();
    let (first, last) = layout.pool();
    let subnet = Subnet {
        network: layout.network(),
        pools: vec![AddressPool {
            first: first.to_string(),
            last: last.to_string(),
            excluded: Vec::new(),
        }],
        unknown_clients: UnknownClients::Address.into(),
        pool_lease_time_s: LEASE_TIME_S,
        ..Subnet::default()
    };
    SubnetServiceClient::new(target.connect_one(&target.endpoints[0])?)
        .put_subnet(PutSubnetRequest { subnet: Some(subnet) })
        .await?;
    Ok(())
}

pub(super) fn note_conditions(machine: &mut Machine, args: &DhcpArgs, sides: &[Side]) {
    if sides.is_empty() {
        return;
    }
    let kept = match args.kea_in_memory {
        true => "in memory only",
        false => "in memory and in a file without a sync",
    };
    machine.note(format!(
        "leases of a pool: every exchange is one of a new client, an address that two clients get ends the run; each lease is committed by a majority of the members, which sync their logs, before its DHCPACK; Kea keeps it {kept}; leases of {LEASE_TIME_S} s"
    ));
}

pub(super) fn rows(sides: &[Side]) -> Vec<Row> {
    let Some((ours, others)) = sides.split_first() else {
        return Vec::new();
    };
    let theirs = others.first();
    let peer = theirs.map(|side| side.name.as_str()).unwrap_or_default();
    let rate = Row::more(
        "leases of a pool with at most 1 % lost",
        "1/s",
        &ours.rate,
        theirs.map(|side| &side.rate),
    );
    let cost = Row::less(
        "CPU per 10,000 leases of a pool",
        "s",
        &ours.cost,
        theirs.map(|side| &side.cost),
    );
    let disk = Row::less(
        "to disk per 10,000 leases of a pool",
        "KiB",
        &ours.disk_kib,
        theirs.map(|side| &side.disk_kib),
    );
    let rows = [
        rate.map(|row| row.beside(peer).aiming(Aim::AtLeast(RATE_MIN))),
        cost.map(|row| row.beside(peer)),
        disk.map(|row| row.beside(peer)),
    ];
    rows.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bench::Meter;
    use bench::perfdhcp::Server;

    use super::*;

    fn side(name: &str, rate: f64) -> Side {
        let server = Server {
            address: Ipv4Addr::LOCALHOST,
            port: 1,
        };
        let mut side = Side::new(name, server, Meter::new([]));
        side.rate.add(rate);
        side
    }

    #[test]
    fn what_was_left_out_has_no_rows() {
        assert!(rows(&[]).is_empty());
    }

    #[test]
    fn the_aim_is_our_own_rate_whatever_the_peer_does() {
        for (ours, met) in [(2000.0, true), (1999.0, false)] {
            let rows = rows(&[side("Chamois", ours), side("Kea 2.2.0", 4000.0)]);
            assert_eq!((rows[0].met, rows[0].peer), (Some(met), Some(4000.0)));
        }
    }
}
