//! `chamois import bss`.

use clap::Args;
use indicatif::ProgressBar;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{BootParameters, ListBootParametersRequest, PutBootParametersRequest};
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{ListComponentsRequest, ListEthernetInterfacesRequest};
use rpc::client::ExactlyOnce;

use super::apply::batches_at;
use super::boot_entries::{self, MESSAGE, Nodes, key_of};
use super::common::{self, CommonArgs};
use super::diff::{Diff, Shown, Summary, changed_fields};
use super::source::{Named, is_url, read_document};
use super::source_http::{BSS, Live};
use super::url_hosts::Rewrite;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::hsm::HsmMessage;

/// Where BSS has its boot parameters, below its API.
const PATH: &str = "bootparameters";
/// Name of the collection for people.
const NAME: &str = "boot parameters";
/// Entries of one request.
const ENTRIES_PER_REQUEST: usize = 2000;
/// Keys of the JSON under which a site may keep what nobody should read on a terminal.
const FREE_FORM: &str = "cloud-init";

/// `chamois import bss`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import bss https://bss.example:27778 --source-ca bss-ca.pem --source-token-file bss.token --dry-run
  chamois import bss bootparameters.json        what `GET /boot/v1/bootparameters` or `GET /boot/v1/dumpstate` gave
  chamois import bss saved.json --rewrite-host 172.16.0.254:9000=10.97.0.1:8081 --yes

First it shows what would be created, changed, left alone or refused, and why, and which hosts its URLs go on naming; then it
asks, or goes on with --yes. What is here and not in the source stays. The same import again changes nothing. Import the SMD
first: a MAC or a NID then means the node that has it. Of several names of one node the first counts, and the others are
refused if they say otherwise. Parameters that BSS keeps with an image are added to every entry that boots it, as its scripts
have them. A `ds=` in parameters sends nodes to that cloud-init server: without one they are sent to this cluster's. What
somebody changes while an import runs is not overwritten: it stops there.")]
pub struct BssArgs {
    /// What every import takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// In kernel, initrd, parameters and `ds=`, write the host NEW where a URL names OLD; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    pub rewrite_host: Vec<Rewrite>,
}

pub(super) async fn run(global: &GlobalArgs, args: BssArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let progress = common::bar(2);
    progress.set_message("reading boot parameters");
    let compared = compare(&args, &connection).await;
    progress.finish_and_clear();
    let apply = async |diff, progress: &ProgressBar| {
        progress.set_message(NAME);
        put(&connection, diff, |count| progress.inc(count)).await
    };
    common::carry_out(&args.common.how, global.output, compared?, apply).await
}

/// The boot parameters of a source.
pub(crate) async fn read_source(named: &Named<'_>) -> Result<boot_entries::Given, CliError> {
    let (origin, document) = if is_url(named.source) {
        let mut bss = Live::connect(named, &BSS).await?;
        let document = bss.get(PATH, true).await?;
        (bss.origin(PATH), document.unwrap_or_default())
    } else {
        read_document(named, &BSS).await?
    };
    boot_entries::read(&origin, &document)
}

/// The boot parameters of this cluster.
pub(crate) async fn read_ours(connection: &ExactlyOnce) -> Result<Vec<BootParameters>, CliError> {
    let ours = BootParametersServiceClient::new(connection.clone())
        .max_decoding_message_size(ANSWER_BYTES_MAX)
        .list_boot_parameters(ListBootParametersRequest::default())
        .await?;
    Ok(ours.into_inner().items)
}

async fn read_nodes(connection: &ExactlyOnce) -> Result<Nodes, CliError> {
    let components = ComponentServiceClient::new(connection.clone())
        .max_decoding_message_size(ANSWER_BYTES_MAX)
        .list_components(ListComponentsRequest::default())
        .await?;
    let interfaces = EthernetInterfaceServiceClient::new(connection.clone())
        .max_decoding_message_size(ANSWER_BYTES_MAX)
        .list_ethernet_interfaces(ListEthernetInterfacesRequest::default())
        .await?;
    Ok(Nodes::of(
        &components.into_inner().components,
        &interfaces.into_inner().interfaces,
    ))
}

async fn compare(
    args: &BssArgs,
    connection: &ExactlyOnce,
) -> Result<(Diff<BootParameters>, Summary), CliError> {
    let given = read_source(&args.common.named()).await?;
    let nodes = read_nodes(connection).await?;
    let ours = read_ours(connection).await?;
    let mut summary = Summary::default();
    if given.images > 0 {
        let images = given.images;
        summary.notes.push(format!(
            "{images} images without hosts: left out; entries name them"
        ));
    }
    if given.with_image_params > 0 {
        let entries = given.with_image_params;
        summary.notes.push(format!(
            "{entries} entries boot an image that has parameters of its own in BSS: they are part of these entries from now on, \
             and to change them for all users of the image is to change each of these"
        ));
    }
    let diff = boot_entries::diff(given, ours, &nodes, &args.rewrite_host, &mut summary.hosts);
    summary.add(shown(&diff)?);
    Ok((diff, summary))
}

fn shown(diff: &Diff<BootParameters>) -> Result<Shown, CliError> {
    let form = HsmMessage::named(MESSAGE)?;
    let changed = diff.change.iter().map(|change| {
        let (before, after) = (form.write(&change.before)?, form.write(&change.after)?);
        let fields = changed_fields(&before, &after, |key| key == FREE_FORM);
        Ok((key_of(&change.after), fields))
    });
    Ok(Shown {
        name: NAME,
        create: diff.create.iter().map(key_of).collect(),
        change: changed.collect::<Result<_, CliError>>()?,
        same: diff.same,
        refused: diff.refused.clone(),
    })
}

/// Puts what differs, some thousand entries a request, each at the revision that it was seen at.
async fn put(
    connection: &ExactlyOnce,
    diff: Diff<BootParameters>,
    done: impl Fn(u64),
) -> Result<(), CliError> {
    let mut client = BootParametersServiceClient::new(connection.clone());
    let entries = diff.after(|entry| entry.meta.as_ref());
    for (entries, if_revisions) in batches_at(entries, ENTRIES_PER_REQUEST) {
        let count = entries.len();
        let request = PutBootParametersRequest {
            entries,
            if_revisions,
        };
        client.put_boot_parameters(request).await?;
        done(count as u64);
    }
    Ok(())
}
