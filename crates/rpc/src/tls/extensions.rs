//! What a certificate's extensions say: whether it is a CA's, and for which hosts it is good.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;

use super::der::{element, inside};

/// `[3]`, the last part of what is signed.
const EXTENSIONS: u8 = 0xa3;
const BOOLEAN: u8 = 0x01;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
/// 2.5.29.15
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// `keyCertSign`, the sixth bit.
const SIGNS_CERTIFICATES: u8 = 0x04;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// Whether a certificate is a CA's by its own word: the library takes any certificate for a trust anchor, so whoever trusts one asks.
///
/// Source: RFC 5280, 4.2.1.3 and 4.2.1.9; Vault CVE-2024-2048.
pub fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    says_that_it_is(certificate).unwrap_or(false) && may_sign(certificate)
}

fn says_that_it_is(certificate: &[u8]) -> Option<bool> {
    let mut value = extension(certificate, BASIC_CONSTRAINTS)?;
    let (kind, content) = element(&mut inside(&mut value)?)?;
    Some(kind == BOOLEAN && content == [0xff])
}

/// A certificate that does not limit its use may.
fn may_sign(certificate: &[u8]) -> bool {
    let Some(mut value) = extension(certificate, KEY_USAGE) else {
        return true;
    };
    match element(&mut value) {
        // the first byte says how many of the last bits are unused
        Some((BITS, [_, first, ..])) => first & SIGNS_CERTIFICATES != 0,
        _ => false,
    }
}

/// Host names and addresses that a certificate is good for, in its order; empty for what is no certificate.
pub fn host_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let value = extension(certificate, SUBJECT_ALT_NAME);
    let Some(mut all) = value.and_then(|mut value| inside(&mut value)) else {
        return names;
    };
    while let Some((kind, content)) = element(&mut all) {
        let name = match kind {
            DNS_NAME => std::str::from_utf8(content).ok().map(str::to_owned),
            IP_ADDRESS => address(content).map(|address| address.to_string()),
            _ => None,
        };
        names.extend(name);
    }
    names
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The value of the extension with this object id.
fn extension<'d>(certificate: &'d [u8], id: &[u8]) -> Option<&'d [u8]> {
    let mut content = inside(&mut &*certificate)?;
    let mut signed = inside(&mut content)?;
    let mut all = loop {
        if let (EXTENSIONS, content) = element(&mut signed)? {
            break content;
        }
    };
    let mut each = inside(&mut all)?;
    while !each.is_empty() {
        let mut one = inside(&mut each)?;
        let (kind, found) = element(&mut one)?;
        let (mut kind_of_value, mut value) = element(&mut one)?;
        if kind_of_value == BOOLEAN {
            (kind_of_value, value) = element(&mut one)?; // it was whether the extension is critical
        }
        if kind == OBJECT_ID && found == id {
            return (kind_of_value == OCTETS).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let names = vec!["admin1.example".to_owned(), "10.97.1.1".into(), "fd00::1".into()];
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    /// Vault took a server's certificate for a CA when somebody named it as one.
    #[test]
    fn only_what_says_that_it_is_a_ca_is_one() {
        let ca = IsCa::Ca(BasicConstraints::Constrained(0));
        assert!(is_authority(&made(|params| params.is_ca = ca)));
        assert!(is_authority(&made(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        })));
        for wrong in [
            made(|_| {}),
            made(|params| params.is_ca = IsCa::ExplicitNoCa),
            made(|params| {
                params.is_ca = ca;
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            }),
            CertificateDer::from(vec![0x30, 0x00]),
            CertificateDer::from(Vec::new()),
        ] {
            assert!(!is_authority(&wrong));
        }
    }

    #[test]
    fn hosts_are_read_and_uris_are_not_hosts() {
        let certificate = made(|params| {
            let uri = "spiffe://demo/member/1".try_into().unwrap();
            params.subject_alt_names.push(SanType::URI(uri));
        });
        assert_eq!(
            host_names(&certificate),
            ["admin1.example", "10.97.1.1", "fd00::1"]
        );
        assert!(host_names(&CertificateDer::from(vec![0x30, 0x00])).is_empty());
    }

    /// No bytes make it panic.
    #[test]
    fn what_is_cut_off_says_nothing() {
        let whole = made(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        for length in 0..whole.len() {
            let cut = CertificateDer::from(whole[..length].to_vec());
            assert!(!is_authority(&cut) && host_names(&cut).is_empty(), "{length}");
        }
    }
}
