//! Cloud-init's documents, as nodes ask for them: HTTP/1.1 on connections that stay open, each from a node's own address.

use std::net::{SocketAddr, SocketAddrV4};

use bench::{Aim, HttpGet, Load, Machine, Operation, Report, Rounds, Row, drive};

use super::args::CloudInitArgs;
use super::figures::{LoadFigures, load_line};
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::demo::{HTTP_PORT, Layout};
use crate::error::CliError;

/// Documents a second that are aimed at.
const RATE_AIM: f64 = 20_000.0;
/// What is asked for, and what its answer begins with.
const DOCUMENTS: [(&str, &str); 4] = [
    ("meta-data", "instance-id: i-"),
    ("user-data", "#cloud-config"),
    ("vendor-data", "#cloud-config"),
    ("network-config", "version: 2"),
];

pub(crate) async fn measure(args: &CloudInitArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(DOCUMENTS.len() * args.common.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let servers = Servers::start(args.common.place.state_dir.as_deref()).await?;
    servers.seed(args.nodes).await?;
    let mut figures: [LoadFigures; DOCUMENTS.len()] = Default::default();
    for round in 1..=args.common.rounds {
        for ((document, begins), figures) in DOCUMENTS.into_iter().zip(&mut figures) {
            progress.begin(format_args!("{document}, round {round}"));
            let load = one_load(&servers, document, begins, args, figures).await?;
            progress.end(load_line(document, &load));
        }
    }
    progress.finish();
    servers.stop().await?;
    machine.note(format!(
        "{MEMBERS} members on loopback, {} nodes, {} connections, each from a node's own address to the service address; \
         GET /cloud-init/<document> over HTTP/1.1 keep-alive",
        args.nodes, args.connections
    ));
    machine.note(args.common.late_answers());
    machine.note(format!(
        "{} s each after {} s of warm-up, {} rounds; client, servers and disk share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
    let rows = DOCUMENTS.into_iter().zip(&figures);
    Ok(Report {
        bench: "cloud-init",
        machine,
        results: rows
            .flat_map(|((document, _), figures)| rows_of(document, figures))
            .collect(),
    })
}

async fn one_load(
    servers: &Servers,
    document: &'static str,
    begins: &'static str,
    args: &CloudInitArgs,
    figures: &mut LoadFigures,
) -> Result<Load, CliError> {
    let layout = servers.cluster.layout();
    let clients = (0..args.connections).map(|at| Fetch::new(layout, at % args.nodes, document, begins));
    let meter = servers.meter()?;
    let (load, before, after) = drive(clients.collect(), args.common.span(), async || meter.read()).await?;
    figures.add(&load, after?.since(before?));
    Ok(load)
}

fn rows_of(document: &str, figures: &LoadFigures) -> Vec<Row> {
    let name = |what: &str| format!("{what}, {document}");
    let mut errors = Rounds::default();
    errors.add(figures.errors as f64);
    let less = |what: &str, unit, rounds| Row::less(name(what), unit, rounds, None);
    let rate = Row::more(name("documents"), "1/s", &figures.rate, None);
    let rows = [
        rate.map(|row| row.aiming(Aim::AtLeast(RATE_AIM))),
        less("p50", "ms", &figures.p50_ms),
        less("p99", "ms", &figures.p99_ms),
        less("CPU of the members per document", "us", &figures.cpu_micros),
        less("errors", "", &errors).map(|row| row.aiming(Aim::Zero)),
    ];
    rows.into_iter().flatten().collect()
}

/// One node's connection. Its first answer is kept: every other must equal it, or it is another node's.
struct Fetch {
    from: SocketAddr,
    server: SocketAddr,
    connection: Option<HttpGet>,
    path: String,
    begins: &'static str,
    own: Vec<u8>,
}

impl Fetch {
    fn new(layout: &Layout, node: u32, document: &str, begins: &'static str) -> Self {
        Self {
            from: SocketAddrV4::new(layout.node(node), 0).into(),
            server: SocketAddrV4::new(layout.service(), HTTP_PORT).into(),
            connection: None,
            path: format!("/cloud-init/{document}"),
            begins,
            own: Vec::new(),
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
        let document = connection.get(&self.path).await.map_err(|e| e.to_string())?;
        check(document, self.begins, &mut self.own).map_err(|problem| format!("{}: {problem}", self.path))?;
        self.connection = Some(connection);
        Ok(())
    }
}

fn check(document: &[u8], begins: &str, own: &mut Vec<u8>) -> Result<(), &'static str> {
    if !document.starts_with(begins.as_bytes()) {
        return Err("the answer is no such document");
    }
    if own.is_empty() {
        own.extend_from_slice(document);
    }
    match own == document {
        true => Ok(()),
        false => Err("the answer is another than before"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fast wrong answer is worse than none.
    #[test]
    fn a_document_that_changes_or_is_none_does_not_count() {
        let mut own = Vec::new();
        assert!(check(b"<html>", "instance-id: i-", &mut own).is_err());
        assert!(check(b"instance-id: i-1\n", "instance-id: i-", &mut own).is_ok());
        assert!(check(b"instance-id: i-1\n", "instance-id: i-", &mut own).is_ok());
        assert!(check(b"instance-id: i-2\n", "instance-id: i-", &mut own).is_err());
    }

    #[test]
    fn every_document_has_its_aims() {
        let mut figures = LoadFigures::default();
        figures.rate.add(1.0);
        let rows = rows_of("meta-data", &figures);
        let aims: Vec<_> = rows
            .iter()
            .filter(|row| row.aim.is_some())
            .map(|row| row.name.as_str())
            .collect();
        assert_eq!(aims, ["documents, meta-data", "errors, meta-data"]);
    }
}
