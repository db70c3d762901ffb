//! `chamois boot rollout show <name>`.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::boot_rollout_node::Outcome;
use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;
use proto::bss::v1::{BootRollout, BootRolloutNode, GetBootRolloutRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;
use crate::utc;

/// How often a rollout that is watched is asked for.
const PAUSE: Duration = Duration::from_secs(1);
/// Nodes that are shown to people; all of them are in the JSON.
const NODES_SHOWN_MAX: usize = 20;

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
    #[arg(short, long)]
    pub watch: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = BootRolloutServiceClient::new(connect::to_any(global)?);
    let request = GetBootRolloutRequest { name: args.name };
    let mut rollout = client.get_boot_rollout(request.clone()).await?.into_inner();
    if args.watch {
        let bar = ProgressBar::new(u64::from(rollout.nodes));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len} up  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        while !is_over(&rollout) {
            bar.set_position(u64::from(rollout.booted));
            bar.set_message(line(&rollout));
            tokio::time::sleep(PAUSE).await;
            rollout = client.get_boot_rollout(request.clone()).await?.into_inner();
        }
        bar.finish_and_clear();
    }
    output::object(
        global,
        ("chamois.bss.v1.BootRollout", &rollout),
        &rollout.name,
        || render(&rollout),
    )?;
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
    let skipped = match rollout.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    format!(
        "{}: {}, {step} of {} nodes get it with their next boot, {} are up, {} failed ({} allowed){skipped}",
        rollout.name,
        stage(rollout),
        rollout.nodes,
        rollout.booted,
        rollout.failed,
        rollout.failures_max
    )
}

fn render(rollout: &BootRollout) -> String {
    let mut text = line(rollout);
    if !rollout.reason.is_empty() {
        text.push_str(&format!("\n{}", rollout.reason));
    }
    let step = rollout.waves.last().map_or(0, |wave| wave.nodes);
    let of = |outcome| {
        rollout
            .participants
            .iter()
            .filter(move |node| node.outcome() == outcome)
    };
    let failed = of(Outcome::Failed).map(|node| format!("{}: {}", node.node, node.reason));
    let waited_for = of(Outcome::Waiting).filter(|node| node.place < step);
    let waited_for = waited_for.map(|node| format!("{}: {}", node.node, waits_for(node)));
    let lines: Vec<String> = failed.chain(waited_for).collect();
    for line in lines.iter().take(NODES_SHOWN_MAX) {
        text.push_str(&format!("\n  {line}"));
    }
    let more = lines.len().saturating_sub(NODES_SHOWN_MAX);
    if more > 0 {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

fn waits_for(node: &BootRolloutNode) -> String {
    match node.first_script_ms {
        0 => "has not booted yet".to_owned(),
        at_ms => format!("boots since {}", utc::timestamp(at_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_and_what_is_waited_for_is_said_by_node_up_to_a_bound() {
        let node = |place: u32, outcome: Outcome| BootRolloutNode {
            node: format!("x0c0s{place}b0n0"),
            place,
            outcome: outcome.into(),
            reason: "late".into(),
            ..BootRolloutNode::default()
        };
        let failed = (0..22).map(|place| node(place, Outcome::Failed));
        let waiting = (22..25).map(|place| node(place, Outcome::Waiting));
        let rollout = BootRollout {
            name: "new-kernel".into(),
            state: Stage::Stopped.into(),
            reason: "22 nodes failed".into(),
            participants: failed.chain(waiting).collect(),
            waves: vec![proto::bss::v1::RolloutWave {
                nodes: 24,
                ..Default::default()
            }],
            ..BootRollout::default()
        };
        let text = render(&rollout);
        assert!(text.starts_with("new-kernel: stopped, "), "{text}");
        assert!(text.contains("\n22 nodes failed\n  x0c0s0b0n0: late\n"), "{text}");
        assert!(text.ends_with("  and 4 more"), "{text}");
        let one = BootRollout {
            participants: vec![node(0, Outcome::Waiting)],
            ..rollout
        };
        assert!(
            render(&one).ends_with("x0c0s0b0n0: has not booted yet"),
            "{}",
            render(&one)
        );
    }
}
