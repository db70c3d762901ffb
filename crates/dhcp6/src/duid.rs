//! This server's DUID: one for the whole cluster, so that a client that has chosen one member is answered by every other.

use sha2::{Digest as _, Sha256};

/// DUID-UUID (RFC 6355): needs no hardware, and so no member.
const DUID_UUID: [u8; 2] = [0, 4];
/// So that the DUID is a hash of nothing else of the cluster.
const PURPOSE: &[u8] = b"chamois dhcpv6 server\0";

/// The DUID of the cluster with this id; the same on all members, for as long as the cluster lives. A cluster that is
/// restored from a snapshot has another id: its clients then rebind.
pub fn server_duid(cluster_id: &str) -> [u8; 18] {
    let hash = Sha256::new()
        .chain_update(PURPOSE)
        .chain_update(cluster_id)
        .finalize();
    let mut duid = [0; 18];
    duid[..2].copy_from_slice(&DUID_UUID);
    duid[2..].copy_from_slice(&hash[..16]);
    // RFC 9562: version 8, made by a rule of one's own
    duid[8] = (duid[8] & 0x0f) | 0x80;
    duid[10] = (duid[10] & 0x3f) | 0x80;
    duid
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients keep it: another rule would be another server to them.
    #[test]
    fn it_follows_from_the_clusters_id_alone() {
        let duid = server_duid("4f2a6c1e9b3d8a70");
        let text: String = duid.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "0004916f53bf0dfb8b1ea941f453cbbba5c2");
        assert_ne!(server_duid("4f2a6c1e9b3d8a71"), duid);
    }

    #[test]
    fn it_is_a_uuid_to_whoever_reads_it() {
        let duid = server_duid("");
        assert_eq!(duid[..2], [0, 4]);
        assert_eq!((duid[8] >> 4, duid[10] >> 6), (8, 2));
    }
}
