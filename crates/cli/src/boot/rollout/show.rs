//! `chamois boot rollout show <name>`.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;
use proto::bss::v1::{BootRollout, GetBootRolloutRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output::{self, Format};

/// How often a rollout that is watched is asked for.
const PAUSE: Duration = Duration::from_secs(1);
/// Failed nodes that are shown to people; all of them are in the JSON.
const FAILED_SHOWN_MAX: usize = 20;

/// `chamois boot rollout show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot rollout show new-kernel
  chamois boot rollout show new-kernel --watch     until it is over; exit code 1 if it was stopped")]
pub struct ShowArgs {
    /// Name of the rollout
    pub name: String,
    /// Follow it with a progress bar until it is over
    #[arg(long)]
    pub watch: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = BootRolloutServiceClient::new(connect::to_any(global)?);
    let request = GetBootRolloutRequest { name: args.name };
    let mut rollout = client.get_boot_rollout(request.clone()).await?.into_inner();
    if args.watch {
        let bar = ProgressBar::new(rollout.nodes.len() as u64);
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len} up  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        while !is_over(&rollout) {
            bar.set_position(rollout.booted.len() as u64);
            bar.set_message(line(&rollout));
            tokio::time::sleep(PAUSE).await;
            rollout = client.get_boot_rollout(request.clone()).await?.into_inner();
        }
        bar.finish_and_clear();
    }
    match global.output {
        Format::Json => output::print_json("chamois.bss.v1.BootRollout", &rollout)?,
        Format::Table => output::print(render(&rollout))?,
    }
    match rollout.state() {
        Stage::Stopped if args.watch => {
            Err(CliError::new(Kind::Other, format!("stopped: {}", rollout.reason)))
        }
        _ => Ok(()),
    }
}

fn is_over(rollout: &BootRollout) -> bool {
    matches!(rollout.state(), Stage::Stopped | Stage::Completed)
}

/// Its state in a word.
pub(super) fn stage(rollout: &BootRollout) -> &'static str {
    match rollout.state() {
        Stage::Running => "running",
        Stage::Paused => "paused",
        Stage::Stopped => "stopped",
        Stage::Completed => "completed",
        Stage::Unspecified => "",
    }
}

/// How far it is, in a line.
pub(super) fn line(rollout: &BootRollout) -> String {
    let step = rollout.waves.last().map_or(0, |wave| wave.nodes);
    format!(
        "{}: {}, {} of {} nodes have got it, {} are up, {} failed ({} allowed)",
        rollout.name,
        stage(rollout),
        step,
        rollout.nodes.len(),
        rollout.booted.len(),
        rollout.failed.len(),
        rollout.failures_max
    )
}

fn render(rollout: &BootRollout) -> String {
    let mut text = line(rollout);
    if !rollout.reason.is_empty() {
        text.push_str(&format!("\n{}", rollout.reason));
    }
    for failure in rollout.failed.iter().take(FAILED_SHOWN_MAX) {
        text.push_str(&format!("\n  {}: {}", failure.node, failure.reason));
    }
    let more = rollout.failed.len().saturating_sub(FAILED_SHOWN_MAX);
    if more > 0 {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::RolloutFailure;

    use super::*;

    #[test]
    fn what_went_wrong_is_said_by_node_up_to_a_bound() {
        let failed = (0..25).map(|node| RolloutFailure {
            node: format!("x0c0s{node}b0n0"),
            reason: "late".into(),
        });
        let rollout = BootRollout {
            name: "new-kernel".into(),
            state: Stage::Stopped.into(),
            reason: "25 nodes failed".into(),
            failed: failed.collect(),
            ..BootRollout::default()
        };
        let text = render(&rollout);
        assert!(text.starts_with("new-kernel: stopped, "), "{text}");
        assert!(text.contains("\n25 nodes failed\n  x0c0s0b0n0: late\n"), "{text}");
        assert!(text.ends_with("  and 5 more"), "{text}");
    }
}
