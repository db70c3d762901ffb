//! `chamois job delete`.

use proto::job::v1::DeleteJobRequest;

use super::{IdArgs, told};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format};

pub(super) async fn run(global: &GlobalArgs, args: IdArgs) -> Result<(), CliError> {
    let mut client = told::client(global)?;
    let request = DeleteJobRequest { id: args.id.clone() };
    let answer = client.delete_job(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.job.v1.DeleteJobResponse", &answer),
        Format::Table => output::print(format_args!("deleted job {}", args.id)),
    }
}
