//! `chamois power status`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use proto::power::v1::power_status_service_client::PowerStatusServiceClient;
use proto::power::v1::{ListPowerStatusResponse, PowerStatus, QueryPowerStatusRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::{CliError, Kind};
use crate::job::names_of;
use crate::output::{self, Changes, Format, Shape, WatchArg, column};

/// `chamois power status`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois power status                                every node with a BMC, folded
  chamois power status 'x1000c0s[0-7]b0n0' --wide     a row for each
  chamois power status --state off

The BMCs are asked now; exit code 7 if any of them does not answer.")]
pub struct StatusArgs {
    /// Xnames and nodesets; none: every node with a BMC
    #[arg(value_name = "NODESET", value_parser = super::node_set)]
    pub nodes: Vec<String>,
    /// Only those in this state
    #[arg(long, value_enum)]
    pub state: Option<StateArg>,
    /// A row for each, with what its BMC offers
    #[arg(long)]
    pub wide: bool,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// A power state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// It is on
    On,
    /// It is off
    Off,
    /// Nobody knows
    Undefined,
}

impl StateArg {
    fn wire(self) -> &'static str {
        match self {
            StateArg::On => "on",
            StateArg::Off => "off",
            StateArg::Undefined => "undefined",
        }
    }
}

/// How often a watch asks the BMCs, which are slow.
const LOOK: Duration = Duration::from_secs(5);

pub(super) async fn run(global: &GlobalArgs, args: StatusArgs) -> Result<(), CliError> {
    // one try that may last: BMCs are slow, and asking again would make them slower
    let connection = connect::for_upload(global)?;
    let mut client = PowerStatusServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = QueryPowerStatusRequest {
        xname: args.nodes,
        power_state_filter: args.state.map(StateArg::wire).unwrap_or_default().to_owned(),
        management_state_filter: String::new(),
    };
    if args.watch.watch {
        let fetch = async || {
            Ok(client
                .query_power_status(request.clone())
                .await?
                .into_inner()
                .status)
        };
        return output::follow(global, Changes::Each(LOOK), &STATUS, fetch).await;
    }
    let answer = client.query_power_status(request).await?.into_inner();
    show(global, &answer, args.wide)?;
    judge(&answer)
}

/// A table folds nodes that are alike; a wide one has a row for each.
fn show(global: &GlobalArgs, answer: &ListPowerStatusResponse, wide: bool) -> Result<(), CliError> {
    if global.output == Format::Table && !wide {
        return output::print(folded(&answer.status));
    }
    let whole = ("chamois.power.v1.ListPowerStatusResponse", answer);
    output::list(global, whole, &answer.status, &STATUS)
}

fn judge(answer: &ListPowerStatusResponse) -> Result<(), CliError> {
    let silent = answer.status.iter().filter(|status| !status.error.is_empty());
    let silent: Vec<&str> = silent.map(|status| status.xname.as_str()).collect();
    if silent.is_empty() {
        return Ok(());
    }
    let (count, all) = (silent.len(), answer.status.len());
    let text = format!("{count} of {all} could not be asked: {}", names_of(&silent));
    let remedy = "`chamois bmc list` shows what is known of their BMCs.";
    Err(CliError::new(Kind::Partly, text).with_remedy(remedy))
}

/// A row for all in one state that say the same.
fn folded(all: &[PowerStatus]) -> comfy_table::Table {
    let mut alike: std::collections::BTreeMap<(&str, &str), Vec<&str>> = std::collections::BTreeMap::new();
    for status in all {
        let key = (status.power_state.as_str(), status.error.as_str());
        alike.entry(key).or_default().push(&status.xname);
    }
    let mut table = output::table(["POWER", "COUNT", "NODES", "ERROR"]);
    for ((state, error), names) in alike {
        let count = names.len().to_string();
        table.add_row([state.to_owned(), count, names_of(&names), error.to_owned()]);
    }
    table
}

/// A row per node.
const STATUS: Shape<PowerStatus> = Shape {
    message: "chamois.power.v1.PowerStatus",
    key: |status| status.xname.clone(),
    columns: &[
        column("NODE", |status| status.xname.clone()),
        column("POWER", |status| status.power_state.clone()),
        column("BMC", |status| status.management_state.clone()),
        column("CAN", |status| status.supported_power_transitions.join(", ")),
        column("ASKED", |status| status.last_updated.clone()),
        column("ERROR", |status| status.error.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn status(xname: &str, power_state: &str, error: &str) -> PowerStatus {
        PowerStatus {
            xname: xname.into(),
            power_state: power_state.into(),
            management_state: "available".into(),
            error: error.into(),
            supported_power_transitions: vec!["On".into(), "Force-Off".into()],
            last_updated: "2025-11-25T07:00:00Z".into(),
        }
    }

    #[test]
    fn nodes_in_one_state_are_one_row() {
        let all = [
            status("x0c0s0b0n0", "on", ""),
            status("x0c0s1b0n0", "on", ""),
            status("x0c0s2b0n0", "undefined", "no answer"),
        ];
        let text = folded(&all).to_string();
        let row = text.lines().find(|line| line.contains("x0c0s[0-1]b0n0")).unwrap();
        assert!(row.contains("on") && row.contains('2'), "{row}");
        assert!(text.contains("no answer"), "{text}");
    }

    #[test]
    fn a_row_says_what_the_bmc_offers() {
        let text = output::plain(&[status("x0c0s0b0n0", "on", "")], &STATUS);
        assert!(
            text.contains("On, Force-Off") && text.contains("available"),
            "{text}"
        );
    }

    #[test]
    fn a_bmc_that_is_silent_is_exit_code_7() {
        let answer = |errors: &[&str]| ListPowerStatusResponse {
            status: errors
                .iter()
                .map(|error| status("x0c0s0b0n0", "on", error))
                .collect(),
        };
        judge(&answer(&["", ""])).unwrap();
        let error = judge(&answer(&["", "no answer"])).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(error.to_string().contains("1 of 2"), "{error}");
    }

    #[test]
    fn states_are_called_as_they_are_shown() {
        for state in StateArg::value_variants() {
            assert_eq!(state.to_possible_value().unwrap().get_name(), state.wire());
        }
    }
}
