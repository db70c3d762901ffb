//! Both sides as the load sees them: what watchers receive, and who makes the changes.

use bench::etcd::{self, Watched, Watches};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use proto::bss::v1::BootParameters;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::watch::v1::object::Value;
use proto::watch::v1::watch_response::Message;
use proto::watch::v1::watch_service_client::WatchServiceClient;
use proto::watch::v1::{WatchRequest, WatchResponse};
use rpc::client::Channel;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Status};

use super::super::objects::{self, KEY_BYTES, VALUE_BYTES, channel_to};
use super::plan::{Plan, Wanted};
use crate::demo::{Cluster, xname};
use crate::error::CliError;

/// Numbers of changes, as the watchers of one connection are told of them.
pub(super) type Feed = BoxStream<'static, Result<Vec<u32>, Status>>;

/// Watchers of one connection.
pub(super) const WATCHERS_PER_CONNECTION: u32 = 128;
/// What a value with the number of a change begins with.
const MARK: &str = "change=";
/// Most that one message of a watch is.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Makes changes, one after the other.
pub(super) enum Writer {
    Ours(BootParametersServiceClient<Channel>),
    Theirs(etcd::Kv),
}

impl Writer {
    /// Change `change`, of node `node`.
    pub(super) async fn write(&mut self, node: u32, change: u32) -> Result<(), Status> {
        match self {
            Self::Ours(client) => {
                let name = xname(node);
                let object = BootParameters {
                    params: value(change, KEY_BYTES + VALUE_BYTES - name.len()),
                    hosts: vec![name],
                    ..BootParameters::default()
                };
                client.replace_boot_parameters(object).await.map(drop)
            }
            Self::Theirs(kv) => {
                let value = value(change, VALUE_BYTES).into();
                kv.put(objects::theirs(node).0, value).await
            }
        }
    }
}

/// Label of group `group`.
pub(super) fn label(group: u32) -> String {
    format!("watched-{group}")
}

/// The revision of a member now, from which watches go on: the state of one node is told first.
pub(super) async fn revision_of(cluster: &Cluster, member: u64) -> Result<u64, CliError> {
    let mut client = WatchServiceClient::new(channel_to(cluster, member)?);
    let request = WatchRequest {
        xnames: vec![xname(0)],
        ..WatchRequest::default()
    };
    let mut stream = client.watch(request).await?.into_inner();
    loop {
        let message = stream.message().await?;
        let header = message.and_then(|message| message.header);
        let header = header.ok_or_else(|| Status::unavailable("the watch ended"))?;
        if header.revision > 0 {
            return Ok(header.revision);
        }
    }
}

/// Some watchers of ours over a connection of their own, from `revision` on.
pub(super) async fn ours(
    cluster: &Cluster,
    member: u64,
    wanted: impl Iterator<Item = Wanted>,
    revision: u64,
) -> Result<Feed, CliError> {
    let client = WatchServiceClient::new(channel_to(cluster, member)?);
    let client = client.max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut streams = Vec::new();
    for wanted in wanted {
        let mut request = Request::new(our_request(wanted, revision));
        // the revision is known to be there; a majority need not be asked ten thousand times
        let local = AsciiMetadataValue::from_static("local");
        request.metadata_mut().insert(rpc::CONSISTENCY, local);
        streams.push(client.clone().watch(request).await?.into_inner());
    }
    let told = |response: Result<WatchResponse, Status>| response.map(|response| told_by_us(&response));
    Ok(stream::select_all(streams).map(told).boxed())
}

fn our_request(wanted: Wanted, revision: u64) -> WatchRequest {
    let (xnames, group) = match wanted {
        Wanted::Everything => (Vec::new(), String::new()),
        Wanted::Group(group) => (Vec::new(), label(group)),
        Wanted::Node(node) => (vec![xname(node)], String::new()),
    };
    WatchRequest {
        from_revision: revision,
        xnames,
        group,
        ..WatchRequest::default()
    }
}

fn told_by_us(response: &WatchResponse) -> Vec<u32> {
    let Some(Message::Events(events)) = &response.message else {
        return Vec::new();
    };
    let values = events
        .events
        .iter()
        .filter_map(|event| event.object.as_ref()?.value.as_ref());
    let changes = values.filter_map(|value| match value {
        Value::BootParameters(entry) => change_in(entry.params.as_bytes()),
        _ => None,
    });
    changes.collect()
}

/// Some watchers of etcd over a connection of their own.
pub(super) async fn theirs(
    cluster: &etcd::Cluster,
    member: usize,
    plan: &Plan,
    wanted: impl Iterator<Item = Wanted>,
) -> Result<Feed, CliError> {
    let watched = wanted.map(|wanted| their_request(plan, wanted)).collect();
    let watches = Watches::open(cluster.connect(member)?, watched).await?;
    let told = stream::unfold(watches, |mut watches| async move {
        let values = watches.next().await;
        Some((values.map(|values| told_by_etcd(&values)), watches))
    });
    Ok(told.boxed())
}

fn their_request(plan: &Plan, wanted: Wanted) -> Watched {
    let key = |node| objects::theirs(node).0;
    match wanted {
        Wanted::Everything => Watched::range(key(0), key(plan.nodes)),
        Wanted::Group(group) => {
            let nodes = plan.nodes_of(group);
            Watched::range(key(nodes.start), key(nodes.end))
        }
        Wanted::Node(node) => Watched::key(key(node)),
    }
}

fn told_by_etcd(values: &[Bytes]) -> Vec<u32> {
    values.iter().filter_map(|value| change_in(value)).collect()
}

fn value(change: u32, bytes: usize) -> String {
    let mut text = format!("{MARK}{change} ");
    text.extend(std::iter::repeat_n('p', bytes.saturating_sub(text.len())));
    text
}

fn change_in(value: &[u8]) -> Option<u32> {
    let rest = value.strip_prefix(MARK.as_bytes())?;
    let digits = rest.split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::BootParametersEntry;
    use proto::watch::v1::watch_response::Events;
    use proto::watch::v1::{Event, Object};

    use super::*;

    #[test]
    fn the_number_of_a_change_is_in_its_value() {
        let text = value(4711, 256);
        assert_eq!((text.len(), change_in(text.as_bytes())), (256, Some(4711)));
        for other in ["", "change=", "change=x ", "object=1 pp"] {
            assert_eq!(change_in(other.as_bytes()), None, "{other}");
        }
    }

    /// Other objects may change as well; they are of no change of ours.
    #[test]
    fn changes_are_found_in_a_message() {
        let event = |params: &str| Event {
            object: Some(Object {
                value: Some(Value::BootParameters(BootParametersEntry {
                    params: params.to_owned(),
                    ..BootParametersEntry::default()
                })),
                ..Object::default()
            }),
            ..Event::default()
        };
        let events = vec![
            event(&value(3, 100)),
            event("quiet"),
            Event::default(),
            event(&value(5, 100)),
        ];
        let response = WatchResponse {
            message: Some(Message::Events(Events {
                events,
                continued: false,
            })),
            ..WatchResponse::default()
        };
        assert_eq!(told_by_us(&response), [3, 5]);
        assert!(told_by_us(&WatchResponse::default()).is_empty());
        assert_eq!(told_by_etcd(&[value(9, 256).into()]), [9]);
    }

    #[test]
    fn both_sides_are_asked_for_the_same() {
        assert_eq!(our_request(Wanted::Node(1), 7).xnames, [xname(1)]);
        assert_eq!(our_request(Wanted::Group(2), 7).group, "watched-2");
        let everything = our_request(Wanted::Everything, 7);
        assert!(everything.xnames.is_empty() && everything.group.is_empty());
        assert_eq!(everything.from_revision, 7);
    }
}
