//! `chamois cloud-init defaults delete`.

use proto::cloud_init::v1::DeleteClusterDefaultsRequest;
use proto::cloud_init::v1::cluster_defaults_service_client::ClusterDefaultsServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = ClusterDefaultsServiceClient::new(connect::to_any(global)?);
    let request = DeleteClusterDefaultsRequest::default();
    let answer = client.delete_cluster_defaults(request).await?.into_inner();
    output::done(
        global,
        ("chamois.cloud_init.v1.ClusterDefaultsChange", &answer),
        || format!("no defaults are set (revision {})", answer.revision),
    )
}
