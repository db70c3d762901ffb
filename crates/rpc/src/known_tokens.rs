//! Tokens whose signature has been checked: a client sends the same one with every call, and checking it costs more
//! than the rest of a call's admission. Only the signature is remembered; time is checked at every call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::token::Claims;

/// Tokens that are remembered. Only those that passed get in, so a stranger cannot fill it; when it is full, it begins
/// anew.
const TOKENS_MAX: usize = 1024;

/// SHA-256 of a token: the token itself is kept nowhere, and how long a look-up takes says nothing about it.
type Digest = [u8; 32];

/// Claims by token; clones share them.
#[derive(Clone, Default)]
pub(crate) struct KnownTokens(Arc<Mutex<HashMap<Digest, Claims>>>);

impl KnownTokens {
    /// The claims of a token that has passed before.
    pub(crate) fn claims(&self, digest: &Digest) -> Option<Claims> {
        self.lock().get(digest).cloned()
    }

    /// Remembers a token that has passed.
    pub(crate) fn remember(&self, digest: Digest, claims: &Claims) {
        let mut known = self.lock();
        if known.len() >= TOKENS_MAX {
            known.clear();
        }
        known.insert(digest, claims.clone());
    }

    /// Entries are written whole: a caller that panicked has spoiled nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Claims>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a token is remembered by.
pub(crate) fn digest(token: &str) -> Digest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(sub: &str) -> Claims {
        Claims {
            sub: sub.into(),
            iss: "urn:chamois:prod".into(),
            exp: 1,
            nbf: None,
            jti: None,
        }
    }

    #[test]
    fn a_token_is_known_by_all_of_its_bytes() {
        let known = KnownTokens::default();
        known.remember(digest("a.b.c"), &claims("ada"));
        assert_eq!(known.claims(&digest("a.b.c")), Some(claims("ada")));
        assert_eq!(known.claims(&digest("a.b.d")), None);
    }

    /// A cluster that mints a token for every job must not grow without end.
    #[test]
    fn what_is_remembered_is_bounded() {
        let known = KnownTokens::default();
        for number in 0..=TOKENS_MAX {
            known.remember(digest(&number.to_string()), &claims("job"));
        }
        assert_eq!(known.lock().len(), 1);
        assert!(known.claims(&digest(&TOKENS_MAX.to_string())).is_some());
    }
}
