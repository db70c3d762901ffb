//! `chamois member remove`.

use proto::cluster::v1::RemoveMemberRequest;

use super::IdArgs;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: IdArgs) -> Result<(), CliError> {
    let request = RemoveMemberRequest { id: args.id };
    super::client(global)?
        .remove_member(request)
        .await
        .map_err(super::refused)?;
    output::done_value(
        global,
        &serde_json::json!({ "id": args.id, "removed": true }),
        || {
            format!(
                "member {} is removed; stop its service and empty its data-dir",
                args.id
            )
        },
    )
}
