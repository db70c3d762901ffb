//! `chamois member promote`.

use proto::cluster::v1::PromoteMemberRequest;

use super::IdArgs;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: IdArgs) -> Result<(), CliError> {
    let request = PromoteMemberRequest { id: args.id };
    super::client(global)?
        .promote_member(request)
        .await
        .map_err(super::refused)?;
    output::done_value(
        global,
        &serde_json::json!({ "id": args.id, "promoted": true }),
        || format!("member {} votes", args.id),
    )
}
