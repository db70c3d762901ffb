//! What the other members ask: which contents are here, their bytes, and to keep one.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use model::Sha256;
use proto::boot_file::v1::boot_file_peer_service_server;
use proto::boot_file::v1::{
    CheckContentRequest, CheckContentResponse, FetchContentRequest, FetchContentResponse, HasContentsRequest,
    HasContentsResponse, HasFileRequest, HasFileResponse, KeepContentRequest, KeepContentResponse,
};
use rpc::{Error, Identity};
use state::bounds::BOOT_FILES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status};

use crate::content_changes::Checked;
use crate::error::on_disk;
use crate::{BootFiles, limits};

/// Bytes of one message of a transfer.
const CHUNK_BYTES: u64 = 256 * 1024;

/// The service of the peer port.
#[derive(Clone)]
pub struct PeerService(BootFiles);

impl PeerService {
    /// The service of these boot files.
    pub fn of(files: &BootFiles) -> Self {
        Self(files.clone())
    }
}

#[tonic::async_trait]
impl boot_file_peer_service_server::BootFilePeerService for PeerService {
    type FetchContentStream = BoxStream<'static, Result<FetchContentResponse, Status>>;

    async fn has_contents(
        &self,
        request: Request<HasContentsRequest>,
    ) -> Result<Response<HasContentsResponse>, Status> {
        let asked = request.into_inner().sha256;
        if asked.len() > BOOT_FILES_MAX {
            let problem = format!(
                "{} are asked for, at most {BOOT_FILES_MAX} are accepted",
                asked.len()
            );
            return Err(rpc::invalid("sha256", problem).into());
        }
        let asked: Vec<Sha256> = asked.iter().filter_map(|text| text.parse().ok()).collect();
        let files = self.0.clone();
        // Reading the whole catalogue takes its time, and this call came in on Raft's threads.
        let here = on_disk(move || Ok(files.0.contents.among(asked.into_iter(), &files.named()))).await?;
        Ok(Response::new(HasContentsResponse {
            sha256: here.iter().map(Sha256::to_string).collect(),
            serves_boot: self.0.0.serves_boot,
        }))
    }

    async fn has_file(&self, request: Request<HasFileRequest>) -> Result<Response<HasFileResponse>, Status> {
        let found = self.0.find_dropped(&request.get_ref().name).await?;
        Ok(Response::new(HasFileResponse {
            is_here: found.is_some(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "boot_files.check_content", skip_all, fields(sha256 = request.get_ref().sha256))]
    async fn check_content(
        &self,
        request: Request<CheckContentRequest>,
    ) -> Result<Response<CheckContentResponse>, Status> {
        member(&request)?;
        let sha256 = sha256(&request.get_ref().sha256)?;
        let slot = slot(&self.0.0.checks, "readings of boot files")?;
        let contents = self.0.0.contents.clone();
        let check = move || {
            let _slot = slot;
            contents.check(&sha256)
        };
        let checked = on_disk(check).await?;
        Ok(Response::new(CheckContentResponse {
            is_here: checked == Checked::Right,
            was_wrong: checked == Checked::Wrong,
        }))
    }

    async fn fetch_content(
        &self,
        request: Request<FetchContentRequest>,
    ) -> Result<Response<Self::FetchContentStream>, Status> {
        let FetchContentRequest { sha256: text, offset } = request.into_inner();
        let sha256 = sha256(&text)?;
        let slot = slot(&self.0.0.sends, "transfers of boot files")?;
        let files = self.0.clone();
        let opened = on_disk(move || match files.size_of(&sha256) {
            Some(size) => files.0.contents.file(&sha256, size),
            None => Ok(None),
        });
        let (file, meta) = opened.await?.ok_or_else(|| Error::NotFound {
            kind: "content".to_owned(),
            id: text,
        })?;
        let (file, size) = (Arc::new(file), meta.len());
        let chunks = futures::stream::try_unfold((offset, slot), move |(at, slot)| {
            let file = Arc::clone(&file);
            async move {
                let count = size.saturating_sub(at).min(CHUNK_BYTES);
                if count == 0 {
                    return Ok(None);
                }
                let read = move || {
                    let mut chunk = vec![0; count as usize];
                    file.read_exact_at(&mut chunk, at).map(|()| chunk)
                };
                let data = Bytes::from(on_disk(read).await?);
                Ok::<_, Status>(Some((FetchContentResponse { data }, (at + count, slot))))
            }
        });
        Ok(Response::new(chunks.boxed()))
    }

    #[tracing::instrument(name = "boot_files.keep_content", skip_all, fields(sha256 = request.get_ref().sha256))]
    async fn keep_content(
        &self,
        request: Request<KeepContentRequest>,
    ) -> Result<Response<KeepContentResponse>, Status> {
        let caller = member(&request)?;
        let KeepContentRequest { sha256: text, size } = request.into_inner();
        let sha256 = sha256(&text)?;
        limits::check_size(size)?;
        let slot = slot(&self.0.0.keeps, "contents to keep")?;
        let files = self.0.clone();
        // On the services' threads: this call came in on those of Raft. It goes on when nobody waits any more, so that
        // a slower member has the content too, but not for ever.
        let kept = self.0.0.runtime.spawn(async move {
            let _slot = slot;
            let source = [caller];
            let fetched = files.fetch_from(sha256, size, &source);
            match tokio::time::timeout(limits::KEEP_AT_MOST, fetched).await {
                Ok(fetched) => fetched,
                Err(_) => Err(Error::DeadlineExceeded {
                    after: limits::KEEP_AT_MOST,
                }),
            }
        });
        kept.await
            .map_err(|failed| Error::Internal(failed.to_string()))??;
        Ok(Response::new(KeepContentResponse {}))
    }
}

/// The member that calls.
///
/// # Errors
/// `Denied` to anybody else.
fn member<T>(request: &Request<T>) -> Result<u64, Error> {
    match rpc::caller(request).identity {
        Identity::Member(id) => Ok(id),
        _ => Err(Error::Denied {
            reason: "only a member may ask for this".to_owned(),
        }),
    }
}

fn sha256(text: &str) -> Result<Sha256, Error> {
    text.parse().map_err(|problem| rpc::invalid("sha256", problem))
}

/// One of a bounded number of things done at once.
///
/// # Errors
/// `Overloaded`.
fn slot(slots: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Error> {
    Arc::clone(slots)
        .try_acquire_owned()
        .map_err(|_| Error::Overloaded {
            what: what.to_owned(),
            retry_after: limits::PEER_RETRY_AFTER,
        })
}
