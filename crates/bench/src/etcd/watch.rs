//! etcd's watches: many on one stream, as its own clients keep them. The numbers of the fields are those of etcd's v3 API.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::uri::PathAndQuery;
use prost::Message;
use rpc::client::Channel;
use tonic::client::Grpc;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// Events of one message of etcd may be many.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Of `etcdserverpb.WatchRequest`.
#[derive(Clone, PartialEq, Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create_request: Option<WatchCreateRequest>,
}

/// Of `etcdserverpb.WatchCreateRequest`.
#[derive(Clone, PartialEq, Message)]
struct WatchCreateRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    range_end: Bytes,
}

/// Of `etcdserverpb.WatchResponse`.
#[derive(Clone, PartialEq, Message)]
struct WatchResponse {
    #[prost(bool, tag = "3")]
    created: bool,
    #[prost(bool, tag = "4")]
    canceled: bool,
    #[prost(string, tag = "6")]
    cancel_reason: String,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
}

/// Of `mvccpb.Event`.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(message, optional, tag = "2")]
    kv: Option<KeyValue>,
}

/// Of `mvccpb.KeyValue`.
#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

/// What one watch is of: one key, or the keys from one on that are below another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    key: Bytes,
    /// Empty: the key alone.
    below: Bytes,
}

impl Watched {
    /// One key.
    pub fn key(key: Bytes) -> Watched {
        Watched {
            key,
            below: Bytes::new(),
        }
    }

    /// The keys from `first` on that are below `below`.
    pub fn range(first: Bytes, below: Bytes) -> Watched {
        Watched { key: first, below }
    }

    fn request(self) -> WatchRequest {
        WatchRequest {
            create_request: Some(WatchCreateRequest {
                key: self.key,
                range_end: self.below,
            }),
        }
    }
}

/// Watches of one connection.
#[derive(Debug)]
pub struct Watches {
    responses: Streaming<WatchResponse>,
}

impl Watches {
    /// Begins all of them over `channel`, with what changes from now on.
    ///
    /// # Errors
    /// etcd's status; `Internal` if it refuses one.
    pub async fn open(channel: Channel, watched: Vec<Watched>) -> Result<Watches, Status> {
        let mut grpc = Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        grpc.ready().await?;
        let mut missing = watched.len();
        // a stream of requests that ends would end the watches
        let requests = stream::iter(watched.into_iter().map(Watched::request)).chain(stream::pending());
        let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
        let responses = grpc.streaming(Request::new(requests), path, codec).await?;
        let mut watches = Watches {
            responses: responses.into_inner(),
        };
        while missing > 0 {
            missing -= usize::from(watches.message().await?.created);
        }
        Ok(watches)
    }

    /// Values of the events of the next message.
    ///
    /// # Errors
    /// etcd's status; `Internal` for a watch that it ends.
    pub async fn next(&mut self) -> Result<Vec<Bytes>, Status> {
        let events = self.message().await?.events.into_iter();
        Ok(events.filter_map(|event| Some(event.kv?.value)).collect())
    }

    async fn message(&mut self) -> Result<WatchResponse, Status> {
        let message = self.responses.message().await?;
        let message = message.ok_or_else(|| Status::unavailable("the watches ended"))?;
        match message.canceled {
            true => Err(Status::internal(format!(
                "a watch was cancelled: {}",
                message.cancel_reason
            ))),
            false => Ok(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field 1 of field 1 is the key, and only a range has an end.
    #[test]
    fn a_watch_is_asked_for_where_etcd_looks() {
        let key = Watched::key(Bytes::from_static(b"k")).request();
        assert_eq!(key.encode_to_vec(), b"\x0a\x03\x0a\x01k");
        let range = Watched::range(Bytes::from_static(b"a"), Bytes::from_static(b"c")).request();
        assert_eq!(range.encode_to_vec(), b"\x0a\x06\x0a\x01a\x12\x01c");
    }

    /// As etcd sends it: a header, the number of the watch, and a put with fields that are not described here.
    #[test]
    fn values_are_found_in_a_message() {
        let kv = b"\x0a\x01k\x10\x02\x18\x03\x20\x01\x2a\x02va";
        let event = [&[0x12, kv.len() as u8][..], &kv[..]].concat();
        let wire = [
            b"\x0a\x02\x08\x01\x10\x07\x5a".as_slice(),
            &[event.len() as u8],
            &event,
        ]
        .concat();
        let message = WatchResponse::decode(&wire[..]).unwrap();
        assert!(!message.created && !message.canceled);
        assert_eq!(&message.events[0].kv.as_ref().unwrap().value[..], b"va");
    }
}
