//! `chamois firmware show`.

use clap::Args;
use proto::discovery::v1::firmware_inventory_service_client::FirmwareInventoryServiceClient;
use proto::discovery::v1::{FirmwareInventory, GetFirmwareRequest, SystemFirmware};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output;

/// `chamois firmware show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois firmware show x1000c0s0b0
  chamois firmware show x1000c0s0b0 --bios     with every attribute of the BIOS")]
pub struct ShowArgs {
    /// Xname of the BMC
    pub bmc: String,
    /// Also the BIOS attributes of its systems
    #[arg(long)]
    pub bios: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let client = FirmwareInventoryServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = GetFirmwareRequest { id: args.bmc };
    let answer = client.get_firmware(request).await?.into_inner();
    output::object(
        global,
        ("chamois.discovery.v1.FirmwareInventory", &answer),
        &answer.id,
        || render(&answer, args.bios),
    )
}

fn render(inventory: &FirmwareInventory, with_bios: bool) -> String {
    let mut table = output::table(["FIRMWARE", "NAME", "VERSION", "UPDATEABLE"]);
    for firmware in &inventory.firmware {
        table.add_row([
            firmware.id.as_str(),
            &firmware.name,
            &firmware.version,
            if firmware.updateable { "yes" } else { "no" },
        ]);
    }
    let systems = inventory.systems.iter().map(|one| system(one, with_bios));
    std::iter::once(table.to_string())
        .chain(systems)
        .collect::<Vec<_>>()
        .join("\n")
}

fn system(system: &SystemFirmware, with_bios: bool) -> String {
    let or = |text: &str| match text {
        "" => "not said".to_owned(),
        text => text.to_owned(),
    };
    let line = format!(
        "{}: BIOS {}, secure boot {}",
        system.id,
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

    #[test]
    fn firmware_is_shown_with_how_the_systems_boot() {
        let inventory = FirmwareInventory {
            id: "x0c0s0b0".into(),
            firmware: vec![Firmware {
                id: "BMC".into(),
                version: "1.40".into(),
                updateable: true,
                ..Firmware::default()
            }],
            systems: vec![SystemFirmware {
                id: "x0c0s0b0n0".into(),
                bios_version: "A43".into(),
                secure_boot: String::new(),
                bios: vec![BiosAttribute {
                    name: "BootMode".into(),
                    value: "Uefi".into(),
                }],
            }],
            ..FirmwareInventory::default()
        };
        let text = render(&inventory, false);
        assert!(text.contains("1.40") && text.contains("yes"), "{text}");
        assert!(
            text.ends_with("x0c0s0b0n0: BIOS A43, secure boot not said, 1 BIOS attributes"),
            "{text}"
        );
        assert!(render(&inventory, true).contains("BootMode"));
    }
}
