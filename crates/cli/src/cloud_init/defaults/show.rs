//! `chamois cloud-init defaults show`.

use proto::cloud_init::v1::cluster_defaults_service_client::ClusterDefaultsServiceClient;
use proto::cloud_init::v1::{ClusterDefaults, GetClusterDefaultsRequest};

use crate::args::GlobalArgs;
use crate::cloud_init::fields;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = ClusterDefaultsServiceClient::new(connect::to_any(global)?);
    let defaults = client
        .get_cluster_defaults(GetClusterDefaultsRequest {})
        .await?
        .into_inner();
    output::object(
        global,
        ("chamois.cloud_init.v1.ClusterDefaults", &defaults),
        "defaults",
        || render(&defaults),
    )
}

fn render(defaults: &ClusterDefaults) -> comfy_table::Table {
    let digits = match defaults.nid_length {
        0 => String::new(),
        digits => digits.to_string(),
    };
    fields(&[
        ("cloud_provider", defaults.cloud_provider.clone()),
        ("region", defaults.region.clone()),
        ("availability-zone", defaults.availability_zone.clone()),
        ("cluster-name", defaults.cluster_name.clone()),
        ("public-keys", defaults.public_keys.join("\n")),
        ("base-url", defaults.base_url.clone()),
        ("boot-subnet", defaults.boot_subnet.clone()),
        ("wg-subnet", defaults.wg_subnet.clone()),
        ("short-name", defaults.short_name.clone()),
        ("nid-length", digits),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_one_below_the_other() {
        let defaults = ClusterDefaults {
            public_keys: vec!["ssh-rsa A".into(), "ssh-rsa B".into()],
            nid_length: 3,
            ..Default::default()
        };
        let text = render(&defaults).to_string();
        assert!(
            text.lines()
                .any(|line| line.contains("ssh-rsa A") && !line.contains("ssh-rsa B")),
            "{text}"
        );
        assert!(text.contains("nid-length"), "{text}");
    }
}
