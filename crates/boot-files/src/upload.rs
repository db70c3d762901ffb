//! Taking an upload: to this member's disk, then to those of a majority, and only then into the catalogue.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use model::{BootFileName, Sha256};
use proto::boot_file::v1::put_boot_file_request::Part;
use proto::boot_file::v1::{BootFile, KeepContentRequest, PutBootFileRequest};
use rpc::Error;
use state::State;
use tokio::sync::mpsc;
use tonic::Status;

use crate::content_changes::Checked;
use crate::contents::Contents;
use crate::error::on_disk;
use crate::incoming::Incoming;
use crate::limits::{KEEP_AT_MOST, UPLOAD_SILENCE_AT_MOST, check_size};
use crate::members::{Peer, Roster};

/// When a repeat makes sense after too few members could take a file.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What the first message of an upload says.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) name: BootFileName,
    pub(crate) if_revision: Option<u64>,
    size: Option<u64>,
    sha256: Option<Sha256>,
}

/// A content that this member has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

impl Announced {
    /// Reads the first message. A digest is given together with the size; a size of 0 without one says nothing.
    pub(crate) fn parse(first: Option<PutBootFileRequest>) -> Result<Self, Error> {
        let missing = || rpc::invalid("file", "the first message must name the file");
        let first = first.ok_or_else(missing)?;
        let Some(Part::File(file)) = first.part else {
            return Err(missing());
        };
        let BootFile {
            name, size, sha256, ..
        } = file;
        check_size(size)?;
        let sha256 = match sha256.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|e| rpc::invalid("file.sha256", e))?),
        };
        Ok(Self {
            name: name.parse().map_err(|e| rpc::invalid("file.name", e))?,
            if_revision: first.if_revision,
            size: (size > 0 || sha256.is_some()).then_some(size),
            sha256,
        })
    }

    /// Whether what is announced may be stored under its name, as far as this member knows; the log decides in the end.
    ///
    /// # Errors
    /// `Conflict` for a file that an image has: before its bytes are sent.
    pub(crate) fn check_may_become(&self, state: &State) -> Result<(), Error> {
        let name = self.name.as_str();
        Ok(state.boot_files.check_may_put(name, self.size, self.sha256)?)
    }

    /// The content, if it was announced completely and is here already. It is read for that: whoever puts a file
    /// again may do so because it is wrong here.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn already_in(&self, contents: Contents) -> Result<Option<Received>, Error> {
        let (Some(sha256), Some(size)) = (self.sha256, self.size) else {
            return Ok(None);
        };
        if !contents.has(&sha256, size) {
            return Ok(None);
        }
        let is_here =
            on_disk(move || Ok(contents.check(&sha256)? == Checked::Right && contents.keep(&sha256, size)?))
                .await?;
        Ok(is_here.then_some(Received { sha256, size }))
    }

    /// Takes the bytes that follow.
    ///
    /// # Errors
    /// Too many or too few bytes, another digest, silence, a full disk; nothing of it stays.
    pub(crate) async fn receive(
        &self,
        contents: Contents,
        parts: impl Stream<Item = Result<PutBootFileRequest, Status>>,
    ) -> Result<Received, Status> {
        let announced = self.size;
        let mut incoming = on_disk(move || contents.begin(announced.unwrap_or(0))).await?;
        let mut parts = std::pin::pin!(parts);
        loop {
            let data = match next_data(&mut parts).await {
                Ok(Some(data)) => data,
                Ok(None) => break,
                Err(status) => return Err(given_up(incoming, status).await),
            };
            if let Err(problem) = self.check_so_far(incoming.size() + data.len() as u64) {
                return Err(given_up(incoming, problem).await);
            }
            incoming = on_disk(move || incoming.write(&data).map(|()| incoming)).await?;
        }
        let (size, expected) = (incoming.size(), self.sha256);
        if announced.is_some_and(|announced| size != announced) {
            return Err(given_up(incoming, self.wrong_size(size, "came")).await);
        }
        let is_right = move |found: &Sha256, _| expected.is_none_or(|expected| expected == *found);
        let (sha256, size, right) = on_disk(move || incoming.finish(is_right)).await?;
        if !right {
            let problem =
                format!("the bytes that came have the SHA-256 {sha256}; nothing was stored, send them again");
            return Err(rpc::invalid("file.sha256", problem).into());
        }
        Ok(Received { sha256, size })
    }

    fn check_so_far(&self, size: u64) -> Result<(), Error> {
        match self.size {
            Some(announced) if size > announced => Err(self.wrong_size(size, "or more came")),
            Some(_) | None => check_size(size),
        }
    }

    fn wrong_size(&self, size: u64, came: &str) -> Error {
        let announced = self.size.unwrap_or(0);
        let problem = format!("{announced} bytes were announced and {size} {came}; nothing was stored");
        rpc::invalid("file.size", problem)
    }
}

/// Leaves nothing of `incoming` before the answer goes out.
async fn given_up(incoming: Incoming, why: impl Into<Status>) -> Status {
    let removed = on_disk(move || {
        incoming.discard();
        Ok(())
    });
    removed.await.err().map_or_else(|| why.into(), Status::from)
}

/// The next message of an upload.
///
/// # Errors
/// The client's, or its silence.
pub(crate) async fn next_message(
    parts: &mut (impl Stream<Item = Result<PutBootFileRequest, Status>> + Unpin),
) -> Result<Option<PutBootFileRequest>, Status> {
    let Ok(next) = tokio::time::timeout(UPLOAD_SILENCE_AT_MOST, parts.next()).await else {
        let after = UPLOAD_SILENCE_AT_MOST;
        return Err(Error::DeadlineExceeded { after }.into());
    };
    next.transpose()
}

async fn next_data(
    parts: &mut (impl Stream<Item = Result<PutBootFileRequest, Status>> + Unpin),
) -> Result<Option<Bytes>, Status> {
    match next_message(parts).await? {
        None => Ok(None),
        Some(PutBootFileRequest {
            part: Some(Part::Data(data)),
            ..
        }) => Ok(Some(data)),
        Some(_) => Err(rpc::invalid("data", "after the first message only bytes may come").into()),
    }
}

/// Has the other members fetch the content from this one, until a majority of the voters has it on disk. Those that
/// take longer go on.
///
/// # Errors
/// Too few could; it says why.
pub(crate) async fn replicate(received: Received, roster: Roster) -> Result<(), Error> {
    let voters = roster.others.iter().filter(|peer| peer.is_voter).count() + usize::from(roster.own_is_voter);
    let (needed, mut have) = (voters / 2 + 1, usize::from(roster.own_is_voter));
    let (kept, mut answers) = mpsc::channel(roster.others.len().max(1));
    for peer in roster.others {
        let kept = kept.clone();
        tokio::spawn(async move {
            let outcome = keep(&peer, received).await;
            // Nobody waits any more when a majority was quicker.
            let _ = kept.send((peer.id, peer.is_voter, outcome)).await;
        });
    }
    drop(kept);
    let mut problems = Vec::new();
    // A store without members, as in tests of one process, is its own majority.
    while voters > 0 && have < needed {
        match answers.recv().await {
            Some((_, is_voter, Ok(()))) => have += usize::from(is_voter),
            Some((id, _, Err(status))) => problems.push(format!("member {id}: {}", status.message())),
            None => {
                let reason = format!(
                    "{have} of {voters} voting members have the bytes on disk and {needed} must; {}; the catalogue is unchanged",
                    problems.join("; ")
                );
                let retry_after = RETRY_AFTER;
                return Err(Error::NotReady { retry_after, reason });
            }
        }
    }
    Ok(())
}

async fn keep(peer: &Peer, received: Received) -> Result<(), Status> {
    let mut request = tonic::Request::new(KeepContentRequest {
        sha256: received.sha256.to_string(),
        size: received.size,
    });
    request.set_timeout(KEEP_AT_MOST);
    let mut client = peer.client();
    match tokio::time::timeout(KEEP_AT_MOST, client.keep_content(request)).await {
        Ok(answer) => answer.map(drop),
        Err(_) => Err(Status::deadline_exceeded("it did not fetch the bytes in time")),
    }
}
