//! What the other members ask: which contents are here, their bytes, and to keep one.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use model::Sha256;
use proto::boot_file::v1::boot_file_peer_service_server;
use proto::boot_file::v1::{
    FetchContentRequest, FetchContentResponse, HasContentsRequest, HasContentsResponse, KeepContentRequest,
    KeepContentResponse,
};
use rpc::{Error, Identity};
use state::bounds::BOOT_FILES_MAX;
use tonic::{Request, Response, Status};

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
        let here = self
            .0
            .0
            .contents
            .among(asked.iter().filter_map(|text| text.parse().ok()));
        Ok(Response::new(HasContentsResponse {
            sha256: here.iter().map(Sha256::to_string).collect(),
        }))
    }

    async fn fetch_content(
        &self,
        request: Request<FetchContentRequest>,
    ) -> Result<Response<Self::FetchContentStream>, Status> {
        let FetchContentRequest { sha256, offset } = request.into_inner();
        let sha256: Sha256 = sha256.parse().map_err(|e| rpc::invalid("sha256", e))?;
        let slot = Arc::clone(&self.0.0.sends)
            .try_acquire_owned()
            .map_err(|_| Error::Overloaded {
                what: "transfers of boot files".to_owned(),
                retry_after: Duration::from_secs(1),
            })?;
        let contents = self.0.0.contents.clone();
        let (file, size) = on_disk(move || contents.file(&sha256))
            .await?
            .ok_or_else(|| Error::NotFound {
                kind: "content".to_owned(),
                id: sha256.to_string(),
            })?;
        let file = Arc::new(file);
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
        let Identity::Member(caller) = rpc::caller(&request).identity else {
            return Err(Error::Denied {
                reason: "only a member may ask for this".to_owned(),
            }
            .into());
        };
        let KeepContentRequest { sha256, size } = request.into_inner();
        let sha256: Sha256 = sha256.parse().map_err(|e| rpc::invalid("sha256", e))?;
        limits::check_size(size)?;
        let files = self.0.clone();
        // On the services' threads: this call came in on those of Raft.
        let kept = self
            .0
            .0
            .runtime
            .spawn(async move { files.fetch_from(sha256, size, &[caller]).await });
        kept.await
            .map_err(|failed| Error::Internal(failed.to_string()))??;
        Ok(Response::new(KeepContentResponse {}))
    }
}
