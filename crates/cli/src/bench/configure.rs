//! Files made of a cluster's state: how long all targets take, how far files are behind a change, and how long a command of this
//! executable takes to show a table.

mod commands;
mod follower;

use std::time::{Duration, Instant};

use bench::{Aim, Machine, Report, Rounds, Row};
use configurator::{Inventory, Options, View};
use http::Method;
use serde_json::json;

use self::commands::Shown;
use self::follower::Follower;
use super::args::ConfigureArgs;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::configure::Feed;
use crate::demo::{CLUSTER, HTTPS_PORT, LegacyClient, mac};
use crate::error::{CliError, Kind};

/// Milliseconds that are aimed at, for 10,000 nodes.
const RENDER_MS_MAX: f64 = 1000.0;
const REPLACED_MS_MAX: f64 = 200.0;
const FIRST_BYTE_MS_MAX: f64 = 50.0;
const TABLE_MS_MAX: f64 = 300.0;
/// Changes of one node each, one after the other, in a round.
const CHANGES: u32 = 10;
/// A public key whose private half nobody has.
const AUTHORITY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB01ErL5xsg/Mgcu9T5JxzP+hTkVB1g2qPCnU05dEjsj";
/// Pause between two changes, so that each is one alone.
const PAUSE: Duration = Duration::from_millis(100);

/// Figures of all rounds.
#[derive(Default)]
struct Figures {
    view_ms: Rounds,
    render_ms: Rounds,
    replaced_ms: Rounds,
    slowest_ms: Rounds,
    first_byte_ms: Rounds,
    table_ms: Rounds,
}

pub(crate) async fn measure(args: &ConfigureArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(3 * args.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let servers = Servers::start(args.place.state_dir.as_deref()).await?;
    servers.seed(args.nodes).await?;
    let mut figures = Figures::default();
    render(&servers, &mut figures, args.rounds, &progress).await?;
    let files = replace(&servers, &mut figures, args, &progress).await?;
    show(&servers, &mut figures, args.rounds, &progress).await?;
    progress.finish();
    servers.stop().await?;
    machine.note(format!(
        "{MEMBERS} members on loopback, TLS; {} nodes with an interface and boot parameters each; client, servers and disk share the host",
        args.nodes
    ));
    machine.note(format!(
        "rendered: {} targets one after the other by one thread, of a state that is there already",
        configurator::targets().len()
    ));
    machine.note(format!(
        "replaced: the address of one node is changed through /hsm/v2, {CHANGES} times a round; from the answer until `configure watch` \
         has replaced and synced the files of all targets that changed ({files} sets), without other programs' checkers"
    ));
    machine
        .note("shown: from the start of a process of this executable, with TLS and its question to a member");
    Ok(Report {
        bench: "configure",
        machine,
        results: figures.rows(args.nodes),
    })
}

/// All targets of the state as it is.
async fn render(
    servers: &Servers,
    figures: &mut Figures,
    rounds: u32,
    progress: &Progress,
) -> Result<(), CliError> {
    progress.begin("the state, as a watch tells it");
    let target = servers.cluster.target();
    let inventory = Feed::of(target.connect_from(0)?, CLUSTER).whole().await?;
    for round in 1..=rounds {
        progress.begin(format_args!("all targets, round {round}"));
        let (view, rendered) = render_once(&inventory)?;
        figures.view_ms.add(ms(view));
        figures.render_ms.add(ms(rendered));
        progress.end(format_args!(
            "round {round}: all targets in {:.0} ms",
            ms(rendered)
        ));
    }
    Ok(())
}

/// How long names were resolved, and how long everything took.
fn render_once(inventory: &Inventory) -> Result<(Duration, Duration), CliError> {
    let began = Instant::now();
    let view = View::of(inventory);
    let resolved = began.elapsed();
    for target in configurator::targets() {
        let options = options(target.name).iter();
        let options = Options::new(options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let rendered = configurator::render(target, &view, &options);
        rendered.map_err(|error| CliError::other(&format!("cannot render {}", target.name), error))?;
    }
    Ok((resolved, began.elapsed()))
}

/// What a target must be told about a cluster that says nothing of it.
fn options(target: &str) -> &'static [(&'static str, &'static str)] {
    match target {
        "coredhcp" => &[("server-id", "10.254.0.1")],
        "dns" => &[("domain", "demo.example"), ("ns-address", "10.254.0.1")],
        "ssh-known-hosts" => &[("ca", AUTHORITY)],
        _ => &[],
    }
}

/// One node changes, and files with it; how many sets changed.
async fn replace(
    servers: &Servers,
    figures: &mut Figures,
    args: &ConfigureArgs,
    progress: &Progress,
) -> Result<usize, CliError> {
    progress.begin("the files of all targets");
    let mut follower = Follower::start(servers).await?;
    let address = servers.cluster.layout().on_member(1, HTTPS_PORT);
    let mut client = LegacyClient::connect(servers.cluster.target(), address).await?;
    let mut sets = 0;
    for round in 1..=args.rounds {
        progress.begin(format_args!("one node, {CHANGES} times, round {round}"));
        let (mut sum, mut slowest) = (Duration::ZERO, Duration::ZERO);
        for change in 0..CHANGES {
            let node = (round * CHANGES + change) % args.nodes;
            let address = format!("10.254.{round}.{}", change + 1);
            let body = json!({ "IPAddresses": [{ "IPAddress": address, "Network": "boot" }] });
            let path = format!("/hsm/v2/Inventory/EthernetInterfaces/{}", mac(node).id());
            client.send(Method::PATCH, &path, &body).await?;
            let acknowledged = Instant::now();
            let (changed, at) = follower.replaced().await?;
            let took = at.saturating_duration_since(acknowledged);
            sets = sets.max(changed);
            follower.check(&address)?;
            (sum, slowest) = (sum + took, slowest.max(took));
            tokio::time::sleep(PAUSE).await;
        }
        figures.replaced_ms.add(ms(sum) / f64::from(CHANGES));
        figures.slowest_ms.add(ms(slowest));
        progress.end(format_args!("round {round}: the slowest {:.0} ms", ms(slowest)));
    }
    follower.stop().await?;
    Ok(sets)
}

/// Tables.
async fn show(
    servers: &Servers,
    figures: &mut Figures,
    rounds: u32,
    progress: &Progress,
) -> Result<(), CliError> {
    for round in 1..=rounds {
        progress.begin(format_args!("tables, round {round}"));
        let small = Shown::by(servers, &["subnet", "list"]).await?;
        let large = Shown::by(servers, &["component", "list"]).await?;
        figures.first_byte_ms.add(ms(small.first_byte));
        figures.table_ms.add(ms(large.whole));
        progress.end(format_args!(
            "round {round}: {:.0} ms to the first byte, {:.0} ms for all components",
            ms(small.first_byte),
            ms(large.whole)
        ));
    }
    Ok(())
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

impl Figures {
    fn rows(&self, nodes: u32) -> Vec<Row> {
        let at_most = |name: &str, figures, aim| {
            let row = Row::less(name, "ms", figures, None);
            row.map(|row| row.aiming(Aim::AtMost(aim)))
        };
        let table = format!("table of {nodes} components");
        let rows = [
            at_most("all targets rendered", &self.render_ms, RENDER_MS_MAX),
            Row::less("names resolved (part of that)", "ms", &self.view_ms, None),
            Row::less(
                "one node changed, files replaced, mean",
                "ms",
                &self.replaced_ms,
                None,
            ),
            at_most(
                "one node changed, files replaced, slowest",
                &self.slowest_ms,
                REPLACED_MS_MAX,
            ),
            at_most(
                "start to the first byte of a table",
                &self.first_byte_ms,
                FIRST_BYTE_MS_MAX,
            ),
            at_most(&table, &self.table_ms, TABLE_MS_MAX),
        ];
        rows.into_iter().flatten().collect()
    }
}

/// What cannot be measured, and why.
fn failed(what: &str, why: impl std::fmt::Display) -> CliError {
    CliError::new(Kind::Other, format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_aim_is_missed_by_what_is_too_slow() {
        for (factor, met) in [(0.5, true), (1.5, false)] {
            let mut figures = Figures::default();
            figures.view_ms.add(1.0);
            figures.replaced_ms.add(1.0);
            figures.render_ms.add(factor * RENDER_MS_MAX);
            figures.slowest_ms.add(factor * REPLACED_MS_MAX);
            figures.first_byte_ms.add(factor * FIRST_BYTE_MS_MAX);
            figures.table_ms.add(factor * TABLE_MS_MAX);
            let judged: Vec<Option<bool>> = figures.rows(10_000).iter().map(|row| row.met).collect();
            assert_eq!(judged, [Some(met), None, None, Some(met), Some(met), Some(met)]);
        }
    }

    /// An option that a target does not have would end every run.
    #[test]
    fn options_are_those_of_the_targets() {
        for target in configurator::targets() {
            for (name, _) in options(target.name) {
                assert!(target.options.iter().any(|option| option.name == *name), "{name}");
            }
        }
    }
}
