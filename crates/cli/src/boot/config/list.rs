//! `chamois boot config list`.

use proto::bss::v1::boot_configuration_service_client::BootConfigurationServiceClient;
use proto::bss::v1::{BootConfiguration, ListBootConfigurationsRequest};
use proto::watch::v1::object::Kind;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// Characters of the selectors that a row shows; `get` shows them all.
const SELECTORS_CHARS_MAX: usize = 60;

pub(super) async fn run(global: &GlobalArgs, watch: WatchArg) -> Result<(), CliError> {
    let mut client =
        BootConfigurationServiceClient::new(connect::to_any(global)?).max_decoding_message_size(usize::MAX);
    let request = ListBootConfigurationsRequest::default();
    if watch.watch {
        let fetch = async || {
            let answer = client.list_boot_configurations(request.clone()).await?;
            Ok(answer.into_inner().configurations)
        };
        let changes = Changes::Of(&[Kind::BootConfiguration]);
        return output::follow(global, changes, &CONFIGURATIONS, fetch).await;
    }
    let answer = client.list_boot_configurations(request).await?.into_inner();
    output::list(
        global,
        ("chamois.bss.v1.ListBootConfigurationsResponse", &answer),
        &answer.configurations,
        &CONFIGURATIONS,
    )
}

/// A row per configuration.
const CONFIGURATIONS: Shape<BootConfiguration> = Shape {
    message: "chamois.bss.v1.BootConfiguration",
    key: |configuration| configuration.name.clone(),
    columns: &[
        column("NAME", |configuration| configuration.name.clone()),
        column("SELECTS", |configuration| {
            short(&super::selectors(configuration).join("; "))
        }),
        wide("ARCH", |configuration| {
            super::arch_text(configuration.arch()).to_owned()
        }),
        column("PRIORITY", |configuration| configuration.priority().to_string()),
        column("KERNEL", booted),
        column("NOTES", notes),
    ],
};

/// What is booted: the image, or the kernel.
fn booted(configuration: &BootConfiguration) -> String {
    match configuration.image.as_str() {
        "" => configuration.kernel.clone(),
        image => format!("image {image}"),
    }
}

fn notes(configuration: &BootConfiguration) -> String {
    let notes = [
        (configuration.disabled, "disabled"),
        (configuration.merge_params, "merges"),
    ];
    let notes: Vec<&str> = notes
        .into_iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, note)| note)
        .collect();
    notes.join(", ")
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SELECTORS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_is_selected_and_what_is_unusual() {
        let configuration = BootConfiguration {
            name: "gpu".into(),
            groups: vec!["gpu".into(), "hpc".into()],
            is_default: true,
            priority: Some(70),
            kernel: "/files/k".into(),
            merge_params: true,
            disabled: true,
            ..Default::default()
        };
        let text = output::plain(&[configuration], &CONFIGURATIONS);
        for part in ["group gpu, hpc; every node", "70", "/files/k", "disabled, merges"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn an_image_is_shown_in_the_kernels_place() {
        let configuration = BootConfiguration {
            image: "debian-12".into(),
            ..BootConfiguration::default()
        };
        assert_eq!(booted(&configuration), "image debian-12");
    }

    #[test]
    fn many_selectors_are_cut() {
        let hosts = (0..100).map(|n| format!("x0c0s{n}b0n0")).collect();
        let configuration = BootConfiguration {
            hosts,
            ..Default::default()
        };
        let text = short(&super::super::selectors(&configuration).join("; "));
        assert!(
            text.ends_with('…') && text.chars().count() == SELECTORS_CHARS_MAX + 1,
            "{text}"
        );
    }
}
