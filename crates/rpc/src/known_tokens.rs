//! Tokens whose signature has been checked: a client sends the same one with every call, and checking it costs more
//! than the rest of a call's admission. Only the signature is remembered; time is checked at every call. Whoever looks one up
//! waits for nobody: a token that is new makes a new map.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Tokens of one generation. Only those that passed get in, so a stranger cannot fill it.
const TOKENS_MAX: usize = 1024;

/// SHA-256 of a token: the token itself is kept nowhere, and how long a look-up takes says nothing about it.
pub type TokenDigest = [u8; 32];

/// What is known of a token, by token; clones share it. Bounded: what was not shown while 1,024 others were new is forgotten, so of those
/// that are in use none is checked twice in a row.
#[derive(Debug)]
pub struct KnownTokens<T>(Arc<ArcSwap<Generations<T>>>);

/// What was shown first, or again, since the last turn, and what was before it.
#[derive(Debug)]
struct Generations<T> {
    young: HashMap<TokenDigest, Arc<T>>,
    old: Arc<HashMap<TokenDigest, Arc<T>>>,
}

impl<T> Clone for KnownTokens<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for KnownTokens<T> {
    fn default() -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Generations {
            young: HashMap::new(),
            old: Arc::default(),
        })))
    }
}

impl<T> KnownTokens<T> {
    /// What is known of a token that has passed before.
    pub fn get(&self, digest: &TokenDigest) -> Option<Arc<T>> {
        let known = self.0.load();
        if let Some(found) = known.young.get(digest) {
            return Some(Arc::clone(found));
        }
        let found = known.old.get(digest).cloned()?;
        self.remember(*digest, &found);
        Some(found)
    }

    /// Remembers a token that has passed.
    pub fn remember(&self, digest: TokenDigest, known: &Arc<T>) {
        self.0.rcu(|before| {
            let (mut young, old) = match before.young.len() {
                0..TOKENS_MAX => (before.young.clone(), Arc::clone(&before.old)),
                _ => (HashMap::new(), Arc::new(before.young.clone())),
            };
            young.insert(digest, Arc::clone(known));
            Generations { young, old }
        });
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        let known = self.0.load();
        let old = known
            .old
            .keys()
            .filter(|digest| !known.young.contains_key(*digest));
        known.young.len() + old.count()
    }
}

/// What a token is remembered by.
pub fn token_digest(token: &str) -> TokenDigest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(sub: &str) -> Arc<String> {
        Arc::new(sub.to_owned())
    }

    #[test]
    fn a_token_is_known_by_all_of_its_bytes() {
        let tokens = KnownTokens::default();
        tokens.remember(token_digest("a.b.c"), &known("ada"));
        assert_eq!(tokens.get(&token_digest("a.b.c")), Some(known("ada")));
        assert_eq!(tokens.get(&token_digest("a.b.d")), None);
    }

    /// A cluster that mints a token for every job must not grow without end.
    #[test]
    fn what_is_remembered_is_bounded() {
        let tokens = KnownTokens::default();
        for number in 0..10 * TOKENS_MAX {
            tokens.remember(token_digest(&number.to_string()), &known("job"));
            assert!(tokens.count() <= 2 * TOKENS_MAX);
        }
        let last = (10 * TOKENS_MAX - 1).to_string();
        assert!(tokens.get(&token_digest(&last)).is_some());
        assert!(tokens.get(&token_digest("0")).is_none());
    }

    /// Whoever makes a token for each of a thousand jobs does not slow down the one who works with his all day.
    #[test]
    fn what_is_in_use_is_not_forgotten_for_what_is_new() {
        let tokens = KnownTokens::default();
        tokens.remember(token_digest("all day"), &known("ada"));
        for number in 0..5 * TOKENS_MAX {
            tokens.remember(token_digest(&number.to_string()), &known("job"));
            let found = tokens.get(&token_digest("all day"));
            assert_eq!(found, Some(known("ada")), "after {number} others");
        }
    }

    /// In the middle of a change the map is as it was: with a lock, this look-up would wait for ever.
    #[test]
    fn readers_do_not_wait() {
        let tokens = KnownTokens::default();
        tokens.remember(token_digest("old"), &known("ada"));
        tokens.0.rcu(|before| {
            assert_eq!(tokens.get(&token_digest("old")), Some(known("ada")));
            assert_eq!(tokens.get(&token_digest("new")), None);
            let mut young = before.young.clone();
            young.insert(token_digest("new"), known("bob"));
            Generations {
                young,
                old: Arc::clone(&before.old),
            }
        });
        assert_eq!(tokens.get(&token_digest("new")), Some(known("bob")));
    }

    /// Of tokens that arrive at once, all are remembered.
    #[test]
    fn writers_lose_nothing() {
        let tokens = KnownTokens::default();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let tokens = tokens.clone();
                scope.spawn(move || {
                    for number in 0..50 {
                        tokens.remember(token_digest(&format!("{thread}.{number}")), &known("job"));
                    }
                });
            }
        });
        assert_eq!(tokens.count(), 400);
    }
}
