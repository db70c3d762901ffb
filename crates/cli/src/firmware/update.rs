//! `chamois firmware update`.

use clap::Args;
use proto::firmware::v1::firmware_update_service_client::FirmwareUpdateServiceClient;
use proto::firmware::v1::{FirmwareUpdate, StartFirmwareUpdateRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::job::{self, Waits};
use crate::nodes;

/// `chamois firmware update`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois firmware update 'x1000c0s[0-7]b0' --image http://10.97.0.1/bios-2.1.fwpkg --steps 1,4 --wait
  chamois firmware update x1000c0s0b0 --image file:bmc/1.41.bin --firmware BMC

Each BMC fetches the image itself. One step is over before the next is begun, and nothing more is begun after too many failures.")]
pub struct UpdateArgs {
    /// BMCs: nodesets; groups of nodes stand for their BMCs
    #[arg(required = true, value_name = "NODESET", value_parser = crate::nodes::text)]
    pub bmcs: Vec<String>,
    /// Where BMCs fetch the image: http, https, tftp, nfs or ftp; file:NAME is a boot file of this cluster
    #[arg(long, value_name = "URL")]
    pub image: String,
    /// Ids of the firmware that it is for, as `chamois firmware show` has them; none: the BMC finds out
    #[arg(long = "firmware", value_delimiter = ',', value_name = "ID")]
    pub firmware: Vec<String>,
    /// BMCs of each step, counted from the first one; all come last by themselves. Default: all at once
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub steps: Vec<u32>,
    /// Failures that are allowed
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub failures_max: u32,
    /// BMCs at once; default: 16
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=256), value_name = "N")]
    pub concurrency: u32,
    /// Seconds for one BMC; default: an hour
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(0..=14_400), value_name = "SECONDS")]
    pub deadline_s: u32,
    /// Whether it is waited for.
    #[command(flatten)]
    pub waits: Waits,
}

pub(super) async fn run(global: &GlobalArgs, mut args: UpdateArgs) -> Result<(), CliError> {
    let waits = args.waits;
    args.bmcs = nodes::bmcs(global, &args.bmcs).await?;
    let mut client = FirmwareUpdateServiceClient::new(connect::to_any(global)?);
    let request = StartFirmwareUpdateRequest {
        update: Some(FirmwareUpdate::from(args)),
    };
    let started = client.start_firmware_update(request).await?.into_inner();
    job::started(global, &started.job, waits).await
}

impl From<UpdateArgs> for FirmwareUpdate {
    fn from(args: UpdateArgs) -> Self {
        Self {
            image_uri: args.image,
            targets: args.bmcs,
            firmware_ids: args.firmware,
            steps: args.steps,
            failures_max: args.failures_max,
            concurrency_max: args.concurrency,
            deadline_s: args.deadline_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: UpdateArgs,
    }

    #[test]
    fn every_option_reaches_the_member() {
        let words = "update x0c0s[0-7]b0 --image file:b --firmware BIOS,BMC --steps 1,4 --failures-max 1 --concurrency 2 --deadline-s 600";
        let line = Line::try_parse_from(words.split(' ')).unwrap();
        let update = FirmwareUpdate::from(line.args);
        assert_eq!(
            update,
            FirmwareUpdate {
                image_uri: "file:b".into(),
                targets: vec!["x0c0s[0-7]b0".into()],
                firmware_ids: vec!["BIOS".into(), "BMC".into()],
                steps: vec![1, 4],
                failures_max: 1,
                concurrency_max: 2,
                deadline_s: 600,
            }
        );
        assert!(Line::try_parse_from("update x0c0s0b0 --image f --steps 0".split(' ')).is_err());
    }
}
