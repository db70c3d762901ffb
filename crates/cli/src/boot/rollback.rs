//! `chamois boot rollback <object> <revision>`: it becomes what it was.

use clap::Args;
use proto::watch::v1::RollbackRequest;

use super::versioned::{self, Versioned};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

/// `chamois boot rollback`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A rollback is a change like any other: it is in the history, and can be rolled back itself. To the revision of a deletion
it deletes again. A profile applies for as long again as that version of it was to. What is secret stays as it is now.

Examples:
  chamois boot rollback Default 17
  chamois boot rollback group/compute 17 --if-revision 40")]
pub struct RollbackArgs {
    /// KEY or params/KEY, config/NAME, group/NAME, node/NODE, profile/NAME, defaults
    pub object: Versioned,
    /// Revision of the version, as `chamois boot history` shows it
    pub revision: u64,
    /// Only if its last change is this one
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(crate) async fn run(global: &GlobalArgs, args: RollbackArgs) -> Result<(), CliError> {
    let object = args.object.resolved(global).await?;
    let request = RollbackRequest {
        kind: object.kind.to_owned(),
        id: object.id.clone(),
        revision: args.revision,
        if_revision: args.if_revision,
    };
    let answer = versioned::client(global)?.rollback(request).await?.into_inner();
    output::done(global, ("chamois.watch.v1.RollbackResponse", &answer), || {
        format!(
            "{} is what it was at revision {} (revision {})",
            object.id, args.revision, answer.revision
        )
    })
}
