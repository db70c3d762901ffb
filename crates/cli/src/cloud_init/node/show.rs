//! `chamois cloud-init node show`.

use clap::Args;
use proto::cloud_init::v1::instance_info_service_client::InstanceInfoServiceClient;
use proto::cloud_init::v1::{GetInstanceInfoRequest, InstanceInfo};

use crate::args::GlobalArgs;
use crate::cloud_init::fields;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois cloud-init node show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois cloud-init node show x1000c0s0b0n0")]
pub struct ShowArgs {
    /// Xname of the node
    pub xname: String,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = InstanceInfoServiceClient::new(connect::to_any(global)?);
    let request = GetInstanceInfoRequest {
        id: args.xname.clone(),
    };
    let answer = client.get_instance_info(request).await;
    let info = answer
        .map_err(|status| explain(status.into(), &args.xname))?
        .into_inner();
    output::object(
        global,
        ("chamois.cloud_init.v1.InstanceInfo", &info),
        &info.id,
        || render(&info),
    )
}

fn render(info: &InstanceInfo) -> comfy_table::Table {
    fields(&[
        ("id", info.id.clone()),
        ("instance-id", info.instance_id.clone()),
        ("local-hostname", info.local_hostname.clone()),
        ("hostname", info.hostname.clone()),
        ("cluster-name", info.cluster_name.clone()),
        ("region", info.region.clone()),
        ("availability-zone", info.availability_zone.clone()),
        ("cloud-provider", info.cloud_provider.clone()),
        ("instance-type", info.instance_type.clone()),
        ("cloud-init-base-url", info.cloud_init_base_url.clone()),
        ("public-keys", info.public_keys.join("\n")),
        ("meta-data", meta_data(info)),
    ])
}

/// Secret meta-data is in no answer.
fn meta_data(info: &InstanceInfo) -> String {
    match (&info.meta_data, info.secret) {
        (_, true) => "secret".to_owned(),
        (None, false) => String::new(),
        (Some(data), false) => output::to_json("google.protobuf.Struct", data).unwrap_or_default(),
    }
}

fn explain(error: CliError, xname: &str) -> CliError {
    match error.kind() {
        Kind::NotFound => error.with_remedy(format!(
            "Nothing is set for {xname}, so it is told the cluster's defaults; `chamois cloud-init node data {xname}` \
             prints what it gets."
        )),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_explained() {
        let error = CliError::from(tonic::Status::not_found("no such instance-info: x0c0s0b0n0"));
        let text = explain(error, "x0c0s0b0n0").to_string();
        assert!(text.contains("cloud-init node data x0c0s0b0n0"), "{text}");
    }

    #[test]
    fn the_instance_id_is_shown() {
        let info = InstanceInfo {
            id: "x0c0s0b0n0".into(),
            instance_id: "i-1".into(),
            ..Default::default()
        };
        assert!(render(&info).to_string().contains("i-1"));
    }
}
