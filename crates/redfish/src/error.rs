//! Why a BMC could not be read or told something, in words that an administrator can act on.

use crate::Password;

/// What went wrong with one BMC. The text says what; [`Error::word`] is for tables, [`Error::remedy`] for people.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("no connection to {address}: {problem}")]
    Unreachable {
        /// `address:port`.
        address: String,
        /// What the system said.
        problem: String,
    },
    /// It did not answer in time.
    #[error("no answer to {what} within {ms} ms")]
    Timeout {
        /// The request, e.g. `GET /redfish/v1`, or the whole BMC.
        what: String,
        /// How long was waited.
        ms: u64,
    },
    /// There is a connection, and no TLS over it.
    #[error("no TLS with {address}: {problem}")]
    Tls {
        /// `address:port`.
        address: String,
        /// What the TLS library said.
        problem: String,
    },
    /// It shows another key than the first time. Nothing was sent to it.
    #[error("its key has changed: known is {known}, it shows {shown}")]
    KeyChanged {
        /// SHA-256 of the key that is believed, hex.
        known: String,
        /// SHA-256 of the key that it shows, hex.
        shown: String,
    },
    /// It refuses user and password, or there are none.
    #[error("{what} was refused: {problem}")]
    Credentials {
        /// The request.
        what: String,
        /// What it said, or that there is no credential.
        problem: String,
    },
    /// What answers there does not speak Redfish.
    #[error("{address} does not speak Redfish: {problem}")]
    NotRedfish {
        /// `address:port`.
        address: String,
        /// What came instead.
        problem: String,
    },
    /// It said no.
    #[error("{what} was answered with {status}{}", said(.message))]
    Status {
        /// The request.
        what: String,
        /// HTTP status.
        status: u16,
        /// What its error object says, cut off at 300 bytes; empty: nothing.
        message: String,
    },
    /// The connection broke, or the answer is no HTTP or no JSON.
    #[error("the answer to {what} is broken: {problem}")]
    Broken {
        /// The request.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More than any BMC has: bytes, resources, depth, redirects.
    #[error("{what}: {problem}")]
    Limit {
        /// The request, or the whole BMC.
        what: String,
        /// Which limit, and that more was there.
        problem: String,
    },
    /// The BMC has no such thing, or cannot do this.
    #[error("{0}")]
    Unsupported(String),
}

fn said(message: &str) -> String {
    match message {
        "" => String::new(),
        message => format!(": {message}"),
    }
}

impl Error {
    /// The reason in one word, as `Bmc.crawl_status` has it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => "unreachable",
            Error::Timeout { .. } => "timeout",
            Error::Tls { .. } => "tls",
            Error::KeyChanged { .. } => "key-changed",
            Error::Credentials { .. } => "credentials",
            Error::NotRedfish { .. } => "not-redfish",
            Error::Status { .. } => "refused",
            Error::Broken { .. } => "broken",
            Error::Limit { .. } => "limit",
            Error::Unsupported(_) => "unsupported",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => {
                "check its power and cable, and that this member reaches its network"
            }
            Error::Timeout { .. } => "try again with a longer timeout; a BMC that stays silent wants a reset",
            Error::Tls { .. } => "check that the port is that of HTTPS, and its certificate's age",
            Error::KeyChanged { .. } => {
                "if the BMC was replaced or got a new certificate: `chamois bmc trust ADDRESS`; else somebody is in between"
            }
            Error::Credentials { .. } => "set the right ones with `chamois bmc credential put`",
            Error::NotRedfish { .. } => "exclude the address from the scan, or update the BMC's firmware",
            Error::Status { .. } => "look at what it says; the account may lack a privilege",
            Error::Broken { .. } => "crawl it again; if it stays, reset the BMC or update its firmware",
            Error::Limit { .. } => "its tree loops or is not a BMC's; exclude it, or report the tree",
            Error::Unsupported(_) => "use another operation, or update the BMC's firmware",
        }
    }

    /// The same without `password`: some BMCs repeat what they refuse, and errors are shown and stored.
    #[must_use]
    pub(crate) fn without(self, password: &Password) -> Error {
        match self {
            Error::Status {
                what,
                status,
                message,
            } => Error::Status {
                what,
                status,
                message: password.hidden_in(&message),
            },
            Error::Credentials { what, problem } => Error::Credentials {
                what,
                problem: password.hidden_in(&problem),
            },
            other => other,
        }
    }

    /// Whether the BMC may have done what it was told: there was no answer, so only reading back can tell.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            Error::Timeout { .. } | Error::Broken { .. } | Error::Limit { .. }
        ) || matches!(
            self,
            Error::Status {
                status: 500..=599,
                ..
            }
        )
    }
}
