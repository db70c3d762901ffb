//! What every datagram between members begins and ends with: who says it to whom, how fresh it is, and its HMAC.

use aws_lc_rs::hmac;

use crate::advert::{AdvertError, AdvertKey, ClusterTag, NETWORK_NAME_BYTES_MAX, TAG_BYTES};

/// Bytes of the HMAC at the end.
pub(crate) const MAC_BYTES: usize = 32;
/// Everything of a head but the network's name: magic, version, tag, length of the name, four numbers.
pub(crate) const HEAD_FIXED_BYTES: usize = 4 + 1 + TAG_BYTES + 1 + 4 * 8;

/// The fields that all datagrams have; their layout is shown in [`crate::advert`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) cluster: ClusterTag,
    pub(crate) network: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) sequence: u64,
    pub(crate) heard: u64,
}

impl Head {
    /// The head's bytes, with room for `more`.
    pub(crate) fn encode(&self, magic: [u8; 4], version: u8, more: usize) -> Vec<u8> {
        debug_assert!(self.network.len() <= NETWORK_NAME_BYTES_MAX);
        let name = &self.network.as_bytes()[..self.network.len().min(NETWORK_NAME_BYTES_MAX)];
        let mut bytes = Vec::with_capacity(HEAD_FIXED_BYTES + name.len() + more + MAC_BYTES);
        bytes.extend_from_slice(&magic);
        bytes.push(version);
        bytes.extend_from_slice(&self.cluster.0);
        bytes.push(u8::try_from(name.len()).expect("a network name has at most 64 bytes"));
        bytes.extend_from_slice(name);
        for number in [self.from, self.to, self.sequence, self.heard] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Reads a head and gives what follows it; `None` for anything else.
    pub(crate) fn parse(body: &[u8], magic: [u8; 4], version: u8) -> Option<(Head, &[u8])> {
        let (found, rest) = body.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first()?;
        if *found != magic || *number != version {
            return None;
        }
        let (tag, rest) = rest.split_first_chunk::<TAG_BYTES>()?;
        let (name_len, rest) = rest.split_first()?;
        let name_len = usize::from(*name_len);
        if name_len > NETWORK_NAME_BYTES_MAX {
            return None;
        }
        let (name, rest) = rest.split_at_checked(name_len)?;
        let (from, rest) = rest.split_first_chunk::<8>()?;
        let (to, rest) = rest.split_first_chunk::<8>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (heard, rest) = rest.split_first_chunk::<8>()?;
        let head = Head {
            cluster: ClusterTag(*tag),
            network: std::str::from_utf8(name).ok()?.to_owned(),
            from: u64::from_be_bytes(*from),
            to: u64::from_be_bytes(*to),
            sequence: u64::from_be_bytes(*sequence),
            heard: u64::from_be_bytes(*heard),
        };
        Some((head, rest))
    }
}

/// Puts the HMAC of everything so far at the end.
pub(crate) fn sign(mut bytes: Vec<u8>, key: &AdvertKey) -> Vec<u8> {
    let mac = hmac::sign(&key.0, &bytes);
    bytes.extend_from_slice(mac.as_ref());
    bytes
}

/// Reads a body with `parse`, then checks the HMAC behind it.
pub(crate) fn verified<T>(
    bytes: &[u8],
    key: &AdvertKey,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, AdvertError> {
    let body_len = bytes.len().checked_sub(MAC_BYTES).ok_or(AdvertError::Malformed)?;
    let (body, mac) = bytes.split_at(body_len);
    let parsed = parse(body).ok_or(AdvertError::Malformed)?;
    hmac::verify(&key.0, body, mac).map_err(|_| AdvertError::Forged)?;
    Ok(parsed)
}
