//! Watches, as clients keep them open.

use proto::watch::v1::watch_service_client::WatchServiceClient;
use proto::watch::v1::{WatchRequest, WatchResponse};
use rpc::client::Channel;
use tonic::{Code, Streaming};

/// A watch of everything, past its first message.
pub(crate) async fn watch(channel: Channel) -> Streaming<WatchResponse> {
    let mut client = WatchServiceClient::new(channel);
    let mut stream = client.watch(WatchRequest::default()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    stream
}

/// Until the stream ends, and how.
pub(crate) async fn end_of(mut stream: Streaming<WatchResponse>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}
