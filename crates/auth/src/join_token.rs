//! The token that lets one more member in: `chamois join <address> --token …`. It says which cluster's CA the new
//! member may trust, and holds a secret of which the cluster knows only the digest.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;

use crate::key_ring::hex;
use crate::sealing::KekError;

/// What every token begins with; the digit is the form of the rest.
const PREFIX: &str = "chamois-join-1.";
/// Bytes of a SHA-256.
const DIGEST: usize = 32;
/// Random bytes that name the token.
const ID: usize = 8;
/// Random bytes that only its holder knows.
const SECRET: usize = 16;

/// Not a token that `chamois init` or `chamois member add` printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a join token: it begins with `{PREFIX}` and is copied whole; `chamois member add` prints a new one"
)]
pub struct NotAJoinToken;

/// A token in the clear. `{}` is the secret text, `{:?}` is not.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    ca_sha256: [u8; DIGEST],
    id: [u8; ID],
    secret: [u8; SECRET],
}

impl JoinToken {
    /// A new token of the cluster whose CA this is.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn generate(ca: &CertificateDer<'_>) -> Result<Self, KekError> {
        let (mut id, mut secret) = ([0; ID], [0; SECRET]);
        for bytes in [&mut id[..], &mut secret[..]] {
            rand::fill(bytes).map_err(|_| KekError::Generate(rustls::Error::FailedToGetRandomBytes))?;
        }
        Ok(JoinToken {
            ca_sha256: sha256(ca),
            id,
            secret,
        })
    }

    /// What the cluster knows it by: 16 hex digits.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// SHA-256 of its secret: what the cluster compares.
    pub fn secret_sha256(&self) -> [u8; DIGEST] {
        sha256(&self.secret)
    }

    /// The secret itself, for the one request that shows it.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Whether `ca` is the certificate of the cluster that printed it.
    pub fn is_of(&self, ca: &CertificateDer<'_>) -> bool {
        sha256(ca) == self.ca_sha256
    }

    /// SHA-256 of the CA's certificate (DER).
    pub fn ca_sha256(&self) -> [u8; DIGEST] {
        self.ca_sha256
    }
}

/// The digest of a secret that came over the network.
pub fn secret_digest(secret: &[u8]) -> [u8; DIGEST] {
    sha256(secret)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; DIGEST] {
    let mut out = [0; DIGEST];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.ca_sha256[..], &self.id, &self.secret].concat();
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.id())
    }
}

impl FromStr for JoinToken {
    type Err = NotAJoinToken;

    fn from_str(text: &str) -> Result<Self, NotAJoinToken> {
        let rest = text.trim().strip_prefix(PREFIX).ok_or(NotAJoinToken)?;
        let bytes = URL_SAFE_NO_PAD.decode(rest).map_err(|_| NotAJoinToken)?;
        let (ca, rest) = bytes.split_at_checked(DIGEST).ok_or(NotAJoinToken)?;
        let (id, secret) = rest.split_at_checked(ID).ok_or(NotAJoinToken)?;
        Ok(JoinToken {
            ca_sha256: ca.try_into().map_err(|_| NotAJoinToken)?,
            id: id.try_into().map_err(|_| NotAJoinToken)?,
            secret: secret.try_into().map_err(|_| NotAJoinToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken::generate(&CertificateDer::from(vec![1, 2, 3])).unwrap()
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let token = token();
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        assert_eq!(
            format!(" {token}\n").parse(),
            Ok(token),
            "as it comes from a file"
        );
    }

    /// A line that was cut by the terminal must not become another token.
    #[test]
    fn anything_else_is_refused() {
        let text = token().to_string();
        for wrong in [
            "",
            "chamois-join-1.",
            &text[..text.len() - 1],
            &text[1..],
            &format!("{text}AAAA"),
            "chamois-join-1.%%",
        ] {
            assert_eq!(wrong.parse::<JoinToken>(), Err(NotAJoinToken), "{wrong}");
        }
    }

    #[test]
    fn it_pins_the_ca() {
        let token = token();
        assert!(token.is_of(&CertificateDer::from(vec![1, 2, 3])));
        assert!(!token.is_of(&CertificateDer::from(vec![1, 2, 4])));
    }

    /// Logs show `{:?}`; the log of the cluster holds the digest.
    #[test]
    fn neither_debug_nor_digest_is_the_secret() {
        let token = token();
        let shown = format!("{token:?}");
        assert_eq!(shown, format!("JoinToken({})", token.id()));
        assert_eq!(token.secret_sha256(), secret_digest(token.secret()));
        assert!(
            !token
                .secret_sha256()
                .windows(4)
                .any(|part| token.secret().windows(4).any(|secret| secret == part))
        );
    }
}
