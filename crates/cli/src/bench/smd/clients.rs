//! The clients: each asks for one object after the other and looks whether it got that one.

use std::net::SocketAddrV4;

use bench::Operation;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{
    GetComponentRequest, ListComponentsRequest, ListEthernetInterfacesRequest, PatchStateDataRequest,
};
use rpc::client::Channel;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;

use super::super::objects::{channel_to, spread};
use super::inventory::{Inventory, Node};
use super::point::Of;
use crate::connect::{ANSWER_BYTES_MAX, Target};
use crate::demo::{Cluster, HTTPS_PORT, LegacyClient};
use crate::error::CliError;

/// Which node comes next: the clients take turns, so that each node's turn comes once before any comes again.
#[derive(Clone, Copy, Debug)]
struct Turns {
    next: usize,
    stride: usize,
}

impl Turns {
    fn of(client: u32, clients: u32) -> Self {
        Self {
            next: client as usize,
            stride: clients as usize,
        }
    }

    /// The next node, and how often this client has been through all of its nodes.
    fn take<'a>(&mut self, inventory: &'a Inventory) -> (&'a Node, usize) {
        let count = inventory.nodes.len();
        let now = self.next;
        self.next += self.stride;
        (&inventory.nodes[now % count], now / count)
    }
}

/// Asks for one object over gRPC.
pub(super) struct GrpcGet {
    components: ComponentServiceClient<Channel>,
    interfaces: EthernetInterfaceServiceClient<Channel>,
    inventory: Inventory,
    of: Of,
    local: bool,
    at: Turns,
}

impl GrpcGet {
    pub(super) fn of(
        cluster: &Cluster,
        member: u64,
        clients: u32,
        inventory: &Inventory,
        of: Of,
        local: bool,
    ) -> Result<Vec<Self>, CliError> {
        spread(
            clients,
            || channel_to(cluster, member),
            |channel, client| Self {
                components: ComponentServiceClient::new(channel.clone()),
                interfaces: EthernetInterfaceServiceClient::new(channel),
                inventory: inventory.clone(),
                of,
                local,
                at: Turns::of(client, clients),
            },
        )
    }
}

impl Operation for GrpcGet {
    async fn run(&mut self) -> Result<(), String> {
        let (node, _) = self.at.take(&self.inventory);
        let found = match self.of {
            Of::Xname => {
                let request = asking(
                    GetComponentRequest {
                        id: node.xname.clone(),
                    },
                    self.local,
                );
                let answer = self.components.get_component(request).await;
                answer.map(|answer| vec![answer.into_inner().id])
            }
            Of::Mac => {
                let request = ListEthernetInterfacesRequest {
                    mac_address: vec![node.mac.clone()],
                    ..ListEthernetInterfacesRequest::default()
                };
                let answer = self
                    .interfaces
                    .list_ethernet_interfaces(asking(request, self.local))
                    .await;
                answer.map(|answer| {
                    let found = answer.into_inner().interfaces.into_iter();
                    found.map(|interface| interface.component_id).collect()
                })
            }
        };
        match &found.map_err(|status| status.to_string())?[..] {
            [only] if *only == node.xname => Ok(()),
            other => Err(format!("another object than that of {}: {other:?}", node.xname)),
        }
    }
}

/// Lists all components over gRPC.
pub(super) struct GrpcList {
    components: ComponentServiceClient<Channel>,
    count: usize,
}

impl GrpcList {
    pub(super) fn of(
        cluster: &Cluster,
        member: u64,
        clients: u32,
        inventory: &Inventory,
    ) -> Result<Vec<Self>, CliError> {
        spread(
            clients,
            || channel_to(cluster, member),
            |channel, _| Self {
                components: ComponentServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX),
                count: inventory.nodes.len(),
            },
        )
    }
}

impl Operation for GrpcList {
    async fn run(&mut self) -> Result<(), String> {
        let answer = self
            .components
            .list_components(ListComponentsRequest::default())
            .await;
        let found = answer
            .map_err(|status| status.to_string())?
            .into_inner()
            .components
            .len();
        match found == self.count {
            true => Ok(()),
            false => Err(format!("{found} components instead of {}", self.count)),
        }
    }
}

/// Sets the state of one component over gRPC.
pub(super) struct GrpcPatch {
    components: ComponentServiceClient<Channel>,
    inventory: Inventory,
    at: Turns,
}

impl GrpcPatch {
    pub(super) fn of(
        cluster: &Cluster,
        member: u64,
        clients: u32,
        inventory: &Inventory,
    ) -> Result<Vec<Self>, CliError> {
        spread(
            clients,
            || channel_to(cluster, member),
            |channel, client| Self {
                components: ComponentServiceClient::new(channel),
                inventory: inventory.clone(),
                at: Turns::of(client, clients),
            },
        )
    }
}

impl Operation for GrpcPatch {
    async fn run(&mut self) -> Result<(), String> {
        let (node, time) = self.at.take(&self.inventory);
        let state = if time % 2 == 0 { State::On } else { State::Off };
        let request = PatchStateDataRequest {
            id: node.xname.clone(),
            state: state.into(),
            ..PatchStateDataRequest::default()
        };
        let answer = self.components.patch_state_data(request).await;
        answer.map(drop).map_err(|status| status.to_string())
    }
}

/// A connection to the HTTPS API of a member, which is made when it is needed.
struct Https {
    target: Target,
    address: SocketAddrV4,
    open: Option<LegacyClient>,
}

impl Https {
    fn to(cluster: &Cluster, member: u64) -> Self {
        Self {
            target: cluster.target().clone(),
            address: cluster.layout().on_member(member, HTTPS_PORT),
            open: None,
        }
    }

    /// One request; after an error the next one has a new connection.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        etag: Option<&HeaderValue>,
    ) -> Result<http::Response<Bytes>, String> {
        let mut client = match self.open.take() {
            Some(client) => client,
            None => {
                let connecting = LegacyClient::connect(&self.target, self.address).await;
                connecting.map_err(|error| error.to_string())?
            }
        };
        let etag = etag.map(|etag| (header::IF_NONE_MATCH, etag.clone()));
        let answer = client.ask(method, path, body, etag).await;
        let answer = answer.map_err(|error| error.to_string())?;
        self.open = Some(client);
        Ok(answer)
    }

    async fn expect(
        &mut self,
        status: StatusCode,
        method: Method,
        path: &str,
        body: Bytes,
        etag: Option<&HeaderValue>,
    ) -> Result<http::Response<Bytes>, String> {
        let answer = self.ask(method, path, body, etag).await?;
        match answer.status() == status {
            true => Ok(answer),
            false => Err(format!("{path}: {}", answer.status())),
        }
    }
}

/// Asks for one object over HTTPS.
pub(super) struct HttpGet {
    https: Https,
    inventory: Inventory,
    of: Of,
    at: Turns,
}

impl HttpGet {
    pub(super) fn of(
        cluster: &Cluster,
        member: u64,
        clients: u32,
        inventory: &Inventory,
        of: Of,
    ) -> Vec<Self> {
        let client = |client| Self {
            https: Https::to(cluster, member),
            inventory: inventory.clone(),
            of,
            at: Turns::of(client, clients),
        };
        (0..clients).map(client).collect()
    }
}

impl Operation for HttpGet {
    async fn run(&mut self) -> Result<(), String> {
        let (node, _) = self.at.take(&self.inventory);
        let path = match self.of {
            Of::Xname => format!("/hsm/v2/State/Components/{}", node.xname),
            Of::Mac => format!("/hsm/v2/Inventory/EthernetInterfaces?MACAddress={}", node.mac),
        };
        let answer = self
            .https
            .expect(StatusCode::OK, Method::GET, &path, Bytes::new(), None)
            .await?;
        match count(answer.body(), format!("\"{}\"", node.xname).as_bytes()) {
            1 => Ok(()),
            other => Err(format!(
                "{path}: {} stands {other} times in the answer",
                node.xname
            )),
        }
    }
}

/// Lists all components over HTTPS; with an ETag it expects that they have not changed.
pub(super) struct HttpList {
    https: Https,
    count: usize,
    etag: Option<HeaderValue>,
}

/// Where all components are.
const COMPONENTS: &str = "/hsm/v2/State/Components";

impl HttpList {
    pub(super) fn of(cluster: &Cluster, member: u64, clients: u32, inventory: &Inventory) -> Vec<Self> {
        let client = |_| Self {
            https: Https::to(cluster, member),
            count: inventory.nodes.len(),
            etag: None,
        };
        (0..clients).map(client).collect()
    }

    /// Clients that have the list already; `None` where lists have no ETag.
    pub(super) async fn unchanged(
        cluster: &Cluster,
        member: u64,
        clients: u32,
        inventory: &Inventory,
    ) -> Result<Option<Vec<Self>>, CliError> {
        let mut https = Https::to(cluster, member);
        let answer = https
            .expect(StatusCode::OK, Method::GET, COMPONENTS, Bytes::new(), None)
            .await;
        let answer = answer.map_err(|problem| CliError::other("the list of all components", problem))?;
        let etag = answer.headers().get(header::ETAG).cloned();
        Ok(etag.map(|etag| {
            let all = Self::of(cluster, member, clients, inventory);
            let with = |list: Self| Self {
                etag: Some(etag.clone()),
                ..list
            };
            all.into_iter().map(with).collect()
        }))
    }
}

impl Operation for HttpList {
    async fn run(&mut self) -> Result<(), String> {
        let status = match self.etag {
            Some(_) => StatusCode::NOT_MODIFIED,
            None => StatusCode::OK,
        };
        let etag = self.etag.as_ref();
        let answer = self
            .https
            .expect(status, Method::GET, COMPONENTS, Bytes::new(), etag)
            .await?;
        let expected = if etag.is_some() { 0 } else { self.count };
        match count(answer.body(), b"\"ID\":") {
            found if found == expected => Ok(()),
            found => Err(format!("{found} components instead of {expected}")),
        }
    }
}

/// Sets the state of one component over HTTPS.
pub(super) struct HttpPatch {
    https: Https,
    inventory: Inventory,
    at: Turns,
}

impl HttpPatch {
    pub(super) fn of(cluster: &Cluster, member: u64, clients: u32, inventory: &Inventory) -> Vec<Self> {
        let client = |client| Self {
            https: Https::to(cluster, member),
            inventory: inventory.clone(),
            at: Turns::of(client, clients),
        };
        (0..clients).map(client).collect()
    }
}

impl Operation for HttpPatch {
    async fn run(&mut self) -> Result<(), String> {
        let (node, time) = self.at.take(&self.inventory);
        let path = format!("{COMPONENTS}/{}/StateData", node.xname);
        // The flag is not that of the patches over gRPC, so that the first one changes something, too.
        let body: &'static [u8] = match time % 2 {
            0 => br#"{"State":"Off","Flag":"Warning"}"#,
            _ => br#"{"State":"On","Flag":"Warning"}"#,
        };
        let body = Bytes::from_static(body);
        self.https
            .expect(StatusCode::NO_CONTENT, Method::PATCH, &path, body, None)
            .await
            .map(drop)
    }
}

fn asking<M>(question: M, local: bool) -> Request<M> {
    let mut request = Request::new(question);
    if local {
        let value = AsciiMetadataValue::from_static(rpc::CONSISTENCY_LOCAL);
        request.metadata_mut().insert(rpc::CONSISTENCY, value);
    }
    request
}

fn count(body: &[u8], wanted: &[u8]) -> usize {
    body.windows(wanted.len())
        .filter(|window| *window == wanted)
        .count()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::demo::Layout;

    /// Patches alternate: one that changes nothing would cost less.
    #[test]
    fn a_client_goes_through_its_own_nodes_again_and_again() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp"));
        let inventory = Inventory::of(&layout, 4);
        let mut turns = Turns::of(1, 2);
        let taken: Vec<(String, usize)> = (0..4)
            .map(|_| turns.take(&inventory))
            .map(|(node, time)| (node.xname.clone(), time))
            .collect();
        let own = |index: usize, time| (inventory.nodes[index].xname.clone(), time);
        assert_eq!(taken, [own(1, 0), own(3, 0), own(1, 1), own(3, 1)]);
    }

    #[test]
    fn objects_in_an_answer_are_counted() {
        assert_eq!(count(br#"[{"ID":"a"},{"ID":"b"}]"#, b"\"ID\":"), 2);
        assert_eq!(count(b"[]", b"\"ID\":"), 0);
    }

    #[test]
    fn only_local_reads_ask_for_local_state() {
        let consistency = |local| asking((), local).metadata().get(rpc::CONSISTENCY).is_some();
        assert!(consistency(true) && !consistency(false));
    }
}
