//! Page tokens that tell nobody what they lead to: sealed with the cluster's own key, so every member opens what another one gave.

use auth::Sealer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost_reflect::prost::Message as _;
use proto::cluster::v1::SealedSecret;
use rpc::{Error, invalid};

/// What a token is sealed as: nothing else that is sealed is taken for one.
const NAME: &str = "page-token";
const VERSION: u32 = 1;
/// Tokens are as long as the next multiple of this: how long the name is that they lead to is not told either.
const PADDED_TO: usize = 128;

/// # Errors
/// `Internal` if nothing can be sealed.
pub(crate) fn seal(sealer: &Sealer, token: &str) -> Result<String, Error> {
    let width = token.len().next_multiple_of(PADDED_TO);
    let padded = format!("{token:<width$}");
    let sealed = sealer.seal(NAME, VERSION, padded.as_bytes());
    let sealed = sealed.map_err(|error| Error::Internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(sealed.encode_to_vec()))
}

/// # Errors
/// `Invalid` naming `page_token` for what [`seal`] did not make.
pub(crate) fn open(sealer: &Sealer, sealed: &str) -> Result<String, Error> {
    opened(sealer, sealed).ok_or_else(|| {
        let problem =
            "it is no page token of this list; begin again without it, or send next_page_token as it is";
        invalid("page_token", problem)
    })
}

fn opened(sealer: &Sealer, sealed: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let sealed = SealedSecret::decode(bytes.as_slice()).ok()?;
    if sealed.name != NAME || sealed.version != VERSION {
        return None;
    }
    let token = sealer.open(&sealed).ok()?;
    let text = std::str::from_utf8(token.bytes()).ok()?;
    Some(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another member has the same key.
    #[test]
    fn what_one_member_seals_another_one_opens() {
        let one = Sealer::generate().unwrap();
        let other = Sealer::from_pem(one.to_pem().unwrap().as_bytes()).unwrap();
        let token = "0011223344556677786330";
        let sealed = seal(&one, token).unwrap();
        assert_eq!(open(&other, &sealed).unwrap(), token);
        assert!(!sealed.contains(token) && !sealed.contains("78633"), "{sealed}");
    }

    /// Neither what it is nor how long: two lists that go on behind different objects look alike.
    #[test]
    fn a_sealed_token_says_nothing_of_where_it_leads() {
        let sealer = Sealer::generate().unwrap();
        let short = seal(&sealer, "aa").unwrap();
        let long = seal(&sealer, &"b".repeat(100)).unwrap();
        assert_eq!(short.len(), long.len());
        assert_ne!(
            short,
            seal(&sealer, "aa").unwrap(),
            "the same place is not known again"
        );
    }

    /// The key seals passwords as well.
    #[test]
    fn nothing_else_that_is_sealed_is_opened() {
        let sealer = Sealer::generate().unwrap();
        let secret = sealer.seal("redfish/x0", VERSION, b"password").unwrap();
        let renamed = SealedSecret {
            name: NAME.to_owned(),
            ..secret.clone()
        };
        let encoded = |secret: &SealedSecret| URL_SAFE_NO_PAD.encode(secret.encode_to_vec());
        let strangers = seal(&Sealer::generate().unwrap(), "aa").unwrap();
        for wrong in [
            encoded(&secret),
            encoded(&renamed),
            strangers,
            String::new(),
            "!".to_owned(),
            "0011".to_owned(),
        ] {
            let refused = open(&sealer, &wrong).unwrap_err().to_string();
            assert!(refused.starts_with("page_token: "), "{refused}");
            assert!(!refused.contains("password"), "{refused}");
        }
    }
}
