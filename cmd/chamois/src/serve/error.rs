//! Why a member did not start, or ended without being asked to.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::config::ConfigError;
use super::identity::IdentityError;

/// Why `chamois serve` failed. The text names the step and what to do; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration cannot be read or cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The identity directory is incomplete or does not fit.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The process that this one was to end with has ended before.
    #[error("the parent process given by --parent is gone")]
    Orphan,
    /// Threads, signals or interfaces could not be had.
    #[error("the system refuses {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A port could not be opened.
    #[error(
        "cannot listen on {address} (`{key}`); is the address one of this host's, and does no other process use the port?"
    )]
    Bind {
        /// Key of the configuration.
        key: &'static str,
        /// Address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used: another member's, a damaged log, a failing disk.
    #[error("the store in `data-dir` cannot be opened")]
    Store(#[source] io::Error),
    /// The folder of boot files cannot be used.
    #[error(
        "cannot use the folder of boot files {} (`boot.files-dir`): create it, owned by the user that runs chamois",
        folder.display()
    )]
    Files {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A part could not be put together from this member's identity and the built-in descriptor.
    #[error("cannot set up {part}")]
    Setup {
        /// Which part.
        part: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the member ended by itself: nothing may go on without it.
    #[error("{part} ended: {reason}; this member stops, so that the service manager starts it afresh")]
    Ended {
        /// Which part.
        part: &'static str,
        /// What is known.
        reason: String,
    },
}

impl ServeError {
    /// A [`ServeError::Setup`].
    pub(super) fn setup<E>(part: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Setup {
            part,
            source: source.into(),
        }
    }
}
