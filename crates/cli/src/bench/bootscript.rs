//! Boot scripts, as nodes ask for them: HTTP/1.1 on connections that stay open, from the nodes' own addresses, to the
//! service address.

mod bulk;

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use bench::{Aim, HttpGet, Load, Machine, Operation, Report, Rounds, Row, drive};

use self::bulk::Bulk;
use super::args::BootscriptArgs;
use super::figures::{LoadFigures, load_line};
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::demo::{HTTP_PORT, Layout, mac};
use crate::error::CliError;

/// Scripts a second that are aimed at.
const RATE_AIM: f64 = 25_000.0;
/// Milliseconds that the slowest hundredth may take with many connections.
const P99_AIM_MS: f64 = 40.0;
/// Microseconds of CPU that one script may take of the members.
const CPU_AIM_MICROS: f64 = 40.0;
/// From so many connections on that counts.
const MANY_CONNECTIONS: u32 = 512;

/// The questions for all nodes: path, and what the answer must hold.
type Questions = Arc<[(String, String)]>;

pub(crate) async fn measure(args: &BootscriptArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new((args.connections.len() + 1) * args.common.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let mut servers = Servers::start(args.common.place.state_dir.as_deref()).await?;
    servers.seed(args.nodes).await?;
    let questions: Questions = (0..args.nodes).map(question).collect();
    let mut figures: Vec<(u32, LoadFigures)> = args
        .connections
        .iter()
        .map(|connections| (*connections, LoadFigures::default()))
        .collect();
    for round in 1..=args.common.rounds {
        for (connections, figures) in &mut figures {
            progress.begin(format_args!("{connections} connections, round {round}"));
            let load = one_load(&servers, *connections, &questions, args, figures).await?;
            progress.end(load_line(format_args!("{connections} connections"), &load));
        }
    }
    let mut bulk = Bulk::default();
    for round in 1..=args.common.rounds {
        progress.begin(format_args!("all nodes at once, round {round}"));
        progress.end(bulk.round(&mut servers, args.nodes, round).await?);
    }
    progress.finish();
    servers.stop().await?;
    machine.note(format!(
        "{MEMBERS} members on loopback, {} nodes; GET /boot/v1/bootscript?mac= over HTTP/1.1 keep-alive to the service address",
        args.nodes
    ));
    machine.note(args.common.late_answers());
    machine.note(format!(
        "{} s each after {} s of warm-up, {} rounds; client, servers and disk share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
    Ok(Report {
        bench: "bootscript",
        machine,
        results: figures
            .into_iter()
            .flat_map(|(connections, figures)| rows(connections, &figures))
            .chain(bulk.rows(args.nodes))
            .collect(),
    })
}

async fn one_load(
    servers: &Servers,
    connections: u32,
    questions: &Questions,
    args: &BootscriptArgs,
    figures: &mut LoadFigures,
) -> Result<Load, CliError> {
    let layout = servers.cluster.layout();
    let clients = (0..connections).map(|at| Fetch::new(layout, at, connections, args.nodes, questions));
    let meter = servers.meter()?;
    let (load, before, after) = drive(clients.collect(), args.common.span(), async || meter.read()).await?;
    figures.add(&load, after?.since(before?));
    Ok(load)
}

fn rows(connections: u32, figures: &LoadFigures) -> Vec<Row> {
    let name = |what: &str| format!("{what}, {connections} connections");
    let mut errors = Rounds::default();
    errors.add(figures.errors as f64);
    let less = |what: &str, unit, rounds| Row::less(name(what), unit, rounds, None);
    let mut p99 = less("p99", "ms", &figures.p99_ms);
    if connections >= MANY_CONNECTIONS {
        p99 = p99.map(|row| row.aiming(Aim::Below(P99_AIM_MS)));
    }
    let rate = Row::more(name("boot scripts"), "1/s", &figures.rate, None);
    let rows = [
        rate.map(|row| row.aiming(Aim::AtLeast(RATE_AIM))),
        less("p50", "ms", &figures.p50_ms),
        p99,
        less("CPU of the members per script", "us", &figures.cpu_micros)
            .map(|row| row.aiming(Aim::AtMost(CPU_AIM_MICROS))),
        less(
            "bytes to disk of the members per script",
            "B",
            &figures.disk_bytes,
        ),
        less("errors", "", &errors).map(|row| row.aiming(Aim::Zero)),
    ];
    rows.into_iter().flatten().collect()
}

fn question(node: u32) -> (String, String) {
    let mac = mac(node);
    // the script's own retry names the node that it is for
    (
        format!("/boot/v1/bootscript?mac={mac}"),
        format!("bootscript?mac={mac}&"),
    )
}

/// One connection, from a node's address.
struct Fetch {
    from: SocketAddr,
    server: SocketAddr,
    connection: Option<HttpGet>,
    questions: Questions,
    at: usize,
    stride: usize,
}

impl Fetch {
    fn new(layout: &Layout, at: u32, stride: u32, nodes: u32, questions: &Questions) -> Self {
        Self {
            from: SocketAddrV4::new(layout.node(at % nodes), 0).into(),
            server: SocketAddrV4::new(layout.service(), HTTP_PORT).into(),
            connection: None,
            questions: Arc::clone(questions),
            at: at as usize % questions.len(),
            stride: stride as usize,
        }
    }
}

impl Operation for Fetch {
    async fn run(&mut self) -> Result<(), String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => HttpGet::connect(self.from, self.server)
                .await
                .map_err(|e| e.to_string())?,
        };
        let (path, own) = &self.questions[self.at];
        let script = connection.get(path).await.map_err(|e| e.to_string())?;
        if !is_script_of(script, own) {
            return Err(format!("{path} was answered by another node's script"));
        }
        self.at = (self.at + self.stride) % self.questions.len();
        self.connection = Some(connection);
        Ok(())
    }
}

fn is_script_of(script: &[u8], own: &str) -> bool {
    let mut windows = script.windows(own.len());
    script.starts_with(b"#!ipxe") && windows.any(|window| window == own.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fast wrong answer is worse than none.
    #[test]
    fn only_the_nodes_own_script_counts() {
        let (path, own) = question(7);
        assert_eq!(path, "/boot/v1/bootscript?mac=02:00:00:00:00:07");
        let script = b"#!ipxe\nkernel x\nchain http://127.1.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:07&retry=1\n";
        assert!(is_script_of(script, &own));
        assert!(!is_script_of(script, &question(8).1));
        assert!(!is_script_of(&script[1..], &own), "no script");
    }

    #[test]
    fn the_aims_are_those_of_many_connections() {
        let aims = |connections| {
            let mut figures = LoadFigures::default();
            figures.rate.add(1.0);
            figures.p99_ms.add(1.0);
            let rows = rows(connections, &figures);
            rows.iter()
                .filter(|row| row.aim.is_some())
                .map(|row| row.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            aims(64),
            ["boot scripts, 64 connections", "errors, 64 connections"]
        );
        assert_eq!(
            aims(512),
            [
                "boot scripts, 512 connections",
                "p99, 512 connections",
                "errors, 512 connections"
            ]
        );
    }
}
