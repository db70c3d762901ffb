//! `chamois import smd`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::Xname;
use proto::smd::v1::{Component, EthernetInterface, Group, NodeMap, Partition, PowerMap, RedfishEndpoint};

use super::apply::{Work, apply};
use super::diff::{Diff, Shown, Summary, changed_fields};
use super::source::{Named, Source};
use super::{components, confirm, groups, interfaces, maps, partitions, redfish_endpoints};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::hsm::{Collection, HsmMessage, Ours};
use crate::output::{self, Format};

/// `chamois import smd`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import smd https://smd.example:27779/hsm/v2 --source-ca smd-ca.pem --source-token-file smd.token --dry-run
  chamois import smd saved/                     a folder: Components.json, EthernetInterfaces.json, groups.json, …
  chamois import smd dump.json --yes            one file: {\"Components\": […], \"EthernetInterfaces\": […], \"groups\": […]}
  chamois import smd saved/ --renumber-duplicate-nids

First it shows what would be created, changed, left alone or refused, and why; then it asks, or goes on with --yes. What is
here and not in the source stays, and so does what the source does not say of a component. The same import again changes
nothing. If anything is refused, nothing is imported (exit code 4), unless --skip-refused leaves that out. Explicit NIDs are
kept; SMD gives one NID to several components, and here a NID has one owner: both are named. What somebody changes while an
import runs is not overwritten: it stops there. A token is sent over https only, or to this machine.

Redfish endpoints come without what is behind them and without passwords, which are never read nor shown: a discovery finds
the one, and the others are set again. Hardware, component and service endpoints, and subscriptions are not imported.")]
pub struct SmdArgs {
    /// URL of the live SMD's API (…/hsm/v2), a folder or file of its collections as JSON, or - for standard input
    #[arg(value_name = "URL|PATH")]
    pub source: String,
    /// File with a bearer token of the live SMD
    #[arg(long, value_name = "FILE")]
    pub source_token_file: Option<PathBuf>,
    /// Certificate that signs the live SMD's (PEM)
    #[arg(long, value_name = "FILE")]
    pub source_ca: Option<PathBuf>,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do it without asking
    #[arg(long, short, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Import the rest when something is refused
    #[arg(long)]
    pub skip_refused: bool,
    /// Of components that share a NID, let one keep it and give the others free ones
    #[arg(long)]
    pub renumber_duplicate_nids: bool,
}

/// Columns of the bar on a terminal.
const BAR: &str = "{elapsed_precise} {bar:32} {pos}/{len}  {msg}";

pub(super) async fn run(global: &GlobalArgs, args: SmdArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let progress = bar(Collection::ALL.len());
    let named = Named {
        source: &args.source,
        token_file: args.source_token_file.as_deref(),
        ca: args.source_ca.as_deref(),
    };
    let reading = |what: &str| {
        progress.set_message(format!("reading {what}"));
        progress.inc(1);
    };
    let source = Source::read(&named, reading).await;
    let compared = match source {
        Ok(source) => {
            progress.set_message("comparing");
            compare(
                source,
                &Ours::read(&connection).await?,
                args.renumber_duplicate_nids,
            )
        }
        Err(error) => Err(error),
    };
    progress.finish_and_clear();
    let (work, summary) = compared?;
    if global.output == Format::Table {
        output::print(summary.render())?;
    }
    let decided = decide(&args, &summary).inspect_err(|_| {
        if global.output == Format::Json {
            let _ = output::print(summary.to_json(false)); // best effort: the error that matters is at hand
        }
    });
    let applied = match decided? {
        false => false,
        true => {
            let progress = bar(summary.to_do());
            let outcome = apply(&connection, work, &progress).await;
            progress.finish_and_clear();
            outcome?;
            true
        }
    };
    conclude(global.output, &summary, applied)
}

/// Whether there is anything to do that is to be done.
///
/// # Errors
/// `Conflict` if anything is refused and that was not expected.
fn decide(args: &SmdArgs, summary: &Summary) -> Result<bool, CliError> {
    let refused = summary.refused();
    if refused > 0 && !args.skip_refused {
        let (of, are) = if refused == 1 {
            ("object", "is")
        } else {
            ("objects", "are")
        };
        let text = format!("{refused} {of} of the source {are} refused; nothing was imported");
        let remedy = match first_refused(summary) {
            Some(first) => {
                format!("The first: {first}\nCorrect the source, or leave them out with --skip-refused.")
            }
            None => String::new(),
        };
        return Err(CliError::new(Kind::Conflict, text).with_remedy(remedy));
    }
    if args.dry_run || summary.to_do() == 0 {
        return Ok(false);
    }
    match args.yes {
        true => Ok(true),
        false => confirm::ask(summary.to_do()),
    }
}

fn first_refused(summary: &Summary) -> Option<String> {
    let first = summary.shown.iter().flat_map(|shown| &shown.refused).next()?;
    Some(format!("{}: {}", first.id, first.reason))
}

fn conclude(format: Format, summary: &Summary, applied: bool) -> Result<(), CliError> {
    match (format, applied) {
        (Format::Json, _) => output::print(summary.to_json(applied)),
        (Format::Table, true) => output::print(format_args!("imported {} objects", summary.to_do())),
        (Format::Table, false) if summary.to_do() == 0 => output::print("everything is here already"),
        (Format::Table, false) => output::print("nothing was changed"),
    }
}

/// Compares all collections of the source with those of the cluster.
fn compare(mut source: Source, ours: &Ours, renumber: bool) -> Result<(Work, Summary), CliError> {
    let mut work = Work::default();
    let mut summary = Summary {
        skipped: std::mem::take(&mut source.skipped),
        ..Summary::default()
    };
    let node_maps = source.objects::<NodeMap>(Collection::NodeMaps)?;
    if let Some(given) = &node_maps {
        work.node_maps = maps::node_maps(given, &ours.node_maps);
    }
    if let Some(given) = source.objects::<Component>(Collection::Components)? {
        let promised = maps::promised(&ours.node_maps, &work.node_maps);
        work.components = components::diff(&given, &ours.components, &promised, renumber);
        summary.add(show(Collection::Components, &work.components, |component| {
            &component.id
        })?);
    }
    if let Some(given) = source.objects::<EthernetInterface>(Collection::EthernetInterfaces)? {
        work.interfaces = interfaces::diff(&given, &ours.interfaces);
        summary.add(show(
            Collection::EthernetInterfaces,
            &work.interfaces,
            |interface| &interface.id,
        )?);
    }
    let there: BTreeSet<Xname> = ours
        .components
        .iter()
        .chain(&work.components.create)
        .filter_map(|component| component.id.parse().ok())
        .collect();
    if let Some(given) = source.objects::<Group>(Collection::Groups)? {
        work.groups = groups::diff(&given, &ours.groups, &there, &groups::GROUPS);
        summary.add(show_sets(Collection::Groups, &work.groups)?);
    }
    if let Some(given) = source.objects::<Partition>(Collection::Partitions)? {
        work.partitions = partitions::diff(&given, &ours.partitions, &there);
        summary.add(show_sets(Collection::Partitions, &work.partitions)?);
    }
    if node_maps.is_some() {
        summary.add(show(Collection::NodeMaps, &work.node_maps, |map| &map.id)?);
    }
    if let Some(given) = source.objects::<PowerMap>(Collection::PowerMaps)? {
        work.power_maps = maps::power_maps(&given, &ours.power_maps);
        summary.add(show(Collection::PowerMaps, &work.power_maps, |map| &map.id)?);
    }
    if let Some(given) = source.objects::<RedfishEndpoint>(Collection::RedfishEndpoints)? {
        work.endpoints = redfish_endpoints::diff(&given, &ours.redfish_endpoints);
        summary.add(show(Collection::RedfishEndpoints, &work.endpoints, |endpoint| {
            &endpoint.id
        })?);
    }
    Ok((work, summary))
}

/// Which keys of the JSON change.
fn show<T: prost::Message>(
    collection: Collection,
    diff: &Diff<T>,
    id: impl Fn(&T) -> &String,
) -> Result<Shown, CliError> {
    let form = HsmMessage::named(collection.message().unwrap_or_default())?;
    show_by(collection, diff, id, |before, after| {
        let (before, after) = (form.write(before)?, form.write(after)?);
        Ok(changed_fields(&before, &after, |key| form.is_free_form(key)))
    })
}

/// Members are counted.
fn show_sets(collection: Collection, diff: &Diff<Group>) -> Result<Shown, CliError> {
    show_by(
        collection,
        diff,
        |group| &group.label,
        |before, after| Ok(groups::changes_in_words(before, after)),
    )
}

fn show_by<T>(
    collection: Collection,
    diff: &Diff<T>,
    id: impl Fn(&T) -> &String,
    fields: impl Fn(&T, &T) -> Result<Vec<String>, CliError>,
) -> Result<Shown, CliError> {
    let changed = diff
        .change
        .iter()
        .map(|change| Ok((id(&change.after).clone(), fields(&change.before, &change.after)?)));
    Ok(Shown {
        collection,
        create: diff.create.iter().map(|object| id(object).clone()).collect(),
        change: changed.collect::<Result<_, CliError>>()?,
        same: diff.same,
        refused: diff.refused.clone(),
    })
}

/// On a terminal only: elsewhere the diff and the last line say it all.
fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr_with_hz(8));
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    bar
}
