//! `chamois import smd`.

use std::collections::BTreeSet;

use clap::Args;
use indicatif::ProgressBar;
use model::Xname;
use proto::smd::v1::{Component, EthernetInterface, Group, NodeMap, Partition, PowerMap, RedfishEndpoint};

use super::apply::{Work, apply};
use super::common::{self, CommonArgs};
use super::diff::{Diff, Shown, Summary, changed_fields};
use super::source::Source;
use super::{components, groups, interfaces, maps, partitions, redfish_endpoints};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::hsm::{Collection, HsmMessage, Ours};

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
    /// What every import takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Of components that share a NID, let one keep it and give the others free ones
    #[arg(long)]
    pub renumber_duplicate_nids: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: SmdArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let progress = common::bar(Collection::ALL.len());
    let named = args.common.named();
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
    let apply = async |work, progress: &ProgressBar| apply(&connection, work, progress).await;
    common::carry_out(&args.common.how, global.output, compared?, apply).await
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
        name: collection.name(),
        create: diff.create.iter().map(|object| id(object).clone()).collect(),
        change: changed.collect::<Result<_, CliError>>()?,
        same: diff.same,
        refused: diff.refused.clone(),
    })
}
