//! Where a client's bearer token comes from, if it does not live as long as the client: the clusters' own are good for minutes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderValue;

/// How long a token that was read from a file is sent before the file is read again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A token file has at most this many bytes; a larger one is another file.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// Gives the token that a call is to be made with.
///
/// A source is asked with every call, so one that asks others keeps what it was given until shortly before it ends.
pub trait TokenSource: Send + Sync {
    /// The token, without `Bearer `.
    ///
    /// # Errors
    /// Why there is none; the call then fails with it as `UNAUTHENTICATED`, and nothing is sent.
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>>;
}

/// Why a call has no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why; it is in the text, which is all that the answer to a call has room for.
        cause: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no token: {problem}", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        problem: &'static str,
    },
    /// What another source says.
    #[error("{0}")]
    Other(String),
}

/// A file that holds a token and nothing else, and that somebody writes anew before it ends (`chamois login`, an agent).
pub struct TokenFile {
    path: PathBuf,
    held: Mutex<Held>,
}

/// What was read last.
struct Held {
    token: String,
    looked_at: Instant,
}

impl TokenFile {
    /// The token in `path`, which may end with a newline.
    ///
    /// # Errors
    /// If there is none now.
    pub fn new(path: &Path) -> Result<Self, TokenError> {
        let held = Held {
            token: read(path)?,
            looked_at: Instant::now(),
        };
        Ok(Self {
            path: path.to_owned(),
            held: Mutex::new(held),
        })
    }

    /// What is in the file; what was in it before, while it cannot be read, for as long as members take it.
    fn current(&self, again_after: Duration) -> String {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked_at.elapsed() >= again_after {
            held.looked_at = Instant::now();
            match read(&self.path) {
                Ok(token) => held.token = token,
                Err(error) => tracing::warn!("{error}; the token before is used"),
            }
        }
        held.token.clone()
    }
}

impl TokenSource for TokenFile {
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        // a file of a kilobyte, once a second: to hand it to another thread would take longer
        std::future::ready(Ok(self.current(READ_AGAIN_AFTER))).boxed()
    }
}

impl fmt::Debug for TokenFile {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The header that carries `token`; `None` for characters that no token has.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn read(path: &Path) -> Result<String, TokenError> {
    let file = |cause| TokenError::File {
        path: path.to_owned(),
        cause,
    };
    let no_token = |problem| {
        Err(TokenError::NoToken {
            path: path.to_owned(),
            problem,
        })
    };
    if std::fs::metadata(path).map_err(file)?.len() > FILE_BYTES_MAX {
        return no_token("more than 16 KiB; is it another file?");
    }
    let text = std::fs::read_to_string(path).map_err(file)?;
    match text.trim() {
        "" => no_token("it is empty"),
        token if bearer(token).is_none() => no_token("characters that no token has"),
        token => Ok(token.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token file in a directory of its own.
    struct File(tempfile::TempDir);

    impl File {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("token")
        }

        fn write(&self, text: &str) {
            std::fs::write(self.path(), text).unwrap();
        }
    }

    #[tokio::test]
    async fn a_token_that_is_written_anew_is_read_again() {
        let file = File::new();
        file.write("abc\n");
        let source = TokenFile::new(&file.path()).unwrap();
        file.write("def\n");
        assert_eq!(source.token().await.unwrap(), "abc", "for a moment");
        assert_eq!(source.current(Duration::ZERO), "def");
        assert_eq!(source.token().await.unwrap(), "def");
    }

    /// Whoever writes it anew may remove it first.
    #[test]
    fn while_the_file_is_gone_the_token_before_is_used() {
        let file = File::new();
        file.write("abc");
        let source = TokenFile::new(&file.path()).unwrap();
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(source.current(Duration::ZERO), "abc");
    }

    #[test]
    fn what_is_no_token_is_refused_by_the_name_of_its_file() {
        let file = File::new();
        let refused = || TokenFile::new(&file.path()).unwrap_err().to_string();
        assert!(refused().contains("cannot read the token file"), "{}", refused());
        for (text, problem) in [
            ("\n", "empty"),
            ("a\nb", "characters"),
            ("x".repeat(17 << 10).as_str(), "16 KiB"),
        ] {
            file.write(text);
            let said = refused();
            assert!(said.contains(problem) && said.contains("token"), "{said}");
            assert!(!said.contains("a\nb"), "no credential in an error");
        }
    }

    /// `{:?}` of a request ends up in logs.
    #[test]
    fn debug_shows_no_token() {
        let value = bearer("secret").unwrap();
        assert!(!format!("{value:?}").contains("secret"));
        let file = File::new();
        file.write("secret");
        let source = TokenFile::new(&file.path()).unwrap();
        assert!(!format!("{source:?}").contains("secret"));
    }
}
