//! `chamois power on`, `off`, `soft-off`, `force-off`, `restart`, `hard-restart` and `cycle`.

use std::time::Duration;

use clap::Args;
use proto::power::v1::StartTransitionRequest;
use proto::power::v1::start_transition_request::Location;
use proto::power::v1::transition_service_client::TransitionServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::job::{self, Waits};
use crate::nodes;

/// Longest pause between two nodes, as the API takes it.
const STAGGER_MAX: Duration = Duration::from_secs(60);

/// Which nodes, and how many at once.
#[derive(Clone, Debug, Args)]
pub struct SwitchArgs {
    /// Nodesets, e.g. x1000c0s[0-7]b0n0 or @compute
    #[arg(required = true, value_name = "NODESET", value_parser = crate::nodes::text)]
    pub nodes: Vec<String>,
    /// Pause between one node that is switched on and the next, e.g. 500ms or 2s; up to 60s
    #[arg(long, value_parser = stagger, value_name = "TIME")]
    pub stagger: Option<Duration>,
    /// Minutes that a shutdown in order may take before `off` and `cycle` force it; 0: at once, -1: without end. Default: 5
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..=1440), value_name = "MINUTES")]
    pub deadline: Option<i32>,
    /// BMCs at once; default: 64
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=1024), value_name = "N")]
    pub concurrency: u32,
    /// Key of a reservation, where locks are enforced
    #[arg(long, default_value = "", hide_default_value = true, value_name = "KEY")]
    pub deputy_key: String,
    /// Whether it is waited for.
    #[command(flatten)]
    pub waits: Waits,
}

/// As the API calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    On,
    Off,
    SoftOff,
    ForceOff,
    SoftRestart,
    HardRestart,
    Init,
}

impl Operation {
    fn wire(self) -> &'static str {
        match self {
            Operation::On => "On",
            Operation::Off => "Off",
            Operation::SoftOff => "Soft-Off",
            Operation::ForceOff => "Force-Off",
            Operation::SoftRestart => "Soft-Restart",
            Operation::HardRestart => "Hard-Restart",
            Operation::Init => "Init",
        }
    }
}

/// `500ms`, `2s`, `2`.
fn stagger(text: &str) -> Result<Duration, String> {
    let (digits, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1000),
        (None, None) => (text, 1000),
    };
    let number: Option<u64> = digits.parse().ok();
    let pause = number
        .and_then(|number| number.checked_mul(unit_ms))
        .map(Duration::from_millis);
    pause
        .filter(|pause| *pause <= STAGGER_MAX)
        .ok_or_else(|| format!("`{text}`: write milliseconds as 500ms or seconds as 2s, up to 60s"))
}

pub(super) async fn run(
    global: &GlobalArgs,
    operation: Operation,
    mut args: SwitchArgs,
) -> Result<(), CliError> {
    let waits = args.waits;
    args.nodes = nodes::targets(global, &args.nodes).await?;
    let mut client = TransitionServiceClient::new(connect::to_any(global)?);
    let started = client
        .start_transition(request(operation, args))
        .await?
        .into_inner();
    job::started(global, &started.transition_id, waits).await
}

fn request(operation: Operation, args: SwitchArgs) -> StartTransitionRequest {
    let location = |xname| Location {
        xname,
        deputy_key: args.deputy_key.clone(),
    };
    let stagger = args.stagger.unwrap_or_default();
    StartTransitionRequest {
        operation: operation.wire().to_owned(),
        location: args.nodes.into_iter().map(location).collect(),
        task_deadline_minutes: args.deadline,
        stagger_ms: u32::try_from(stagger.as_millis()).unwrap_or(u32::MAX),
        concurrency_max: args.concurrency,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SwitchArgs,
    }

    fn asked(line: &str) -> StartTransitionRequest {
        let line = Line::try_parse_from(line.split(' ')).unwrap();
        request(Operation::Init, line.args)
    }

    #[test]
    fn every_option_reaches_the_member() {
        let asked =
            asked("cycle x0c0s[0-7]b0n0 x1 --stagger 500ms --deadline -1 --concurrency 8 --deputy-key k");
        assert_eq!(asked.operation, "Init");
        let places: Vec<&str> = asked.location.iter().map(|place| place.xname.as_str()).collect();
        assert_eq!(places, ["x0c0s[0-7]b0n0", "x1"]);
        assert!(asked.location.iter().all(|place| place.deputy_key == "k"));
        assert_eq!(
            (
                asked.task_deadline_minutes,
                asked.stagger_ms,
                asked.concurrency_max
            ),
            (Some(-1), 500, 8)
        );
    }

    /// The cluster's own defaults hold, which only it knows.
    #[test]
    fn what_is_not_said_is_left_to_the_cluster() {
        let asked = asked("on x0c0s0b0n0");
        assert_eq!(
            (
                asked.task_deadline_minutes,
                asked.stagger_ms,
                asked.concurrency_max
            ),
            (None, 0, 0)
        );
    }

    #[test]
    fn a_pause_has_a_unit_and_a_bound() {
        for (text, ms) in [
            ("500ms", 500),
            ("2s", 2000),
            ("2", 2000),
            ("0", 0),
            ("60s", 60_000),
        ] {
            assert_eq!(stagger(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in [
            "",
            "s",
            "ms",
            "61s",
            "2m",
            "-1s",
            "99999999999999999999",
            "18446744073709551615",
        ] {
            assert!(stagger(wrong).unwrap_err().contains("500ms"), "{wrong}");
        }
    }

    /// Names of PCS, whose clients use the same service.
    #[test]
    fn operations_are_those_of_the_api() {
        use proto::power::v1::power_transition::Operation as Wire;
        for (operation, wire) in [
            (Operation::On, Wire::On),
            (Operation::Off, Wire::Off),
            (Operation::SoftOff, Wire::SoftOff),
            (Operation::ForceOff, Wire::ForceOff),
            (Operation::SoftRestart, Wire::SoftRestart),
            (Operation::HardRestart, Wire::HardRestart),
            (Operation::Init, Wire::Init),
        ] {
            let name = operation.wire().to_uppercase().replace('-', "_");
            assert_eq!(wire.as_str_name(), format!("OPERATION_{name}"));
        }
    }
}
