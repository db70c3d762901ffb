//! What a browser or device carries from one step of a login to the next: readable, but made by nobody but members.

use rpc::Error;
use serde::{Deserialize, Serialize};
use state::auth::{USER_CODE_ALPHABET, USER_CODE_CHARS};

use super::key::LoginKey;
use crate::issued::internal;

/// What is in `state` on its way through the provider.
const STATE: &str = "state";
/// What a device polls with.
const DEVICE: &str = "device";
/// How long a login may take, milliseconds; RFC 8628 calls it `expires_in`.
pub(super) const LOGIN_MS: u64 = 10 * 60 * 1000;
/// Random bytes of each login.
const RANDOM_BYTES: usize = 16;

type Random = [u8; RANDOM_BYTES];

/// A login in a browser that is on its way. The names are short because it travels in URLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// Cluster time, milliseconds.
    #[serde(rename = "e")]
    expires_at_ms: u64,
    #[serde(rename = "r")]
    random: Random,
    /// Name of the provider.
    #[serde(rename = "p")]
    pub(super) provider: String,
    /// Where the browser has found the member that it began at.
    #[serde(rename = "h")]
    pub(super) host: String,
    /// Where it goes afterwards; empty: nowhere.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub(super) target: String,
    /// The device that this login says yes to; empty: none.
    #[serde(rename = "u", default, skip_serializing_if = "String::is_empty")]
    pub(super) user_code: String,
}

/// A login on a device that waits for a yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceTicket {
    #[serde(rename = "e")]
    expires_at_ms: u64,
    #[serde(rename = "r")]
    random: Random,
    #[serde(rename = "c")]
    pub(super) client_id: String,
    /// Permissions that the tokens are for; empty: all that policies give.
    #[serde(rename = "s")]
    pub(super) scope: String,
}

impl Ticket {
    pub(super) fn new(provider: &str, host: &str, now_ms: u64) -> Result<Ticket, Error> {
        Ok(Ticket {
            expires_at_ms: now_ms + LOGIN_MS,
            random: random()?,
            provider: provider.to_owned(),
            host: host.to_owned(),
            target: String::new(),
            user_code: String::new(),
        })
    }

    /// `state` of the authorization request.
    pub(super) fn to_text(&self, key: &LoginKey) -> String {
        key.sealed(STATE, &bytes(self))
    }

    /// `None` for what no member has made, or too long ago.
    pub(super) fn read(key: &LoginKey, text: &str, now_ms: u64) -> Option<Ticket> {
        let ticket: Ticket = serde_json::from_slice(&key.opened(STATE, text)?).ok()?;
        (ticket.expires_at_ms > now_ms).then_some(ticket)
    }

    /// Where the provider sends the browser back to.
    pub(super) fn redirect_uri(&self) -> String {
        format!("https://{}/oidc/callback", self.host)
    }

    /// What binds the ID token to this login.
    pub(super) fn nonce(&self, key: &LoginKey) -> String {
        key.text("nonce", &self.random)
    }

    /// PKCE: what the code is good with, and members alone know. Source: RFC 7636.
    pub(super) fn verifier(&self, key: &LoginKey) -> String {
        key.text("verifier", &self.random)
    }

    /// What binds this login to one browser.
    pub(super) fn cookie(&self, key: &LoginKey) -> String {
        key.text("cookie", &self.random)
    }

    pub(super) fn is_cookie(&self, key: &LoginKey, shown: &str) -> bool {
        key.is_text("cookie", &self.random, shown)
    }
}

impl DeviceTicket {
    pub(super) fn new(client_id: &str, scope: &str, now_ms: u64) -> Result<DeviceTicket, Error> {
        Ok(DeviceTicket {
            expires_at_ms: now_ms + LOGIN_MS,
            random: random()?,
            client_id: client_id.to_owned(),
            scope: scope.to_owned(),
        })
    }

    /// The device code.
    pub(super) fn to_text(&self, key: &LoginKey) -> String {
        key.sealed(DEVICE, &bytes(self))
    }

    /// `None` for what no member has made.
    pub(super) fn read(key: &LoginKey, text: &str) -> Option<DeviceTicket> {
        serde_json::from_slice(&key.opened(DEVICE, text)?).ok()
    }

    pub(super) fn has_ended(&self, now_ms: u64) -> bool {
        self.expires_at_ms <= now_ms
    }

    /// What a person reads on the device and types: it follows from the device code, not the other way round.
    pub(super) fn user_code(&self, key: &LoginKey) -> String {
        let mac = key.mac("user-code", &self.random);
        let mut number = mac[..8]
            .iter()
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let letters = USER_CODE_ALPHABET.as_bytes();
        let base = letters.len() as u64;
        let mut code = String::with_capacity(USER_CODE_CHARS);
        for _ in 0..USER_CODE_CHARS {
            // the remainder is below the base
            code.push(char::from(letters[usize::try_from(number % base).unwrap_or(0)]));
            number /= base;
        }
        code
    }
}

/// A user code as the state has it; people type it with a dash, blanks and small letters.
pub(super) fn typed_code(text: &str) -> Option<String> {
    let is_mark = |c: &char| !(c.is_whitespace() || *c == '-');
    let code: String = text.chars().filter(is_mark).take(USER_CODE_CHARS + 1).collect();
    let code = code.to_ascii_uppercase();
    let is_code = code.len() == USER_CODE_CHARS && code.chars().all(|c| USER_CODE_ALPHABET.contains(c));
    is_code.then_some(code)
}

/// A user code as people read it.
pub(super) fn shown_code(code: &str) -> String {
    match code.split_at_checked(USER_CODE_CHARS / 2) {
        Some((first, second)) => format!("{first}-{second}"),
        None => code.to_owned(),
    }
}

fn bytes(ticket: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(ticket).expect("texts and numbers always have a JSON form")
}

fn random() -> Result<Random, Error> {
    auth::random().map_err(|error| internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_ten_minutes_and_with_this_key() {
        let key = LoginKey::for_test();
        let ticket = Ticket::new("idp", "m1:8443", 1000).unwrap();
        let text = ticket.to_text(&key);
        assert_eq!(Ticket::read(&key, &text, 1000), Some(ticket.clone()));
        assert_eq!(Ticket::read(&key, &text, 1000 + LOGIN_MS), None);
        assert_eq!(Ticket::read(&LoginKey::for_test(), &text, 1000), None);
        assert_eq!(ticket.redirect_uri(), "https://m1:8443/oidc/callback");
    }

    /// Who has one of them has none of the others.
    #[test]
    fn what_follows_from_a_login_differs_by_purpose_and_by_login() {
        let key = LoginKey::for_test();
        let ticket = Ticket::new("idp", "m1", 0).unwrap();
        let other = Ticket::new("idp", "m1", 0).unwrap();
        let all = [
            ticket.nonce(&key),
            ticket.verifier(&key),
            ticket.cookie(&key),
            other.nonce(&key),
            other.cookie(&key),
        ];
        for (place, text) in all.iter().enumerate() {
            assert_eq!(text.len(), 43, "RFC 7636 4.1");
            assert!(!all[..place].contains(text));
        }
        assert!(ticket.is_cookie(&key, &ticket.cookie(&key)));
        assert!(!ticket.is_cookie(&key, &other.cookie(&key)));
    }

    #[test]
    fn a_device_code_is_no_state_and_the_other_way_round() {
        let key = LoginKey::for_test();
        let device = DeviceTicket::new("cli", "smd.read", 0).unwrap();
        let text = device.to_text(&key);
        assert_eq!(DeviceTicket::read(&key, &text), Some(device.clone()));
        assert_eq!(Ticket::read(&key, &text, 0), None);
        let state = Ticket::new("idp", "m1", 0).unwrap().to_text(&key);
        assert_eq!(DeviceTicket::read(&key, &state), None);
        assert!(!device.has_ended(LOGIN_MS - 1) && device.has_ended(LOGIN_MS));
    }

    #[test]
    fn a_user_code_is_typed_as_people_type() {
        let key = LoginKey::for_test();
        let device = DeviceTicket::new("cli", "", 0).unwrap();
        let code = device.user_code(&key);
        assert_eq!(code, device.user_code(&key));
        assert_ne!(code, DeviceTicket::new("cli", "", 0).unwrap().user_code(&key));
        let shown = shown_code(&code);
        assert_eq!(shown.len(), 9);
        for typed in [&code, &shown, &shown.to_lowercase(), &format!(" {shown} ")] {
            assert_eq!(typed_code(typed).as_ref(), Some(&code), "{typed}");
        }
        for wrong in [
            "",
            "ABCDEFGH",
            "BBBB",
            "BBBBBBBBB",
            "<script>",
            &"B".repeat(1 << 20),
        ] {
            assert_eq!(typed_code(wrong), None);
        }
    }
}
