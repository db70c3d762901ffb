//! What the node-port runtime and the address helper say to each other over their unix socket.
//!
//! One line each way, words separated by one space:
//! `claim eth0 10.97.0.1` → `held eth0 10.97.0.1`; `release eth0 10.97.0.1` → `released eth0 10.97.0.1`;
//! `announce eth0 10.97.0.1` → `announced eth0 10.97.0.1` (gratuitous ARP once more, of a claim that is held);
//! anything refused → `refused <reason>`. A claim lives for [`CLAIM_LIFE`] and is renewed every [`CLAIM_EVERY`].

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The helper removes an address when it heard no claim for this long.
pub const CLAIM_LIFE: Duration = Duration::from_millis(1000);
/// Pause between two claims of one address.
pub const CLAIM_EVERY: Duration = Duration::from_millis(200);
/// Longest line, bytes, its end included; a longer one ends the connection.
pub const LINE_BYTES_MAX: u64 = 256;
/// Longest name of an interface, bytes (the kernel's IFNAMSIZ without its final zero).
pub const INTERFACE_BYTES_MAX: usize = 15;

/// An address on an interface: what the helper may touch, and what is claimed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Name of the interface, such as `eth0`.
    pub interface: String,
    /// The service address.
    pub address: Ipv4Addr,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interface, self.address)
    }
}

/// A text that is no `INTERFACE=ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not INTERFACE=ADDRESS, such as eth0=10.97.0.1 (a unicast IPv4 address, no prefix length)")]
pub struct InvalidTarget(String);

impl FromStr for Target {
    type Err = InvalidTarget;

    /// Reads `eth0=10.97.0.1`, the form of the helper's command line.
    fn from_str(text: &str) -> Result<Target, InvalidTarget> {
        let target = text
            .split_once('=')
            .and_then(|(interface, address)| target(interface, address));
        target.ok_or_else(|| InvalidTarget(text.to_owned()))
    }
}

fn target(interface: &str, address: &str) -> Option<Target> {
    let named = (1..=INTERFACE_BYTES_MAX).contains(&interface.len())
        && interface
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'=');
    let address: Ipv4Addr = address.parse().ok()?;
    let unicast = !(address.is_unspecified() || address.is_broadcast() || address.is_multicast());
    (named && unicast).then(|| Target {
        interface: interface.to_owned(),
        address,
    })
}

/// What a client asks of the helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Add the address, or renew its claim.
    Claim(Target),
    /// Tell the wire again who has it; only the one that claims it may ask.
    Announce(Target),
    /// Remove it now.
    Release(Target),
}

impl Request {
    /// The address this is about.
    pub fn target(&self) -> &Target {
        let (Request::Claim(target) | Request::Announce(target) | Request::Release(target)) = self;
        target
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Claim(target) => write!(f, "claim {target}"),
            Request::Announce(target) => write!(f, "announce {target}"),
            Request::Release(target) => write!(f, "release {target}"),
        }
    }
}

/// A line that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request is `claim`, `announce` or `release`, then INTERFACE ADDRESS")]
pub struct InvalidRequest;

impl FromStr for Request {
    type Err = InvalidRequest;

    fn from_str(line: &str) -> Result<Request, InvalidRequest> {
        let mut words = line.split(' ');
        let (verb, interface, address) = (words.next(), words.next(), words.next());
        let (Some(verb), Some(interface), Some(address), None) = (verb, interface, address, words.next())
        else {
            return Err(InvalidRequest);
        };
        let target = target(interface, address).ok_or(InvalidRequest)?;
        match verb {
            "claim" => Ok(Request::Claim(target)),
            "announce" => Ok(Request::Announce(target)),
            "release" => Ok(Request::Release(target)),
            _ => Err(InvalidRequest),
        }
    }
}

/// What the helper answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The address is on the interface for [`CLAIM_LIFE`] from the moment the claim arrived.
    Held,
    /// The announcements are on their way.
    Announced,
    /// It is not there any more.
    Released,
    /// Nothing was changed, for this reason.
    Refused(String),
}

impl Reply {
    /// The line that answers a request about `target`, without its end.
    pub fn line(&self, target: &Target) -> String {
        match self {
            Reply::Held => format!("held {target}"),
            Reply::Announced => format!("announced {target}"),
            Reply::Released => format!("released {target}"),
            Reply::Refused(reason) => format!("refused {reason}"),
        }
    }

    /// Reads a line; a line about another target, or of no known form, is a refusal.
    pub fn parse(line: &str, target: &Target) -> Reply {
        let done = [Reply::Held, Reply::Announced, Reply::Released];
        match done.into_iter().find(|reply| reply.line(target) == line) {
            Some(reply) => reply,
            None => Reply::Refused(
                line.strip_prefix("refused ")
                    .unwrap_or("unintelligible answer")
                    .to_owned(),
            ),
        }
    }
}

/// Reads one line of at most [`LINE_BYTES_MAX`]; `None` at the end of the stream, for a longer one and for bytes that are no UTF-8.
pub(crate) async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    Ok(String::from_utf8(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eth0() -> Target {
        "eth0=10.97.0.1".parse().unwrap()
    }

    #[test]
    fn requests_are_read_as_written() {
        for request in [
            Request::Claim(eth0()),
            Request::Announce(eth0()),
            Request::Release(eth0()),
        ] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
    }

    #[test]
    fn other_requests_are_refused() {
        for line in [
            "",
            "claim",
            "claim eth0",
            "claim eth0 10.97.0.1 more",
            "claim eth0 10.97.0.1/16",
            "take eth0 10.97.0.1",
            "claim  eth0 10.97.0.1",
            "claim ../x 10.97.0.1",
            "claim eth0 0.0.0.0",
            "claim eth0 224.0.0.1",
            "claim averyverylongname 10.97.0.1",
        ] {
            assert_eq!(line.parse::<Request>(), Err(InvalidRequest), "{line:?}");
        }
    }

    #[test]
    fn a_wrong_target_is_told_the_right_form() {
        for text in [
            "eth0",
            "eth0=",
            "=10.0.0.1",
            "eth0=10.0.0.1/8",
            "eth0=fe80::1",
            "eth0=255.255.255.255",
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains("eth0=10.97.0.1"), "{error}");
        }
    }

    /// An answer about another address must not count as ours.
    #[test]
    fn only_an_answer_about_the_target_confirms_it() {
        let other: Target = "eth0=10.97.0.2".parse().unwrap();
        assert_eq!(Reply::parse(&Reply::Held.line(&eth0()), &eth0()), Reply::Held);
        assert!(matches!(
            Reply::parse(&Reply::Held.line(&other), &eth0()),
            Reply::Refused(_)
        ));
        let refused = Reply::Refused("not allowed".into());
        assert_eq!(Reply::parse(&refused.line(&eth0()), &eth0()), refused);
    }

    #[tokio::test]
    async fn lines_are_bounded() {
        let long = vec![b'x'; 10_000];
        assert_eq!(read_line(&mut long.as_slice()).await.unwrap(), None);
        assert_eq!(read_line(&mut b"cut off".as_slice()).await.unwrap(), None);
        assert_eq!(
            read_line(&mut b"one\ntwo\n".as_slice()).await.unwrap().as_deref(),
            Some("one")
        );
    }

    proptest! {
        #[test]
        fn no_line_panics(line in ".{0,300}") {
            let _ = line.parse::<Request>();
            let _ = Reply::parse(&line, &eth0());
        }
    }
}
