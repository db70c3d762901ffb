//! `chamois member promote`.

use proto::cluster::v1::PromoteMemberRequest;

use super::IdArgs;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format};

pub(super) async fn run(global: &GlobalArgs, args: IdArgs) -> Result<(), CliError> {
    let request = PromoteMemberRequest { id: args.id };
    super::client(global)?
        .promote_member(request)
        .await
        .map_err(super::refused)?;
    match global.output {
        Format::Json => output::print(serde_json::json!({ "id": args.id, "promoted": true })),
        Format::Table => output::print(format_args!("member {} votes", args.id)),
    }
}
