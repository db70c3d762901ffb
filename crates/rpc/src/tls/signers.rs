//! Which CA has signed a client certificate that a handshake has let in. What a verifier has found rustls tells nobody, and rights ask
//! for it as long as the connection lives. It is the same fact on every port, so that the process has one memory of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use model::Sha256;

/// Certificates that are remembered; the first one is forgotten first. A connection asks right after its handshake.
const REMEMBERED_MAX: usize = 10_000;

static SIGNERS: Mutex<Signers> = Mutex::new(Signers::new());

/// A certificate's SHA-256.
type Digest = [u8; 32];

#[derive(Debug)]
struct Signers {
    /// Ids of CAs.
    by: BTreeMap<Digest, String>,
    order: VecDeque<Digest>,
}

impl Signers {
    const fn new() -> Signers {
        Signers {
            by: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    fn remember(&mut self, certificate: Digest, ca: &str) {
        if self.by.insert(certificate, ca.to_owned()).is_some() {
            return;
        }
        self.order.push_back(certificate);
        if self.order.len() > REMEMBERED_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.by.remove(&first);
        }
    }
}

fn lock() -> MutexGuard<'static, Signers> {
    // nothing is left half done under it that a later call could not bear
    SIGNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sha256(der: &[u8]) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, der).as_ref());
    bytes
}

/// The id of a CA, as the cluster's state has it: SHA-256 of its certificate (DER), hex.
pub(super) fn id_of(ca: &[u8]) -> String {
    Sha256(sha256(ca)).to_string()
}

/// Notes that a CA of the cluster has signed a certificate; an empty id: one that the cluster does not keep.
pub(super) fn remember(certificate: &[u8], ca: &str) {
    lock().remember(sha256(certificate), ca);
}

/// The id of the CA that has signed a certificate; empty for one that the cluster does not keep, or that no handshake has seen.
pub(super) fn of(certificate: &[u8]) -> String {
    lock().by.get(&sha256(certificate)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_handshake_says_who_has_signed() {
        let certificate = b"a certificate of this test alone";
        assert_eq!(of(certificate), "");
        remember(certificate, "old");
        remember(certificate, "new");
        assert_eq!(of(certificate), "new");
        remember(certificate, "");
        assert_eq!(of(certificate), "");
        assert_eq!(id_of(b"").len(), 64);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut signers = Signers::new();
        let certificate = |number: usize| sha256(&number.to_be_bytes());
        for number in 0..=REMEMBERED_MAX {
            signers.remember(certificate(number), "ca");
            signers.remember(certificate(number), "ca");
        }
        assert_eq!(
            (signers.by.len(), signers.order.len()),
            (REMEMBERED_MAX, REMEMBERED_MAX)
        );
        assert!(!signers.by.contains_key(&certificate(0)));
    }
}
