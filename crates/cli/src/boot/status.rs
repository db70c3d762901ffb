//! `chamois boot status <node>`: the boots that the cluster knows of, newest first.

use clap::Args;
use proto::bss::v1::boot_record_service_client::BootRecordServiceClient;
use proto::bss::v1::{BootRecord, ListBootRecordsRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc;

/// `chamois boot status`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois boot status x1000c0s0b0n0")]
pub struct StatusArgs {
    /// Xname of the node
    pub node: String,
}

pub(super) async fn run(global: &GlobalArgs, args: StatusArgs) -> Result<(), CliError> {
    let mut client = BootRecordServiceClient::new(connect::to_any(global)?);
    let request = ListBootRecordsRequest {
        node: args.node.clone(),
    };
    let answer = client.list_boot_records(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.bss.v1.ListBootRecordsResponse", &answer),
        Format::Table if answer.records.is_empty() => {
            output::print(format_args!("{} has not phoned home yet", args.node))
        }
        Format::Table => output::print(render(&answer.records)),
    }
}

fn render(records: &[BootRecord]) -> comfy_table::Table {
    let mut table = output::table([
        "PHONED HOME",
        "BOOT ID",
        "INSTANCE ID",
        "HOSTNAME",
        "ADDRESS",
        "HOST KEYS",
    ]);
    for record in records {
        table.add_row([
            utc::timestamp(record.phoned_home_at_ms),
            record.boot_id.clone(),
            record.instance_id.clone(),
            record.hostname.clone(),
            record.address.clone(),
            record.host_keys.len().to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_one_row_with_its_time() {
        let record = BootRecord {
            node: "x0c0s0b0n0".into(),
            instance_id: "i-00112233aabbccdd".into(),
            phoned_home_at_ms: 1_764_054_000_000,
            ..Default::default()
        };
        let text = render(&[record]).to_string();
        assert!(
            text.contains("i-00112233aabbccdd") && text.contains("2025-11-25T07:00:00Z"),
            "{text}"
        );
    }
}
