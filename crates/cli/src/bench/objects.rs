//! The objects that both sides hold: the same names, the same bytes, the same client stack; ours are the boot parameters
//! of one node each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bench::etcd;
use bytes::Bytes;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{BootParameters, GetBootParametersRequest};
use rpc::client::{Channel, Credentials, Options};
use tokio::task::JoinSet;

use crate::demo::{Cluster, GRPC_PORT, xname};
use crate::error::{CliError, Kind};

/// Bytes of etcd's key and of its value; ours has as many bytes together.
pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const VALUE_BYTES: usize = 256;
/// Clients that put objects in, four to a connection.
const FILLERS: u32 = 128;
const CLIENTS_PER_CONNECTION: u32 = 4;

/// A channel to one of our members, with a connection of its own.
pub(crate) fn channel_to(cluster: &Cluster, member: u64) -> Result<Channel, CliError> {
    let target = cluster.target();
    let credentials = target
        .token()
        .map_or(Credentials::None, |token| Credentials::Token(token.to_owned()));
    let options = Options {
        endpoints: vec![cluster.layout().on_member(member, GRPC_PORT).to_string()],
        ca: target.ca().to_vec(),
        credentials,
    };
    rpc::client::connect(options).map_err(|error| CliError::new(Kind::Other, error.to_string()))
}

/// Makes `clients` clients, four on each channel.
pub(crate) fn spread<C, E>(
    clients: u32,
    connect: impl Fn() -> Result<Channel, E>,
    make: impl Fn(Channel, u32) -> C,
) -> Result<Vec<C>, E> {
    let mut made = Vec::new();
    let mut channel = connect()?;
    for client in 0..clients {
        if client > 0 && client.is_multiple_of(CLIENTS_PER_CONNECTION) {
            channel = connect()?;
        }
        made.push(make(channel.clone(), client));
    }
    Ok(made)
}

/// Object `index` of ours; its text begins with its number, so that no two are alike.
pub(crate) fn ours(index: u32) -> BootParameters {
    let name = xname(index);
    let bytes = KEY_BYTES + VALUE_BYTES - name.len();
    BootParameters {
        params: text(index, bytes),
        hosts: vec![name],
        ..BootParameters::default()
    }
}

/// Its question.
pub(crate) fn question(name: &str) -> GetBootParametersRequest {
    GetBootParametersRequest { key: name.to_owned() }
}

/// Key and value of object `index` at etcd.
pub(crate) fn theirs(index: u32) -> (Bytes, Bytes) {
    let key = format!("{index:0KEY_BYTES$}");
    (key.into(), text(index, VALUE_BYTES).into())
}

fn text(index: u32, bytes: usize) -> String {
    let mut text = format!("object={index} ");
    text.extend(std::iter::repeat_n('p', bytes.saturating_sub(text.len())));
    text.truncate(bytes);
    text
}

/// Puts objects 0 to `objects` into ours, by its leader; `done` is told how many there are.
pub(crate) async fn fill_ours(
    cluster: &Cluster,
    leader: u64,
    objects: u32,
    done: impl Fn(u32),
) -> Result<(), CliError> {
    let connect = || channel_to(cluster, leader).map(BootParametersServiceClient::new);
    let mut clients = Vec::new();
    for _ in 0..FILLERS.div_ceil(CLIENTS_PER_CONNECTION) {
        clients.push(connect()?);
    }
    fill(objects, done, move |lane, index| {
        let mut client = clients[(lane / CLIENTS_PER_CONNECTION) as usize].clone();
        async move { client.replace_boot_parameters(ours(index)).await.map(drop) }
    })
    .await
}

/// The same at etcd.
pub(crate) async fn fill_theirs(
    cluster: &etcd::Cluster,
    leader: usize,
    objects: u32,
    done: impl Fn(u32),
) -> Result<(), CliError> {
    let mut clients = Vec::new();
    for _ in 0..FILLERS.div_ceil(CLIENTS_PER_CONNECTION) {
        clients.push(etcd::Kv::new(cluster.connect(leader)?));
    }
    fill(objects, done, move |lane, index| {
        let mut client = clients[(lane / CLIENTS_PER_CONNECTION) as usize].clone();
        async move {
            let (key, value) = theirs(index);
            client.put(key, value).await
        }
    })
    .await
}

/// Every object once, by [`FILLERS`] lanes that each wait for an answer before they go on.
async fn fill<F>(
    objects: u32,
    done: impl Fn(u32),
    put: impl Fn(u32, u32) -> F + Send + Sync + 'static,
) -> Result<(), CliError>
where
    F: Future<Output = Result<(), tonic::Status>> + Send + 'static,
{
    let (put, next) = (Arc::new(put), Arc::new(AtomicU32::new(0)));
    let mut lanes = JoinSet::new();
    for lane in 0..FILLERS.min(objects) {
        let (put, next) = (Arc::clone(&put), Arc::clone(&next));
        lanes.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= objects {
                    return Ok(());
                }
                put(lane, index).await.map_err(|status| (index, status))?;
            }
        });
    }
    let mut look = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tokio::select! {
            ended = lanes.join_next() => match ended {
                None => return Ok(()),
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err((index, status)))) => {
                    return Err(CliError::other(&format!("object {index} could not be put in"), status));
                }
                Some(Err(panic)) => return Err(CliError::other("a client ended", panic)),
            },
            _ = look.tick() => done(next.load(Ordering::Relaxed).min(objects)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn both_sides_hold_the_same_bytes_and_no_object_twice() {
        let mut seen = BTreeSet::new();
        for index in [0, 1, 499_999, 1_999_999] {
            let object = ours(index);
            assert_eq!(
                object.hosts[0].len() + object.params.len(),
                KEY_BYTES + VALUE_BYTES
            );
            let (key, value) = theirs(index);
            assert_eq!((key.len(), value.len()), (KEY_BYTES, VALUE_BYTES));
            assert!(seen.insert(object.params) && seen.insert(object.hosts[0].clone()));
            let name: model::Xname = object.hosts[0].parse().unwrap();
            assert!(name.is_node(), "{index}");
        }
    }

    /// A store with fewer objects than it is said to have would be quicker and smaller.
    #[tokio::test]
    async fn every_object_is_put_in_once() {
        let put = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&put);
        let filled = fill(
            1000,
            |_| {},
            move |lane, index| {
                assert!(lane < FILLERS);
                into.lock().unwrap().push(index);
                async { Ok(()) }
            },
        );
        filled.await.unwrap();
        let mut put = put.lock().unwrap().clone();
        put.sort_unstable();
        assert_eq!(put, (0..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_refusal_ends_the_filling() {
        let filled = fill(
            1000,
            |_| {},
            |_, index| async move {
                match index {
                    500 => Err(tonic::Status::resource_exhausted("full")),
                    _ => Ok(()),
                }
            },
        );
        let text = filled.await.unwrap_err().to_string();
        assert!(text.contains("object 500") && text.contains("full"), "{text}");
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
            let made = spread(clients, connect, |_, client| client).unwrap();
            assert_eq!(made, (0..clients).collect::<Vec<_>>());
            assert_eq!(connections.get(), expected, "{clients} clients");
        }
    }
}
