//! Writes PEM blocks; reading is rustls' business.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Line length of RFC 7468.
const COLUMNS: usize = 64;

/// `der` as one PEM block with this label.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // base64 is ASCII, so every index is a boundary
        let (line, tail) = rest.split_at(rest.len().min(COLUMNS));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    /// What we write, the reader of the rest of the program reads; lines end where RFC 7468 says.
    #[test]
    fn a_block_is_read_back_whole() {
        for length in [0, 1, 47, 48, 49, 96, 500] {
            let der: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let text = encode("PRIVATE KEY", &der);
            assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
            assert_eq!(
                PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
                    .unwrap()
                    .secret_pkcs8_der(),
                der
            );
        }
    }
}
