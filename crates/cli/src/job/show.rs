//! `chamois job show`.

use clap::Args;
use proto::job::v1::{GetJobRequest, JobTarget};

use super::{told, words};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};
use crate::utc;

/// `chamois job show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois job show 6f9619ff-8b86-4011-b42d-00c04fc964ff
  chamois job show 6f9619ff-8b86-4011-b42d-00c04fc964ff --targets --state failed,unknown")]
pub struct ShowArgs {
    /// Its id, as `chamois job list` shows it
    pub id: String,
    /// A row for each target, instead of one line for those that became the same
    #[arg(long)]
    pub targets: bool,
    /// Only targets in these states: waiting, running, succeeded, failed, unknown, skipped, unsupported
    #[arg(long, value_delimiter = ',', value_name = "STATE")]
    pub state: Vec<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = told::client(global)?;
    let request = GetJobRequest { id: args.id.clone() };
    let job = client.get_job(request).await?.into_inner();
    let states: Vec<&str> = args.state.iter().map(String::as_str).collect();
    let targets = told::targets(&mut client, &args.id, &states).await?;
    let value = told::as_json(&job, &targets)?;
    output::object_value(global, &value, &job.id, || match args.targets {
        true => output::tabulated(global, &targets, &TARGETS),
        false => told::as_text(&job, &targets),
    })
}

/// A row per target.
const TARGETS: Shape<JobTarget> = Shape {
    message: "chamois.job.v1.JobTarget",
    key: |target| target.target.clone(),
    columns: &[
        column("TARGET", |target| target.target.clone()),
        column("STATE", |target| words::target_state(target).to_owned()),
        column("REASON", |target| target.reason.clone()),
        column("REMEDY", |target| target.remedy.clone()),
        wide("REPORTED", |target| match target.reported_at_ms {
            0 => String::new(),
            at_ms => utc::timestamp(at_ms),
        }),
    ],
};

#[cfg(test)]
mod tests {
    use proto::job::v1::job_target::State;

    use super::*;

    #[test]
    fn a_target_is_a_row_with_what_became_of_it() {
        let target = JobTarget {
            target: "x0c0s0b0n0".into(),
            state: State::Unsupported.into(),
            reason: "no ForceOff".into(),
            remedy: "use another operation".into(),
            reported_at_ms: 1_764_054_000_000,
            ..JobTarget::default()
        };
        let text = output::plain(&[target, JobTarget::default()], &TARGETS);
        for part in [
            "x0c0s0b0n0",
            "unsupported",
            "no ForceOff",
            "use another operation",
            "2025-11-25T07:00:00Z",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("1970"), "{text}");
    }
}
