//! Logins of devices without a browser (RFC 8628): a code for people, a code to poll with, and tokens once somebody said yes.

use std::net::SocketAddr;

use proto::auth::v1::{BeginDeviceRequest, TokenRequest};
use rpc::Error;
use serde::Serialize;

use super::session::Opening;
use super::ticket::{DeviceTicket, LOGIN_MS, shown_code};
use super::{Logins, check_host};
use crate::oauth::{OauthError, TokenAnswer};
use crate::oidc::Person;
use crate::providers::stands_behind;
use crate::rates::network_of;
use crate::scopes::narrowed;

/// Logins that one address may begin in a minute.
pub(super) const BEGINS_A_MINUTE_MAX: u32 = 20;
/// Seconds between two polls that a device is told.
const INTERVAL_S: u64 = 5;
/// One that comes sooner is told to slow down, milliseconds: a second less, because networks are not even.
pub(super) const POLL_PAUSE_MS: u64 = (INTERVAL_S - 1) * 1000;
/// How long a login of a device lasts without a new yes, milliseconds: a working day. Groups are as old as that.
const SESSION_MS: u64 = 12 * 60 * 60 * 1000;
/// A code is good for one login. At a member that has not given the tokens it waits until it ends.
const USED: &str = "this device code was used before; log in again";
/// Longest name of a client, bytes.
const CLIENT_BYTES_MAX: usize = 64;
/// Longest scope, bytes: it travels in the device code.
const SCOPE_BYTES_MAX: usize = 1024;

/// RFC 8628, 3.2.
#[derive(Serialize)]
pub(super) struct Begun {
    pub(super) device_code: String,
    pub(super) user_code: String,
    pub(super) verification_uri: String,
    pub(super) verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

impl Logins {
    /// Writes nothing to the log.
    ///
    /// # Errors
    /// `invalid_request` if there is nobody to log in with; `slow_down` for an address that begins too many.
    pub(super) fn begin_device(
        &self,
        peer: Option<SocketAddr>,
        asked: &BeginDeviceRequest,
    ) -> Result<Begun, OauthError> {
        check_host(&asked.host)?;
        check_client(&asked.client_id)?;
        let permissions = narrowed(&asked.scope, None).map_err(|_| OauthError::scope())?;
        let scope = permissions.unwrap_or_default().join(" ");
        if scope.len() > SCOPE_BYTES_MAX {
            return Err(OauthError::request("scope: 1024 bytes are accepted"));
        }
        // said here and not only to whoever types the code
        self.any_provider()?;
        let key = self.key()?;
        let now_ms = self.now_ms();
        if !self.0.begun.admits(&network_of(peer), now_ms) {
            return Err(OauthError::too_many());
        }
        let ticket = DeviceTicket::new(&asked.client_id, &scope, now_ms)?;
        let user_code = shown_code(&ticket.user_code(&key));
        let verification_uri = format!("https://{}/device", asked.host);
        Ok(Begun {
            device_code: ticket.to_text(&key),
            verification_uri_complete: format!("{verification_uri}?user_code={user_code}"),
            verification_uri,
            user_code,
            expires_in: LOGIN_MS / 1000,
            interval: INTERVAL_S,
        })
    }

    fn any_provider(&self) -> Result<(), Error> {
        let state = self.state();
        let mut providers = state.auth.providers();
        match providers.any(|provider| provider.logins) {
            true => Ok(()),
            false => self.provider("").map(|_| ()),
        }
    }
}

/// The token endpoint's part of it.
///
/// # Errors
/// `authorization_pending` until somebody has said yes, and as RFC 8628, 3.5 has it.
pub(crate) async fn poll(logins: &Logins, asked: &TokenRequest) -> Result<TokenAnswer, OauthError> {
    let key = logins.key()?;
    let ticket = DeviceTicket::read(&key, &asked.device_code);
    let ticket = ticket.ok_or(OauthError::grant("the device code is unknown; log in again"))?;
    if !asked.client_id.is_empty() && asked.client_id != ticket.client_id {
        return Err(OauthError::grant("the device code was given to another client"));
    }
    let now_ms = logins.now_ms();
    if ticket.has_ended(now_ms) {
        return Err(OauthError::expired());
    }
    let user_code = ticket.user_code(&key);
    if !logins.0.polled.admits(&user_code, now_ms) {
        return Err(OauthError::slow_down());
    }
    if logins.0.used.wait_ms(&user_code, now_ms).is_some() {
        return Err(OauthError::grant(USED));
    }
    let state = logins.state();
    let approval = state.auth.device_approval(&user_code);
    let approval = approval.filter(|approval| approval.expires_at_ms > now_ms);
    let approval = approval.ok_or(OauthError::pending())?;
    // a yes says not when it was given; it lives for minutes
    if !stands_behind(&state, &approval.provider, u64::MAX) {
        return Err(OauthError::grant(
            "nobody logs in any more through the provider that said yes; log in again",
        ));
    }
    let opening = Opening {
        person: Person {
            principal: approval.principal.clone(),
            groups: approval.groups.clone(),
        },
        provider: approval.provider.clone(),
        client_id: ticket.client_id,
        permissions: narrowed(&ticket.scope, None).map_err(|_| OauthError::scope())?,
        lasts_ms: SESSION_MS,
        user_code: user_code.clone(),
    };
    match logins.open(opening).await {
        Ok(opened) => {
            logins.0.used.count(&user_code, now_ms);
            Ok(TokenAnswer {
                refresh_token: Some(opened.refresh.to_string()),
                ..TokenAnswer::of(opened.access)
            })
        }
        // another poll was faster and has the tokens
        Err(Error::NotFound { .. }) => Err(OauthError::grant(USED)),
        Err(error) => Err(error.into()),
    }
}

fn check_client(client_id: &str) -> Result<(), OauthError> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = (1..=CLIENT_BYTES_MAX).contains(&client_id.len()) && client_id.bytes().all(is_part);
    match is_name {
        true => Ok(()),
        false => Err(OauthError::request(
            "client_id: write what logs in, 1 to 64 letters, digits and -_.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_names_itself_in_one_word() {
        for right in ["chamois-cli", "a", "x_1.y"] {
            check_client(right).unwrap();
        }
        for wrong in ["", "a b", "<script>", "ä", &"a".repeat(65)] {
            check_client(wrong).unwrap_err();
        }
    }
}
