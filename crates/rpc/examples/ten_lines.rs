//! Shows the nodes of a cluster and their states, in ten lines:
//! `CHAMOIS_ENDPOINTS=… CHAMOIS_CA=… CHAMOIS_TOKEN=… cargo run -p rpc --example ten_lines` (`chamois demo --keep` prints all three).

use std::env::var;

use proto::smd::v1::ListComponentsRequest;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use rpc::client::{Credentials, MESSAGE_BYTES_MAX, Options, connect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let credentials = Credentials::Token(var("CHAMOIS_TOKEN")?);
    let options = Options::new(
        &var("CHAMOIS_ENDPOINTS")?,
        var("CHAMOIS_CA")?.as_ref(),
        credentials,
    )?;
    let client = ComponentServiceClient::new(connect(options)?);
    let mut client = client.max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut request = ListComponentsRequest::default();
    request.r#type.push("Node".to_owned());
    for node in client.list_components(request).await?.into_inner().components {
        println!("{} {:?}", node.id, node.state());
    }
    Ok(())
}
