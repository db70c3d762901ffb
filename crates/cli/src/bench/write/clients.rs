//! The clients of both sides: the same channel, the same codec, the same bytes of key and value.

use std::sync::Arc;

use bench::{BenchError, Operation, etcd};
use bytes::Bytes;
use proto::bss::v1::BootParameters;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use rpc::client::{Channel, Credentials, Options};

use crate::demo::{Cluster, GRPC_PORT, xname};
use crate::error::{CliError, Kind};

/// Keys that the clients share among them.
pub(crate) const KEYS: usize = 10_000;
/// Clients on one connection.
const CLIENTS_PER_CONNECTION: u32 = 4;
const KEY_BYTES: usize = 32;
const VALUE_BYTES: usize = 256;

/// Sets the boot parameters of one node after the other.
pub(crate) struct Ours {
    client: BootParametersServiceClient<Channel>,
    names: Arc<[String]>,
    at: Turns,
}

/// Puts one key after the other.
pub(crate) struct Theirs {
    put: etcd::Kv,
    keys: Arc<[Bytes]>,
    value: Bytes,
    at: Turns,
}

/// Every client has keys of its own.
#[derive(Clone, Copy, Debug)]
struct Turns {
    next: usize,
    stride: usize,
}

impl Turns {
    fn take(&mut self) -> usize {
        let now = self.next;
        self.next = (self.next + self.stride) % KEYS;
        now
    }
}

impl Ours {
    /// `clients` clients of member `leader`.
    pub(crate) fn of(cluster: &Cluster, leader: u64, clients: u32) -> Result<Vec<Ours>, CliError> {
        let names: Arc<[String]> = (0..KEYS as u32).map(xname).collect();
        let target = cluster.target();
        let endpoint = cluster.layout().on_member(leader, GRPC_PORT).to_string();
        let channel = || {
            let options = Options {
                endpoints: vec![endpoint.clone()],
                ca: target.ca().to_vec(),
                credentials: target
                    .token()
                    .map_or(Credentials::None, |token| Credentials::Token(token.to_owned())),
            };
            rpc::client::connect(options).map_err(|error| CliError::new(Kind::Other, error.to_string()))
        };
        spread(clients, channel, |channel, at| Ours {
            client: BootParametersServiceClient::new(channel),
            names: Arc::clone(&names),
            at,
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
        let keys: Arc<[Bytes]> = (0..KEYS)
            .map(|key| Bytes::from(format!("{key:0KEY_BYTES$}")))
            .collect();
        let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
        spread(
            clients,
            || cluster.connect(leader),
            |channel, at| Theirs {
                put: etcd::Kv::new(channel),
                keys: Arc::clone(&keys),
                value: value.clone(),
                at,
            },
        )
    }
}

/// Makes `clients` clients, [`CLIENTS_PER_CONNECTION`] on each channel.
fn spread<C, E>(
    clients: u32,
    connect: impl Fn() -> Result<Channel, E>,
    make: impl Fn(Channel, Turns) -> C,
) -> Result<Vec<C>, E> {
    let mut made = Vec::new();
    let mut channel = connect()?;
    for client in 0..clients {
        if client > 0 && client.is_multiple_of(CLIENTS_PER_CONNECTION) {
            channel = connect()?;
        }
        let at = Turns {
            next: client as usize % KEYS,
            stride: clients as usize,
        };
        made.push(make(channel.clone(), at));
    }
    Ok(made)
}

impl Operation for Ours {
    async fn run(&mut self) -> Result<(), String> {
        let name = &self.names[self.at.take()];
        let request = parameters(name);
        let answer = self.client.replace_boot_parameters(request).await;
        answer.map(drop).map_err(|status| status.to_string())
    }
}

impl Operation for Theirs {
    async fn run(&mut self) -> Result<(), String> {
        let key = self.keys[self.at.take()].clone();
        self.put
            .put(key, self.value.clone())
            .await
            .map_err(|status| status.to_string())
    }
}

/// As many bytes as etcd's key and value together.
fn parameters(name: &str) -> BootParameters {
    BootParameters {
        hosts: vec![name.to_owned()],
        params: "p".repeat(KEY_BYTES + VALUE_BYTES - name.len()),
        ..BootParameters::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_sides_write_the_same_bytes() {
        for key in [0, 1, KEYS as u32 - 1] {
            let parameters = parameters(&xname(key));
            assert_eq!(parameters.hosts[0].len() + parameters.params.len(), 288);
            assert_eq!(format!("{key:0KEY_BYTES$}").len() + VALUE_BYTES, 288);
        }
    }

    /// Two clients at one key would wait for each other nowhere, but count on it nobody should.
    #[test]
    fn clients_have_keys_of_their_own() {
        let mut all: Vec<Turns> = (0..4).map(|next| Turns { next, stride: 4 }).collect();
        let taken: Vec<usize> = (0..KEYS / 4)
            .flat_map(|_| all.iter_mut().map(Turns::take).collect::<Vec<_>>())
            .collect();
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), KEYS);
    }

    #[tokio::test]
    async fn four_clients_share_a_connection() {
        let connections = std::cell::Cell::new(0);
        let connect = || {
            connections.set(connections.get() + 1);
            let tls = rpc::tls::api_client_config(&[], None)?;
            rpc::client::Channel::new(&["127.0.0.1:1".to_owned()], tls, rpc::client::tcp_dialler())
        };
        for (clients, expected) in [(1, 1), (4, 1), (64, 16), (256, 64)] {
            connections.set(0);
            assert_eq!(
                spread(clients, connect, |_, _| ()).unwrap().len(),
                clients as usize
            );
            assert_eq!(connections.get(), expected, "{clients} clients");
        }
    }
}
