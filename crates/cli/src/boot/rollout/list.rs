//! `chamois boot rollout list`.

use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;
use proto::bss::v1::{BootRollout, ListBootRolloutsRequest};

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};
use crate::utc;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = BootRolloutServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_boot_rollouts(ListBootRolloutsRequest {})
        .await?
        .into_inner();
    let whole = ("chamois.bss.v1.ListBootRolloutsResponse", &answer);
    output::list(global, whole, &answer.rollouts, &ROLLOUTS)
}

/// A row per rollout.
const ROLLOUTS: Shape<BootRollout> = Shape {
    message: "chamois.bss.v1.BootRollout",
    key: |rollout| rollout.name.clone(),
    columns: &[
        column("NAME", |rollout| rollout.name.clone()),
        column("CONFIGURATION", |rollout| rollout.configuration.clone()),
        column("STATE", |rollout| show::stage(rollout).to_owned()),
        column("STEP", |rollout| {
            let wave = rollout.waves.last();
            wave.map_or_else(String::new, |wave| format!("{} nodes", wave.nodes))
        }),
        column("UP", |rollout| rollout.booted.to_string()),
        column("FAILED", |rollout| {
            format!("{} of {}", rollout.failed, rollout.failures_max)
        }),
        wide("SINCE", |rollout| {
            let wave = rollout.waves.last();
            wave.map_or_else(String::new, |wave| utc::timestamp(wave.at_ms))
        }),
    ],
};

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
        let text = output::plain(&[rollout], &ROLLOUTS);
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
