//! A watch that outlives members: it goes on at another one where it was, and begins again where that is impossible.

use std::collections::VecDeque;
use std::time::Duration;

use proto::watch::v1::watch_response::{Events, Message, Rows};
use proto::watch::v1::watch_service_client::WatchServiceClient;
use proto::watch::v1::{Event, Object, WatchHeader, WatchRequest, WatchResponse};
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::{Code, Status, Streaming};

use super::ClientError;
use crate::Reason;

/// Pause before a new attempt, doubled with each that fails.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A member that is alive sends something in less than this: its progress marks come each minute at most.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// Longest message that a client should accept, bytes (`max_decoding_message_size` of generated clients): those of a watch are half
/// a megabyte, but one object may be as large as a change, and lists of a large cluster exceed the 4 MiB that are usual.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The state follows from its beginning: what was told before counts no more.
    Begins,
    /// A part of the state.
    Rows(Vec<Object>),
    /// The state was told whole, as it was at this revision.
    StateEnds(u64),
    /// Changes of whole revisions, oldest first.
    Events(Vec<Event>),
    /// Nothing was changed up to this revision, as far as the filter goes.
    Progress(u64),
}

/// Follows the state of a cluster through whichever member answers.
#[derive(Debug)]
pub struct Follow<C> {
    client: WatchServiceClient<C>,
    request: WatchRequest,
    stream: Option<Streaming<WatchResponse>>,
    /// Events of a revision that is not complete yet.
    partial: Vec<Event>,
    ready: VecDeque<Told>,
    pause: Duration,
}

impl<C> Follow<C>
where
    C: tonic::client::GrpcService<Body>,
    C::Error: Into<StdError>,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    /// Follows with the filters of `request`, from its `from_revision` on. Nothing is sent yet.
    pub fn new(channel: C, request: WatchRequest) -> Follow<C> {
        Follow {
            client: WatchServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX),
            request,
            stream: None,
            partial: Vec::new(),
            ready: VecDeque::new(),
            pause: PAUSE_MIN,
        }
    }

    /// The revision that a new watch would go on from; 0 as long as the state was not told whole.
    pub fn revision(&self) -> u64 {
        self.request.from_revision
    }

    /// What comes next; waits for it as long as it takes, whatever members do meanwhile. Cancelling loses nothing that
    /// was not told.
    ///
    /// # Errors
    /// What no other member would answer otherwise: a request that is refused, or credentials that are.
    pub async fn next(&mut self) -> Result<Told, Status> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Ok(told);
            }
            match self.receive().await {
                Ok(response) => self.take(response),
                Err(status) => self.recover(status).await?,
            }
        }
    }

    /// The next message of the stream, which is begun if there is none.
    async fn receive(&mut self) -> Result<WatchResponse, Status> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = self.client.watch(self.request.clone()).await?.into_inner();
                self.partial.clear();
                if self.request.from_revision == 0 {
                    self.ready.push_back(Told::Begins);
                }
                none.insert(stream)
            }
        };
        let message = tokio::time::timeout(SILENCE_MAX, stream.message()).await;
        let message = message.map_err(|_| Status::unavailable("the member is silent"))?;
        message?.ok_or_else(|| Status::unavailable("the watch ended without a reason"))
    }

    fn take(&mut self, response: WatchResponse) {
        self.pause = PAUSE_MIN;
        let WatchHeader {
            cluster_id,
            revision,
            has_majority,
            ..
        } = response.header.unwrap_or_default();
        let told = match response.message {
            Some(Message::Rows(Rows { objects })) => Some(Told::Rows(objects)),
            Some(Message::SnapshotEnd(_)) => Some(Told::StateEnds(revision)),
            Some(Message::Events(Events { events, continued })) => {
                self.partial.extend(events);
                (!continued).then(|| Told::Events(std::mem::take(&mut self.partial)))
            }
            Some(Message::Progress(_)) => Some(Told::Progress(revision)),
            None => None, // of a newer version
        };
        // Of a revision that is not complete, nothing counts as told: the part would be told again.
        let told = self.whole(told, revision);
        self.ready.extend(told);
        self.request.from_revision = revision;
        self.request.cluster_id = cluster_id;
        if !has_majority {
            // Others may know more; one of them, or this one later, begins with a read index.
            self.stream = None;
        }
    }

    /// Leaves the events of the revision that is not complete in `partial`, and gives those before it.
    fn whole(&mut self, told: Option<Told>, revision: u64) -> Option<Told> {
        if told.is_some() || self.partial.is_empty() {
            return told;
        }
        let incomplete = self.partial.partition_point(|event| event.revision <= revision);
        let rest = self.partial.split_off(incomplete);
        let whole = std::mem::replace(&mut self.partial, rest);
        (!whole.is_empty()).then_some(Told::Events(whole))
    }

    /// Prepares the next attempt after `status`, or gives it back if there is none.
    async fn recover(&mut self, status: Status) -> Result<(), Status> {
        self.stream = None;
        match status.code() {
            Code::OutOfRange if ClientError::of(&status).reason() == Reason::Compacted => {
                tracing::info!("the watch begins again with the state: {}", status.message());
                self.request.from_revision = 0;
                self.request.cluster_id.clear();
                return Ok(());
            }
            // a message that is too long is as long at the next member
            Code::OutOfRange
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::Unimplemented => return Err(status),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => {}
        }
        tracing::debug!(
            from = self.request.from_revision,
            "the watch goes on elsewhere: {status}"
        );
        tokio::time::sleep(self.pause).await;
        self.pause = PAUSE_MAX.min(2 * self.pause);
        Ok(())
    }
}
