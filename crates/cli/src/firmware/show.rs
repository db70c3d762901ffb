//! `chamois firmware show`.

use std::collections::BTreeMap;

use clap::Args;
use model::Xname;
use proto::discovery::v1::{FirmwareInventory, GetFirmwareRequest, ListFirmwareResponse, SystemFirmware};
use tonic::Code;

use super::list::{self, INVENTORIES};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::job::names_of;
use crate::nodes;
use crate::output::{self, Format};

/// `chamois firmware show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois firmware show x1000c0s0b0
  chamois firmware show x1000c0s0b0 --bios           with every attribute of the BIOS
  chamois firmware show 'x1000c0s[0-7]b0' @compute   BMCs with the same are one block

One xname of a BMC is shown as one object; everything else, as what is behind each.")]
pub struct ShowArgs {
    /// BMCs: nodesets; nodes and groups of them stand for their BMCs
    #[arg(required = true, value_name = "NODESET", value_parser = crate::nodes::text)]
    pub bmcs: Vec<String>,
    /// Also the BIOS attributes of its systems
    #[arg(long)]
    pub bios: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = list::client(global)?;
    if let Some(id) = one_bmc(&args.bmcs) {
        let answer = client.get_firmware(GetFirmwareRequest { id }).await?.into_inner();
        let whole = ("chamois.discovery.v1.FirmwareInventory", &answer);
        return output::object(global, whole, &answer.id, || render(&answer, args.bios));
    }
    let mut all = ListFirmwareResponse::default();
    for found in list::inventories(&mut client, nodes::bmcs(global, &args.bmcs).await?).await? {
        // with the attributes of the BIOS, which a list has not
        match client.get_firmware(GetFirmwareRequest { id: found.id }).await {
            Ok(answer) => all.inventories.push(answer.into_inner()),
            // it was deleted this moment
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(status.into()),
        }
    }
    if all.inventories.is_empty() {
        let text = format!("no crawl has read the firmware of {}", args.bmcs.join(", "));
        let remedy = "`chamois bmc list` shows the BMCs, `chamois discover start` crawls them.";
        return Err(CliError::new(Kind::NotFound, text).with_remedy(remedy));
    }
    if global.output == Format::Table {
        return output::print(folded(&all.inventories, args.bios));
    }
    let whole = ("chamois.discovery.v1.ListFirmwareResponse", &all);
    output::list(global, whole, &all.inventories, &INVENTORIES)
}

/// The BMC, if it is one xname that was typed: its form does not depend on how many a group has today.
fn one_bmc(texts: &[String]) -> Option<String> {
    let [text] = texts else { return None };
    let xname: Xname = text.parse().ok()?;
    (!xname.is_node()).then(|| xname.to_string())
}

fn render(inventory: &FirmwareInventory, with_bios: bool) -> String {
    let systems = inventory
        .systems
        .iter()
        .map(|one| format!("{}: {}", one.id, system(one, with_bios)));
    std::iter::once(firmware(inventory))
        .chain(systems)
        .collect::<Vec<_>>()
        .join("\n")
}

/// BMCs that are alike, with nodes that are alike, in one block; the blocks in the order of their first BMC.
fn folded(inventories: &[FirmwareInventory], with_bios: bool) -> String {
    let mut alike: BTreeMap<Vec<String>, Vec<&FirmwareInventory>> = BTreeMap::new();
    for inventory in inventories {
        let systems = inventory
            .systems
            .iter()
            .map(|one| format!("{}: {}", below(inventory, one), system(one, with_bios)));
        let said = std::iter::once(firmware(inventory)).chain(systems).collect();
        alike.entry(said).or_default().push(inventory);
    }
    let mut blocks: Vec<Vec<&FirmwareInventory>> = alike.into_values().collect();
    blocks.sort_by_key(|block| block.first().map(|first| &first.id));
    let blocks = blocks.iter().map(|block| self::block(block, with_bios));
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// What these BMCs, which are alike, have behind them.
fn block(block: &[&FirmwareInventory], with_bios: bool) -> String {
    let Some(first) = block.first() else {
        return String::new();
    };
    let bmcs: Vec<&str> = block.iter().map(|one| one.id.as_str()).collect();
    let count = match bmcs.len() {
        1 => "1 BMC".to_owned(),
        many => format!("{many} BMCs"),
    };
    let mut lines = vec![format!("{} ({count})", names_of(&bmcs)), firmware(first)];
    for (at, one) in first.systems.iter().enumerate() {
        let nodes = block.iter().filter_map(|inventory| inventory.systems.get(at));
        let nodes: Vec<&str> = nodes.map(|node| node.id.as_str()).collect();
        lines.push(format!("{}: {}", names_of(&nodes), system(one, with_bios)));
    }
    lines.join("\n")
}

/// What a system is called below its BMC: `n0`.
fn below<'s>(inventory: &FirmwareInventory, system: &'s SystemFirmware) -> &'s str {
    system.id.strip_prefix(&inventory.id).unwrap_or(&system.id)
}

fn firmware(inventory: &FirmwareInventory) -> String {
    let mut table = output::table(["FIRMWARE", "NAME", "VERSION", "UPDATEABLE"]);
    for firmware in &inventory.firmware {
        table.add_row([
            firmware.id.as_str(),
            &firmware.name,
            &firmware.version,
            if firmware.updateable { "yes" } else { "no" },
        ]);
    }
    table.to_string()
}

fn system(system: &SystemFirmware, with_bios: bool) -> String {
    let or = |text: &str| match text {
        "" => "not said".to_owned(),
        text => text.to_owned(),
    };
    let line = format!(
        "BIOS {}, secure boot {}",
        or(&system.bios_version),
        or(&system.secure_boot)
    );
    if !with_bios {
        return format!("{line}, {} BIOS attributes", system.bios.len());
    }
    let mut table = output::table(["BIOS ATTRIBUTE", "VALUE"]);
    for attribute in &system.bios {
        table.add_row([&attribute.name, &attribute.value]);
    }
    format!("{line}\n{table}")
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::{BiosAttribute, Firmware};

    use super::*;

    /// A BMC with one node, whose BIOS has one attribute.
    fn inventory(id: &str, version: &str, boot_mode: &str) -> FirmwareInventory {
        FirmwareInventory {
            id: id.into(),
            firmware: vec![Firmware {
                id: "BMC".into(),
                version: version.into(),
                updateable: true,
                ..Firmware::default()
            }],
            systems: vec![SystemFirmware {
                id: format!("{id}n0"),
                bios_version: "A43".into(),
                secure_boot: String::new(),
                bios: vec![BiosAttribute {
                    name: "BootMode".into(),
                    value: boot_mode.into(),
                }],
            }],
            ..FirmwareInventory::default()
        }
    }

    #[test]
    fn firmware_is_shown_with_how_the_systems_boot() {
        let inventory = inventory("x0c0s0b0", "1.40", "Uefi");
        let text = render(&inventory, false);
        assert!(text.contains("1.40") && text.contains("yes"), "{text}");
        assert!(
            text.ends_with("x0c0s0b0n0: BIOS A43, secure boot not said, 1 BIOS attributes"),
            "{text}"
        );
        assert!(render(&inventory, true).contains("BootMode"));
    }

    /// The one BMC that was forgotten stands out.
    #[test]
    fn bmcs_with_the_same_are_one_block() {
        let all = [
            inventory("x0c0s0b0", "1.40", "Uefi"),
            inventory("x0c0s1b0", "1.30", "Uefi"),
            inventory("x0c0s2b0", "1.40", "Uefi"),
        ];
        let text = folded(&all, false);
        let blocks: Vec<&str> = text.split("\n\n").collect();
        let [alike, alone] = blocks[..] else {
            panic!("{text}")
        };
        assert!(
            alike.starts_with("x0c0s[0,2]b0 (2 BMCs)\n") && alike.contains("1.40"),
            "{text}"
        );
        assert!(alike.contains("\nx0c0s[0,2]b0n0: BIOS A43"), "{text}");
        assert!(
            alone.starts_with("x0c0s1b0 (1 BMC)\n") && alone.contains("1.30"),
            "{text}"
        );
    }

    /// Only what is shown tells them apart.
    #[test]
    fn attributes_of_the_bios_count_where_they_are_asked_for() {
        let all = [
            inventory("x0c0s0b0", "1.40", "Uefi"),
            inventory("x0c0s1b0", "1.40", "Legacy"),
        ];
        assert_eq!(folded(&all, false).split("\n\n").count(), 1);
        let text = folded(&all, true);
        assert_eq!(text.split("\n\n").count(), 2, "{text}");
        assert!(text.contains("Legacy"), "{text}");
    }

    #[test]
    fn one_xname_of_a_bmc_is_one_object_whatever_there_is() {
        let one = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            one_bmc(&texts)
        };
        assert_eq!(one(&["X0c0s00b0"]).as_deref(), Some("x0c0s0b0"));
        for several in [
            &["x0c0s0b0n0"][..],
            &["x0c0s[0-1]b0"],
            &["x0c0s*b0"],
            &["@compute"],
            &["nid1"],
            &["x0c0s0b0", "x0c0s1b0"],
        ] {
            assert_eq!(one(several), None, "{several:?}");
        }
    }
}
