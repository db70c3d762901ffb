//! A snapshot as a file: frames of (length, CRC-32, bytes). The first frame is the meta, the last one counts
//! the rows; a file without it is not a snapshot. Equal on all members at the same log id.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;
use proto::raft::v1 as pb;
use state::State;

use crate::type_config::SnapshotMeta;
use crate::wire;

const MAGIC: &[u8; 8] = b"CHMSNAP1";
/// A row is an object, so this bound is generous; it keeps a flipped length from asking for gigabytes.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// A finished snapshot file of this member, or one that the leader is sending.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    pub(crate) path: PathBuf,
}

/// Writes `state` to `folder/snap-<index>` so that after a power cut the file is whole or not there.
///
/// # Errors
/// Whatever the file system says; nothing is left behind under the final name.
pub(crate) fn write(folder: &Path, meta: &SnapshotMeta, state: &State) -> io::Result<SnapshotFile> {
    let path = folder.join(file_name(meta));
    let temporary = path.with_extension("tmp");
    let mut out = BufWriter::new(File::create(&temporary)?);
    out.write_all(MAGIC)?;
    frame(&mut out, &wire::snapshot_meta_to_wire(meta).encode_to_vec())?;
    let mut rows = 0u64;
    for row in state.rows() {
        frame(&mut out, &row.encode_to_vec())?;
        rows += 1;
    }
    frame(&mut out, &[])?;
    frame(&mut out, &rows.to_be_bytes())?;
    out.into_inner().map_err(|e| e.into_error())?.sync_all()?;
    adopt(&temporary, &path)?;
    Ok(SnapshotFile { path })
}

/// Gives a finished file its final name, durably.
pub(crate) fn adopt(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    let folder = to.parent().ok_or_else(|| io::Error::other("a snapshot file needs a folder"))?;
    File::open(folder)?.sync_all()
}

/// `snap-<index of the last entry, 20 digits>`: names sort as indexes do.
pub(crate) fn file_name(meta: &SnapshotMeta) -> String {
    format!("snap-{:020}", meta.last_log_id.map_or(0, |id| id.index))
}

/// Reads and checks a whole file.
///
/// # Errors
/// `InvalidData` for anything that is not exactly what [`write`] wrote.
pub(crate) fn read(path: &Path) -> io::Result<(SnapshotMeta, State)> {
    let mut input = BufReader::new(File::open(path)?);
    let mut magic = [0; MAGIC.len()];
    input.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(invalid("not a snapshot file of this format"));
    }
    let meta = wire::snapshot_meta_from_wire(pb::SnapshotMeta::decode(next_frame(&mut input)?)?)?;
    let mut rows = Vec::new();
    loop {
        let bytes = next_frame(&mut input)?;
        if bytes.is_empty() {
            break;
        }
        rows.push(pb::SnapshotRow::decode(bytes)?);
    }
    if next_frame(&mut input)?.as_ref() != (rows.len() as u64).to_be_bytes() {
        return Err(invalid("the snapshot file does not hold the rows it counts"));
    }
    let state = State::from_rows(rows.into_iter()).map_err(|e| invalid(&e.to_string()))?;
    Ok((meta, state))
}

/// The newest readable snapshot in `folder`; unreadable and unfinished files are removed, with a warning.
pub(crate) fn newest(folder: &Path) -> io::Result<Option<(SnapshotFile, SnapshotMeta, State)>> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.ends_with(".tmp") || name.ends_with(".incoming") {
            std::fs::remove_file(&path)?;
        } else if name.starts_with("snap-") {
            names.push(path);
        }
    }
    names.sort();
    while let Some(path) = names.pop() {
        match read(&path) {
            Ok((meta, state)) => return Ok(Some((SnapshotFile { path }, meta, state))),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "snapshot file is damaged and is removed");
                std::fs::remove_file(&path)?;
            }
        }
    }
    Ok(None)
}

/// Removes every snapshot file older than `keep`.
pub(crate) fn remove_older(folder: &Path, keep: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with("snap-") && !name.contains('.') && path.as_path() < keep {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn frame(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| invalid("a snapshot row is too large"))?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&checksum(length, bytes).to_be_bytes())?;
    out.write_all(bytes)
}

fn next_frame(input: &mut impl Read) -> io::Result<Bytes> {
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let expected = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    if length as usize > FRAME_BYTES_MAX {
        return Err(invalid("a frame of the snapshot file is longer than any row"));
    }
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    if checksum(length, &bytes) != expected {
        return Err(invalid("a frame of the snapshot file fails its check"));
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

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}
