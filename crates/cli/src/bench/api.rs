//! Small calls of the API, as an SDK makes them: gets of one component over one connection with a client certificate, and what the
//! gateway adds to such a call.

mod certified;
mod clients;
mod point;

use bench::{Load, Machine, Report, Row, drive};

use self::certified::Certified;
use self::clients::{GrpcGet, HttpGet};
use self::point::{Consistency, Point, Way, gateway_row};
use super::args::ApiArgs;
use super::figures::{Elections, load_line};
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::error::CliError;

pub(crate) async fn measure(args: &ApiArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let mut points = Point::all(&args.callers);
    let progress = Progress::new(points.len() * args.common.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let mut servers = Servers::start(args.common.place.state_dir.as_deref()).await?;
    servers.seed(args.nodes).await?;
    let certified = Certified::by(&servers.cluster)?;
    let before = Elections::so_far(&servers, None).await?;
    for round in 1..=args.common.rounds {
        for point in &mut points {
            progress.begin(format_args!("{}, round {round}", point.name()));
            let load = one_load(&mut servers, point, &certified, args).await?;
            progress.end(load_line(point.name(), &load));
        }
    }
    let elections = Elections::so_far(&servers, None).await?;
    progress.finish();
    servers.stop().await?;
    note_conditions(&mut machine, args);
    let mut results: Vec<Row> = points.iter().flat_map(Point::rows).collect();
    results.extend(gateway_row(&points));
    results.extend(elections.row(before, None)?);
    Ok(Report {
        bench: "api",
        machine,
        results,
    })
}

fn note_conditions(machine: &mut Machine, args: &ApiArgs) {
    machine.note(format!(
        "{MEMBERS} members on loopback, TLS for clients and peers; {} nodes; every request is a get of one component at the \
         leader, and every answer is checked to be the right one",
        args.nodes
    ));
    machine.note(
        "gRPC: all callers on one connection, which is known by a user's certificate of the cluster's CA; HTTPS: HTTP/1.1 kept \
         alive, a connection for each caller, with a bearer token",
    );
    machine
        .note("linearizable: a read index, which concurrent reads share; local: chamois-consistency: local");
    machine.note("CPU: of all members, over the whole load, warm-up included; the gateway's is the difference of local gets");
    machine.note(args.common.late_answers());
    machine.note(format!(
        "{} s each after {} s of warm-up, {} rounds; clients and servers share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
}

async fn one_load(
    servers: &mut Servers,
    point: &mut Point,
    certified: &Certified,
    args: &ApiArgs,
) -> Result<Load, CliError> {
    let meter = servers.meter()?;
    bench::settle(&[&meter]).await?;
    let leader = servers.cluster.leader().await?;
    let (cluster, span) = (&servers.cluster, args.common.span());
    let local = point.consistency == Consistency::Local;
    let before = meter.read()?;
    let (load, (), ()) = match point.way {
        Way::Grpc => {
            let channel = certified.channel_to(cluster, leader)?;
            let clients = GrpcGet::of(&channel, point.callers, args.nodes, local);
            drive(clients, span, async || ()).await?
        }
        Way::Https => {
            let clients = HttpGet::of(cluster, leader, point.callers, args.nodes, local);
            drive(clients, span, async || ()).await?
        }
    };
    point.add(&load, meter.read()?.since(before));
    Ok(load)
}
