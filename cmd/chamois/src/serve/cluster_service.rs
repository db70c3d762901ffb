//! `ClusterService`: this member's own view, with the service addresses it holds.

use proto::cluster::v1::cluster_service_server::ClusterService;
use proto::cluster::v1::{ClusterStatus, GetStatusRequest};
use raft::Store;
use tonic::{Request, Response, Status};

use super::held_addresses::HeldAddresses;

/// Answers without a majority.
#[derive(Clone, Debug)]
pub(super) struct OwnStatus {
    pub(super) store: Store,
    pub(super) held: HeldAddresses,
}

#[tonic::async_trait]
impl ClusterService for OwnStatus {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<ClusterStatus>, Status> {
        let mut status = self.store.status();
        status.held_addresses = self.held.now();
        Ok(Response::new(status))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use address::loopback;

    use super::*;

    /// The demo and the tests find the holder by this answer.
    #[tokio::test]
    async fn the_status_names_the_addresses_held() {
        let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let lock = probe.local_addr().unwrap();
        let service = OwnStatus {
            store: Store::in_memory(),
            held: HeldAddresses::default(),
        };
        let ask = async || {
            let answer = service
                .get_status(Request::new(GetStatusRequest {}))
                .await
                .unwrap();
            answer.into_inner().held_addresses
        };
        let holder = loopback::hold(lock, None);
        service.held.put(std::net::Ipv4Addr::LOCALHOST, holder.held());
        assert!(ask().await.is_empty(), "another socket has the lock still");
        drop(probe);
        let held = holder.held();
        tokio::time::timeout(Duration::from_secs(10), held.held())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(ask().await, ["127.0.0.1"]);
    }
}
