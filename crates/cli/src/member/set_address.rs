//! `chamois member set-address`.

use clap::Args;
use proto::cluster::v1::SetMemberAddressRequest;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

/// `chamois member set-address`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois member set-address 3 --peer 10.97.1.13:7440 --api 10.97.1.13:7441

Change the member's own chamois.toml as well and start it again. Its certificate names its old address: clients of the API
need a name that stands in it.")]
pub struct SetAddressArgs {
    /// The member
    pub id: u64,
    /// Peer port, as the other members dial it
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "api")]
    pub peer: Option<String>,
    /// gRPC API
    #[arg(long, value_name = "HOST:PORT")]
    pub api: Option<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: SetAddressArgs) -> Result<(), CliError> {
    let request = SetMemberAddressRequest {
        id: args.id,
        peer_address: args.peer.unwrap_or_default(),
        api_address: args.api.unwrap_or_default(),
    };
    super::client(global)?
        .set_member_address(request)
        .await
        .map_err(super::refused)?;
    output::done_value(global, &serde_json::json!({ "id": args.id }), || {
        format!("member {} is dialled at its new address", args.id)
    })
}
