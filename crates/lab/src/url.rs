//! A URL that a node can use: plain HTTP on an IPv4 address.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

/// Longest URL, bytes; iPXE's own buffers are smaller than many servers'.
pub(crate) const URL_BYTES_MAX: usize = 2048;
const HTTP_PORT: u16 = 80;

/// `http://ADDRESS[:PORT]/PATH`. A name in place of the address is refused: nodes have no name server here, and
/// everything that Chamois hands out is to use the service address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) server: SocketAddrV4,
    /// Path and query, as written.
    pub(crate) path: String,
}

/// A text that is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not http://ADDRESS[:PORT]/PATH with an IPv4 address and no blanks or control characters")]
pub(crate) struct InvalidUrl(String);

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Url, InvalidUrl> {
        parse(text).ok_or_else(|| InvalidUrl(text.chars().take(200).collect()))
    }
}

fn parse(text: &str) -> Option<Url> {
    if text.len() > URL_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let rest = text.strip_prefix("http://")?;
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let server = match authority.parse::<SocketAddrV4>() {
        Ok(server) => server,
        Err(_) => SocketAddrV4::new(authority.parse::<Ipv4Addr>().ok()?, HTTP_PORT),
    };
    Some(Url {
        server,
        path: path.to_owned(),
    })
}

impl Url {
    /// The document `name` below this URL, as NoCloud builds it: a slash is added if it is missing.
    pub(crate) fn join(&self, name: &str) -> Url {
        let slash = if self.path.ends_with('/') { "" } else { "/" };
        Url {
            server: self.server,
            path: format!("{}{slash}{name}", self.path),
        }
    }

    /// Path and query as iPXE puts them on the wire: a colon in the query is escaped.
    pub(crate) fn ipxe_path(&self) -> String {
        match self.path.split_once('?') {
            Some((path, query)) => format!("{path}?{}", query.replace(':', "%3A")),
            None => self.path.clone(),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.server, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn urls_of_addresses_are_read() {
        let parsed = url("http://127.5.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:01&ctx=a");
        assert_eq!(parsed.server, "127.5.0.1:8081".parse().unwrap());
        assert_eq!(parsed.path, "/boot/v1/bootscript?mac=02:00:00:00:00:01&ctx=a");
        assert_eq!(url("http://127.5.0.1/x").server.port(), 80);
        assert_eq!(url("http://127.5.0.1").path, "/");
    }

    #[test]
    fn other_urls_are_refused() {
        for text in [
            "",
            "127.0.0.1/x",
            "https://127.0.0.1/x",
            "http://boot.example/x",
            "http://:80/x",
            "http://127.0.0.1:x/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/a\nreboot",
            "tftp://127.0.0.1/x",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text:?}");
        }
        assert!(
            format!("http://127.0.0.1/{}", "x".repeat(URL_BYTES_MAX))
                .parse::<Url>()
                .is_err()
        );
    }

    #[test]
    fn documents_are_below_the_url_with_or_without_its_slash() {
        for base in ["http://127.0.0.1/cloud-init", "http://127.0.0.1/cloud-init/"] {
            assert_eq!(
                url(base).join("meta-data"),
                url("http://127.0.0.1/cloud-init/meta-data")
            );
        }
    }

    /// Seen in a capture of a real iPXE: `mac=52%3A54%3A…`.
    #[test]
    fn colons_in_the_query_are_escaped_as_ipxe_does() {
        assert_eq!(
            url("http://127.0.0.1/a:b?mac=02:03").ipxe_path(),
            "/a:b?mac=02%3A03"
        );
        assert_eq!(url("http://127.0.0.1/a:b").ipxe_path(), "/a:b");
    }
}
