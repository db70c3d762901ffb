//! `chamois boot rollout start`.

use std::str::FromStr;

use clap::Args;
use proto::bss::v1::boot_configuration_service_client::BootConfigurationServiceClient;
use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;
use proto::bss::v1::{
    BootConfiguration, BootRollout, GetBootConfigurationRequest, RolloutStep, StartBootRolloutRequest,
};

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois boot rollout start`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot rollout start debian-13 --config compute --group compute --image debian-13 --steps 1,10%,50%
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
    /// Image that is booted; as before unless it, a kernel or an initrd is given
    #[arg(long, value_name = "NAME", conflicts_with_all = ["kernel", "initrd"])]
    pub image: Option<String>,
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
    let request = StartBootRolloutRequest {
        rollout: Some(rollout(args, before)),
    };
    let started = client.start_boot_rollout(request).await?.into_inner();
    output::done(global, ("chamois.bss.v1.BootRollout", &started), || {
        show::line(&started)
    })
}

/// What the options do not say is as the configuration has it.
fn rollout(args: StartArgs, before: BootConfiguration) -> BootRollout {
    let has_kernel = args.kernel.is_some() || args.initrd.is_some();
    let (image, kernel, initrd) = match args.image {
        Some(image) => (image, String::new(), String::new()),
        None => (
            before.image,
            args.kernel.unwrap_or(before.kernel),
            args.initrd.unwrap_or(before.initrd),
        ),
    };
    BootRollout {
        name: args.name,
        configuration: args.config,
        image: if has_kernel { String::new() } else { image },
        kernel,
        initrd,
        params: args.params.unwrap_or(before.params),
        merge_params: args.merge_params.unwrap_or(before.merge_params),
        group: args.group.unwrap_or_default(),
        hosts: args.hosts,
        steps: args.steps.into_iter().map(|Step(step)| step).collect(),
        failures_max: args.failures_max,
        boot_deadline_s: args.boot_deadline_s,
        ..BootRollout::default()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: StartArgs,
    }

    fn booted(words: &[&str], before: &BootConfiguration) -> [String; 3] {
        let words = ["start", "new", "--config", "c", "--group", "g"]
            .iter()
            .chain(words);
        let line = Line::try_parse_from(words).unwrap();
        let rollout = rollout(line.args, before.clone());
        [rollout.image, rollout.kernel, rollout.initrd]
    }

    /// From an image to a kernel and back, and whichever it is stays when nothing is said.
    #[test]
    fn an_image_and_a_kernel_take_each_others_place() {
        let of_image = BootConfiguration {
            image: "debian-12".into(),
            ..BootConfiguration::default()
        };
        let of_kernel = BootConfiguration {
            kernel: "/files/k".into(),
            initrd: "/files/i".into(),
            ..BootConfiguration::default()
        };
        let image = ["--image", "debian-13"];
        for (words, before, expected) in [
            (&image[..], &of_image, ["debian-13", "", ""]),
            (&image[..], &of_kernel, ["debian-13", "", ""]),
            (&[][..], &of_image, ["debian-12", "", ""]),
            (&[][..], &of_kernel, ["", "/files/k", "/files/i"]),
            (&["--kernel", "/files/n"][..], &of_image, ["", "/files/n", ""]),
            (
                &["--initrd", "/files/n"][..],
                &of_kernel,
                ["", "/files/k", "/files/n"],
            ),
        ] {
            assert_eq!(booted(words, before), expected, "{words:?}");
        }
    }

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
