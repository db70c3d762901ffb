//! The public key of a certificate, found without a parser that is strict about the rest: certificates of BMCs are self-signed,
//! of version 1, expired, or carry broken extensions, and only their key counts here.

use std::fmt::Write;

/// Tags of DER that are met on the way.
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;

/// The `SubjectPublicKeyInfo` of a certificate, with its header, as DER. `None`: it is no certificate.
pub(crate) fn of(certificate: &[u8]) -> Option<&[u8]> {
    let (outer, _) = element(certificate, SEQUENCE)?;
    let (signed, _) = element(content(outer)?, SEQUENCE)?;
    let mut rest = content(signed)?;
    if rest.first() == Some(&VERSION) {
        (_, rest) = element(rest, VERSION)?;
    }
    (_, rest) = element(rest, INTEGER)?;
    // signature, issuer, validity, subject
    for _ in 0..4 {
        (_, rest) = element(rest, SEQUENCE)?;
    }
    element(rest, SEQUENCE).map(|(key, _)| key)
}

/// SHA-256 of a public key, 64 hex digits.
pub(crate) fn sha256_hex(spki: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
    digest
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // writing into a String cannot fail
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The first element of `der` with its header, which must have the tag `tag`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if *der.first()? != tag {
        return None;
    }
    let (header, length) = header(der)?;
    let end = header.checked_add(length)?;
    (end <= der.len()).then(|| der.split_at(end))
}

/// What is in an element.
fn content(element: &[u8]) -> Option<&[u8]> {
    element.get(header(element)?.0..)
}

/// Bytes of an element's header, and the length of what follows.
fn header(der: &[u8]) -> Option<(usize, usize)> {
    match *der.get(1)? {
        short @ 0..=0x7f => Some((2, usize::from(short))),
        long @ 0x81..=0x83 => {
            let digits = usize::from(long & 0x0f);
            let length = der.get(2..2 + digits)?;
            let length = length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            Some((2 + digits, length))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData};

    #[test]
    fn the_key_of_a_certificate_is_found() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["bmc".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let spki = of(certificate.der()).unwrap();
        assert_eq!(spki, key.subject_public_key_info());
        assert_eq!(sha256_hex(spki).len(), 64);
    }

    /// Version 1 has no version field, and a strict parser refuses it; old BMCs show such certificates.
    #[test]
    fn a_certificate_of_version_1_has_a_key_too() {
        let sequence =
            |content: &[u8]| [&[SEQUENCE, u8::try_from(content.len()).unwrap()][..], content].concat();
        let key = sequence(&[0x05, 0x00]);
        let empty = sequence(&[]);
        let fields = [&[INTEGER, 1, 7][..], &empty, &empty, &empty, &empty, &key].concat();
        let certificate = sequence(&sequence(&fields));
        assert_eq!(of(&certificate), Some(&key[..]));
    }

    #[test]
    fn what_is_cut_off_or_no_certificate_has_none() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["bmc".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let der: &[u8] = certificate.der();
        for end in 0..der.len() {
            assert_eq!(of(&der[..end]), None, "{end}");
        }
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x80",
            b"hello",
        ] {
            assert_eq!(of(bytes), None);
        }
    }

    #[test]
    fn a_digest_is_that_of_the_standard() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
