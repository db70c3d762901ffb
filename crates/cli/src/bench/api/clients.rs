//! The callers: each asks for one component after the other and looks whether it got that one.

use std::net::SocketAddrV4;

use bench::Operation;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use proto::smd::v1::GetComponentRequest;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use rpc::client::Channel;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;

use crate::connect::Target;
use crate::demo::{Cluster, HTTPS_PORT, LegacyClient, xname};

/// Which node comes next.
#[derive(Clone, Copy)]
struct Turns {
    next: u32,
    stride: u32,
    nodes: u32,
}

impl Turns {
    fn of(caller: u32, callers: u32, nodes: u32) -> Self {
        Self {
            next: caller % nodes,
            stride: callers,
            nodes,
        }
    }

    fn take(&mut self) -> String {
        let now = self.next;
        self.next = (self.next + self.stride) % self.nodes;
        xname(now)
    }
}

/// Asks over gRPC.
pub(super) struct GrpcGet {
    components: ComponentServiceClient<Channel>,
    local: bool,
    at: Turns,
}

impl GrpcGet {
    /// `callers` that share the one connection of `channel`.
    pub(super) fn of(channel: &Channel, callers: u32, nodes: u32, local: bool) -> Vec<Self> {
        let caller = |caller| Self {
            components: ComponentServiceClient::new(channel.clone()),
            local,
            at: Turns::of(caller, callers, nodes),
        };
        (0..callers).map(caller).collect()
    }
}

impl Operation for GrpcGet {
    async fn run(&mut self) -> Result<(), String> {
        let id = self.at.take();
        let mut request = Request::new(GetComponentRequest { id: id.clone() });
        if self.local {
            let value = AsciiMetadataValue::from_static(rpc::CONSISTENCY_LOCAL);
            request.metadata_mut().insert(rpc::CONSISTENCY, value);
        }
        let answer = self.components.get_component(request).await;
        let found = answer.map_err(|status| status.to_string())?.into_inner().id;
        match found == id {
            true => Ok(()),
            false => Err(format!("{found} instead of {id}")),
        }
    }
}

/// Asks over HTTPS, on a connection of its own.
pub(super) struct HttpGet {
    target: Target,
    address: SocketAddrV4,
    open: Option<LegacyClient>,
    local: bool,
    at: Turns,
}

impl HttpGet {
    pub(super) fn of(cluster: &Cluster, member: u64, callers: u32, nodes: u32, local: bool) -> Vec<Self> {
        let caller = |caller| Self {
            target: cluster.target().clone(),
            address: cluster.layout().on_member(member, HTTPS_PORT),
            open: None,
            local,
            at: Turns::of(caller, callers, nodes),
        };
        (0..callers).map(caller).collect()
    }
}

impl Operation for HttpGet {
    async fn run(&mut self) -> Result<(), String> {
        let mut client = match self.open.take() {
            Some(client) => client,
            None => {
                let connecting = LegacyClient::connect(&self.target, self.address).await;
                connecting.map_err(|error| error.to_string())?
            }
        };
        let id = self.at.take();
        let path = format!("/hsm/v2/State/Components/{id}");
        let consistency = HeaderName::from_static(rpc::CONSISTENCY);
        let local = self
            .local
            .then(|| (consistency, HeaderValue::from_static(rpc::CONSISTENCY_LOCAL)));
        let answer = client.ask(Method::GET, &path, Bytes::new(), local).await;
        let answer = answer.map_err(|error| error.to_string())?;
        self.open = Some(client);
        let expected = format!("\"ID\":\"{id}\"");
        let is_there = answer
            .body()
            .windows(expected.len())
            .any(|part| part == expected.as_bytes());
        match answer.status() {
            StatusCode::OK if is_there => Ok(()),
            StatusCode::OK => Err(format!("{path}: another component")),
            status => Err(format!("{path}: {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Callers that asked for the same node would be answered from the same cache line.
    #[test]
    fn callers_go_through_the_nodes_each_from_its_own() {
        let mut second = Turns::of(1, 4, 10);
        let taken: Vec<String> = (0..4).map(|_| second.take()).collect();
        assert_eq!(taken, [1, 5, 9, 3].map(xname));
        assert_eq!(Turns::of(7, 8, 3).take(), xname(1), "fewer nodes than callers");
    }
}
