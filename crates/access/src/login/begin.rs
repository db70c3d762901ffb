//! On the way to the provider: an authorization request (OpenID Connect Core 3.1.2.1) with PKCE.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::auth::v1::{ApproveDeviceRequest, LoginRequest, OidcProvider};
use rpc::{Error, invalid};

use super::page::Page;
use super::ticket::{LOGIN_MS, Ticket, typed_code};
use super::{Logins, check_host};

/// The cookie that binds a login to its browser. By its first letters browsers take it from pages over TLS only; those of `__Host-` would
/// send it to every path. Source: RFC 6265bis, 4.1.3.1.
pub(super) const COOKIE: &str = "__Secure-chamois-login";
/// Longest path that a browser goes to afterwards, bytes: it travels through the provider.
const TARGET_BYTES_MAX: usize = 512;

impl Logins {
    /// # Errors
    /// `Invalid` for a target that is elsewhere; `NotReady` if the provider does not answer.
    pub(super) async fn begin(&self, asked: &LoginRequest) -> Result<Page, Error> {
        check_host(&asked.host)?;
        check_target(&asked.target)?;
        let provider = self.provider(&asked.provider)?;
        let mut ticket = Ticket::new(&provider.name, &asked.host, self.now_ms())?;
        ticket.target.clone_from(&asked.target);
        self.to_provider(&provider, &ticket, 302).await
    }

    /// The same for somebody who has typed a device's code.
    ///
    /// # Errors
    /// `Denied` for another site's form, `Invalid` for what is no code.
    pub(super) async fn begin_approval(&self, asked: &ApproveDeviceRequest) -> Result<Page, Error> {
        check_host(&asked.host)?;
        check_origin(&asked.origin, &asked.host)?;
        let code = typed_code(&asked.user_code);
        let code = code.ok_or_else(|| invalid("user_code", "write the 8 letters that the device shows"))?;
        let provider = self.provider(&asked.provider)?;
        let mut ticket = Ticket::new(&provider.name, &asked.host, self.now_ms())?;
        ticket.user_code = code;
        // so that the browser asks with GET
        self.to_provider(&provider, &ticket, 303).await
    }

    async fn to_provider(
        &self,
        provider: &OidcProvider,
        ticket: &Ticket,
        status: u16,
    ) -> Result<Page, Error> {
        let key = self.key()?;
        let known = self.0.oidc.known(provider).await?;
        let says_whose = known.metadata.authorization_response_iss_parameter_supported;
        if !says_whose && self.has_several_providers() {
            let problem = format!(
                "{} does not say in its answers whose they are (RFC 9207), so that it can have logins only where no other provider has",
                provider.name
            );
            return Err(invalid("provider", problem));
        }
        let scopes = std::iter::once("openid").chain(provider.scopes.iter().map(String::as_str));
        let challenge = URL_SAFE_NO_PAD.encode(auth::secret_digest(ticket.verifier(&key).as_bytes()));
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", &ticket.redirect_uri())
            .append_pair("scope", &scopes.collect::<Vec<_>>().join(" "))
            .append_pair("state", &ticket.to_text(&key))
            .append_pair("nonce", &ticket.nonce(&key))
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        let endpoint = &known.metadata.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        let cookie = format!(
            "{COOKIE}={}; Secure; HttpOnly; SameSite=Lax; Path=/oidc/callback; Max-Age={}",
            ticket.cookie(&key),
            LOGIN_MS / 1000
        );
        Ok(Page::redirect(status, &format!("{endpoint}{joint}{query}")).with_header("set-cookie", cookie))
    }
}

/// A path of this host and nothing that a browser takes for more: `//evil`, `/\evil`.
fn check_target(target: &str) -> Result<(), Error> {
    let is_path = target.starts_with('/') && !target[1..].starts_with('/');
    let is_plain = target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    match target.is_empty() || (is_path && is_plain && target.len() <= TARGET_BYTES_MAX) {
        true => Ok(()),
        false => Err(invalid(
            "target",
            "a path of this host is accepted, /… without \\ and blanks",
        )),
    }
}

/// Browsers say whose page a form is on: that of another site would say yes to a device of its own in the name of whoever visits
/// it. Source: RFC 6454.
fn check_origin(origin: &str, host: &str) -> Result<(), Error> {
    let own = format!("https://{host}");
    match origin.eq_ignore_ascii_case(&own) {
        true => Ok(()),
        false => Err(Error::Denied {
            reason: format!("this form is sent from {own}/device only; open it and type the code there"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_to_another_site() {
        for right in ["", "/", "/ui", "/ui/nodes?x=y#z", "/a//b"] {
            assert!(check_target(right).is_ok(), "{right}");
        }
        for wrong in [
            "//evil",
            "/\\evil",
            "\\\\evil",
            "https://evil",
            "javascript:alert(1)",
            "/a\r\nset-cookie: x",
            "/a b",
            "/\tevil",
            "ä",
            "/ä",
            &format!("/{}", "a".repeat(512)),
        ] {
            assert!(check_target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        check_origin("https://m1:8443", "m1:8443").unwrap();
        check_origin("https://M1:8443", "m1:8443").unwrap();
        for wrong in [
            "",
            "null",
            "https://evil",
            "http://m1:8443",
            "https://m1",
            "https://m1:8443.evil",
        ] {
            assert!(check_origin(wrong, "m1:8443").is_err(), "{wrong}");
        }
    }
}
