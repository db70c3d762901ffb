//! A digest of the state that is kept up to date row by row.

use std::fmt;

use prost::Message;

use crate::RowKey;

const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The wrapping sum of the hashes of all rows: the order of changes does not matter, and a row is taken out by
/// subtracting it. It is for noticing members that differ by mistake, not for resisting someone who forges rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(u128);

impl Digest {
    /// Hash of one row: FNV-1a over kind, length of the key, key and encoded message, then mixed so that sums of
    /// similar rows do not cancel out.
    pub(crate) fn of(key: &RowKey, message: &impl Message) -> Digest {
        let length = (key.key().len() as u64).to_be_bytes();
        let mut hash = fnv(FNV_OFFSET, &[key.kind() as u8]);
        hash = fnv(hash, &length);
        hash = fnv(hash, key.key());
        Digest(mix(fnv(hash, &message.encode_to_vec())))
    }

    pub(crate) fn add(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }

    pub(crate) fn subtract(&mut self, other: Digest) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

fn fnv(start: u128, bytes: &[u8]) -> u128 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

/// Two rounds of xor-shift and multiplication (constants of splitmix64, doubled).
fn mix(hash: u128) -> u128 {
    let hash = (hash ^ (hash >> 67)).wrapping_mul(0xbf58_476d_1ce4_e5b9_94d0_49bb_1331_11eb);
    let hash = (hash ^ (hash >> 59)).wrapping_mul(0x94d0_49bb_1331_11eb_bf58_476d_1ce4_e5b9);
    hash ^ (hash >> 64)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::Component;

    use super::*;

    fn row(id: &str, nid: u64) -> Digest {
        let component = Component {
            id: id.into(),
            nid: Some(nid),
            ..Default::default()
        };
        Digest::of(&RowKey::component(&id.parse().unwrap()), &component)
    }

    #[test]
    fn a_row_that_is_taken_out_leaves_no_trace() {
        let mut digest = row("x0c0s0b0n0", 1);
        digest.add(row("x0c0s1b0n0", 2));
        digest.subtract(row("x0c0s1b0n0", 2));
        assert_eq!(digest, row("x0c0s0b0n0", 1));
    }

    #[test]
    fn the_order_of_rows_does_not_matter_but_their_content_does() {
        let sum = |rows: &[Digest]| {
            rows.iter().fold(Digest::default(), |mut sum, row| {
                sum.add(*row);
                sum
            })
        };
        let (a, b) = (row("x0c0s0b0n0", 1), row("x0c0s1b0n0", 2));
        assert_eq!(sum(&[a, b]), sum(&[b, a]));
        // The same NIDs, swapped between the nodes.
        assert_ne!(sum(&[a, b]), sum(&[row("x0c0s0b0n0", 2), row("x0c0s1b0n0", 1)]));
    }

    /// Members of different versions compare digests: the value must not change by accident.
    #[test]
    fn the_hash_is_fixed() {
        assert_eq!(
            row("x0c0s0b0n0", 1).to_string(),
            "0b5f63a056d36f97407b2d199d1d53c1"
        );
    }
}
