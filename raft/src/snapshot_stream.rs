//! A snapshot on its way between two members, in chunks.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use proto::raft::v1 as pb;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Status, Streaming};

use crate::snapshot_file::SnapshotFile;
use crate::type_config::{SnapshotMeta, TypeConfig, Vote};
use crate::wire;

const CHUNK_BYTES: usize = 256 << 10;
/// Largest snapshot that a member accepts; a million nodes need about a tenth of it.
const SNAPSHOT_BYTES_MAX: u64 = 16 << 30;

/// The first chunk says what comes; the others are the file. A file that cannot be read ends the stream
/// early, and the receiver refuses what is not whole.
pub(crate) fn outgoing(
    header: pb::PeerHeader,
    vote: &Vote,
    snapshot: &openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>,
) -> impl Stream<Item = pb::SnapshotChunk> + Send + 'static {
    let first = pb::SnapshotChunk {
        header: Some(header),
        vote: Some(wire::vote_to_wire(vote)),
        meta: Some(wire::snapshot_meta_to_wire(&snapshot.meta)),
        data: Bytes::new(),
    };
    let path = snapshot.snapshot.path.clone();
    let file = futures::stream::once(async move { tokio::fs::File::open(path).await });
    let data = file.flat_map(|opened| {
        futures::stream::unfold(opened.ok(), |file| async move {
            let mut file = file?;
            let mut buffer = vec![0; CHUNK_BYTES];
            let read = file.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
            buffer.truncate(read);
            Some((
                pb::SnapshotChunk {
                    data: buffer.into(),
                    ..pb::SnapshotChunk::default()
                },
                Some(file),
            ))
        })
    });
    futures::stream::iter([first]).chain(data)
}

/// What a leader announces before the bytes come.
pub(crate) struct Announced {
    pub(crate) header: pb::PeerHeader,
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
}

/// Reads the first chunk; nothing is stored yet.
pub(crate) async fn announced(chunks: &mut Streaming<pb::SnapshotChunk>) -> Result<Announced, Status> {
    let first = chunks
        .message()
        .await?
        .ok_or_else(|| Status::invalid_argument("an empty snapshot stream"))?;
    let header = first
        .header
        .ok_or_else(|| Status::invalid_argument("snapshot without a header"))?;
    let meta = first
        .meta
        .ok_or_else(|| Status::invalid_argument("snapshot without meta"))?;
    Ok(Announced {
        header,
        vote: wire::vote_from_wire(first.vote)?,
        meta: wire::snapshot_meta_from_wire(meta)?,
    })
}

/// Receives into a file of its own in `folder`; it is checked as a whole before it is installed, and removed at
/// the next start if it never is.
pub(crate) async fn receive(
    folder: &Path,
    from: u64,
    chunks: &mut Streaming<pb::SnapshotChunk>,
) -> Result<SnapshotFile, Status> {
    static STREAMS: AtomicU64 = AtomicU64::new(0);
    let number = STREAMS.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("from-{from}-{number}.incoming"));
    let received = write_chunks(&path, chunks).await;
    if received.is_err() {
        tokio::fs::remove_file(&path).await.ok(); // an unfinished file; the next start removes it otherwise
    }
    received.map(|()| SnapshotFile { path })
}

async fn write_chunks(path: &Path, chunks: &mut Streaming<pb::SnapshotChunk>) -> Result<(), Status> {
    let failed = |error: std::io::Error| Status::internal(format!("could not store the snapshot: {error}"));
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    let mut received = 0u64;
    while let Some(chunk) = chunks.message().await? {
        received += chunk.data.len() as u64;
        if received > SNAPSHOT_BYTES_MAX {
            return Err(Status::resource_exhausted(
                "the snapshot is larger than this member accepts",
            ));
        }
        file.write_all(&chunk.data).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)
}
