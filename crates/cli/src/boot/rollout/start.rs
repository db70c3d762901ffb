//! `chamois boot rollout start`.

use std::str::FromStr;

use clap::Args;
use proto::bss::v1::boot_configuration_service_client::BootConfigurationServiceClient;
use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;
use proto::bss::v1::{BootRollout, GetBootConfigurationRequest, RolloutStep, StartBootRolloutRequest};

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};

/// `chamois boot rollout start`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot rollout start new-kernel --config compute --group compute --kernel /files/6.12/vmlinuz \\
      --initrd /files/6.12/initrd --steps 1,10%,50%
  chamois boot rollout start quiet --config login --hosts 'x1000c0s[0-3]b0n0' --params 'root=live:http://s/r quiet'")]
pub struct StartArgs {
    /// Name of the rollout
    pub name: String,
    /// Boot configuration that is changed
    #[arg(long, value_name = "NAME")]
    pub config: String,
    /// Members of this group take part
    #[arg(
        long,
        value_name = "LABEL",
        required_unless_present = "hosts",
        conflicts_with = "hosts"
    )]
    pub group: Option<String>,
    /// These nodes take part: xnames and nodesets, e.g. x[1000-1003]c*
    #[arg(long, value_name = "NODESET")]
    pub hosts: Vec<String>,
    /// Kernel that is booted: a URL, or /files/…; as before unless it is given
    #[arg(long, value_name = "URL")]
    pub kernel: Option<String>,
    /// Initrd that is booted; as before unless it is given, none if it is empty
    #[arg(long, value_name = "URL")]
    pub initrd: Option<String>,
    /// Kernel parameters; as before unless they are given, none if they are empty
    #[arg(long, allow_hyphen_values = true)]
    pub params: Option<String>,
    /// Whether the parameters are added to those of the next match; as before unless it is given
    #[arg(long, value_name = "BOOL")]
    pub merge_params: Option<bool>,
    /// Sizes of the steps: nodes or percent, each counted from the first node; all nodes come last by themselves
    #[arg(long, value_delimiter = ',', value_name = "N|N%")]
    pub steps: Vec<Step>,
    /// Failed nodes that are allowed
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub failures_max: u32,
    /// Seconds that a node has from its script to its phone-home
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    pub boot_deadline_s: u32,
}

/// `5` or `10%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step(RolloutStep);

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}`: write a number of nodes such as 5, or a share such as 10%");
        let number = |digits: &str| digits.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(wrong);
        let step = match text.strip_suffix('%') {
            Some(digits) => RolloutStep {
                percent: number(digits).ok().filter(|n| *n <= 100).ok_or_else(wrong)?,
                nodes: 0,
            },
            None => RolloutStep {
                nodes: number(text)?,
                percent: 0,
            },
        };
        Ok(Step(step))
    }
}

pub(super) async fn run(global: &GlobalArgs, args: StartArgs) -> Result<(), CliError> {
    let get = GetBootConfigurationRequest {
        name: args.config.clone(),
    };
    let mut configurations = BootConfigurationServiceClient::new(connect::to_any(global)?);
    let before = configurations.get_boot_configuration(get).await?.into_inner();
    let mut client = BootRolloutServiceClient::new(connect::to_any(global)?);
    let rollout = BootRollout {
        name: args.name,
        configuration: args.config,
        kernel: args.kernel.unwrap_or(before.kernel),
        initrd: args.initrd.unwrap_or(before.initrd),
        params: args.params.unwrap_or(before.params),
        merge_params: args.merge_params.unwrap_or(before.merge_params),
        group: args.group.unwrap_or_default(),
        hosts: args.hosts,
        steps: args.steps.into_iter().map(|Step(step)| step).collect(),
        failures_max: args.failures_max,
        boot_deadline_s: args.boot_deadline_s,
        ..BootRollout::default()
    };
    let request = StartBootRolloutRequest {
        rollout: Some(rollout),
    };
    let started = client.start_boot_rollout(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.bss.v1.BootRollout", &started),
        Format::Table => output::print(show::line(&started)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_nodes_or_a_share() {
        assert_eq!("5".parse(), Ok(Step(RolloutStep { nodes: 5, percent: 0 })));
        assert_eq!(
            "10%".parse(),
            Ok(Step(RolloutStep {
                nodes: 0,
                percent: 10
            }))
        );
        for wrong in ["", "0", "0%", "101%", "-1", "5 nodes", "%"] {
            let error = wrong.parse::<Step>().unwrap_err();
            assert!(error.contains("10%"), "{error}");
        }
    }
}
