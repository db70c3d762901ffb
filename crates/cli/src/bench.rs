//! `chamois bench`: how fast a cluster of real processes on this host is, beside what others use for the same, and
//! what it costs. Client, servers and disk share the host: ratios within one run count, figures only beside it.

mod api;
mod args;
mod authz;
mod bootscript;
mod cloud_init;
mod configure;
mod dhcp;
mod discover;
mod failover;
mod figures;
mod image;
mod objects;
mod peers;
mod progress;
mod read;
mod restart;
mod scale;
mod servers;
mod smd;
mod storm;
mod table;
mod watch;
mod write;

use bench::{BenchError, Report, Row};
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

use self::args::{
    ApiArgs, AuthzArgs, BootscriptArgs, CloudInitArgs, ConfigureArgs, DhcpArgs, DiscoverArgs, FailoverArgs,
    ImageArgs, Place, ReadArgs, RestartArgs, ScaleArgs, SmdArgs, StormArgs, WatchArgs, WriteArgs,
};
pub use self::discover::worker::discover_worker;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois bench`.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = "\
Examples:
  chamois bench bootscript               boot scripts a second, 10,000 nodes, 64 and 512 connections
  chamois bench cloud-init               cloud-init documents a second
  chamois bench storm                    10,000 nodes boot at once, a member dies half-way
  chamois bench write --json             writes beside etcd (package etcd-server); one line of JSON, last
  chamois bench read --clients 64        reads beside etcd, linearizable and local
  chamois bench smd                      the inventory of 10,000 nodes through /hsm/v2 and gRPC
  chamois bench api                      small calls over mTLS on one connection, and what the gateway adds to one
  chamois bench failover --rounds 5      kills leaders; the time to the next write, beside etcd's
  chamois bench restart                  500,000 objects, a member comes back, beside etcd's
  chamois bench scale                    the state of 100,000 nodes in one process
  chamois bench authz                    decisions by 100 policies, and lists of 10,000 components cut by them
  chamois bench image                    1 GiB to 8 and to 32 clients beside nginx (package nginx-light)
  chamois bench dhcp --rounds 1          DHCP exchanges beside Kea (packages kea-dhcp4-server, kea-admin), and 1 MiB by
                                         TFTP beside tftp-hpa (packages curl, tftpd-hpa)
  chamois bench discover                 1, 200 and 2,000 emulated BMCs at 100 ms a reply, read whole
  chamois bench configure                files of 10,000 nodes: all targets, one changed node, tables of this command
  chamois bench watch                    10,000 watchers of one member at 1,000 changes a second, beside etcd

Everything runs on 127.0.0.0/8 of this host without root. Run it while the host has nothing else to do.")]
pub enum BenchCommand {
    /// Boot scripts over HTTP, as nodes ask for them
    Bootscript(BootscriptArgs),
    /// Cloud-init's documents over HTTP, as nodes ask for them
    CloudInit(CloudInitArgs),
    /// All nodes boot at once, and the member they talk to dies half-way
    Storm(StormArgs),
    /// Acknowledged writes, beside etcd
    Write(WriteArgs),
    /// Reads of small objects, linearizable and local, beside etcd
    Read(ReadArgs),
    /// SMD's inventory: gets, lists, patches and bulk changes over gRPC and HTTP, and what they cost
    Smd(SmdArgs),
    /// Small calls over one connection with a client certificate, and what the gateway adds to one
    Api(ApiArgs),
    /// From the death of a leader to the first write, beside etcd
    Failover(FailoverArgs),
    /// A member with many objects comes back: time and memory, beside etcd
    Restart(RestartArgs),
    /// The state of 100,000 nodes in one process: memory, rates, snapshot
    Scale(ScaleArgs),
    /// Who may do what: a decision, and a list that is cut to a part of the system
    Authz(AuthzArgs),
    /// A large boot file to many clients at once, beside nginx
    Image(ImageArgs),
    /// DHCP exchanges of nodes with reserved addresses, beside Kea; a file over TFTP, beside tftp-hpa
    Dhcp(DhcpArgs),
    /// Emulated BMCs, read whole: time, memory, requests
    Discover(DiscoverArgs),
    /// Thousands of watchers while objects change: how far behind, at what cost, whether anything is lost; beside etcd
    Watch(WatchArgs),
    /// Files made of the state: all targets, one changed node; and how long a command takes to show a table
    Configure(ConfigureArgs),
}

impl BenchCommand {
    fn place(&self) -> &Place {
        match self {
            Self::Bootscript(args) => &args.common.place,
            Self::CloudInit(args) => &args.common.place,
            Self::Storm(args) => &args.place,
            Self::Write(args) => &args.common.place,
            Self::Read(args) => &args.common.place,
            Self::Smd(args) => &args.common.place,
            Self::Api(args) => &args.common.place,
            Self::Failover(args) => &args.place,
            Self::Restart(args) => &args.place,
            Self::Scale(args) => &args.place,
            Self::Authz(args) => &args.place,
            Self::Image(args) => &args.place,
            Self::Dhcp(args) => &args.common.place,
            Self::Discover(args) => &args.place,
            Self::Watch(args) => &args.common.place,
            Self::Configure(args) => &args.place,
        }
    }
}

/// Runs one benchmark; SIGTERM and SIGINT end it and its servers at any time.
pub(crate) async fn run(command: BenchCommand) -> Result<(), CliError> {
    if matches!(command, BenchCommand::Dhcp(_)) && !bench::is_in_namespace() {
        let never = bench::enter_namespace()?;
        match never {}
    }
    let cannot_listen = |error| CliError::other("cannot wait for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_listen)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_listen)?;
    let json = command.place().json;
    // dropping an unfinished run kills its servers
    let report = tokio::select! {
        report = Box::pin(measure(command)) => report?,
        _ = terminate.recv() => return Err(interrupted()),
        _ = interrupt.recv() => return Err(interrupted()),
    };
    let table = table::render(&report);
    if json {
        eprintln!("{table}");
        output::print(report.to_json())?;
    } else {
        output::print(table)?;
    }
    match errors_in(&report) {
        0 => Ok(()),
        errors => Err(CliError::new(
            Kind::Other,
            format!("{errors} requests failed: the figures are worthless"),
        )),
    }
}

/// Requests of the inventory's benchmark that failed. Those of the others count both sides, and are judged beside the
/// peer's.
fn errors_in(report: &Report) -> u64 {
    let is_errors = |row: &&Row| report.bench == smd::NAME && row.name.starts_with("errors");
    let errors = report.results.iter().filter(is_errors);
    errors.map(|row| row.ours as u64).sum()
}

async fn measure(command: BenchCommand) -> Result<Report, CliError> {
    match command {
        BenchCommand::Bootscript(args) => bootscript::measure(&args).await,
        BenchCommand::CloudInit(args) => cloud_init::measure(&args).await,
        BenchCommand::Storm(args) => storm::measure(&args).await,
        BenchCommand::Write(args) => write::measure(&args).await,
        BenchCommand::Read(args) => read::measure(&args).await,
        BenchCommand::Smd(args) => smd::measure(&args).await,
        BenchCommand::Api(args) => api::measure(&args).await,
        BenchCommand::Failover(args) => failover::measure(&args).await,
        BenchCommand::Restart(args) => restart::measure(&args).await,
        BenchCommand::Scale(args) => scale::measure(&args).await,
        BenchCommand::Authz(args) => authz::measure(&args).await,
        BenchCommand::Image(args) => image::measure(&args).await,
        BenchCommand::Dhcp(args) => dhcp::measure(&args).await,
        BenchCommand::Discover(args) => discover::measure(&args).await,
        BenchCommand::Watch(args) => watch::measure(&args).await,
        BenchCommand::Configure(args) => configure::measure(&args).await,
    }
}

fn interrupted() -> CliError {
    CliError::new(Kind::Other, "interrupted; the servers were ended")
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        let kind = match &error {
            BenchError::Missing { .. } => Kind::Usage,
            BenchError::TimedOut { .. } | BenchError::NothingAnswered { .. } => Kind::Unavailable,
            BenchError::Step { .. }
            | BenchError::Ended { .. }
            | BenchError::Output { .. }
            | BenchError::Connect(_) => Kind::Other,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use bench::{Machine, Rounds};

    use super::*;

    /// A figure of requests that failed must not end in a table by mistake.
    #[test]
    fn errors_of_the_inventory_make_the_run_fail() {
        let report = |bench, errors| {
            let mut rounds = Rounds::default();
            rounds.add(errors);
            let rows = ["errors, get", "gets"].map(|name| Row::less(name, "", &rounds, None).unwrap());
            Report {
                bench,
                machine: Machine::read(),
                results: rows.into(),
            }
        };
        assert_eq!(errors_in(&report(smd::NAME, 3.0)), 3);
        assert_eq!(errors_in(&report(smd::NAME, 0.0)), 0);
        assert_eq!(errors_in(&report("read", 3.0)), 0);
    }
}
