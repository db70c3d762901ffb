//! Where a BMC is: host and port, and whether it is spoken to in the clear.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Port of HTTPS, and of HTTP.
const PORTS: [u16; 2] = [443, 80];

/// Longest host name, bytes (RFC 1035).
const HOST_LENGTH_MAX: usize = 253;

/// Host and port of one BMC. TLS is the rule; it is spoken to in the clear only where the text says `http://`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    port: u16,
    is_plain: bool,
}

/// A text that is no address of a BMC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address of a BMC: {problem}; write 10.0.0.1, 10.0.0.1:8443, [fd00::1]:443, a host name, or https:// before it"
)]
pub struct AddressError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Address {
    /// The BMC at `at`, over TLS.
    #[must_use]
    pub fn new(at: SocketAddr) -> Address {
        Address {
            host: at.ip().to_string(),
            port: at.port(),
            is_plain: false,
        }
    }

    /// Address or name, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as an IP address; `None`: it is a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether there is no TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// As the `Host` header has it: the port only where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let host = self.bracketed();
        match self.port == PORTS[usize::from(self.is_plain)] {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        parse(text.trim()).map_err(|problem| AddressError {
            text: text.chars().take(HOST_LENGTH_MAX).collect(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Address, &'static str> {
    let (is_plain, rest) = match text.split_once("://") {
        None => (false, text),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (true, rest),
        Some(_) => return Err("its scheme is neither https nor http"),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = host_and_port(rest)?;
    let port = match port {
        None => PORTS[usize::from(is_plain)],
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err("its port is none of 1 to 65535"),
            Ok(port) => port,
        },
    };
    Ok(Address {
        host: host_of(host)?,
        port,
        is_plain,
    })
}

fn host_and_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
        return match (after.is_empty(), after.strip_prefix(':')) {
            (true, _) => Ok((host, None)),
            (false, Some(port)) => Ok((host, Some(port))),
            (false, None) => Err("something stands after the bracket"),
        };
    }
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        // several colons and no brackets: an IPv6 address without a port
        Some((before, _)) if before.contains(':') => Ok((text, None)),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

/// One spelling for each host: addresses as Rust writes them, names in lower case.
fn host_of(text: &str) -> Result<String, &'static str> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let looks_like_ipv4 = text
        .rsplit('.')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    if text.len() > HOST_LENGTH_MAX || looks_like_ipv4 || !text.split('.').all(is_label) {
        return Err("its host is neither an IP address nor a host name");
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (String, bool) {
        let address: Address = text.parse().unwrap();
        (address.to_string(), address.is_plain())
    }

    #[test]
    fn every_spelling_of_an_address_is_read() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1:443"),
            ("10.0.0.1:8443", "10.0.0.1:8443"),
            ("https://10.0.0.1", "10.0.0.1:443"),
            ("HTTPS://10.0.0.1:8443/", "10.0.0.1:8443"),
            ("[fd00::1]", "[fd00::1]:443"),
            ("[FD00:0::1]:8443", "[fd00::1]:8443"),
            ("fd00::1", "[fd00::1]:443"),
            ("X1000c0s0b0", "x1000c0s0b0:443"),
            (" bmc1.example.org:444 ", "bmc1.example.org:444"),
        ] {
            assert_eq!(shown(text), (expected.to_owned(), false), "{text}");
        }
    }

    /// Nobody falls into the clear by leaving something out.
    #[test]
    fn only_http_in_the_text_means_in_the_clear() {
        assert_eq!(shown("http://10.0.0.1"), ("10.0.0.1:80".to_owned(), true));
        assert_eq!(shown("http://10.0.0.1:8000"), ("10.0.0.1:8000".to_owned(), true));
        assert!(!"10.0.0.1:80".parse::<Address>().unwrap().is_plain());
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for text in [
            "",
            "10.0.0.256",
            "10.0.0.1:0",
            "10.0.0.1:70000",
            "10.0.0.1:",
            "[fd00::1",
            "[fd00::1]x",
            "ftp://10.0.0.1",
            "user@10.0.0.1",
            "10.0.0.1/redfish",
            "a b",
            "-a",
            "a..b",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!error.problem.is_empty(), "{text}");
            assert!(error.to_string().contains("10.0.0.1:8443"), "{error}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same() {
        for text in ["10.0.0.1", "[fd00::1]:8443", "bmc.example.org"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn the_host_header_names_a_port_only_where_it_is_unusual() {
        let authority = |text: &str| text.parse::<Address>().unwrap().authority();
        assert_eq!(authority("10.0.0.1"), "10.0.0.1");
        assert_eq!(authority("[fd00::1]:8443"), "[fd00::1]:8443");
        assert_eq!(authority("http://10.0.0.1"), "10.0.0.1");
        assert_eq!(authority("http://10.0.0.1:443"), "10.0.0.1:443");
    }

    #[test]
    fn an_ip_is_told_from_a_name() {
        assert!("[fd00::1]".parse::<Address>().unwrap().ip().is_some());
        assert!("bmc1".parse::<Address>().unwrap().ip().is_none());
        assert_eq!(
            Address::new("10.0.0.1:443".parse().unwrap()),
            "10.0.0.1".parse().unwrap()
        );
    }
}
