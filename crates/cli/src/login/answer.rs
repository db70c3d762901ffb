//! What the endpoints of OAuth answer.

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

/// What was asked for, or why it is not given.
pub(crate) enum Answer<T> {
    Given(T),
    /// The code of RFC 6749, 5.2, and what it means.
    Refused {
        error: String,
        description: String,
    },
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl<T: DeserializeOwned> Answer<T> {
    /// # Errors
    /// If it is neither.
    pub(crate) fn read(body: &[u8]) -> Result<Answer<T>, CliError> {
        if let Ok(refused) = serde_json::from_slice::<Refused>(body) {
            return Ok(Answer::Refused {
                error: refused.error,
                description: refused.error_description,
            });
        }
        serde_json::from_slice(body)
            .map(Answer::Given)
            .map_err(|error| CliError::other("the cluster's answer cannot be read", error))
    }

    /// # Errors
    /// `Denied` with what the cluster says.
    pub(crate) fn given(self) -> Result<T, CliError> {
        match self {
            Answer::Given(given) => Ok(given),
            Answer::Refused { error, description } if description.is_empty() => {
                Err(CliError::new(Kind::Denied, error))
            }
            Answer::Refused { description, .. } => Err(CliError::new(Kind::Denied, description)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_refusals_are_told_apart() {
        let read = Answer::<Tokens>::read;
        let tokens = br#"{"access_token":"a","refresh_token":"r","expires_in":600,"token_type":"Bearer"}"#;
        assert!(matches!(read(tokens), Ok(Answer::Given(tokens)) if tokens.expires_in == 600));
        let refused = br#"{"error":"slow_down","error_description":"x"}"#;
        assert!(matches!(read(refused), Ok(Answer::Refused { error, .. }) if error == "slow_down"));
        assert!(read(b"<html>").is_err());
        let denied = |body: &[u8]| read(body).and_then(Answer::given).err().unwrap();
        let error = denied(refused);
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Denied, "x"));
        assert_eq!(denied(br#"{"error":"slow_down"}"#).to_string(), "slow_down");
    }
}
