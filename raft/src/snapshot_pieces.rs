//! A snapshot of the applied state as a stream of bytes, for `chamois snapshot save`: made from an O(1) copy while the
//! member goes on.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use openraft::async_runtime::WatchReceiver as _;
use tokio::sync::mpsc;

use crate::replicated::Replicated;
use crate::snapshot_file;
use crate::type_config::{LeaderId, LogId, SnapshotMeta};

/// Bytes of one piece.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait for a slow reader.
const PIECES_WAITING_MAX: usize = 4;

/// The bytes of a snapshot file, in order. An error is the last item; without one the file is whole.
#[derive(Debug)]
pub struct SnapshotPieces(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for SnapshotPieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// The state that `member` has applied now.
pub(crate) fn of(member: &Replicated) -> SnapshotPieces {
    let state = member.published.load();
    let metrics = member.raft().metrics().borrow_watched().clone();
    let leader_id = LeaderId {
        term: metrics.current_term,
        node_id: metrics.current_leader.unwrap_or(metrics.id),
    };
    let meta = SnapshotMeta {
        last_log_id: Some(LogId::new(leader_id, state.applied_index())),
        last_membership: metrics.membership_config.as_ref().clone(),
    };
    let (pieces, received) = mpsc::channel(PIECES_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces {
            pieces,
            buffer: BytesMut::with_capacity(PIECE_BYTES),
        };
        let rows = state.rows().map(|row| prost::Message::encode_to_vec(&row));
        let written = snapshot_file::write_to(&mut out, &meta, rows).and_then(|()| out.flush());
        if let Err(error) = written {
            out.pieces.blocking_send(Err(error)).ok(); // the reader has gone: that was the error
        }
    });
    SnapshotPieces(received)
}

/// Collects what is written into pieces.
struct Pieces {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = self.buffer.split().freeze();
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the snapshot any more");
        match piece.is_empty() {
            true => Ok(()),
            false => self.pieces.blocking_send(Ok(piece)).map_err(gone),
        }
    }
}
