//! `chamois job delete`.

use proto::job::v1::DeleteJobRequest;

use super::{IdArgs, told};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: IdArgs) -> Result<(), CliError> {
    let mut client = told::client(global)?;
    let request = DeleteJobRequest { id: args.id.clone() };
    let answer = client.delete_job(request).await?.into_inner();
    output::done(global, ("chamois.job.v1.DeleteJobResponse", &answer), || {
        format!("deleted job {}", args.id)
    })
}
