//! Page tokens: where the next page of a list begins. Opaque to clients, and good for the list that it was made for only:
//! the same filters, in the same cluster.

use aws_lc_rs::digest::{Context, SHA256};

use crate::{Error, invalid};

/// Name of the request's field.
const FIELD: &str = "page_token";
/// Bytes of the digest of what a token is good for.
const SCOPE_BYTES: usize = 8;
/// Bytes of the longest key that a list is sorted by.
const KEY_BYTES_MAX: usize = 512;

/// What a page token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageScope([u8; SCOPE_BYTES]);

impl PageScope {
    /// The list called `list` of the cluster `cluster_id`, with these filters.
    pub fn new(cluster_id: &str, list: &str, filters: &[u8]) -> PageScope {
        let mut context = Context::new(&SHA256);
        for part in [cluster_id.as_bytes(), list.as_bytes(), filters] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut scope = [0; SCOPE_BYTES];
        scope.copy_from_slice(&context.finish().as_ref()[..SCOPE_BYTES]);
        PageScope(scope)
    }

    /// The token of a page that begins after `key`.
    pub fn token(&self, key: &str) -> String {
        let bytes = self.0.iter().chain(key.as_bytes());
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key in a token.
    ///
    /// # Errors
    /// `Invalid` for what is no token, or one of another list.
    pub fn key(&self, token: &str) -> Result<String, Error> {
        let bytes = of_hex(token).ok_or_else(|| refused("it is no page token"))?;
        match bytes.split_at_checked(SCOPE_BYTES) {
            Some((scope, key)) if scope == self.0 => {
                String::from_utf8(key.to_vec()).map_err(|_| refused("it is no page token"))
            }
            _ => Err(refused(
                "it is of a list with other filters, or of another cluster",
            )),
        }
    }
}

fn refused(problem: &str) -> Error {
    invalid(
        FIELD,
        format!("{problem}; begin again without it, or send the next_page_token of the same list as it is"),
    )
}

fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    if !is_hex || digits.len() % 2 == 1 || digits.len() > 2 * (SCOPE_BYTES + KEY_BYTES_MAX) {
        return None;
    }
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> PageScope {
        PageScope::new("c", "components", b"type=Node")
    }

    #[test]
    fn a_token_leads_back_to_its_key() {
        let token = scope().token("x0c0s0b0n0");
        assert_eq!(scope().key(&token).unwrap(), "x0c0s0b0n0");
    }

    /// A page of another list would leave out objects or show them twice, without a word.
    #[test]
    fn a_token_is_good_for_its_list_only() {
        let token = scope().token("x0c0s0b0n0");
        for other in [
            PageScope::new("d", "components", b"type=Node"),
            PageScope::new("c", "memberships", b"type=Node"),
            PageScope::new("c", "components", b"type=NodeBMC"),
            PageScope::new("c", "component", b"stype=Node"),
        ] {
            let error = other.key(&token).unwrap_err().to_string();
            assert!(
                error.starts_with("page_token: it is of a list with other filters"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_token_is_refused_by_name() {
        let long = "00".repeat(SCOPE_BYTES + KEY_BYTES_MAX + 1);
        for wrong in [
            "x0c0s0b0n0",
            "0",
            "00",
            "+1+1+1+1+1+1+1+1",
            "ü",
            &long,
            "ffffffffffffffff",
        ] {
            let error = scope().key(wrong).unwrap_err();
            assert!(
                matches!(&error, Error::Invalid { field, .. } if field == FIELD),
                "{wrong}: {error}"
            );
        }
    }
}
