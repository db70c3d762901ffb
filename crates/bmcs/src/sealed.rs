//! Passwords as they are stored: sealed, each under a name of its own.

use auth::Sealer;
use proto::cluster::v1::SealedSecret;
use redfish::Password;
use rpc::Error;
use state::State;

/// Longest password, bytes; as SMD takes it.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Seals `password` as the next version of the secret `name`.
///
/// # Errors
/// `Invalid` for none and one that is too long.
pub(crate) fn seal(
    sealer: &Sealer,
    state: &State,
    name: &str,
    password: &Password,
) -> Result<SealedSecret, Error> {
    let bytes = password.expose().as_bytes();
    if bytes.is_empty() || bytes.len() > PASSWORD_BYTES_MAX {
        let problem = format!("1 to {PASSWORD_BYTES_MAX} bytes are needed");
        return Err(rpc::invalid("password", problem));
    }
    let version = state.cluster.secret(name).map_or(0, |known| known.version);
    let sealed = sealer.seal(name, version.saturating_add(1), bytes);
    sealed.map_err(|error| Error::Internal(error.to_string()))
}

/// The password that is stored as `name`, if any.
///
/// # Errors
/// `Internal` if it does not open here, naming the key that is missing.
pub(crate) fn open(sealer: &Sealer, state: &State, name: &str) -> Result<Option<Password>, Error> {
    let Some(sealed) = state.cluster.secret(name) else {
        return Ok(None);
    };
    let opened = sealer.open(&sealed);
    let opened = opened.map_err(|error| Error::Internal(error.to_string()))?;
    match std::str::from_utf8(opened.bytes()) {
        Ok(text) => Ok(Some(Password::new(text))),
        Err(_) => Err(Error::Internal(format!(
            "secret {name} is no text; set the password again"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sealed_under_its_name() {
        let (sealer, state) = (Sealer::generate().unwrap(), State::new());
        let sealed = seal(&sealer, &state, "bmc/x0c0s0b0", &Password::new("secret")).unwrap();
        assert_eq!((sealed.name.as_str(), sealed.version), ("bmc/x0c0s0b0", 1));
        assert_eq!(sealer.open(&sealed).unwrap().bytes(), b"secret");
        assert!(open(&sealer, &state, "bmc/x0c0s0b0").unwrap().is_none());
    }

    #[test]
    fn no_password_and_one_too_long_are_refused() {
        let (sealer, state) = (Sealer::generate().unwrap(), State::new());
        for wrong in [String::new(), "x".repeat(PASSWORD_BYTES_MAX + 1)] {
            let refused = seal(&sealer, &state, "a", &Password::new(wrong)).unwrap_err();
            assert_eq!(refused.to_string(), "password: 1 to 1024 bytes are needed");
        }
    }
}
