//! Fetching a content from the members that have it: resumed at the next one when one dies, checked before it counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Sha256;
use proto::boot_file::v1::FetchContentRequest;
use rpc::Error;
use tokio::sync::Semaphore;

use crate::contents::Contents;
use crate::error::on_disk;
use crate::incoming::Incoming;
use crate::members::Peer;

/// Transfers to this member at once; the others wait.
const FETCHES_AT_ONCE_MAX: usize = 4;
/// A member that sends nothing for this long is left for the next one.
const SILENCE_AT_MOST: Duration = Duration::from_secs(10);
/// How often every source is tried before the fetch is given up, to be begun again later.
const ROUNDS_MAX: usize = 3;

/// Fetches; each content once at a time.
#[derive(Debug)]
pub(crate) struct Fetches {
    contents: Contents,
    slots: Semaphore,
    running: Mutex<BTreeMap<Sha256, Arc<tokio::sync::Mutex<()>>>>,
}

impl Fetches {
    pub(crate) fn new(contents: Contents) -> Self {
        Self {
            contents,
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
        if self.contents.keep(&sha256, size) {
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
                    tracing::error!(member = source.id, %sha256, "sends a content whose SHA-256 is another")
                }
                Err(error) => tracing::debug!(member = source.id, %error, "could not be fetched from"),
            }
        }
        let problem = format!("no member sends the content {sha256} as it should be; put the file again");
        Err(Error::Internal(problem))
    }

    /// One transfer from all of `sources`, one after the other; false when the result was not the content.
    async fn attempt(&self, sha256: Sha256, size: u64, sources: &[Peer]) -> Result<bool, Error> {
        let contents = self.contents.clone();
        let mut incoming = on_disk(move || contents.begin(size)).await?;
        let mut problems = BTreeMap::new();
        for source in std::iter::repeat_n(sources, ROUNDS_MAX).flatten() {
            if incoming.size() == size {
                break;
            }
            let (so_far, problem) = copy(source, sha256, size, incoming).await?;
            incoming = so_far;
            if let Some(problem) = problem {
                tracing::info!(member = source.id, %sha256, at = incoming.size(), problem, "a fetch was interrupted");
                problems.insert(source.id, problem);
            }
        }
        if incoming.size() != size {
            let reason = format!("the content {sha256} could not be fetched: {problems:?}");
            let retry_after = SILENCE_AT_MOST;
            return Err(Error::NotReady { retry_after, reason });
        }
        let (_, _, right) = on_disk(move || incoming.finish(|found, _| *found == sha256)).await?;
        Ok(right)
    }
}

/// Goes on where `incoming` is, until it has `size` bytes or the source fails; then why.
async fn copy(
    source: &Peer,
    sha256: Sha256,
    size: u64,
    mut incoming: Incoming,
) -> Result<(Incoming, Option<String>), Error> {
    let request = FetchContentRequest {
        sha256: sha256.to_string(),
        offset: incoming.size(),
    };
    let mut client = source.client();
    let mut stream = match tokio::time::timeout(SILENCE_AT_MOST, client.fetch_content(request)).await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(error)) => return Ok((incoming, Some(error.message().to_owned()))),
        Err(_) => return Ok((incoming, Some("it does not answer".to_owned()))),
    };
    while incoming.size() < size {
        let data = match tokio::time::timeout(SILENCE_AT_MOST, stream.message()).await {
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
