//! Names the nodes of a cluster and puts one into a group, in ten lines:
//! `CHAMOIS_ENDPOINTS=… CHAMOIS_CA=… CHAMOIS_TOKEN=… cargo run -p rpc --example ten_lines` (`chamois demo --keep` prints all three).

use std::env::var;
use std::error::Error;
use std::time::Duration;

use proto::smd::v1::ListComponentsRequest;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use rpc::client::{ClientError, Credentials, ExactlyOnce, MESSAGE_BYTES_MAX, Options, Pages, connect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let credentials = Credentials::Token(var("CHAMOIS_TOKEN")?);
    let options = Options::new(
        &var("CHAMOIS_ENDPOINTS")?,
        var("CHAMOIS_CA")?.as_ref(),
        credentials,
    )?;
    let channel = ExactlyOnce::new(connect(options)?, Duration::from_secs(10));
    let mut client = ComponentServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut pages = Pages::new(async |page_token| {
        let request = ListComponentsRequest {
            r#type: vec!["Node".to_owned()],
            page_size: 500,
            page_token,
            ..Default::default()
        };
        let page = client.list_components(request).await?.into_inner();
        Ok((page.components, page.next_page_token))
    });
    while let Some(components) = pages.next().await.map_err(ClientError::from)? {
        components.iter().for_each(|node| println!("{}", node.id));
    }
    Ok(())
}
