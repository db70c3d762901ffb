//! `chamois component delete`.

use clap::Args;
use proto::smd::v1::DeleteComponentRequest;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use serde_json::json;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::many::Many;
use crate::nodes::{self, Nodes};

/// `chamois component delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois component delete x1000c0s0b0n0
  chamois component delete 'x1000c0s[0-7]b0n0' --dry-run

They leave their groups and partitions, too. One after the other: what could not be deleted is told with its reason (exit code 7).")]
pub struct DeleteArgs {
    /// Xnames, host names, nodesets, @groups
    #[arg(required = true, value_name = "NODES", value_parser = nodes::nodes)]
    pub nodes: Vec<Nodes>,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let found = nodes::resolve(global, &args.nodes).await?;
    let mut client = ComponentServiceClient::new(connect::to_any(global)?);
    let mut many = Many::default();
    for one in &found {
        let request = DeleteComponentRequest {
            id: one.to_string(),
            ..DeleteComponentRequest::default()
        };
        let answer = client.delete_component(request).await;
        many.add(one.to_string(), answer.map(|answer| answer.into_inner().revision))?;
    }
    many.end(global, "deleted", &json!({}))
}
