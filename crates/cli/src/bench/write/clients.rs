//! The clients of both sides: the same channel, the same codec, the same bytes of key and value.

use std::sync::Arc;

use bench::{BenchError, Operation, etcd};
use bytes::Bytes;
use proto::bss::v1::BootParameters;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use rpc::client::Channel;

use super::super::objects::{self, channel_to, spread};
use crate::demo::Cluster;
use crate::error::CliError;

/// Keys that the clients share among them.
pub(crate) const KEYS: u32 = 10_000;

/// Sets the boot parameters of one node after the other.
pub(crate) struct Ours {
    client: BootParametersServiceClient<Channel>,
    objects: Arc<[BootParameters]>,
    at: Turns,
}

/// Puts one key after the other.
pub(crate) struct Theirs {
    kv: etcd::Kv,
    objects: Arc<[(Bytes, Bytes)]>,
    at: Turns,
}

/// Every client has keys of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    next: u32,
    stride: u32,
}

impl Turns {
    /// Client `client` of `clients`.
    pub(crate) fn of(client: u32, clients: u32) -> Turns {
        Turns {
            next: client % KEYS,
            stride: clients,
        }
    }

    pub(crate) fn take(&mut self) -> usize {
        let now = self.next;
        self.next = (self.next + self.stride) % KEYS;
        now as usize
    }
}

impl Ours {
    /// `clients` clients of member `leader`.
    pub(crate) fn of(cluster: &Cluster, leader: u64, clients: u32) -> Result<Vec<Ours>, CliError> {
        let objects: Arc<[BootParameters]> = (0..KEYS).map(objects::ours).collect();
        let connect = || channel_to(cluster, leader);
        spread(clients, connect, |channel, client| Ours {
            client: BootParametersServiceClient::new(channel),
            objects: Arc::clone(&objects),
            at: Turns::of(client, clients),
        })
    }
}

impl Theirs {
    /// `clients` clients of member `leader`, an index.
    pub(crate) fn of(
        cluster: &etcd::Cluster,
        leader: usize,
        clients: u32,
    ) -> Result<Vec<Theirs>, BenchError> {
        let objects: Arc<[(Bytes, Bytes)]> = (0..KEYS).map(objects::theirs).collect();
        let connect = || cluster.connect(leader);
        spread(clients, connect, |channel, client| Theirs {
            kv: etcd::Kv::new(channel),
            objects: Arc::clone(&objects),
            at: Turns::of(client, clients),
        })
    }
}

impl Operation for Ours {
    async fn run(&mut self) -> Result<(), String> {
        let request = self.objects[self.at.take()].clone();
        let answer = self.client.replace_boot_parameters(request).await;
        answer.map(drop).map_err(|status| status.to_string())
    }
}

impl Operation for Theirs {
    async fn run(&mut self) -> Result<(), String> {
        let (key, value) = self.objects[self.at.take()].clone();
        self.kv.put(key, value).await.map_err(|status| status.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Two clients at one key would wait for each other nowhere, but count on it nobody should.
    #[test]
    fn clients_have_keys_of_their_own() {
        let mut all: Vec<Turns> = (0..4).map(|client| Turns::of(client, 4)).collect();
        let taken: Vec<usize> = (0..KEYS / 4)
            .flat_map(|_| all.iter_mut().map(Turns::take).collect::<Vec<_>>())
            .collect();
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), KEYS as usize);
    }
}
