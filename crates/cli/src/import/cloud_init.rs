//! `chamois import cloud-init`.

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::ProgressBar;
use proto::cloud_init::v1::cluster_defaults_service_client::ClusterDefaultsServiceClient;
use proto::cloud_init::v1::group_service_client::GroupServiceClient;
use proto::cloud_init::v1::instance_info_service_client::InstanceInfoServiceClient;
use proto::cloud_init::v1::{
    ClusterDefaults, GetClusterDefaultsRequest, Group, InstanceInfo, ListGroupsRequest,
    ListInstanceInfoRequest, PutGroupRequest, PutInstanceInfoRequest, UpdateClusterDefaultsRequest,
};
use rpc::client::ExactlyOnce;
use tonic::{Request, Status};

use super::cloud_init_objects::{DEFAULTS, GROUPS, INFOS, Objects, Work};
use super::common::{self, CommonArgs};
use super::diff::{Summary, revision};
use super::source::{Named, is_url, read_document};
use super::source_http::{CLOUD_INIT, Live};
use super::trial::{only_tried, refuse_in_advance};
use super::url_hosts::Rewrite;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;

/// Where the server's administrative routes are, below its API.
const ADMIN: &str = "admin";
/// Requests on their way at once.
const REQUESTS_AT_ONCE: usize = 16;

/// `chamois import cloud-init`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import cloud-init https://gateway.example:8443/cloud-init --source-ca ca.pem --dry-run
  chamois import cloud-init http://cloud-init.example:27777 --rewrite-host 172.16.0.254:8081=10.97.0.1:8081
  chamois import cloud-init saved.json --yes    {\"cluster-defaults\": {…}, \"groups\": {…}, \"instance-info\": […]}

First it shows what would be created, changed, left alone or refused, and which hosts URLs go on naming; then it asks, or goes
on with --yes. What is here and not in the source stays, and so does what the source leaves empty. The same import again changes
nothing. Everything that is refused is told at once, also what the cluster would not take, which is tried out first; then nothing
is imported (exit code 4), unless --skip-refused leaves that out. Files of groups come over byte for byte; of them and of meta-data it is only told that they differ, as they may hold
secrets. OpenCHAMI's server does not give instance-info: save what was put there in a file. A node that has an instance-id
keeps it. A base-url sends nodes to that server; without one they are sent to this cluster.")]
pub struct CloudInitArgs {
    /// What every import takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// In base URLs, write the host NEW where OLD is named; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    pub rewrite_host: Vec<Rewrite>,
}

pub(super) async fn run(global: &GlobalArgs, args: CloudInitArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let progress = common::bar(2);
    progress.set_message("reading cloud-init's data");
    let compared = compare(&args, &connection).await;
    progress.finish_and_clear();
    let apply = async |work, progress: &ProgressBar| apply(&connection, work, progress).await;
    common::carry_out(&args.common.how, global.output, compared?, apply).await
}

async fn compare(args: &CloudInitArgs, connection: &ExactlyOnce) -> Result<(Work, Summary), CliError> {
    let mut summary = Summary::default();
    let given = read_source(&args.common.named()).await?;
    if given.infos.is_none() {
        summary
            .notes
            .push(format!("{INFOS}: left out; the source does not give it"));
    }
    let given = given.rewritten(&args.rewrite_host, &mut summary.hosts);
    let mut work = Work::of(given, &read_ours(connection).await?);
    try_out(connection, &mut work).await?;
    if work.kept_ids > 0 {
        let kept = work.kept_ids;
        summary
            .notes
            .push(format!("{kept} nodes keep the instance-id that they have here"));
    }
    if work.empty_secrets > 0 {
        let empty = work.empty_secrets;
        summary.notes.push(format!(
            "{empty} secret groups come without file and meta-data, which the source does not show: put them with \
             `chamois cloud-init group put NAME --secret`"
        ));
    }
    for shown in work.shown()? {
        summary.add(shown);
    }
    Ok((work, summary))
}

/// What a source has.
pub(crate) async fn read_source(named: &Named<'_>) -> Result<Objects, CliError> {
    if !is_url(named.source) {
        let (origin, document) = read_document(named, &CLOUD_INIT).await?;
        return Objects::read(&origin, &document);
    }
    let mut server = Live::connect(named, &CLOUD_INIT).await?;
    let mut objects = Objects::default();
    for (part, is_needed) in [(DEFAULTS, true), (GROUPS, true), (INFOS, false)] {
        let path = format!("{ADMIN}/{part}");
        let origin = server.origin(&path);
        let Some(document) = server.get(&path, is_needed).await? else {
            continue;
        };
        match part {
            DEFAULTS => objects.add_defaults(&origin, &document)?,
            GROUPS => objects.add_groups(&origin, &document)?,
            _ => objects.add_infos(&origin, &document)?,
        }
    }
    Ok(objects)
}

/// What this cluster has.
pub(crate) async fn read_ours(connection: &ExactlyOnce) -> Result<Objects, CliError> {
    let defaults = ClusterDefaultsServiceClient::new(connection.clone())
        .get_cluster_defaults(GetClusterDefaultsRequest {})
        .await?;
    let groups = GroupServiceClient::new(connection.clone())
        .max_decoding_message_size(ANSWER_BYTES_MAX)
        .list_groups(ListGroupsRequest {})
        .await?;
    let infos = InstanceInfoServiceClient::new(connection.clone())
        .max_decoding_message_size(ANSWER_BYTES_MAX)
        .list_instance_info(ListInstanceInfoRequest::default())
        .await?;
    Ok(Objects {
        defaults: Some(defaults.into_inner()),
        groups: groups.into_inner().groups.into_values().collect(),
        infos: Some(infos.into_inner().items),
        ..Objects::default()
    })
}

async fn apply(connection: &ExactlyOnce, work: Work, progress: &ProgressBar) -> Result<(), CliError> {
    progress.set_message(DEFAULTS);
    for (defaults, seen) in work.defaults.after(|defaults| defaults.meta.as_ref()) {
        put_defaults(connection, Request::new(of_defaults(defaults, seen))).await?;
        progress.inc(1);
    }
    progress.set_message(GROUPS);
    for (group, seen) in work.groups.after(|group| group.meta.as_ref()) {
        put_group(connection, Request::new(of_group(group, seen))).await?;
        progress.inc(1);
    }
    progress.set_message(INFOS);
    stream::iter(work.infos.after(|info| info.meta.as_ref()))
        .map(|(info, seen)| put_info(connection, Request::new(of_info(info, seen))))
        .buffer_unordered(REQUESTS_AT_ONCE)
        .try_for_each(|()| {
            progress.inc(1);
            std::future::ready(Ok(()))
        })
        .await?;
    Ok(())
}

/// What the cluster would not take is refused with the rest, before anything is stored.
async fn try_out(connection: &ExactlyOnce, work: &mut Work) -> Result<(), CliError> {
    let defaults =
        async |defaults, seen| put_defaults(connection, only_tried(of_defaults(defaults, seen))).await;
    let id = |_: &ClusterDefaults| DEFAULTS.to_owned();
    refuse_in_advance(
        &mut work.defaults,
        id,
        |before| revision(before.meta.as_ref()),
        defaults,
    )
    .await?;
    let groups = async |group, seen| put_group(connection, only_tried(of_group(group, seen))).await;
    let id = |group: &Group| group.name.clone();
    refuse_in_advance(
        &mut work.groups,
        id,
        |before| revision(before.meta.as_ref()),
        groups,
    )
    .await?;
    let infos = async |info, seen| put_info(connection, only_tried(of_info(info, seen))).await;
    let id = |info: &InstanceInfo| info.id.clone();
    refuse_in_advance(
        &mut work.infos,
        id,
        |before| revision(before.meta.as_ref()),
        infos,
    )
    .await
}

/// Each is written only if nobody has changed it since it was shown.
fn of_defaults(defaults: ClusterDefaults, seen: u64) -> UpdateClusterDefaultsRequest {
    UpdateClusterDefaultsRequest {
        defaults: Some(ClusterDefaults {
            meta: None,
            ..defaults
        }),
        clear: Vec::new(),
        if_revision: Some(seen),
    }
}

fn of_group(group: Group, seen: u64) -> PutGroupRequest {
    PutGroupRequest {
        name: group.name.clone(),
        group: Some(group),
        if_revision: Some(seen),
    }
}

fn of_info(info: InstanceInfo, seen: u64) -> PutInstanceInfoRequest {
    PutInstanceInfoRequest {
        id: info.id.clone(),
        info: Some(info),
        if_revision: Some(seen),
    }
}

async fn put_defaults(
    connection: &ExactlyOnce,
    request: Request<UpdateClusterDefaultsRequest>,
) -> Result<(), Status> {
    let mut client = ClusterDefaultsServiceClient::new(connection.clone());
    client.update_cluster_defaults(request).await.map(drop)
}

async fn put_group(connection: &ExactlyOnce, request: Request<PutGroupRequest>) -> Result<(), Status> {
    let mut client = GroupServiceClient::new(connection.clone());
    client.put_group(request).await.map(drop)
}

async fn put_info(connection: &ExactlyOnce, request: Request<PutInstanceInfoRequest>) -> Result<(), Status> {
    let mut client = InstanceInfoServiceClient::new(connection.clone());
    client.put_instance_info(request).await.map(drop)
}
