//! A snapshot on its way between two members, in chunks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use proto::raft::v1 as pb;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt as _;
use tonic::Status;

use crate::snapshot_file::{self, Incoming, ReadError, SnapshotFile};
use crate::type_config::{SnapshotMeta, TypeConfig, Vote};
use crate::wire;

const CHUNK_BYTES: usize = 256 << 10;
/// Largest snapshot that a member accepts; a million nodes need about a tenth of it.
const SNAPSHOT_BYTES_MAX: u64 = 16 << 30;

/// The first chunk says what comes and how long it is; the others are the file. One that cannot be read ends the
/// stream early, and the receiver refuses what is shorter than announced.
///
/// # Errors
/// A file whose length the file system does not tell.
pub(crate) fn outgoing(
    header: pb::PeerHeader,
    vote: &Vote,
    snapshot: &openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>,
) -> io::Result<impl Stream<Item = pb::SnapshotChunk> + Send + 'static> {
    let file = Arc::clone(&snapshot.snapshot.file);
    let first = pb::SnapshotChunk {
        header: Some(header),
        vote: Some(wire::vote_to_wire(vote)),
        meta: Some(wire::snapshot_meta_to_wire(&snapshot.meta)),
        data: Bytes::new(),
        total_bytes: file.metadata()?.len(),
    };
    let data = futures::stream::unfold((file, 0), |(file, offset)| async move {
        let reader = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || read_chunk(&reader, offset)).await;
        let data = match read.map_err(io::Error::other).and_then(|data| data) {
            Ok(data) if data.is_empty() => return None,
            Ok(data) => data,
            Err(error) => {
                tracing::error!(%error, offset, "the snapshot file cannot be read; sending ends");
                return None;
            }
        };
        let next = offset + data.len() as u64;
        let chunk = pb::SnapshotChunk {
            data,
            ..pb::SnapshotChunk::default()
        };
        Some((chunk, (file, next)))
    });
    Ok(futures::stream::iter([first]).chain(data))
}

/// Several members may be sent one file at once: no shared position.
fn read_chunk(file: &File, offset: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let read = file.read_at(&mut buffer, offset)?;
    buffer.truncate(read);
    Ok(buffer.into())
}

/// What a leader announces before the bytes come.
pub(crate) struct Announced {
    pub(crate) header: pb::PeerHeader,
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
    total_bytes: u64,
}

/// Reads the first chunk; nothing is stored yet.
///
/// # Errors
/// `InvalidArgument` for a chunk that announces nothing, `ResourceExhausted` for more than a member accepts.
pub(crate) async fn announced(
    chunks: &mut (impl Stream<Item = Result<pb::SnapshotChunk, Status>> + Unpin),
) -> Result<Announced, Status> {
    let first = chunks
        .next()
        .await
        .ok_or_else(|| Status::invalid_argument("an empty snapshot stream"))??;
    let header = first
        .header
        .ok_or_else(|| Status::invalid_argument("snapshot without a header"))?;
    let meta = first
        .meta
        .ok_or_else(|| Status::invalid_argument("snapshot without meta"))?;
    if first.total_bytes > SNAPSHOT_BYTES_MAX {
        return Err(Status::resource_exhausted(format!(
            "the snapshot has {} bytes, this member accepts {SNAPSHOT_BYTES_MAX}",
            first.total_bytes
        )));
    }
    Ok(Announced {
        header,
        vote: wire::vote_from_wire(first.vote)?,
        meta: wire::snapshot_meta_from_wire(meta)?,
        total_bytes: first.total_bytes,
    })
}

/// Receives into the new file `path` and reads it as a whole: Raft takes an install that fails for a broken disk,
/// so what is not good must not get that far. The file goes with the last handle unless it is installed.
///
/// # Errors
/// `DataLoss` for what is damaged or not as announced, `FailedPrecondition` for what a newer version wrote,
/// `Internal` for a disk that says no.
pub(crate) async fn receive(
    path: PathBuf,
    announced: &Announced,
    chunks: &mut (impl Stream<Item = Result<pb::SnapshotChunk, Status>> + Unpin),
) -> Result<SnapshotFile, Status> {
    let incoming = Arc::new(Incoming(path.clone()));
    let file = write_chunks(&path, announced.total_bytes, chunks).await?;
    let (name, meta) = (path.clone(), announced.meta.clone());
    let verified = tokio::task::spawn_blocking(move || snapshot_file::verify(&name, &meta));
    let verified = verified
        .await
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(SnapshotFile {
        path,
        file: Arc::new(file),
        verified: Some(verified.map_err(|error| refused(&error))?),
        _incoming: Some(incoming),
    })
}

fn refused(error: &ReadError) -> Status {
    let text = format!("the snapshot is not installed: {error}");
    match error {
        ReadError::Io(_) => Status::internal(text),
        ReadError::Damaged(_) => Status::data_loss(text),
        ReadError::Newer(_) => Status::failed_precondition(text),
    }
}

async fn write_chunks(
    path: &Path,
    total_bytes: u64,
    chunks: &mut (impl Stream<Item = Result<pb::SnapshotChunk, Status>> + Unpin),
) -> Result<File, Status> {
    let failed = |error: io::Error| Status::internal(format!("could not store the snapshot: {error}"));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let mut file = options.open(path).await.map_err(failed)?;
    let mut received = 0u64;
    while let Some(chunk) = chunks.next().await {
        let data = chunk?.data;
        received += data.len() as u64;
        if received > total_bytes {
            break;
        }
        file.write_all(&data).await.map_err(failed)?;
    }
    if received != total_bytes {
        return Err(Status::data_loss(format!(
            "the snapshot has {total_bytes} bytes, {received} arrived"
        )));
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    Ok(file.into_std().await)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tempfile::TempDir;

    use super::*;
    use crate::snapshot_file_test::{meta, state_at};

    struct Bench {
        folder: TempDir,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>,
    }

    /// A leader's snapshot at index 5, and a name for it at the receiver.
    fn bench() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = openraft::alias::SnapshotOf::<TypeConfig, SnapshotFile> {
            meta: meta(5),
            snapshot: snapshot_file::write(folder.path(), &meta(5), &state_at(5)).unwrap(),
        };
        Bench { folder, snapshot }
    }

    impl Bench {
        fn incoming(&self) -> PathBuf {
            self.folder.path().join("from-1-0.incoming")
        }

        async fn chunks(&self) -> Vec<Result<pb::SnapshotChunk, Status>> {
            let vote = wire::vote_from_wire(Some(pb::RaftVote::default())).unwrap();
            let sent = outgoing(pb::PeerHeader::default(), &vote, &self.snapshot).unwrap();
            sent.map(Ok).collect().await
        }

        async fn receive(
            &self,
            chunks: Vec<Result<pb::SnapshotChunk, Status>>,
        ) -> Result<SnapshotFile, Status> {
            let mut chunks = futures::stream::iter(chunks);
            let announced = announced(&mut chunks).await?;
            receive(self.incoming(), &announced, &mut chunks).await
        }
    }

    /// The leader's next snapshot may remove the file at any moment.
    #[tokio::test]
    async fn a_file_arrives_whole_though_its_name_is_gone() {
        let bench = bench();
        std::fs::remove_file(&bench.snapshot.snapshot.path).unwrap();
        let received = bench.receive(bench.chunks().await).await.unwrap();
        assert_eq!(received.verified.as_ref().unwrap().digest(), state_at(5).digest());
        drop(received);
        assert!(
            !bench.incoming().exists(),
            "a file that nobody installs is removed"
        );
    }

    /// An end that comes too early looks like any other end, and an install of it would stop the member.
    #[tokio::test]
    async fn what_is_cut_off_or_too_long_is_refused_and_removed() {
        let bench = bench();
        let mut cut = bench.chunks().await;
        cut.pop();
        let mut longer = bench.chunks().await;
        longer.push(longer.last().unwrap().clone());
        for chunks in [cut, longer] {
            let refused = bench.receive(chunks).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::DataLoss, "{refused}");
            assert!(!bench.incoming().exists());
        }
    }

    #[tokio::test]
    async fn a_flipped_bit_or_another_snapshot_is_refused() {
        let bench = bench();
        let mut flipped = bench.chunks().await;
        let last = flipped.last_mut().unwrap().as_mut().unwrap();
        let mut data = last.data.to_vec();
        data[40] ^= 1;
        last.data = data.into();
        let mut other = bench.chunks().await;
        let announced = wire::snapshot_meta_to_wire(&meta(6));
        other[0].as_mut().unwrap().meta = Some(announced);
        for chunks in [flipped, other] {
            let refused = bench.receive(chunks).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::DataLoss, "{refused}");
        }
    }

    /// A sender that goes away drops the receiver's future in the middle; a part of 16 GiB must not stay.
    #[tokio::test]
    async fn a_cancelled_transfer_leaves_no_file() {
        let bench = bench();
        let chunks = bench.chunks().await;
        let mut chunks = futures::stream::iter(chunks).chain(futures::stream::pending());
        let announced = announced(&mut chunks).await.unwrap();
        let mut receiving = Box::pin(receive(bench.incoming(), &announced, &mut chunks));
        while !bench.incoming().exists() {
            assert!((&mut receiving).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(receiving);
        assert!(!bench.incoming().exists());
    }

    /// Two transfers into one file would mix.
    #[tokio::test]
    async fn a_name_in_use_is_refused() {
        let bench = bench();
        std::fs::write(bench.incoming(), b"of another transfer").unwrap();
        assert!(bench.receive(bench.chunks().await).await.is_err());
    }

    #[tokio::test]
    async fn more_than_a_member_accepts_is_refused_before_a_byte_is_stored() {
        let bench = bench();
        let mut chunks = bench.chunks().await;
        chunks[0].as_mut().unwrap().total_bytes = SNAPSHOT_BYTES_MAX + 1;
        let refused = bench.receive(chunks).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(!bench.incoming().exists());
    }
}
