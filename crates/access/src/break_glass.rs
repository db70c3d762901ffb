//! Tokens that a member makes for whoever is root on its host: administrators for a quarter of an hour, on this member and no other.
//! They are kept in this process's memory, so they need no majority, no provider, no key and no clock, and end with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::{TokenError, secret_digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rpc::{Error, Identity};

/// How long a token is good.
pub const BREAK_GLASS_VALID_FOR: Duration = Duration::from_secs(15 * 60);
/// Tokens that are good at once; the oldest makes room.
const TOKENS_MAX: usize = 8;
/// What every such token begins with.
const PREFIX: &str = "chb_";
const SECRET_BYTES: usize = 32;

/// The tokens of this process; cheap to clone, and all clones know the same.
#[derive(Clone, Debug, Default)]
pub struct BreakGlass(Arc<Mutex<Vec<Made>>>);

/// The secret itself is kept nowhere.
#[derive(Debug)]
struct Made {
    digest: [u8; 32],
    subject: String,
    ends: Instant,
}

impl BreakGlass {
    /// A new token of an administrator who is called `token/<subject>` from now on, for [`BREAK_GLASS_VALID_FOR`].
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn make(&self, subject: &str) -> Result<String, TokenError> {
        self.make_at(subject, Instant::now())
    }

    fn make_at(&self, subject: &str, now: Instant) -> Result<String, TokenError> {
        let secret: [u8; SECRET_BYTES] = auth::random()?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let mut made = self.lock();
        made.retain(|one| one.ends > now);
        if made.len() >= TOKENS_MAX {
            made.remove(0);
        }
        made.push(Made {
            digest: secret_digest(token.as_bytes()),
            subject: subject.to_owned(),
            ends: now + BREAK_GLASS_VALID_FOR,
        });
        Ok(token)
    }

    /// Whom a token speaks for; `None` if it is of another kind.
    ///
    /// # Errors
    /// `Unauthenticated` for one that has ended, or that another process made.
    pub(crate) fn identity(&self, token: &str) -> Result<Option<Identity>, Error> {
        self.identity_at(token, Instant::now())
    }

    fn identity_at(&self, token: &str, now: Instant) -> Result<Option<Identity>, Error> {
        if !token.starts_with(PREFIX) {
            return Ok(None);
        }
        let digest = secret_digest(token.as_bytes());
        let made = self.lock();
        let found = made.iter().find(|one| one.digest == digest && one.ends > now);
        match found {
            Some(one) => Ok(Some(Identity::Token {
                subject: one.subject.clone(),
            })),
            None => Err(Error::Unauthenticated {
                reason: "this break-glass token has ended, or is another member's; `chamois break-glass token` makes one"
                    .to_owned(),
            }),
        }
    }

    /// Nothing is left half done under it.
    fn lock(&self) -> MutexGuard<'_, Vec<Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(glass: &BreakGlass, token: &str, now: Instant) -> Option<String> {
        match glass.identity_at(token, now) {
            Ok(Some(Identity::Token { subject })) => Some(subject),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    #[test]
    fn a_token_is_good_for_a_quarter_of_an_hour() {
        let (glass, now) = (BreakGlass::default(), Instant::now());
        let token = glass.make_at("break-glass-0", now).unwrap();
        let minutes = |minutes: u64| now + Duration::from_secs(minutes * 60);
        assert_eq!(
            subject(&glass, &token, minutes(14)).as_deref(),
            Some("break-glass-0")
        );
        assert_eq!(subject(&glass, &token, minutes(15)), None);
        assert_eq!(
            subject(&BreakGlass::default(), &token, now),
            None,
            "another process"
        );
        assert_eq!(subject(&glass, &format!("{token}x"), now), None);
    }

    /// What is no such token is somebody else's to judge.
    #[test]
    fn other_tokens_are_left_to_others() {
        let glass = BreakGlass::default();
        for other in ["", "cht_a_b", "a.b.c"] {
            assert!(glass.identity(other).unwrap().is_none(), "{other}");
        }
        assert!(glass.identity("chb_").is_err());
    }

    #[test]
    fn only_so_many_are_good_at_once_and_none_is_shown() {
        let glass = BreakGlass::default();
        let first = glass.make("break-glass-0").unwrap();
        for _ in 0..TOKENS_MAX {
            glass.make("break-glass-0").unwrap();
        }
        assert!(glass.identity(&first).is_err());
        let last = glass.make("break-glass-0").unwrap();
        assert!(glass.identity(&last).unwrap().is_some());
        assert!(!format!("{glass:?}").contains(&last));
    }
}
