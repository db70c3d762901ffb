//! `chamois firmware list`.

use std::collections::BTreeMap;

use clap::Args;
use proto::discovery::v1::firmware_inventory_service_client::FirmwareInventoryServiceClient;
use proto::discovery::v1::{FirmwareInventory, ListFirmwareRequest, ListFirmwareResponse};
use rpc::client::ExactlyOnce;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::job::names_of;
use crate::nodes;
use crate::output::{self, Format, Shape, column};

/// The service over a channel to any member.
pub(super) type Client = FirmwareInventoryServiceClient<ExactlyOnce>;

/// Inventories of one page.
const PAGE_SIZE: u32 = 1_000;

/// `chamois firmware list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois firmware list                        which versions are where
  chamois firmware list 'x1000c0s*' --id BIOS")]
pub struct ListArgs {
    /// BMCs: nodesets; groups of nodes stand for their BMCs; none: all
    #[arg(value_name = "NODESET", value_parser = crate::nodes::text)]
    pub bmcs: Vec<String>,
    /// Only firmware with one of these ids, e.g. BIOS; matched without case
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub id: Vec<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let mut client = client(global)?;
    let mut all = ListFirmwareResponse {
        inventories: inventories(&mut client, nodes::bmcs(global, &args.bmcs).await?).await?,
        ..ListFirmwareResponse::default()
    };
    for inventory in &mut all.inventories {
        let is_wanted =
            |id: &str| args.id.is_empty() || args.id.iter().any(|wanted| wanted.eq_ignore_ascii_case(id));
        inventory.firmware.retain(|firmware| is_wanted(&firmware.id));
    }
    if global.output == Format::Table {
        return output::print(render(&all.inventories));
    }
    let whole = ("chamois.discovery.v1.ListFirmwareResponse", &all);
    output::list(global, whole, &all.inventories, &INVENTORIES)
}

/// Whoever knows what the last crawls read.
pub(super) fn client(global: &GlobalArgs) -> Result<Client, CliError> {
    let client = FirmwareInventoryServiceClient::new(connect::to_any(global)?);
    Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
}

/// Those of these BMCs, nodesets of the cluster, that a crawl has read; none: all. Without attributes of the BIOS.
pub(super) async fn inventories(
    client: &mut Client,
    id: Vec<String>,
) -> Result<Vec<FirmwareInventory>, CliError> {
    let mut request = ListFirmwareRequest {
        id,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = client.list_firmware(request.clone()).await?.into_inner();
        all.extend(page.inventories);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// A row per BMC.
pub(super) const INVENTORIES: Shape<FirmwareInventory> = Shape {
    message: "chamois.discovery.v1.FirmwareInventory",
    key: |inventory| inventory.id.clone(),
    columns: &[
        column("BMC", |inventory| inventory.id.clone()),
        column("FIRMWARE", |inventory| {
            let firmware = inventory.firmware.iter();
            let said = firmware.map(|firmware| format!("{} {}", firmware.id, firmware.version));
            said.collect::<Vec<_>>().join(", ")
        }),
    ],
};

/// Which versions are where: BMCs with the same are one row.
fn render(inventories: &[FirmwareInventory]) -> comfy_table::Table {
    let mut alike: BTreeMap<[&str; 3], Vec<&str>> = BTreeMap::new();
    for inventory in inventories {
        for firmware in &inventory.firmware {
            let key = [firmware.id.as_str(), &firmware.name, &firmware.version];
            alike.entry(key).or_default().push(&inventory.id);
        }
    }
    let mut table = output::table(["FIRMWARE", "NAME", "VERSION", "COUNT", "BMCS"]);
    for ([id, name, version], bmcs) in alike {
        let count = bmcs.len().to_string();
        table.add_row([id, name, version, count.as_str(), names_of(&bmcs).as_str()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::Firmware;

    use super::*;

    /// The one BMC that was forgotten stands out.
    #[test]
    fn bmcs_with_the_same_version_are_one_row() {
        let inventory = |id: &str, version: &str| FirmwareInventory {
            id: id.into(),
            firmware: vec![Firmware {
                id: "BIOS".into(),
                name: "System ROM".into(),
                version: version.into(),
                ..Firmware::default()
            }],
            ..FirmwareInventory::default()
        };
        let all = [
            inventory("x0c0s0b0", "2.1"),
            inventory("x0c0s1b0", "2.1"),
            inventory("x0c0s2b0", "2.0"),
        ];
        let text = render(&all).to_string();
        let row = |version: &str| {
            text.lines()
                .find(|line| line.contains(version))
                .unwrap()
                .to_owned()
        };
        assert!(row("2.1").contains("x0c0s[0-1]b0"), "{text}");
        assert!(row("2.0").contains("x0c0s2b0"), "{text}");
    }
}
