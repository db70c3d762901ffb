//! The messages of one watch on their way to the server, which sends them as fast as the client reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use proto::watch::v1::WatchResponse;
use tokio::sync::mpsc;
use tonic::Status;

use crate::limits::MESSAGES_AHEAD;

/// A channel sets aside room for 32 of what it carries, however few it may hold: of pointers, a quarter of a kilobyte for each
/// watch that sleeps.
type Boxed = Box<Result<WatchResponse, Status>>;
/// The near end.
pub(crate) type Sender = mpsc::Sender<Boxed>;

/// The far end.
#[derive(Debug)]
pub struct Messages(mpsc::Receiver<Boxed>);

/// Both ends.
pub(crate) fn channel() -> (Sender, Messages) {
    let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD);
    (sender, Messages(receiver))
}

impl Stream for Messages {
    type Item = Result<WatchResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let received = self.0.poll_recv(context);
        received.map(|message| message.map(|boxed| *boxed))
    }
}
