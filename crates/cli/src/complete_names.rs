//! `chamois complete-names`, which only shells run: the names of one kind that begin so, quickly or not at all.

use std::time::Duration;

use clap::{Args, ValueEnum};
use proto::boot_file::v1::ListImagesRequest;
use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{ListComponentsRequest, ListGroupsRequest};
use tonic::Request;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::contexts::{self, Contexts};
use crate::error::CliError;
use crate::output;

/// Whoever presses a key waits no longer than this.
const AT_MOST: Duration = Duration::from_millis(300);
/// More names help nobody.
const NAMES_MAX: usize = 1000;

/// `chamois complete-names`.
#[derive(Clone, Debug, Args)]
pub struct CompleteNamesArgs {
    /// Of what
    #[arg(value_enum)]
    pub kind: NameKind,
    /// What is typed so far; of a comma list what is after the last comma
    #[arg(default_value = "", allow_hyphen_values = true)]
    pub prefix: String,
}

/// What has names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NameKind {
    /// Components.
    Xnames,
    /// Groups of SMD, and with `@` before them where nodes are taken.
    Groups,
    /// Images.
    Images,
    /// Contexts of this user's configuration.
    Contexts,
}

/// Prints names, or nothing: an error would stand in the middle of what somebody types.
pub(crate) async fn run(global: &GlobalArgs, args: CompleteNamesArgs) -> Result<(), CliError> {
    let (before, typed) = match args.prefix.rfind(',') {
        Some(comma) => args.prefix.split_at(comma + 1),
        None => ("", args.prefix.as_str()),
    };
    let asking = async {
        let global = contexts::applied(global)?;
        names(&global, args.kind, typed).await
    };
    let names = tokio::time::timeout(AT_MOST, asking).await;
    let names = names.ok().and_then(Result::ok).unwrap_or_default();
    output::print_lines(&offered(names, before, typed))
}

fn offered(names: Vec<String>, before: &str, typed: &str) -> Vec<String> {
    let fitting = names.into_iter().filter(|name| name.starts_with(typed));
    fitting
        .take(NAMES_MAX)
        .map(|name| format!("{before}{name}"))
        .collect()
}

async fn names(global: &GlobalArgs, kind: NameKind, typed: &str) -> Result<Vec<String>, CliError> {
    match (kind, typed.strip_prefix('@')) {
        (NameKind::Xnames, Some(_)) => Ok(groups(global)
            .await?
            .iter()
            .map(|label| format!("@{label}"))
            .collect()),
        (NameKind::Xnames, None) => xnames(global).await,
        (NameKind::Groups, _) => groups(global).await,
        (NameKind::Images, _) => images(global).await,
        (NameKind::Contexts, _) => own_contexts(),
    }
}

/// The state of whoever answers first is good enough here.
fn local<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let local = tonic::metadata::MetadataValue::from_static("local");
    request.metadata_mut().insert("chamois-consistency", local);
    request
}

async fn xnames(global: &GlobalArgs) -> Result<Vec<String>, CliError> {
    let client = ComponentServiceClient::new(connect::without_repeats(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = ListComponentsRequest {
        flag_only: true,
        ..ListComponentsRequest::default()
    };
    let answer = client.list_components(local(request)).await?.into_inner();
    Ok(answer
        .components
        .into_iter()
        .map(|component| component.id)
        .collect())
}

async fn groups(global: &GlobalArgs) -> Result<Vec<String>, CliError> {
    let client = GroupServiceClient::new(connect::without_repeats(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_groups(local(ListGroupsRequest::default()))
        .await?
        .into_inner();
    Ok(answer.groups.into_iter().map(|group| group.label).collect())
}

fn own_contexts() -> Result<Vec<String>, CliError> {
    let contexts = Contexts::read()?;
    Ok(contexts.all().into_keys().map(str::to_owned).collect())
}

async fn images(global: &GlobalArgs) -> Result<Vec<String>, CliError> {
    let client = ImageServiceClient::new(connect::without_repeats(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_images(local(ListImagesRequest {}))
        .await?
        .into_inner();
    Ok(answer.images.into_iter().map(|image| image.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_that_begin_so_are_offered_and_a_list_goes_on_after_its_comma() {
        assert_eq!(offered(all(&["x1", "x2", "y1"]), "", "x"), ["x1", "x2"]);
        assert_eq!(offered(all(&["x1", "x2"]), "x9,", "x2"), ["x9,x2"]);
        assert_eq!(offered(vec!["x".into(); 5000], "", "").len(), NAMES_MAX);
    }

    /// Somebody types while the cluster is down.
    #[tokio::test]
    async fn without_a_cluster_nothing_is_said() {
        let args = CompleteNamesArgs {
            kind: NameKind::Xnames,
            prefix: "x".into(),
        };
        assert!(run(&GlobalArgs::default(), args).await.is_ok());
    }
}
