//! What addresses, xnames and keys of BMCs look like.

use std::net::{IpAddr, SocketAddr};

use model::{Rejection, Xname};

use crate::bounds::CREDENTIAL_SCOPE_BYTES_MAX;
use crate::smd;

/// Hex digits of a SHA-256.
const KEY_DIGITS: usize = 64;
/// Longest host name: that of DNS.
const HOST_BYTES_MAX: usize = 253;

/// `address:port` in one spelling: `10.1.0.7:443`, `[fd00::7]:443`, or a host name in lower case.
pub(super) fn address(field: &str, text: &str) -> Result<String, Rejection> {
    if let Ok(address) = text.parse::<SocketAddr>()
        && address.port() > 0
    {
        return Ok(address.to_string());
    }
    let named = text.rsplit_once(':').and_then(|(host, port)| {
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        Some(format!("{}:{port}", host_name(host)?))
    });
    named.ok_or_else(|| {
        let problem = format!("{text:?} is none; write address:port, e.g. 10.1.0.7:443 or [fd00::7]:443");
        Rejection::invalid(field, problem)
    })
}

/// An address without a port, or a host name, in one spelling.
pub(super) fn host(field: &str, text: &str) -> Result<String, Rejection> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match bare.unwrap_or(text).parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => host_name(text).ok_or_else(|| {
            let problem =
                format!("{text:?} is none; write an address without a port, e.g. 10.1.0.7, or a host name");
            Rejection::invalid(field, problem)
        }),
    }
}

/// Letters, digits, dots, dashes and `_`; not what looks like an IPv4 address and is none.
fn host_name(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_name = text.contains(|c: char| c.is_ascii_alphabetic());
    let is_host = begins && is_name && text.len() <= HOST_BYTES_MAX && text.chars().all(is_part);
    is_host.then(|| text.to_ascii_lowercase())
}

/// The xname of something that may be a Redfish endpoint.
pub(super) fn controller(field: &str, text: &str) -> Result<Xname, Rejection> {
    let xname: Xname = text.parse().map_err(|e| Rejection::invalid(field, e))?;
    match smd::may_be_endpoint(xname.hms_type()) {
        true => Ok(xname),
        false => {
            let problem = format!(
                "{xname} is a {}, not a controller; write e.g. x1000c0s0b0",
                xname.hms_type()
            );
            Err(Rejection::invalid(field, problem))
        }
    }
}

/// The SHA-256 of a public key, in lower case; empty: it is not known.
pub(super) fn key_sha256(field: &str, text: &str) -> Result<String, Rejection> {
    let is_digest = text.len() == KEY_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.is_empty() || is_digest {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            let problem = format!("it has {KEY_DIGITS} hex digits, a SHA-256");
            Err(Rejection::invalid(field, problem))
        }
    }
}

/// What a credential is for, in one spelling: `bmc:<xname>`, `address:<address>`, `group:<label>` or `default`.
pub(crate) fn scope(field: &str, text: &str) -> Result<String, Rejection> {
    if text.len() > CREDENTIAL_SCOPE_BYTES_MAX {
        let problem = format!("it has more than {CREDENTIAL_SCOPE_BYTES_MAX} bytes");
        return Err(Rejection::invalid(field, problem));
    }
    match text.split_once(':') {
        None if text == "default" => Ok(text.to_owned()),
        Some(("bmc", xname)) => Ok(format!("bmc:{}", controller(field, xname)?)),
        Some(("address", address)) => Ok(format!("address:{}", host(field, address)?)),
        Some(("group", label)) => {
            let label: model::GroupLabel = label.parse().map_err(|e| Rejection::invalid(field, e))?;
            Ok(format!("group:{label}"))
        }
        _ => {
            let problem =
                format!("{text:?} is none; write bmc:<xname>, address:<address>, group:<label> or default");
            Err(Rejection::invalid(field, problem))
        }
    }
}

/// The BMC that a credential is of, if it is that of one.
pub(super) fn bmc_of_scope(scope: &str) -> Option<Xname> {
    scope.strip_prefix("bmc:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for (text, normal) in [
            ("10.1.0.7:443", "10.1.0.7:443"),
            ("[fd00::7]:443", "[fd00::7]:443"),
            ("[FD00:0:0::7]:8443", "[fd00::7]:8443"),
            ("BMC1.Example.org:443", "bmc1.example.org:443"),
        ] {
            assert_eq!(address("address", text).as_deref(), Ok(normal), "{text}");
        }
        for wrong in [
            "",
            "10.1.0.7",
            "10.1.0.7:0",
            "10.1.0.7:70000",
            "10.1.0.300:443",
            "fd00::7",
            "[fd00::7]",
            ":443",
            "a b:443",
            "a/b:443",
            "-a:443",
            "https://a:443",
        ] {
            let refused = address("address", wrong).unwrap_err().to_string();
            assert!(refused.contains("address:port"), "{wrong}: {refused}");
        }
        assert!(address("address", &format!("{}:443", "a".repeat(254))).is_err());
    }

    #[test]
    fn a_scope_has_one_spelling() {
        for (text, normal) in [
            ("default", "default"),
            ("bmc:X1000C0S0B0", "bmc:x1000c0s0b0"),
            ("bmc:x3000m0", "bmc:x3000m0"),
            ("address:10.1.0.7", "address:10.1.0.7"),
            ("address:[FD00::7]", "address:fd00::7"),
            ("address:fd00::7", "address:fd00::7"),
            ("address:BMC1", "address:bmc1"),
            ("group:Compute", "group:compute"),
        ] {
            assert_eq!(scope("scope", text).as_deref(), Ok(normal), "{text}");
        }
        for wrong in [
            "",
            "Default",
            "bmc:",
            "bmc:x1000c0s0b0n0",
            "bmc:x1000",
            "address:",
            "address:10.1.0.7:443",
            "group:",
            "group:a b",
            "node:x1000c0s0b0n0",
        ] {
            assert!(scope("scope", wrong).is_err(), "{wrong}");
        }
        assert!(
            scope(
                "scope",
                &format!("group:{}", "a".repeat(CREDENTIAL_SCOPE_BYTES_MAX))
            )
            .is_err()
        );
    }

    #[test]
    fn only_a_digest_is_one() {
        assert_eq!(key_sha256("key", &"AB".repeat(32)), Ok("ab".repeat(32)));
        assert_eq!(key_sha256("key", ""), Ok(String::new()));
        for wrong in ["ab".repeat(31), "ab".repeat(33), "zz".repeat(32)] {
            assert!(key_sha256("key", &wrong).is_err(), "{wrong}");
        }
    }
}
