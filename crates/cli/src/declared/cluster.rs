//! The cluster as declared objects meet it: any method by name, with JSON, made or only tried out.

use bytes::Bytes;
use openapi::Catalogue;
use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use proto::http::v1::WouldChange;
use rpc::BytesCodec;
use rpc::client::ExactlyOnce;
use serde_json::Value;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It is a read, or a write that is meant.
    Made,
    /// A write, of which only is asked what it would change.
    TriedOut,
}

/// What a method answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// With the names and words of the protos; zeros are left out.
    pub(crate) json: Value,
    /// Of a write that was tried out.
    pub(crate) would_change: WouldChange,
}

/// Whom declared objects are compared with and sent to.
pub(crate) trait Cluster {
    /// Calls `method`, by its full name.
    ///
    /// # Errors
    /// What the cluster says; `INVALID_ARGUMENT` for a request that does not fit the method.
    async fn call(&self, method: &str, request: Value, how: How) -> Result<Answer, Status>;
}

/// A cluster that is there.
pub(crate) struct Live<'c> {
    catalogue: &'c Catalogue,
    channel: ExactlyOnce,
}

impl<'c> Live<'c> {
    /// # Errors
    /// What is missing to reach one.
    pub(crate) fn new(global: &GlobalArgs, catalogue: &'c Catalogue) -> Result<Self, CliError> {
        Ok(Self {
            catalogue,
            channel: connect::to_any(global)?,
        })
    }
}

impl Cluster for Live<'_> {
    async fn call(&self, method: &str, request: Value, how: How) -> Result<Answer, Status> {
        let mut methods = self.catalogue.methods().iter();
        let method = methods.find(|one| one.name() == method);
        let method = method.ok_or_else(|| Status::unimplemented("this version has no such method"))?;
        let unfit = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
        let message = DynamicMessage::deserialize(method.descriptor().input(), request);
        let bytes = Bytes::from(message.map_err(|error| unfit(&error))?.encode_to_vec());
        let mut request = Request::new(bytes);
        if how == How::TriedOut {
            let yes = MetadataValue::from_static("true");
            request.metadata_mut().insert(rpc::VALIDATE_ONLY, yes);
        }
        let path = method.grpc_path().parse::<http::uri::PathAndQuery>();
        let path = path.map_err(|error| unfit(&error))?;
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        client.ready().await?;
        let answer = client.unary(request, path, BytesCodec).await?;
        let told = answer.metadata().get_bin(rpc::WOULD_CHANGE);
        let told = told.and_then(|value| value.to_bytes().ok());
        let told = told.and_then(|bytes| WouldChange::decode(bytes).ok());
        if how == How::TriedOut && told.is_none() {
            return Err(Status::internal(
                "the member did not say what would change; is it an older version?",
            ));
        }
        Ok(Answer {
            json: shown(method.descriptor().output(), answer.into_inner())?,
            would_change: told.unwrap_or_default(),
        })
    }
}

fn shown(message: prost_reflect::MessageDescriptor, bytes: Bytes) -> Result<Value, Status> {
    let unread = |error: &dyn std::fmt::Display| Status::internal(format!("cannot read the answer: {error}"));
    let read = DynamicMessage::decode(message, bytes).map_err(|error| unread(&error))?;
    let options = SerializeOptions::new().stringify_64_bit_integers(false);
    let shown = read.serialize_with_options(serde_json::value::Serializer, &options);
    shown.map_err(|error| unread(&error))
}
