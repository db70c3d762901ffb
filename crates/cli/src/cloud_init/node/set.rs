//! `chamois cloud-init node set`.

use clap::Args;
use proto::cloud_init::v1::instance_info_service_client::InstanceInfoServiceClient;
use proto::cloud_init::v1::{InstanceInfo, InstanceInfoChange, PutInstanceInfoRequest};

use crate::args::GlobalArgs;
use crate::cloud_init::from_json;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois cloud-init node set`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  chamois cloud-init node set x1000c0s0b0n0 --local-hostname login1
  chamois cloud-init node set x1000c0s0b0n0 --public-key \"$(cat ~/.ssh/id_ed25519.pub)\"

What is not given comes from the cluster's defaults: a set replaces all but the instance-id. Keys add to the
cluster's. An instance-id is taken only while the node has none: another one would make cloud-init take it for a
new node.")]
pub struct SetArgs {
    /// Xname of the node
    pub xname: String,
    /// Instance-id, if the node has none yet
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub instance_id: String,
    /// Short host name, in DHCP too
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub local_hostname: String,
    /// Full host name
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub hostname: String,
    /// Cluster's name
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub cluster_name: String,
    /// Region
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub region: String,
    /// Availability zone
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub availability_zone: String,
    /// Cloud provider
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub cloud_provider: String,
    /// Instance type
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub instance_type: String,
    /// What URLs in its documents begin with
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL")]
    pub base_url: String,
    /// Line of authorized_keys; given again, one more
    #[arg(long = "public-key", value_name = "LINE")]
    pub public_keys: Vec<String>,
    /// Free-form JSON object, shown to the node as vendor_data.instance of its meta-data
    #[arg(long, value_name = "JSON")]
    pub meta_data: Option<String>,
    /// The meta-data is secret: nobody is shown it but the node, at its boot; a set without it keeps it
    #[arg(long)]
    pub secret: bool,
    /// Only if the info is at this revision, as `-o json` shows it
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

impl TryFrom<SetArgs> for PutInstanceInfoRequest {
    type Error = CliError;

    fn try_from(args: SetArgs) -> Result<Self, CliError> {
        let meta_data = args.meta_data.as_deref();
        let meta_data = meta_data.map(|text| from_json("--meta-data", "google.protobuf.Struct", text));
        let info = InstanceInfo {
            id: args.xname.clone(),
            instance_id: args.instance_id,
            local_hostname: args.local_hostname,
            hostname: args.hostname,
            cluster_name: args.cluster_name,
            region: args.region,
            availability_zone: args.availability_zone,
            cloud_provider: args.cloud_provider,
            instance_type: args.instance_type,
            cloud_init_base_url: args.base_url,
            public_keys: args.public_keys,
            meta: None,
            meta_data: meta_data.transpose()?,
            secret: args.secret,
        };
        Ok(Self {
            id: args.xname,
            info: Some(info),
            if_revision: args.if_revision,
        })
    }
}

pub(super) async fn run(global: &GlobalArgs, args: SetArgs) -> Result<(), CliError> {
    let (xname, given) = (args.xname.clone(), args.instance_id.clone());
    let mut client = InstanceInfoServiceClient::new(connect::to_any(global)?);
    let answer = client
        .put_instance_info(PutInstanceInfoRequest::try_from(args)?)
        .await?
        .into_inner();
    output::done(
        global,
        ("chamois.cloud_init.v1.InstanceInfoChange", &answer),
        || said(&xname, &given, &answer),
    )
}

/// What was done, and whether the instance-id was not taken.
fn said(xname: &str, given: &str, answer: &InstanceInfoChange) -> String {
    let stored = format!("stored {xname} (revision {})", answer.revision);
    if given.is_empty() || given == answer.instance_id {
        return stored;
    }
    let kept = &answer.instance_id;
    format!(
        "{stored}; its instance-id stays {kept}, with another one cloud-init would take it for a new node"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_that_was_not_taken_is_said() {
        let answer = InstanceInfoChange {
            revision: 9,
            instance_id: "i-old".into(),
        };
        assert_eq!(said("x0c0s0b0n0", "", &answer), "stored x0c0s0b0n0 (revision 9)");
        assert_eq!(
            said("x0c0s0b0n0", "i-old", &answer),
            "stored x0c0s0b0n0 (revision 9)"
        );
        assert!(said("x0c0s0b0n0", "i-new", &answer).contains("stays i-old"));
    }

    #[test]
    fn every_option_has_its_field() {
        let args = SetArgs {
            xname: "x0c0s0b0n0".into(),
            local_hostname: "login1".into(),
            base_url: "http://a".into(),
            public_keys: vec!["ssh-rsa A".into()],
            meta_data: Some(r#"{"rack":7}"#.into()),
            secret: true,
            ..SetArgs::default()
        };
        let info = PutInstanceInfoRequest::try_from(args).unwrap().info.unwrap();
        assert_eq!(
            (
                info.id.as_str(),
                info.local_hostname.as_str(),
                info.cloud_init_base_url.as_str()
            ),
            ("x0c0s0b0n0", "login1", "http://a")
        );
        assert_eq!(info.public_keys, ["ssh-rsa A"]);
        assert!(info.secret && info.meta_data.unwrap().fields.contains_key("rack"));
    }
}
