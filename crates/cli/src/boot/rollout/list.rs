//! `chamois boot rollout list`.

use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;
use proto::bss::v1::{BootRollout, ListBootRolloutsRequest};

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = BootRolloutServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_boot_rollouts(ListBootRolloutsRequest {})
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.bss.v1.ListBootRolloutsResponse", &answer),
        Format::Table if answer.rollouts.is_empty() => output::print("no rollout"),
        Format::Table => output::print(render(&answer.rollouts)),
    }
}

fn render(rollouts: &[BootRollout]) -> comfy_table::Table {
    let mut table = output::table(["NAME", "CONFIGURATION", "STATE", "STEP", "UP", "FAILED", "SINCE"]);
    for rollout in rollouts {
        let wave = rollout.waves.last();
        table.add_row([
            rollout.name.clone(),
            rollout.configuration.clone(),
            show::stage(rollout).to_owned(),
            wave.map_or_else(String::new, |wave| format!("{} nodes", wave.nodes)),
            rollout.booted.to_string(),
            format!("{} of {}", rollout.failed, rollout.failures_max),
            wave.map_or_else(String::new, |wave| utc::timestamp(wave.at_ms)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::RolloutWave;

    use super::*;

    #[test]
    fn a_rollout_is_one_row_with_its_step() {
        let rollout = BootRollout {
            name: "new-kernel".into(),
            configuration: "compute".into(),
            state: proto::bss::v1::boot_rollout::State::Running.into(),
            waves: vec![RolloutWave {
                nodes: 5,
                revision: 9,
                at_ms: 1_764_054_000_000,
            }],
            booted: 1,
            failures_max: 2,
            ..BootRollout::default()
        };
        let text = render(&[rollout]).to_string();
        for part in [
            "new-kernel",
            "compute",
            "running",
            "5 nodes",
            "0 of 2",
            "2025-11-25T07:00:00Z",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
