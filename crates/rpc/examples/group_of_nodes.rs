//! Puts every node into a group, read page by page and written once, whatever members do meanwhile:
//! `CHAMOIS_ENDPOINTS=… CHAMOIS_CA=… CHAMOIS_TOKEN=… cargo run -p rpc --example group_of_nodes`.

use std::env::var;
use std::error::Error;
use std::time::Duration;

use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{Group, GroupMembers, ListComponentsRequest};
use rpc::Reason;
use rpc::client::{ClientError, Credentials, ExactlyOnce, Options, Pages, connect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let credentials = Credentials::Token(var("CHAMOIS_TOKEN")?);
    let options = Options::new(
        &var("CHAMOIS_ENDPOINTS")?,
        var("CHAMOIS_CA")?.as_ref(),
        credentials,
    )?;
    let channel = ExactlyOnce::new(connect(options)?, Duration::from_secs(10));
    let mut ids = Vec::new();
    let mut pages = Pages::new(async |page_token| list_nodes(channel.clone(), page_token).await);
    while let Some(nodes) = pages.next().await? {
        ids.extend(nodes);
    }
    println!("{} nodes", ids.len());
    let members = Some(GroupMembers { ids });
    let group = Group {
        label: "every-node".to_owned(),
        members,
        ..Default::default()
    };
    match GroupServiceClient::new(channel)
        .create_group(group)
        .await
        .map_err(ClientError::from)
    {
        Err(error) if error.reason() == Reason::AlreadyExists => println!("the group is there already"),
        created => println!("{:?}", created?.into_inner().uris),
    }
    Ok(())
}

/// One page of the nodes' xnames, and where the next one begins.
async fn list_nodes(
    channel: ExactlyOnce,
    page_token: String,
) -> Result<(Vec<String>, String), tonic::Status> {
    let request = ListComponentsRequest {
        r#type: vec!["Node".to_owned()],
        page_size: 500,
        page_token,
        ..Default::default()
    };
    let page = ComponentServiceClient::new(channel)
        .list_components(request)
        .await?
        .into_inner();
    let ids = page.components.into_iter().map(|node| node.id);
    Ok((ids.collect(), page.next_page_token))
}
