//! Fetching a content from the members that have it: resumed at the next one when one dies or is slow, checked before
//! it counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Sha256;
use proto::boot_file::v1::{CheckContentRequest, FetchContentRequest};
use rpc::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::contents::Contents;
use crate::error::on_disk;
use crate::incoming::Incoming;
use crate::members::Peer;

/// Transfers to this member at once; the others wait.
const FETCHES_AT_ONCE_MAX: usize = 4;
/// A member that sends nothing for this long is left for the next one.
const SILENCE_AT_MOST: Duration = Duration::from_secs(10);
/// A member that sends less per second is left for the next one, too.
const SOURCE_BYTES_PER_S_MIN: u64 = 1 << 20;
/// How often every source is tried in vain before the fetch is given up, to be begun again later.
const ROUNDS_MAX: usize = 3;
/// A round through all sources that brought fewer bytes was in vain.
const ROUND_BYTES_MIN: u64 = 256 * 1024;
/// How long a member may take to read a content again of which it has sent wrong bytes.
const CHECK_AT_MOST: Duration = Duration::from_secs(60);

/// What a source has to do to stay one.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// It sends something at least this often,
    silence_at_most: Duration,
    /// and at least so many bytes in that time.
    bytes_min: u64,
}

/// Fetches; each content once at a time.
#[derive(Debug)]
pub(crate) struct Fetches {
    contents: Contents,
    pace: Pace,
    slots: Semaphore,
    running: Mutex<BTreeMap<Sha256, Arc<tokio::sync::Mutex<()>>>>,
}

impl Fetches {
    pub(crate) fn new(contents: Contents) -> Self {
        Self {
            contents,
            pace: Pace {
                silence_at_most: SILENCE_AT_MOST,
                bytes_min: SOURCE_BYTES_PER_S_MIN * SILENCE_AT_MOST.as_secs(),
            },
            slots: Semaphore::new(FETCHES_AT_ONCE_MAX),
            running: Mutex::default(),
        }
    }

    /// Has the content on this member's disk when it returns.
    ///
    /// # Errors
    /// No source gave it whole, or the disk has no room; nothing is left of it then.
    pub(crate) async fn fetch(&self, sha256: Sha256, size: u64, sources: &[Peer]) -> Result<(), Error> {
        let turn = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(running.entry(sha256).or_default())
        };
        let _turn = turn.lock().await;
        if self.is_kept(sha256, size).await? {
            return Ok(());
        }
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|closed| Error::Internal(closed.to_string()))?;
        if self.attempt(sha256, size, sources).await? {
            return Ok(());
        }
        // Somebody sent wrong bytes: who, is known only when each is asked for all of them.
        for source in sources {
            match self.attempt(sha256, size, std::slice::from_ref(source)).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    tracing::error!(member = source.id, %sha256, "sends a content whose SHA-256 is another");
                    ask_to_check(source, sha256).await;
                }
                Err(error) => tracing::debug!(member = source.id, %error, "could not be fetched from"),
            }
        }
        let problem = format!("no member sends the content {sha256} as it should be; put the file again");
        Err(Error::Internal(problem))
    }

    async fn is_kept(&self, sha256: Sha256, size: u64) -> Result<bool, Error> {
        if !self.contents.has(&sha256, size) {
            return Ok(false);
        }
        let contents = self.contents.clone();
        on_disk(move || contents.keep(&sha256, size)).await
    }

    /// One transfer from all of `sources`, one after the other; false when the result was not the content.
    async fn attempt(&self, sha256: Sha256, size: u64, sources: &[Peer]) -> Result<bool, Error> {
        let contents = self.contents.clone();
        let mut incoming = on_disk(move || contents.begin(size)).await?;
        let (mut problems, mut in_vain) = (BTreeMap::new(), 0);
        while incoming.size() < size && in_vain < ROUNDS_MAX {
            let before = incoming.size();
            incoming = self.round(sources, sha256, size, incoming, &mut problems).await?;
            in_vain += usize::from(incoming.size() - before < ROUND_BYTES_MIN);
        }
        if incoming.size() != size {
            let reason = format!("the content {sha256} could not be fetched: {problems:?}");
            let retry_after = SILENCE_AT_MOST;
            return Err(Error::NotReady { retry_after, reason });
        }
        let (_, _, right) = on_disk(move || incoming.finish(|found, _| *found == sha256)).await?;
        Ok(right)
    }

    /// Each source in turn, as long as bytes are missing; `problems` gets what was wrong with whom.
    async fn round(
        &self,
        sources: &[Peer],
        sha256: Sha256,
        size: u64,
        mut incoming: Incoming,
        problems: &mut BTreeMap<u64, String>,
    ) -> Result<Incoming, Error> {
        for source in sources {
            if incoming.size() == size {
                break;
            }
            let (so_far, problem) = copy(source, sha256, size, incoming, self.pace).await?;
            incoming = so_far;
            if let Some(problem) = problem {
                tracing::info!(member = source.id, %sha256, at = incoming.size(), problem, "a fetch was interrupted");
                problems.insert(source.id, problem);
            }
        }
        Ok(incoming)
    }
}

/// Has a member that sent wrong bytes read its copy, so that it does not offer it again; it drops a bad one.
async fn ask_to_check(source: &Peer, sha256: Sha256) {
    let mut request = tonic::Request::new(CheckContentRequest {
        sha256: sha256.to_string(),
    });
    request.set_timeout(CHECK_AT_MOST);
    let mut client = source.client();
    match tokio::time::timeout(CHECK_AT_MOST, client.check_content(request)).await {
        Ok(Ok(answer)) => {
            let is_here = answer.into_inner().is_here;
            tracing::info!(member = source.id, %sha256, is_here, "has read its copy again");
        }
        Ok(Err(error)) => {
            tracing::warn!(member = source.id, %sha256, %error, "could not read its copy again")
        }
        Err(_) => tracing::warn!(member = source.id, %sha256, "did not read its copy again in time"),
    }
}

/// Goes on where `incoming` is, until it has `size` bytes or the source fails; then why.
async fn copy(
    source: &Peer,
    sha256: Sha256,
    size: u64,
    mut incoming: Incoming,
    pace: Pace,
) -> Result<(Incoming, Option<String>), Error> {
    let request = FetchContentRequest {
        sha256: sha256.to_string(),
        offset: incoming.size(),
    };
    let mut client = source.client();
    let mut stream = match tokio::time::timeout(pace.silence_at_most, client.fetch_content(request)).await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(error)) => return Ok((incoming, Some(error.message().to_owned()))),
        Err(_) => return Ok((incoming, Some("it does not answer".to_owned()))),
    };
    let (mut since, mut then) = (Instant::now(), incoming.size());
    while incoming.size() < size {
        if since.elapsed() >= pace.silence_at_most {
            if incoming.size() - then < pace.bytes_min {
                return Ok((incoming, Some("it is too slow".to_owned())));
            }
            (since, then) = (Instant::now(), incoming.size());
        }
        let data = match tokio::time::timeout(pace.silence_at_most, stream.message()).await {
            Ok(Ok(Some(message))) => message.data,
            Ok(Ok(None)) => return Ok((incoming, Some("it ended early".to_owned()))),
            Ok(Err(error)) => return Ok((incoming, Some(error.message().to_owned()))),
            Err(_) => return Ok((incoming, Some("it fell silent".to_owned()))),
        };
        if data.len() as u64 > size - incoming.size() {
            return Ok((incoming, Some("it sends more than there should be".to_owned())));
        }
        incoming = on_disk(move || incoming.write(&data).map(|()| incoming)).await?;
    }
    Ok((incoming, None))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use futures::StreamExt as _;
    use futures::stream::BoxStream;
    use proto::boot_file::v1::FetchContentResponse;
    use proto::boot_file::v1::boot_file_peer_service_server::{
        BootFilePeerService, BootFilePeerServiceServer,
    };
    use proto::boot_file::v1::{
        CheckContentResponse, HasContentsRequest, HasContentsResponse, HasFileRequest, HasFileResponse,
        KeepContentRequest, KeepContentResponse,
    };
    use tonic::{Request, Response, Status};
    use tower::ServiceExt as _;

    use super::*;
    use crate::hashing::Hashing;
    use crate::{PeerChannel, Room};

    const CHUNK_BYTES: usize = 64 * 1024;
    const CONTENT_BYTES: usize = 64 * CHUNK_BYTES;

    /// A member that sends a chunk, pauses, and so on.
    #[derive(Clone)]
    struct Source {
        pause: Duration,
        sent: Arc<AtomicU64>,
    }

    fn content() -> Vec<u8> {
        (0..CONTENT_BYTES).map(|n| (n / 3 % 251) as u8).collect()
    }

    #[tonic::async_trait]
    impl BootFilePeerService for Source {
        type FetchContentStream = BoxStream<'static, Result<FetchContentResponse, Status>>;

        async fn fetch_content(
            &self,
            request: Request<FetchContentRequest>,
        ) -> Result<Response<Self::FetchContentStream>, Status> {
            let rest = content().split_off(request.into_inner().offset as usize);
            let chunks: Vec<Bytes> = rest.chunks(CHUNK_BYTES).map(Bytes::copy_from_slice).collect();
            let Source { pause, sent } = self.clone();
            let chunks = futures::stream::iter(chunks).then(move |data| {
                sent.fetch_add(data.len() as u64, Ordering::Relaxed);
                async move {
                    tokio::time::sleep(pause).await;
                    Ok(FetchContentResponse { data })
                }
            });
            Ok(Response::new(chunks.boxed()))
        }

        async fn has_contents(
            &self,
            _: Request<HasContentsRequest>,
        ) -> Result<Response<HasContentsResponse>, Status> {
            Err(Status::unimplemented("not asked"))
        }

        async fn has_file(&self, _: Request<HasFileRequest>) -> Result<Response<HasFileResponse>, Status> {
            Err(Status::unimplemented("not asked"))
        }

        async fn check_content(
            &self,
            _: Request<CheckContentRequest>,
        ) -> Result<Response<CheckContentResponse>, Status> {
            Err(Status::unimplemented("not asked"))
        }

        async fn keep_content(
            &self,
            _: Request<KeepContentRequest>,
        ) -> Result<Response<KeepContentResponse>, Status> {
            Err(Status::unimplemented("not asked"))
        }
    }

    fn peer(id: u64, pause: Duration) -> (Peer, Arc<AtomicU64>) {
        let sent = Arc::new(AtomicU64::new(0));
        let source = Source {
            pause,
            sent: sent.clone(),
        };
        let service = BootFilePeerServiceServer::new(source);
        let channel = tower::service_fn(move |request: http::Request<tonic::body::Body>| {
            let answer = service.clone().oneshot(request);
            async move { Ok(answer.await.unwrap_or_else(|never| match never {})) }
        });
        let peer = Peer {
            id,
            is_voter: true,
            channel: PeerChannel::new(channel),
        };
        (peer, sent)
    }

    async fn fetch(sources: &[Peer]) -> Result<(), Error> {
        let dir = tempfile::tempdir().unwrap();
        let mut fetches = Fetches::new(Contents::open(dir.path(), 1, Room::leaving(0)).unwrap());
        fetches.pace = Pace {
            silence_at_most: Duration::from_millis(200),
            bytes_min: CONTENT_BYTES as u64 / 4,
        };
        let mut hashing = Hashing::new();
        hashing.update(&content());
        let sha256 = hashing.finish();
        fetches.fetch(sha256, CONTENT_BYTES as u64, sources).await?;
        assert!(fetches.contents.keep(&sha256, CONTENT_BYTES as u64).unwrap());
        Ok(())
    }

    /// A member with a dying disk, or behind a bad link, sends a little all the time and is never silent.
    #[tokio::test]
    async fn a_slow_source_is_left_for_the_next() {
        let (slow, sent) = peer(1, Duration::from_millis(50));
        let (quick, _) = peer(2, Duration::ZERO);
        fetch(&[slow, quick]).await.unwrap();
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent < CONTENT_BYTES as u64 / 4, "{sent} bytes were waited for");
    }

    /// Slow is better than nothing: there is no other member that has it.
    #[tokio::test]
    async fn a_slow_source_that_is_the_only_one_is_used() {
        let (slow, _) = peer(1, Duration::from_millis(30));
        fetch(&[slow]).await.unwrap();
    }
}
