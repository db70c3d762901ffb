//! What the token endpoint answers.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{CliError, Kind};

/// Tokens of a login.
#[derive(Clone, Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    /// Seconds.
    pub(super) expires_in: u64,
}

/// Tokens, or why there are none.
pub(super) enum Answer {
    Tokens(Tokens),
    Refused { error: String, description: String },
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Answer {
    /// # Errors
    /// If it is neither.
    pub(super) fn read(body: &[u8]) -> Result<Answer, CliError> {
        if let Ok(refused) = serde_json::from_slice::<Refused>(body) {
            return Ok(Answer::Refused {
                error: refused.error,
                description: refused.error_description,
            });
        }
        serde_json::from_slice(body)
            .map(Answer::Tokens)
            .map_err(|error| CliError::other("the cluster's answer cannot be read", error))
    }
}

/// An answer that is no refusal.
///
/// # Errors
/// `Denied` with what the cluster says.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CliError> {
    if let Ok(refused) = serde_json::from_slice::<Refused>(body) {
        let text = match refused.error_description.as_str() {
            "" => refused.error,
            description => description.to_owned(),
        };
        return Err(CliError::new(Kind::Denied, text));
    }
    serde_json::from_slice(body)
        .map_err(|error| CliError::other("the cluster's answer cannot be read", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_refusals_are_told_apart() {
        let tokens = br#"{"access_token":"a","refresh_token":"r","expires_in":600,"token_type":"Bearer"}"#;
        assert!(matches!(Answer::read(tokens), Ok(Answer::Tokens(tokens)) if tokens.expires_in == 600));
        let refused = br#"{"error":"slow_down","error_description":"x"}"#;
        assert!(matches!(Answer::read(refused), Ok(Answer::Refused { error, .. }) if error == "slow_down"));
        assert!(Answer::read(b"<html>").is_err());
        let error = read::<Tokens>(refused).err().unwrap();
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Denied, "x"));
    }
}
