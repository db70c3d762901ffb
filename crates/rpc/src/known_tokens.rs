//! Tokens whose signature has been checked: a client sends the same one with every call, and checking it costs more
//! than the rest of a call's admission. Only the signature is remembered; time is checked at every call. Whoever looks one up
//! waits for nobody: a token that is new makes a new map.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::token::Claims;

/// Tokens that are remembered. Only those that passed get in, so a stranger cannot fill it; when it is full, it begins
/// anew.
const TOKENS_MAX: usize = 1024;

/// SHA-256 of a token: the token itself is kept nowhere, and how long a look-up takes says nothing about it.
type Digest = [u8; 32];

/// Claims by token; clones share them.
#[derive(Clone, Default)]
pub(crate) struct KnownTokens(Arc<ArcSwap<HashMap<Digest, Arc<Claims>>>>);

impl KnownTokens {
    /// The claims of a token that has passed before.
    pub(crate) fn claims(&self, digest: &Digest) -> Option<Arc<Claims>> {
        self.0.load().get(digest).cloned()
    }

    /// Remembers a token that has passed.
    pub(crate) fn remember(&self, digest: Digest, claims: &Arc<Claims>) {
        self.0.rcu(|known| {
            let mut next = match known.len() {
                0..TOKENS_MAX => HashMap::clone(known),
                _ => HashMap::new(),
            };
            next.insert(digest, Arc::clone(claims));
            next
        });
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

    fn claims(sub: &str) -> Arc<Claims> {
        Arc::new(Claims {
            sub: sub.into(),
            iss: "urn:chamois:prod".into(),
            exp: 1,
            nbf: None,
            jti: None,
        })
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
        assert_eq!(known.0.load().len(), 1);
        assert!(known.claims(&digest(&TOKENS_MAX.to_string())).is_some());
    }

    /// In the middle of a change the map is as it was: with a lock, this look-up would wait for ever.
    #[test]
    fn readers_do_not_wait() {
        let known = KnownTokens::default();
        known.remember(digest("old"), &claims("ada"));
        known.0.rcu(|map| {
            assert_eq!(known.claims(&digest("old")), Some(claims("ada")));
            assert_eq!(known.claims(&digest("new")), None);
            let mut next = HashMap::clone(map);
            next.insert(digest("new"), claims("bob"));
            next
        });
        assert_eq!(known.claims(&digest("new")), Some(claims("bob")));
    }

    /// Of tokens that arrive at once, all are remembered.
    #[test]
    fn writers_lose_nothing() {
        let known = KnownTokens::default();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let known = known.clone();
                scope.spawn(move || {
                    for number in 0..50 {
                        known.remember(digest(&format!("{thread}.{number}")), &claims("job"));
                    }
                });
            }
        });
        assert_eq!(known.0.load().len(), 400);
    }
}
