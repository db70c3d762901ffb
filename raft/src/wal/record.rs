//! One record in a batch: a header under its own check, then the payload.
//!
//! | bytes | header field |
//! |---|---|
//! | 0..4 | check over the batch's check, the record's place in the batch and bytes 4..24 |
//! | 4..8 | length of the payload |
//! | 8 | kind; 9..12 are zero |
//! | 12..16 | check of the payload |
//! | 16..24 | log index (entries and purges; truncation: first index that goes) |
//!
//! The length is believed only when the header's check holds, so a flipped bit in it is damage and
//! never looks like the end of the log. The batch's check ties a record to its batch, and thereby
//! to its segment and generation: what an earlier use of the space left behind never passes.

use super::batch::FieldReader;

/// Bytes of a record before its payload.
pub(super) const HEADER_BYTES: usize = 24;
/// Longest payload of one record: above the 8 MiB that an entry may have.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// What a record says. The numbers are the disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Checkpoint = 1,
    Entry = 2,
    Vote = 3,
    Committed = 4,
    Truncate = 5,
    Purge = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        [
            Kind::Checkpoint,
            Kind::Entry,
            Kind::Vote,
            Kind::Committed,
            Kind::Truncate,
            Kind::Purge,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// A record as read: `payload` borrows from the segment's bytes.
#[derive(Debug)]
pub(super) struct RawRecord<'a> {
    pub(super) kind: Kind,
    pub(super) index: u64,
    pub(super) payload: &'a [u8],
    pub(super) payload_check: u32,
}

fn header_check(batch_check: u32, place: usize, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(batch_check);
    hasher.update(&(place as u64).to_le_bytes());
    hasher.update(rest);
    hasher.finalize()
}

/// Appends a record to `batch` (the batch from its first byte on) and returns the payload's check.
pub(super) fn encode(batch: &mut Vec<u8>, batch_check: u32, kind: Kind, index: u64, payload: &[u8]) -> u32 {
    let payload_check = crc32fast::hash(payload);
    let length = u32::try_from(payload.len()).expect("the handle refuses payloads above PAYLOAD_BYTES_MAX");
    let mut header = [0; HEADER_BYTES];
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8] = kind as u8;
    header[12..16].copy_from_slice(&payload_check.to_le_bytes());
    header[16..24].copy_from_slice(&index.to_le_bytes());
    let check = header_check(batch_check, batch.len(), &header[4..]);
    header[0..4].copy_from_slice(&check.to_le_bytes());
    batch.extend_from_slice(&header);
    batch.extend_from_slice(payload);
    payload_check
}

/// The record at byte `place` of `batch`, or `None` if a check fails or the batch ends before it.
pub(super) fn decode(batch: &[u8], batch_check: u32, place: usize) -> Option<RawRecord<'_>> {
    let header = batch.get(place..place.checked_add(HEADER_BYTES)?)?;
    let mut fields = FieldReader(header);
    let check = fields.u32()?;
    if check != header_check(batch_check, place, &header[4..]) {
        return None;
    }
    let length = fields.u32()? as usize;
    let kind = Kind::from_byte(fields.u32()?.to_le_bytes()[0])?;
    let payload_check = fields.u32()?;
    let index = fields.u64()?;
    let start = place + HEADER_BYTES;
    let payload = batch.get(start..start.checked_add(length)?)?;
    (crc32fast::hash(payload) == payload_check).then_some(RawRecord {
        kind,
        index,
        payload,
        payload_check,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: u32 = 0x1234_5678;

    fn one(payload: &[u8]) -> Vec<u8> {
        let mut batch = vec![0; 64];
        encode(&mut batch, CHECK, Kind::Entry, 7, payload);
        batch
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let batch = one(b"payload");
        let record = decode(&batch, CHECK, 64).unwrap();
        assert_eq!(
            (record.kind, record.index, record.payload),
            (Kind::Entry, 7, &b"payload"[..])
        );
    }

    /// Every bit counts: the length, the kind and the unused bytes too.
    #[test]
    fn no_flipped_bit_passes() {
        let good = one(b"some payload");
        for bit in 64 * 8..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad, CHECK, 64).is_none(), "bit {bit}");
        }
    }

    /// The same bytes left by another batch, or moved within this one, are not this record.
    #[test]
    fn a_record_belongs_to_its_batch_and_place() {
        let batch = one(b"payload");
        assert!(decode(&batch, CHECK ^ 1, 64).is_none());
        let mut moved = vec![0; 72];
        moved.extend_from_slice(&batch[64..]);
        assert!(decode(&moved, CHECK, 72).is_none());
    }

    #[test]
    fn a_short_batch_gives_no_record() {
        let batch = one(b"payload");
        for end in 0..batch.len() {
            assert!(decode(&batch[..end], CHECK, 64).is_none(), "end {end}");
        }
    }
}
