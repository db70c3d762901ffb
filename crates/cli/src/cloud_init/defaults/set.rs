//! `chamois cloud-init defaults set`.

use clap::Args;
use proto::cloud_init::v1::cluster_defaults_service_client::ClusterDefaultsServiceClient;
use proto::cloud_init::v1::{ClusterDefaults, UpdateClusterDefaultsRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois cloud-init defaults set`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  chamois cloud-init defaults set --short-name nid --nid-length 3     nodes are called nid001, nid002, …
  chamois cloud-init defaults set --public-key \"$(cat ~/.ssh/id_ed25519.pub)\"
  chamois cloud-init defaults set --clear region --clear public-keys

Host names change in DHCP (option 12) and in meta-data alike.")]
pub struct SetArgs {
    /// Cloud provider
    #[arg(long, value_name = "NAME")]
    pub cloud_provider: Option<String>,
    /// Region
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Availability zone
    #[arg(long, value_name = "NAME")]
    pub availability_zone: Option<String>,
    /// Cluster's name, if nodes are to be told another than the cluster's own
    #[arg(long, value_name = "NAME")]
    pub cluster_name: Option<String>,
    /// Line of authorized_keys; given again, one more. All of them replace those that are there
    #[arg(long = "public-key", value_name = "LINE")]
    pub public_keys: Vec<String>,
    /// What URLs in documents begin with instead of the service address of the node's network
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Beginning of host names
    #[arg(long, value_name = "NAME")]
    pub short_name: Option<String>,
    /// Digits of the NID in host names
    #[arg(long, value_name = "DIGITS")]
    pub nid_length: Option<u32>,
    /// Field to be emptied, as `defaults show` names it
    #[arg(long, value_name = "FIELD")]
    pub clear: Vec<String>,
}

impl From<SetArgs> for UpdateClusterDefaultsRequest {
    fn from(args: SetArgs) -> Self {
        let defaults = ClusterDefaults {
            cloud_provider: args.cloud_provider.unwrap_or_default(),
            region: args.region.unwrap_or_default(),
            availability_zone: args.availability_zone.unwrap_or_default(),
            cluster_name: args.cluster_name.unwrap_or_default(),
            public_keys: args.public_keys,
            base_url: args.base_url.unwrap_or_default(),
            short_name: args.short_name.unwrap_or_default(),
            nid_length: args.nid_length.unwrap_or_default(),
            ..ClusterDefaults::default()
        };
        Self {
            defaults: Some(defaults),
            clear: args.clear,
            if_revision: None,
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: SetArgs) -> Result<(), CliError> {
    let request = checked(args)?;
    let mut client = ClusterDefaultsServiceClient::new(connect::to_any(global)?);
    let answer = client.update_cluster_defaults(request).await?.into_inner();
    output::done(
        global,
        ("chamois.cloud_init.v1.ClusterDefaultsChange", &answer),
        || format!("changed the cluster's defaults (revision {})", answer.revision),
    )
}

/// An empty value would be taken for one that is not given, and so stay without effect.
fn checked(args: SetArgs) -> Result<UpdateClusterDefaultsRequest, CliError> {
    let given = [
        ("cloud_provider", &args.cloud_provider),
        ("region", &args.region),
        ("availability-zone", &args.availability_zone),
        ("cluster-name", &args.cluster_name),
        ("base-url", &args.base_url),
        ("short-name", &args.short_name),
    ];
    if let Some((field, _)) = given.iter().find(|(_, value)| value.as_deref() == Some("")) {
        let error = CliError::new(Kind::Usage, format!("{field}: an empty value sets nothing"));
        return Err(error.with_remedy(format!("Use --clear {field} to empty it.")));
    }
    let request = UpdateClusterDefaultsRequest::from(args);
    if request.clear.is_empty() && request.defaults == Some(ClusterDefaults::default()) {
        let error = CliError::new(Kind::Usage, "nothing to set is given");
        return Err(
            error.with_remedy("Name a field, e.g. --region west, or --clear region; --help lists them.")
        );
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_have_no_effect_is_refused_with_the_remedy() {
        let nothing = checked(SetArgs::default()).unwrap_err();
        assert!(
            nothing.kind() == Kind::Usage && nothing.to_string().contains("--region"),
            "{nothing}"
        );
        let empty = SetArgs {
            region: Some(String::new()),
            ..SetArgs::default()
        };
        let empty = checked(empty).unwrap_err().to_string();
        assert!(empty.contains("--clear region"), "{empty}");
    }

    #[test]
    fn fields_and_names_to_clear_are_passed_on() {
        let args = SetArgs {
            short_name: Some("nid".into()),
            nid_length: Some(3),
            clear: vec!["region".into()],
            ..SetArgs::default()
        };
        let request = checked(args).unwrap();
        let defaults = request.defaults.unwrap();
        assert_eq!((defaults.short_name.as_str(), defaults.nid_length), ("nid", 3));
        assert_eq!(request.clear, ["region"]);
    }
}
