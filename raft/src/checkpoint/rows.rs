//! Snapshot rows as sled keys and values, in parts that never become one of sled's blob files.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::raft::v1::SnapshotRow;
use state::{RowKey, State};

/// Bytes of a row in one value. Values above some 128 KiB would become files of their own, which sled never
/// syncs.
pub(super) const PART_BYTES_MAX: usize = 60 << 10;
/// First byte of every row's key; [`PLACE_KEY`] is the other one.
const ROW: u8 = 1;
/// Key of the place.
pub(super) const PLACE_KEY: [u8; 1] = [0];
/// Version of keys and values.
const FORMAT: u8 = 1;

/// A row as it is stored: one value or more, each beginning with the number of all; none for a row that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredRow {
    pub(super) name: Vec<u8>,
    pub(super) parts: Vec<Vec<u8>>,
}

impl StoredRow {
    pub(super) fn new(key: &RowKey, row: Option<&SnapshotRow>) -> StoredRow {
        StoredRow {
            name: key.to_bytes(),
            parts: row.map(|row| parts(&row.encode_to_vec())).unwrap_or_default(),
        }
    }

    /// Bytes of all parts.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }
}

fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let count = bytes.len().div_ceil(PART_BYTES_MAX).max(1);
    // a row of more parts than that cannot be; its wrong count would be noticed at the next open
    let head = u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes();
    let part = |part: usize| {
        let from = part * PART_BYTES_MAX;
        [&head[..], &bytes[from..bytes.len().min(from + PART_BYTES_MAX)]].concat()
    };
    (0..count).map(part).collect()
}

/// The key of one part.
pub(super) fn part_key(row: &[u8], part: u16) -> Vec<u8> {
    [&[ROW], row, &part.to_be_bytes()[..]].concat()
}

/// How many parts the row has whose first value this is.
pub(super) fn part_count(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(value.get(..2)?.try_into().ok()?))
}

/// The keys of all parts of all rows.
pub(super) fn range() -> std::ops::Range<[u8; 1]> {
    [ROW]..[ROW + 1]
}

/// Reads rows from their values, one at a time: first those of one value each, then those put together from parts.
/// Ends with its first error.
pub(super) struct RowReader<I> {
    values: I,
    /// Parts of rows that have more than one.
    parts: BTreeMap<Vec<u8>, BTreeMap<u16, Vec<u8>>>,
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>, I: Iterator<Item = Result<(K, V), String>>> RowReader<I> {
    pub(super) fn new(values: I) -> RowReader<I> {
        let parts = BTreeMap::new();
        RowReader { values, parts }
    }

    /// Takes one value; gives the row, if it is all of it.
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<Option<SnapshotRow>, String> {
        let malformed = || format!("it has a malformed row under {}", key.escape_ascii());
        let (name, part) = key.split_last_chunk::<2>().ok_or_else(malformed)?;
        let name = name.strip_prefix(&[ROW]).ok_or_else(malformed)?;
        RowKey::from_bytes(name).map_err(|error| error.to_string())?;
        let count = part_count(value).ok_or_else(malformed)?;
        if count == 1 {
            let row = SnapshotRow::decode(&value[2..]).map_err(|error| error.to_string())?;
            return Ok(Some(row));
        }
        let parts = self.parts.entry(name.to_vec()).or_default();
        parts.insert(u16::from_be_bytes(*part), value.to_vec());
        Ok(None)
    }
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>, I: Iterator<Item = Result<(K, V), String>>> Iterator for RowReader<I> {
    type Item = Result<SnapshotRow, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(value) = self.values.next() {
            let row = value.and_then(|(key, value)| self.take(key.as_ref(), value.as_ref()));
            if let Some(row) = row.transpose() {
                return Some(row);
            }
        }
        let (name, parts) = self.parts.pop_first()?;
        Some(put_together(&name, &parts))
    }
}

/// A row of several parts, if all of them are there.
fn put_together(name: &[u8], parts: &BTreeMap<u16, Vec<u8>>) -> Result<SnapshotRow, String> {
    let count = parts
        .first_key_value()
        .and_then(|(_, value)| part_count(value))
        .unwrap_or(0);
    let whole = parts.len() == usize::from(count)
        && parts.keys().copied().eq(0..count)
        && parts.values().all(|value| part_count(value) == Some(count));
    if !whole {
        return Err(format!("row {} misses a part", name.escape_ascii()));
    }
    let bytes: Vec<u8> = parts.values().flat_map(|value| &value[2..]).copied().collect();
    SnapshotRow::decode(&bytes[..]).map_err(|error| error.to_string())
}

/// Where in the log the stored state stands; written in the same batch as the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) applied_index: u64,
    pub(super) digest: String,
    pub(super) owner: Vec<u8>,
}

impl Place {
    pub(super) fn of(state: &State, owner: &[u8]) -> Place {
        Place {
            applied_index: state.applied_index(),
            digest: state.digest(),
            owner: owner.to_vec(),
        }
    }

    /// Format, index, digest behind its length, the owner's bytes; a check over all of it at the end.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.applied_index.to_be_bytes());
        bytes.push(u8::try_from(self.digest.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.digest.as_bytes());
        bytes.extend_from_slice(&self.owner);
        let check = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&check.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Place> {
        let (bytes, check) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(bytes) != u32::from_be_bytes(*check) {
            return None;
        }
        let (format, bytes) = bytes.split_first()?;
        let (index, bytes) = bytes.split_first_chunk::<8>()?;
        let (length, bytes) = bytes.split_first()?;
        let (digest, owner) = bytes.split_at_checked(usize::from(*length))?;
        let digest = String::from_utf8(digest.to_vec()).ok()?;
        let place = Place {
            applied_index: u64::from_be_bytes(*index),
            digest,
            owner: owner.to_vec(),
        };
        (*format == FORMAT).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use proto::raft::v1::snapshot_row::Row;
    use proto::smd::v1::Component;

    use super::*;

    fn row(bytes: usize) -> SnapshotRow {
        let id = "x0c0s0b0n0".to_owned();
        SnapshotRow {
            row: Some(Row::Component(Component {
                id,
                subtype: "s".repeat(bytes),
                ..Default::default()
            })),
        }
    }

    fn values(row: &SnapshotRow) -> Vec<(Vec<u8>, Vec<u8>)> {
        let stored = StoredRow::new(&RowKey::of(row).unwrap(), Some(row));
        let key = |part| part_key(&stored.name, part);
        stored
            .parts
            .iter()
            .zip(0..)
            .map(|(value, part)| (key(part), value.clone()))
            .collect()
    }

    fn read(values: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<SnapshotRow>, String> {
        RowReader::new(values.iter().map(|value| Ok(value.clone()))).collect()
    }

    #[test]
    fn rows_of_any_size_read_back_and_no_value_becomes_a_file_of_its_own() {
        for bytes in [
            0,
            100,
            PART_BYTES_MAX - 40,
            PART_BYTES_MAX,
            3 * PART_BYTES_MAX,
            1 << 20,
        ] {
            let row = row(bytes);
            let values = values(&row);
            assert!(values.iter().all(|(_, value)| value.len() <= 64 << 10));
            assert_eq!(values.len(), row.encoded_len().div_ceil(PART_BYTES_MAX));
            assert_eq!(read(&values), Ok(vec![row]));
        }
    }

    /// What a store that lost or mixed values could show.
    #[test]
    fn a_row_with_a_part_missing_or_of_another_age_is_refused() {
        let (long, longer) = (values(&row(3 * PART_BYTES_MAX)), values(&row(5 * PART_BYTES_MAX)));
        for missing in 0..long.len() {
            let mut some = long.clone();
            some.remove(missing);
            assert!(read(&some).is_err(), "part {missing}");
        }
        let mixed = [&long[..2], &longer[2..]].concat();
        assert!(read(&mixed).is_err());
        assert!(read(&[long[0].clone(), (b"\x01\x0bx".to_vec(), Vec::new())]).is_err());
    }

    #[test]
    fn a_place_reads_back_and_no_flipped_bit_passes() {
        let place = Place {
            applied_index: 77,
            digest: "0123456789abcdef".into(),
            owner: b"owner".to_vec(),
        };
        let bytes = place.encode();
        assert_eq!(Place::decode(&bytes), Some(place));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Place::decode(&bad), None, "bit {bit}");
        }
        assert_eq!(Place::decode(&[]), None);
    }
}
