//! `chamois boot config get`.

use clap::Args;
use proto::bss::v1::boot_configuration_service_client::BootConfigurationServiceClient;
use proto::bss::v1::{BootConfiguration, GetBootConfigurationRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;
use crate::utc;

/// `chamois boot config get`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot config get compute
  chamois -o json boot config get compute")]
pub struct GetArgs {
    /// Name, as `chamois boot config list` shows it
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, args: GetArgs) -> Result<(), CliError> {
    let mut client = BootConfigurationServiceClient::new(connect::to_any(global)?);
    let request = GetBootConfigurationRequest { name: args.name };
    let configuration = client.get_boot_configuration(request).await?.into_inner();
    show(global, &configuration)
}

/// Prints one configuration whole.
pub(super) fn show(global: &GlobalArgs, configuration: &BootConfiguration) -> Result<(), CliError> {
    output::object(
        global,
        ("chamois.bss.v1.BootConfiguration", configuration),
        &configuration.name,
        || render(configuration),
    )
}

fn render(configuration: &BootConfiguration) -> comfy_table::Table {
    let mut table = output::table(["FIELD", "VALUE"]);
    let modified = configuration
        .meta
        .as_ref()
        .and_then(|meta| meta.modified.as_ref());
    let changed = modified.map(|change| {
        format!(
            "revision {}, {} by {}",
            change.revision,
            utc::timestamp(change.at_ms),
            change.principal
        )
    });
    let yes = |is_so: bool| if is_so { "yes" } else { "" }.to_owned();
    let rows = [
        ("name", configuration.name.clone()),
        ("description", configuration.description.clone()),
        ("selects", super::selectors(configuration).join("\n")),
        ("architecture", super::arch_text(configuration.arch()).to_owned()),
        ("priority", configuration.priority().to_string()),
        ("image", configuration.image.clone()),
        ("kernel", configuration.kernel.clone()),
        ("initrd", configuration.initrd.clone()),
        ("params", configuration.params.clone()),
        ("merges params", yes(configuration.merge_params)),
        ("disabled", yes(configuration.disabled)),
        ("changed", changed.unwrap_or_default()),
    ];
    for (field, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([field.to_owned(), value]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_not_shown() {
        let configuration = BootConfiguration {
            name: "compute".into(),
            roles: vec!["Compute".into()],
            kernel: "http://i/k".into(),
            priority: Some(50),
            ..Default::default()
        };
        let text = render(&configuration).to_string();
        assert!(
            text.contains("role Compute") && text.contains("http://i/k"),
            "{text}"
        );
        assert!(!text.contains("initrd") && !text.contains("disabled"), "{text}");
        assert!(!text.contains("image"), "{text}");
        let of_image = BootConfiguration {
            image: "debian-12".into(),
            ..BootConfiguration::default()
        };
        let text = render(&of_image).to_string();
        assert!(text.contains("image") && text.contains("debian-12"), "{text}");
    }
}
