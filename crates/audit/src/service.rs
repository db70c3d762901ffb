//! `AuditService`: the journals of the asked member.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use prost::Message;
use proto::audit::v1::audit_service_server::AuditService;
use proto::audit::v1::{
    FollowAuditRecordsRequest, FollowAuditRecordsResponse, ListAuditRecordsRequest, ListAuditRecordsResponse,
    ListDenialsRequest, ListDenialsResponse,
};
use raft::Store;
use rpc::{Error, PageScope};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Audit;
use crate::follow::{Following, unreadable};
use crate::query::{self, Filter, Found};
use crate::tail::Tail;
use crate::wire;
use crate::writer::Handle;

/// Lines of an answer, if the request names no number, and at most.
const PAGE_SIZE_DEFAULT: u32 = 100;
const PAGE_SIZE_MAX: u32 = 1000;
/// Questions that read files at once.
const QUESTIONS_MAX: usize = 4;
/// Streams at once.
const FOLLOWERS_MAX: usize = 64;
/// Messages made ahead of a client that reads slowly.
const MESSAGES_AHEAD: usize = 2;
/// How long an answer waits until the journal has what was acknowledged.
const WRITTEN_WAIT: Duration = Duration::from_secs(2);
/// When a repeat makes sense that a bound has refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Completes when streams are to end.
pub(crate) type Ending = Shared<BoxFuture<'static, ()>>;

/// The service of the API port.
#[derive(Clone)]
pub(crate) struct Service {
    store: Store,
    handle: Handle,
    ending: Ending,
    questions: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl Service {
    /// The service of this member. Its streams end when `ending` completes.
    pub(crate) fn new(
        store: Store,
        audit: &Audit,
        ending: impl Future<Output = ()> + Send + 'static,
    ) -> Service {
        Service {
            store,
            handle: audit.handle(),
            ending: ending.boxed().shared(),
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        }
    }

    async fn records(&self, mut request: ListAuditRecordsRequest) -> Result<ListAuditRecordsResponse, Error> {
        let size = rpc::page::size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)?;
        request.page_size = 0;
        let token = std::mem::take(&mut request.page_token);
        let scope = self.scope("audit", &request);
        let before = before(scope, &token)?;
        let filter = wire::filter(request.filter)?;
        self.wait_until_written().await;
        let (place, asked) = (self.handle.journal.clone(), filter.clone());
        let found = self
            .ask(move || query::records(&place, &asked, before, size))
            .await?;
        Ok(ListAuditRecordsResponse {
            oldest_revision: found.oldest.map_or(0, |oldest| oldest.saturating_sub(1)),
            newest_revision: *self.handle.written.borrow(),
            damaged: found.damaged,
            next_page_token: next(scope, &found),
            member_id: self.handle.member_id,
            gaps: found.gaps.into_iter().map(wire::gap).collect(),
            records: found
                .lines
                .into_iter()
                .map(|record| wire::record(record, &filter))
                .collect(),
        })
    }

    async fn denials(&self, mut request: ListDenialsRequest) -> Result<ListDenialsResponse, Error> {
        let size = rpc::page::size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)?;
        request.page_size = 0;
        let token = std::mem::take(&mut request.page_token);
        let scope = self.scope("denials", &request);
        let before = before(scope, &token)?;
        wire::check_text("author", &request.author)?;
        let filter = Filter {
            author: request.author,
            since_ms: request.since_ms,
            until_ms: wire::some(request.until_ms),
            ..Filter::default()
        };
        let (place, filter) = (self.handle.denials.clone(), filter.cleaned());
        let found = self
            .ask(move || query::denials(&place, &filter, before, size))
            .await?;
        Ok(ListDenialsResponse {
            damaged: found.damaged,
            next_page_token: next(scope, &found),
            member_id: self.handle.member_id,
            denials: found.lines.into_iter().map(wire::denial).collect(),
        })
    }

    /// What was acknowledged before the question must be in the answer; how far the answer reaches it says itself.
    async fn wait_until_written(&self) {
        let applied = self.store.state().applied_index();
        let mut written = self.handle.written.clone();
        let reached = written.wait_for(|written| *written >= applied);
        tokio::time::timeout(WRITTEN_WAIT, reached).await.ok();
    }

    /// Reads files where that holds up nobody.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> io::Result<Found<T>> + Send + 'static,
    ) -> Result<Found<T>, Error> {
        let turn = self.questions.acquire().await;
        let _turn = turn.map_err(|error| Error::Internal(error.to_string()))?;
        off_the_runtime(question)
            .await?
            .map_err(|error| unreadable(&error))
    }

    fn scope(&self, list: &str, filters: &impl Message) -> PageScope {
        PageScope::new(self.store.state().cluster_id(), list, &filters.encode_to_vec())
    }
}

/// # Errors
/// `Internal` when `work` panics.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Internal(error.to_string()))
}

/// The number before which a page begins.
fn before(scope: PageScope, token: &str) -> Result<Option<u64>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    let number = scope.key(token)?.parse();
    number
        .map(Some)
        .map_err(|_| rpc::invalid("page_token", "it names no place in this list"))
}

fn next<T>(scope: PageScope, found: &Found<T>) -> String {
    found
        .next
        .map(|next| scope.token(&next.to_string()))
        .unwrap_or_default()
}

#[tonic::async_trait]
impl AuditService for Service {
    type FollowAuditRecordsStream = ReceiverStream<Result<FollowAuditRecordsResponse, Status>>;

    #[tracing::instrument(level = "debug", name = "audit.list", skip_all)]
    async fn list_audit_records(
        &self,
        request: Request<ListAuditRecordsRequest>,
    ) -> Result<Response<ListAuditRecordsResponse>, Status> {
        Ok(Response::new(self.records(request.into_inner()).await?))
    }

    #[tracing::instrument(level = "debug", name = "audit.denials", skip_all)]
    async fn list_denials(
        &self,
        request: Request<ListDenialsRequest>,
    ) -> Result<Response<ListDenialsResponse>, Status> {
        Ok(Response::new(self.denials(request.into_inner()).await?))
    }

    #[tracing::instrument(name = "audit.follow", skip_all)]
    async fn follow_audit_records(
        &self,
        request: Request<FollowAuditRecordsRequest>,
    ) -> Result<Response<Self::FollowAuditRecordsStream>, Status> {
        let filter = wire::filter(request.into_inner().filter)?;
        let slot = Arc::clone(&self.followers).try_acquire_owned();
        let slot = slot.map_err(|_| Error::Overloaded {
            what: "streams of the audit journal".to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD);
        let following = Following {
            tail: Tail::after(self.handle.journal.clone(), filter.after),
            filter,
            written: self.handle.written.clone(),
            messages,
        };
        let ending = self.ending.clone();
        tokio::spawn(async move {
            following.run(ending).await;
            drop(slot);
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
