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
    let folder = to
        .parent()
        .ok_or_else(|| io::Error::other("a snapshot file needs a folder"))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_config::{LeaderId, LogId};

    fn meta(index: u64) -> SnapshotMeta {
        let last = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
        SnapshotMeta {
            last_log_id: Some(last),
            ..SnapshotMeta::default()
        }
    }

    /// A state with a subnet in it, so that there is more than the header row.
    fn state_at(index: u64) -> State {
        use pb::entry::Command;
        use proto::dhcp::v1::{DhcpCommand, Subnet, dhcp_command};
        let mut state = State::new();
        (1..index).for_each(|index| state.skip(index));
        let subnet = Subnet {
            network: "10.0.0.0/16".to_owned(),
            ..Subnet::default()
        };
        let put = dhcp_command::PutSubnet { subnet: Some(subnet) };
        let session = pb::ClientSession {
            client_id: vec![1; 16],
            seq: 1,
            ack_below: 1,
            opened_at_ms: 0,
        };
        let entry = pb::Entry {
            header: Some(pb::Header {
                session: Some(session),
                random: vec![0; 16],
                ..pb::Header::default()
            }),
            command: Some(Command::Dhcp(DhcpCommand {
                change: Some(dhcp_command::Change::PutSubnet(put)),
            })),
        };
        assert!(state::rejection(&state.apply(index, &entry).outcome).is_none());
        state
    }

    #[test]
    fn a_snapshot_reads_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let written = state_at(5);
        let file = write(folder.path(), &meta(5), &written).unwrap();
        let (read_meta, read_state) = read(&file.path).unwrap();
        assert_eq!((read_meta, read_state.digest()), (meta(5), written.digest()));
    }

    /// Disks rot: whatever single bit flips, the file is refused, never read as another state.
    #[test]
    fn no_flipped_bit_passes() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), &meta(5), &state_at(5)).unwrap();
        let good = std::fs::read(&file.path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(&file.path, &bad).unwrap();
            assert!(read(&file.path).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), &meta(5), &state_at(5)).unwrap();
        let good = std::fs::read(&file.path).unwrap();
        for length in 0..good.len() {
            std::fs::write(&file.path, &good[..length]).unwrap();
            assert!(read(&file.path).is_err(), "{length} bytes");
        }
    }

    /// The newest readable one counts; what a crash left half-written goes.
    #[test]
    fn a_damaged_newest_file_gives_way_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &meta(5), &state_at(5)).unwrap();
        let damaged = write(folder.path(), &meta(9), &state_at(9)).unwrap();
        std::fs::write(&damaged.path, b"CHMSNAP1 torn").unwrap();
        std::fs::write(folder.path().join("snap-1.tmp"), b"half").unwrap();
        std::fs::write(folder.path().join("from-2.incoming"), b"half").unwrap();
        let (_, found, _) = newest(folder.path()).unwrap().expect("the older one");
        assert_eq!(found, meta(5));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn older_snapshots_are_removed_and_the_kept_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &meta(5), &state_at(5)).unwrap();
        let kept = write(folder.path(), &meta(10), &state_at(10)).unwrap();
        remove_older(folder.path(), &kept.path).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(left, [kept.path]);
    }
}
