//! A batch: what one write and one sync bring to disk, whole or not at all.
//!
//! | bytes | header field |
//! |---|---|
//! | 0..4 | magic, names the format |
//! | 4..8 | check of bytes 8..64 |
//! | 8..16 | id of the log |
//! | 16..24 | number of the segment |
//! | 24..32 | number of the batch: one more than the batch before it |
//! | 32..40 | generation: one more at each opening of the log |
//! | 40..48, 48..56 | segment and byte where the batch before it ended |
//! | 56..60 | bytes of records |
//! | 60..64 | number of records |
//!
//! The writer starts a batch only after the one before it is synced. A batch whose header holds
//! therefore vouches for all before it: damage there is never a torn tail. Batches begin at sector
//! boundaries: no sector that holds acknowledged bytes is written to again.

use super::record;

/// Bytes of a batch before its first record.
pub(super) const HEADER_BYTES: usize = 64;
/// Batches start at multiples of this; the sector of the smallest drives.
pub(super) const SECTOR_BYTES: u64 = 512;
const MAGIC: [u8; 4] = *b"CWB1";

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// Number of the segment, from 1; 0 before the first.
    pub(super) segment: u64,
    /// Byte in the segment.
    pub(super) offset: u64,
}

/// The header of a batch, without its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) log_id: u64,
    pub(super) segment: u64,
    pub(super) number: u64,
    pub(super) generation: u64,
    pub(super) previous_end: Position,
    pub(super) records_bytes: u32,
    pub(super) records: u32,
}

impl BatchHeader {
    /// The header's bytes and its check, which every record of the batch carries on.
    pub(super) fn encode(&self) -> ([u8; HEADER_BYTES], u32) {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.generation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.previous_end.segment.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.previous_end.offset.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.records_bytes.to_le_bytes());
        bytes[60..64].copy_from_slice(&self.records.to_le_bytes());
        let check = crc32fast::hash(&bytes[8..]);
        bytes[4..8].copy_from_slice(&check.to_le_bytes());
        (bytes, check)
    }

    /// The header at the start of `bytes` and its check; `None` if there is no whole one.
    pub(super) fn decode(bytes: &[u8]) -> Option<(BatchHeader, u32)> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if bytes[..4] != MAGIC {
            return None;
        }
        let mut fields = FieldReader(&bytes[4..]);
        let check = fields.u32()?;
        if check != crc32fast::hash(&bytes[8..]) {
            return None;
        }
        let header = BatchHeader {
            log_id: fields.u64()?,
            segment: fields.u64()?,
            number: fields.u64()?,
            generation: fields.u64()?,
            previous_end: Position {
                segment: fields.u64()?,
                offset: fields.u64()?,
            },
            records_bytes: fields.u32()?,
            records: fields.u32()?,
        };
        Some((header, check))
    }

    /// Bytes that the batch takes in the segment, up to the next sector boundary.
    pub(super) fn total_bytes(&self) -> u64 {
        (HEADER_BYTES as u64 + u64::from(self.records_bytes)).next_multiple_of(SECTOR_BYTES)
    }
}

/// The records of the batch that starts `bytes`, each with its place in the batch, or `None` if it
/// is not whole.
pub(super) fn decode_records<'a>(
    bytes: &'a [u8],
    header: &BatchHeader,
    check: u32,
) -> Option<Vec<(usize, record::RawRecord<'a>)>> {
    let end = HEADER_BYTES + header.records_bytes as usize;
    let batch = bytes.get(..end)?;
    let mut records = Vec::new();
    let mut place = HEADER_BYTES;
    while place < end {
        let record = record::decode(batch, check, place)?;
        let length = record::HEADER_BYTES + record.payload.len();
        records.push((place, record));
        place += length;
    }
    (records.len() == header.records as usize).then_some(records)
}

/// Reads little-endian fields one after the other; `None` when the bytes end.
pub(super) struct FieldReader<'a>(pub(super) &'a [u8]);

impl<'a> FieldReader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::record::Kind;

    fn batch() -> (BatchHeader, Vec<u8>) {
        let header = BatchHeader {
            log_id: 9,
            segment: 3,
            number: 40,
            generation: 2,
            previous_end: Position {
                segment: 3,
                offset: 512,
            },
            records_bytes: (2 * record::HEADER_BYTES + 5) as u32,
            records: 2,
        };
        let (bytes, check) = header.encode();
        let mut bytes = bytes.to_vec();
        record::encode(&mut bytes, check, Kind::Entry, 1, b"abc");
        record::encode(&mut bytes, check, Kind::Vote, 0, b"me");
        (header, bytes)
    }

    #[test]
    fn a_batch_reads_back_as_written() {
        let (header, bytes) = batch();
        let (read, check) = BatchHeader::decode(&bytes).unwrap();
        assert_eq!(read, header);
        let records = decode_records(&bytes, &read, check).unwrap();
        assert_eq!(
            records
                .iter()
                .map(|(_, record)| record.payload)
                .collect::<Vec<_>>(),
            [&b"abc"[..], b"me"]
        );
        assert_eq!(header.total_bytes(), 512);
    }

    #[test]
    fn no_flipped_bit_passes_and_no_half_batch() {
        let (_, good) = batch();
        let whole = |bytes: &[u8]| {
            BatchHeader::decode(bytes)
                .and_then(|(header, check)| Some(decode_records(bytes, &header, check)?.len()))
        };
        assert_eq!(whole(&good), Some(2));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(whole(&bad), None, "bit {bit}");
        }
        for end in 0..good.len() {
            assert_eq!(whole(&good[..end]), None, "end {end}");
        }
    }

    /// A batch cannot take in the records that an earlier one left in the same space.
    #[test]
    fn records_of_another_generation_do_not_pass() {
        let (header, old) = batch();
        let (new_header, _) = BatchHeader {
            generation: 3,
            ..header
        }
        .encode();
        let mut mixed = new_header.to_vec();
        mixed.extend_from_slice(&old[HEADER_BYTES..]);
        let (header, check) = BatchHeader::decode(&mixed).unwrap();
        assert!(decode_records(&mixed, &header, check).is_none());
    }
}
