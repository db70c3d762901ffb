//! A snapshot as a file: frames of (length, CRC-32, bytes). The first frame is the meta, the last one counts
//! the rows; a file without it is not a snapshot. Equal on all members at the same log id.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use proto::raft::v1 as pb;
use state::cluster::FEATURE_LEVEL_KNOWN;
use state::{SnapshotError, State};

use crate::row_pipeline;
use crate::snapshot_folder;
use crate::type_config::SnapshotMeta;
use crate::wire;

const MAGIC: &[u8; 8] = b"CHMSNAP1";
/// What the magics of all versions begin with.
const MAGIC_OF_ANY_VERSION: &[u8] = b"CHMSNAP";
/// The largest row is a session: outcomes of just under 8 MiB (`state::bounds::OUTCOME_BYTES_PER_CLIENT_MAX`) and one
/// more, whose keys stood in an entry of at most 8 MiB or are bounded by `IDS_LISTED_MAX`. Four times that, since
/// a row that cannot be read back is a state that is lost; a flipped length still cannot ask for gigabytes.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// A finished snapshot file of this member, or one that the leader sent.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    pub(crate) path: PathBuf,
    /// Open since the file was whole: it can be sent even when its name is gone.
    pub(crate) file: Arc<File>,
    /// What a received file was found to hold.
    pub(crate) verified: Option<State>,
    /// Removes a received file that is not installed.
    pub(crate) _incoming: Option<Arc<Incoming>>,
}

/// The name of a file that is being received; the file goes with the last handle, unless it was given another name.
#[derive(Debug)]
pub(crate) struct Incoming(pub(crate) PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.0.display(), %error, "a received snapshot could not be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Why a snapshot file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The disk says no; the file may be good.
    #[error("the snapshot file cannot be read: {0}")]
    Io(io::Error),
    /// It is not what was written.
    #[error("the snapshot file is damaged: {0}")]
    Damaged(String),
    /// It is what was written, by a version that knows more.
    #[error("the snapshot file was written by a newer version: {0}; upgrade this member")]
    Newer(String),
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Io(cause) => cause.kind(),
            ReadError::Damaged(_) | ReadError::Newer(_) => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Damaged("it ends early".to_owned()),
            _ => ReadError::Io(error),
        }
    }
}

impl SnapshotFile {
    /// A file of this member, which stays open.
    pub(crate) fn open(path: PathBuf) -> io::Result<SnapshotFile> {
        let file = File::open(&path)?;
        Ok(SnapshotFile {
            path,
            file: Arc::new(file),
            verified: None,
            _incoming: None,
        })
    }
}

/// Writes `state` to `folder/snap-<index>` so that after a power cut the file is whole or not there.
///
/// # Errors
/// Whatever the file system says; `InvalidInput` for a row that could not be read back. Nothing is left behind
/// under the final name.
pub(crate) fn write(folder: &Path, meta: &SnapshotMeta, state: &State) -> io::Result<SnapshotFile> {
    write_rows(folder, meta, state.rows().map(|row| row.encode_to_vec()))
}

pub(crate) fn write_rows(
    folder: &Path,
    meta: &SnapshotMeta,
    encoded: impl Iterator<Item = Vec<u8>>,
) -> io::Result<SnapshotFile> {
    let path = folder.join(snapshot_folder::file_name(meta));
    let temporary = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    let mut out = BufWriter::new(options.open(&temporary)?);
    write_to(&mut out, meta, encoded)?;
    let file = out.into_inner().map_err(|e| e.into_error())?;
    file.sync_all()?;
    snapshot_folder::adopt(&temporary, &path)?;
    Ok(SnapshotFile {
        path,
        file: Arc::new(file),
        verified: None,
        _incoming: None,
    })
}

/// The bytes of a snapshot file.
pub(crate) fn write_to(
    out: &mut impl Write,
    meta: &SnapshotMeta,
    encoded: impl Iterator<Item = Vec<u8>>,
) -> io::Result<()> {
    out.write_all(MAGIC)?;
    frame(out, &wire::snapshot_meta_to_wire(meta).encode_to_vec())?;
    let mut rows = 0u64;
    for row in encoded {
        frame(out, &row)?;
        rows += 1;
    }
    frame(out, &[])?; // no row is empty
    frame(out, &rows.to_be_bytes())
}

/// Reads and checks a whole file.
///
/// # Errors
/// `Damaged` for anything that no [`write`] wrote, `Newer` for what another version's did.
pub(crate) fn read(path: &Path) -> Result<(SnapshotMeta, State), ReadError> {
    let (meta, rows) = Rows::open(path)?;
    let decoded = rows.map(|row| decode_exact(&row?));
    let state = row_pipeline::build(decoded, |rows| State::from_rows(rows))?;
    let state = state.map_err(|error| match error {
        SnapshotError::Format { .. } | SnapshotError::UnknownRow => ReadError::Newer(error.to_string()),
        SnapshotError::Header { .. } | SnapshotError::Duplicate { .. } | SnapshotError::Malformed { .. } => {
            damaged(&error.to_string())
        }
    })?;
    check_level(state.feature_level())?;
    Ok((meta, state))
}

/// Checks that a whole file is what was written, without making a state of it.
///
/// # Errors
/// As [`read`], but for what only the meaning of a row shows.
pub(crate) fn check(path: &Path) -> Result<SnapshotMeta, ReadError> {
    let (meta, mut rows) = Rows::open(path)?;
    rows.try_for_each(|row| row.map(drop))?;
    Ok(meta)
}

/// The rows of a file, encoded, in their order; their count is checked at the end. Ends with its first error.
struct Rows {
    input: BufReader<File>,
    read: u64,
}

impl Rows {
    fn open(path: &Path) -> Result<(SnapshotMeta, Rows), ReadError> {
        let mut input = BufReader::new(File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(match magic.starts_with(MAGIC_OF_ANY_VERSION) {
                true => ReadError::Newer(format!("its format is {}", magic.escape_ascii())),
                false => damaged("it does not begin as a snapshot does"),
            });
        }
        let meta: pb::SnapshotMeta = decode_exact(&next_frame(&mut input)?)?;
        let meta = wire::snapshot_meta_from_wire(meta).map_err(|e| damaged(&e.to_string()))?;
        Ok((meta, Rows { input, read: 0 }))
    }

    fn row(&mut self) -> Result<Option<Bytes>, ReadError> {
        let row = next_frame(&mut self.input)?;
        if !row.is_empty() {
            self.read += 1;
            return Ok(Some(row));
        }
        if next_frame(&mut self.input)?.as_ref() != self.read.to_be_bytes() {
            return Err(damaged("it does not hold the rows that it counts"));
        }
        Ok(None)
    }
}

impl Iterator for Rows {
    type Item = Result<Bytes, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}

/// Reads a whole file that must be the snapshot `announced`.
///
/// # Errors
/// As [`read`]; `Damaged` for another snapshot.
pub(crate) fn verify(path: &Path, announced: &SnapshotMeta) -> Result<State, ReadError> {
    let (meta, state) = read(path)?;
    if meta != *announced {
        return Err(damaged("it is not the snapshot that was announced"));
    }
    Ok(state)
}

fn check_level(level: u32) -> Result<(), ReadError> {
    if level > FEATURE_LEVEL_KNOWN {
        return Err(ReadError::Newer(format!(
            "it is at feature level {level}, this version knows {FEATURE_LEVEL_KNOWN}"
        )));
    }
    Ok(())
}

/// A message that this version knows to the last byte: what it would drop, another member would keep.
fn decode_exact<M: prost::Message + Default>(bytes: &Bytes) -> Result<M, ReadError> {
    let unknown = || ReadError::Newer("a row holds something that this version does not know".to_owned());
    let message = M::decode(bytes.clone()).map_err(|_| unknown())?;
    if message.encode_to_vec() != *bytes {
        return Err(unknown());
    }
    Ok(message)
}

fn frame(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let too_large = || {
        let text = format!("a snapshot row of {} bytes could not be read back", bytes.len());
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(too_large());
    }
    let length = u32::try_from(bytes.len()).map_err(|_| too_large())?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&checksum(length, bytes).to_be_bytes())?;
    out.write_all(bytes)
}

fn next_frame(input: &mut impl Read) -> Result<Bytes, ReadError> {
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let expected = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    if length as usize > FRAME_BYTES_MAX {
        return Err(damaged("a frame is longer than any row"));
    }
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    if checksum(length, &bytes) != expected {
        return Err(damaged("a frame fails its check"));
    }
    Ok(Bytes::from(bytes))
}

/// The length is part of the check, so that a flipped length cannot move the frame's end unnoticed.
fn checksum(length: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn damaged(text: &str) -> ReadError {
    ReadError::Damaged(text.to_owned())
}
