//! `chamois job cancel`.

use proto::job::v1::CancelJobRequest;

use super::{IdArgs, told, words};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: IdArgs) -> Result<(), CliError> {
    let mut client = told::client(global)?;
    let job = client
        .cancel_job(CancelJobRequest { id: args.id })
        .await?
        .into_inner();
    output::done(global, ("chamois.job.v1.Job", &job), || {
        format!(
            "{} {}: {}",
            words::kind(&job),
            words::state(&job),
            words::counts(&job)
        )
    })
}
