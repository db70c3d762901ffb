//! The clients of both sides: each asks for one object after the other and looks whether it got that one.

use std::sync::Arc;

use bench::{BenchError, Operation, etcd};
use bytes::Bytes;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{BootParameters, GetBootParametersRequest};
use rpc::client::Channel;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;

use super::super::objects::{self, channel_to, spread};
use super::super::write::{KEYS, Turns};
use crate::demo::Cluster;
use crate::error::CliError;

/// Asks for the boot parameters of one node after the other.
pub(super) struct Ours {
    client: BootParametersServiceClient<Channel>,
    objects: Arc<[BootParameters]>,
    local: bool,
    at: Turns,
}

/// Asks for one key after the other.
pub(super) struct Theirs {
    kv: etcd::Kv,
    objects: Arc<[(Bytes, Bytes)]>,
    local: bool,
    at: Turns,
}

impl Ours {
    /// `clients` clients of `member`; `local`: what that member has will do.
    pub(super) fn of(
        cluster: &Cluster,
        member: u64,
        clients: u32,
        local: bool,
    ) -> Result<Vec<Ours>, CliError> {
        let objects: Arc<[BootParameters]> = (0..KEYS).map(objects::ours).collect();
        let connect = || channel_to(cluster, member);
        spread(clients, connect, |channel, client| Ours {
            client: BootParametersServiceClient::new(channel),
            objects: Arc::clone(&objects),
            local,
            at: Turns::of(client, clients),
        })
    }
}

impl Theirs {
    /// The same of etcd; `member` is an index.
    pub(super) fn of(
        cluster: &etcd::Cluster,
        member: usize,
        clients: u32,
        local: bool,
    ) -> Result<Vec<Theirs>, BenchError> {
        let objects: Arc<[(Bytes, Bytes)]> = (0..KEYS).map(objects::theirs).collect();
        let connect = || cluster.connect(member);
        spread(clients, connect, |channel, client| Theirs {
            kv: etcd::Kv::new(channel),
            objects: Arc::clone(&objects),
            local,
            at: Turns::of(client, clients),
        })
    }
}

impl Operation for Ours {
    async fn run(&mut self) -> Result<(), String> {
        let object = &self.objects[self.at.take()];
        let request = asking(objects::question(&object.hosts[0]), self.local);
        let answer = self.client.get_boot_parameters(request).await;
        let answer = answer.map_err(|status| status.to_string())?;
        if self.local && !answer.metadata().contains_key(rpc::AGE_MS) {
            return Err("a local answer that does not say how old it is".to_owned());
        }
        match answer.get_ref() {
            found if found.params == object.params => Ok(()),
            other => Err(format!("another object than {}: {other:?}", object.hosts[0])),
        }
    }
}

impl Operation for Theirs {
    async fn run(&mut self) -> Result<(), String> {
        let (key, value) = &self.objects[self.at.take()];
        match self.kv.get(key.clone(), self.local).await {
            Ok(found) if found == *value => Ok(()),
            Ok(other) => Err(format!("another value than that of {key:?}: {other:?}")),
            Err(status) => Err(status.to_string()),
        }
    }
}

fn asking(question: GetBootParametersRequest, local: bool) -> Request<GetBootParametersRequest> {
    let mut request = Request::new(question);
    if local {
        let value = AsciiMetadataValue::from_static(rpc::CONSISTENCY_LOCAL);
        request.metadata_mut().insert(rpc::CONSISTENCY, value);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A benchmark of local reads that asks for linearizable ones measures something else, and the other way round.
    #[test]
    fn only_local_reads_ask_for_local_state() {
        let consistency = |local| {
            let request = asking(objects::question("x0c0s0b0n0"), local);
            let value = request.metadata().get("chamois-consistency").cloned();
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(consistency(false), None);
        assert_eq!(consistency(true).as_deref(), Some("local"));
    }
}
