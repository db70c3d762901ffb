//! Who calls: set by accept loops and the gateway from what the connection proves, never from a header.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::Principal;

/// Who a caller has proved to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Another member, by its pinned key; on the peer port only.
    Member(u64),
    /// A user, by a client certificate of which nothing but the name is known. What a connection shows is [`Identity::Known`].
    User {
        /// The name in the certificate's `spiffe://<cluster>/user/<name>`.
        name: String,
    },
    /// Somebody who has only what policies give: a service or a node by its certificate, or whoever a token of an
    /// [`crate::Authority`] speaks for.
    Known(Arc<Principal>),
    /// A bearer token of the cluster's token key.
    Token {
        /// The token's `sub`.
        subject: String,
    },
    /// A compute node on the plain HTTP port.
    Node {
        /// Address of the TCP peer.
        address: IpAddr,
    },
    /// A caller without credentials from `anonymous-legacy-reads`.
    LegacyReader {
        /// Address of the TCP peer.
        address: IpAddr,
    },
    /// Nobody in particular.
    Anonymous,
}

impl Identity {
    /// The principal as logs, audit and `Change.principal` name it, e.g. `user/admin` or `member/2`.
    pub fn principal(&self) -> String {
        self.to_string()
    }

    /// A user's certificate or a token of the cluster's own key: the administrator where there are no policies.
    pub fn is_administrator(&self) -> bool {
        matches!(self, Self::Token { .. }) || self.is_users_certificate()
    }

    /// A user by the certificate of the connection itself, not by a token that was given for one.
    pub fn is_users_certificate(&self) -> bool {
        match self {
            Self::User { .. } => true,
            Self::Known(who) => {
                let by_certificate = who.token_id.is_empty() && !who.certificate_sha256.is_empty();
                by_certificate && who.name.starts_with("user/")
            }
            _ => false,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(id) => write!(f, "member/{id}"),
            Self::User { name } => write!(f, "user/{name}"),
            Self::Known(principal) => f.write_str(&principal.name),
            Self::Token { subject } => write!(f, "token/{subject}"),
            Self::Node { address } => write!(f, "node/{address}"),
            Self::LegacyReader { address } => write!(f, "legacy-reader/{address}"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// The caller of one request; an HTTP request extension that only accept loops, the gateway and the
/// guard set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it has proved to be.
    pub identity: Identity,
    /// Far end of the connection.
    pub peer: Option<SocketAddr>,
    /// This member's end of the connection: tells which network the caller is on.
    pub local: Option<SocketAddr>,
}

/// What a request without the extension counts as.
static NOBODY: Caller = Caller {
    identity: Identity::Anonymous,
    peer: None,
    local: None,
};

impl Caller {
    /// A caller without credentials or addresses.
    pub fn anonymous() -> Self {
        NOBODY.clone()
    }

    /// The caller that `extensions` hold, or an anonymous one.
    pub fn of(extensions: &http::Extensions) -> &Self {
        extensions.get::<Self>().unwrap_or(&NOBODY)
    }
}

/// The caller of a gRPC request; anonymous if no accept loop has said who it is.
pub fn caller<T>(request: &tonic::Request<T>) -> &Caller {
    request.extensions().get::<Caller>().unwrap_or(&NOBODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handler that asks for the caller must never get more than the connection has proved.
    #[test]
    fn a_request_without_a_caller_is_anonymous() {
        let request = tonic::Request::new(());
        assert_eq!(caller(&request).identity, Identity::Anonymous);
        assert!(!caller(&request).identity.is_administrator());
    }

    #[test]
    fn the_extension_is_the_caller() {
        let mut request = tonic::Request::new(());
        let user = Caller {
            identity: Identity::User { name: "ada".into() },
            peer: None,
            local: None,
        };
        request.extensions_mut().insert(user.clone());
        assert_eq!(caller(&request), &user);
        assert!(user.identity.is_administrator());
    }

    /// Principals end up in stored objects; two identities must never share one.
    #[test]
    fn principals_name_the_kind_of_caller() {
        let address: IpAddr = "10.97.3.4".parse().unwrap();
        let names = [
            (Identity::Member(2), "member/2"),
            (Identity::User { name: "admin".into() }, "user/admin"),
            (
                Identity::Token {
                    subject: "admin".into(),
                },
                "token/admin",
            ),
            (Identity::Node { address }, "node/10.97.3.4"),
            (
                Identity::Known(Arc::new(Principal {
                    name: "service/sync".into(),
                    ..Principal::default()
                })),
                "service/sync",
            ),
            (Identity::LegacyReader { address }, "legacy-reader/10.97.3.4"),
            (Identity::Anonymous, "anonymous"),
        ];
        for (identity, principal) in names {
            assert_eq!(identity.principal(), principal);
        }
    }
}
