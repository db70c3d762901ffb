//! The calls of etcd's gRPC API that are needed, on the client stack that our own stubs use. Only the fields that
//! are sent or read are described here; the numbers are those of etcd's v3 API.

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use rpc::client::Channel;
use tonic::client::Grpc;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// Of `etcdserverpb.PutRequest`.
#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// Of `etcdserverpb.PutResponse`.
#[derive(Clone, PartialEq, Message)]
struct PutResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
}

/// Of `etcdserverpb.RangeRequest`.
#[derive(Clone, PartialEq, Message)]
struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bool, tag = "7")]
    serializable: bool,
}

/// Of `etcdserverpb.RangeResponse`.
#[derive(Clone, PartialEq, Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

/// Of `mvccpb.KeyValue`.
#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

/// Of `etcdserverpb.ResponseHeader`.
#[derive(Clone, PartialEq, Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
    #[prost(int64, tag = "3")]
    revision: i64,
}

/// Of `etcdserverpb.StatusRequest`.
#[derive(Clone, PartialEq, Message)]
struct StatusRequest {}

/// Of `etcdserverpb.StatusResponse`.
#[derive(Clone, PartialEq, Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

/// Puts and gets values over one connection; clones share it.
#[derive(Clone)]
pub struct Kv {
    grpc: Grpc<Channel>,
}

impl Kv {
    /// Over `channel`.
    pub fn new(channel: Channel) -> Kv {
        Kv {
            grpc: Grpc::new(channel),
        }
    }

    /// The value under `key`: as of now for all clients, or as this member has it (`serializable`).
    ///
    /// # Errors
    /// etcd's status; `NotFound` for a key that it has not.
    pub async fn get(&mut self, key: Bytes, serializable: bool) -> Result<Bytes, Status> {
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Range");
        let request = RangeRequest { key, serializable };
        let mut answer: RangeResponse = unary(&mut self.grpc, path, request).await?;
        let found = answer.kvs.pop().ok_or_else(|| Status::not_found("no such key"))?;
        Ok(found.value)
    }

    /// Stores `value` under `key`; acknowledged means committed, as with us.
    ///
    /// # Errors
    /// etcd's status.
    pub async fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), Status> {
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let request = PutRequest { key, value };
        let answer: PutResponse = unary(&mut self.grpc, path, request).await?;
        match answer.header {
            Some(header) if header.revision > 0 => Ok(()),
            _ => Err(Status::internal("a put without a revision")),
        }
    }
}

/// Whether the member at the other end of `channel` leads.
pub(super) async fn leads(channel: Channel) -> Result<bool, Status> {
    let path = PathAndQuery::from_static("/etcdserverpb.Maintenance/Status");
    let status: StatusResponse = unary(&mut Grpc::new(channel), path, StatusRequest {}).await?;
    let own = status.header.unwrap_or_default().member_id;
    Ok(status.leader != 0 && status.leader == own)
}

async fn unary<Q, A>(grpc: &mut Grpc<Channel>, path: PathAndQuery, request: Q) -> Result<A, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    grpc.ready().await?;
    let codec = ProstCodec::<Q, A>::default();
    Ok(grpc.unary(Request::new(request), path, codec).await?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as etcd's own client sends them: field 1, 3 bytes, field 2, 2 bytes.
    #[test]
    fn a_put_has_key_and_value_where_etcd_looks_for_them() {
        let put = PutRequest {
            key: Bytes::from_static(b"key"),
            value: Bytes::from_static(b"va"),
        };
        assert_eq!(put.encode_to_vec(), b"\x0a\x03key\x12\x02va");
    }

    /// Field 1 and, only where a member's own view will do, field 7.
    #[test]
    fn a_get_says_whether_the_members_own_view_will_do() {
        let get = |serializable| RangeRequest {
            key: Bytes::from_static(b"key"),
            serializable,
        };
        assert_eq!(get(false).encode_to_vec(), b"\x0a\x03key");
        assert_eq!(get(true).encode_to_vec(), b"\x0a\x03key\x38\x01");
        let wire = b"\x12\x0d\x0a\x03key\x10\x02\x18\x02\x2a\x02va\x20\x01";
        let answer = RangeResponse::decode(&wire[..]).unwrap();
        assert_eq!(
            (&answer.kvs[0].key[..], &answer.kvs[0].value[..]),
            (&b"key"[..], &b"va"[..])
        );
    }

    /// A status as etcd 3.4 sends it, with fields that are not described here.
    #[test]
    fn unknown_fields_of_an_answer_are_passed_over() {
        let wire =
            b"\x0a\x06\x08\x01\x10\x02\x18\x03\x12\x06\x33\x2e\x34\x2e\x32\x33\x18\x10\x20\x02\x28\x09";
        let status = StatusResponse::decode(&wire[..]).unwrap();
        assert_eq!(status.leader, 2);
        assert_eq!(status.header.unwrap().member_id, 2);
    }
}
