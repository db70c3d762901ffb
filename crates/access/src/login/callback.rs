//! Back from the provider: in the browser that the login was begun in, by the issuer that it was begun with, once.

use proto::auth::v1::auth_command::{ApproveDevice, Change};
use proto::auth::v1::{CallbackRequest, DeviceApproval, OidcProvider};
use rpc::Error;

use super::begin::COOKIE;
use super::key::LoginKey;
use super::page::{self, Page};
use super::session::{CLOCKS_MS, Opening};
use super::ticket::{LOGIN_MS, Ticket};
use super::{Logins, not_ready};
use crate::oidc::{Code, Person};

/// What sessions of browsers call the program that has logged in.
const CLIENT: &str = "browser";
/// A browser is given one access token and nothing to renew it with, milliseconds.
const BROWSER_MS: u64 = 11 * 60 * 1000;

impl Logins {
    /// # Errors
    /// `Unauthenticated` for a login that does not count; the text quotes nothing of what was shown.
    pub(super) async fn returned(&self, returned: CallbackRequest) -> Result<Page, Error> {
        let key = self.key()?;
        let ticket = self.ticket(&key, &returned)?;
        let state = self.state();
        let provider = state
            .auth
            .provider(&ticket.provider)
            .filter(|provider| provider.logins);
        let provider = provider.ok_or_else(|| refused("the provider has no logins any more"))?;
        self.check_issuer(&provider, &returned.iss).await?;
        if !returned.error.is_empty() {
            let told = match returned.error_description.as_str() {
                "" => returned.error,
                description => format!("{}: {description}", returned.error),
            };
            return Ok(page::refusal(403, &format!("the provider says {told}")));
        }
        if returned.code.is_empty() {
            return Err(refused("the provider has sent no code"));
        }
        let code = Code {
            code: &returned.code,
            verifier: &ticket.verifier(&key),
            nonce: &ticket.nonce(&key),
            redirect_uri: &ticket.redirect_uri(),
        };
        let person = self.0.oidc.person(&provider, code).await?;
        let page = match ticket.user_code.is_empty() {
            true => self.logged_in(person, ticket).await?,
            false => self.approve(person, ticket).await?,
        };
        let gone = format!("{COOKIE}=; Secure; HttpOnly; SameSite=Lax; Path=/oidc/callback; Max-Age=0");
        Ok(page.with_header("set-cookie", gone))
    }

    /// The login that is answered, if this browser has begun it.
    fn ticket(&self, key: &LoginKey, returned: &CallbackRequest) -> Result<Ticket, Error> {
        let ticket = Ticket::read(key, &returned.state, self.now_ms());
        let ticket = ticket.ok_or_else(|| refused("it was begun more than 10 minutes ago, or not here"))?;
        match cookies(&returned.cookie).any(|value| ticket.is_cookie(key, value)) {
            true => Ok(ticket),
            false => Err(refused(
                "it was begun in another browser, or in another tab since",
            )),
        }
    }

    /// Another provider's answer would be exchanged where its code does not belong. Source: RFC 9207.
    async fn check_issuer(&self, provider: &OidcProvider, iss: &str) -> Result<(), Error> {
        let known = self.0.oidc.known(provider).await?;
        let must_be_there = known.metadata.authorization_response_iss_parameter_supported;
        match iss == provider.issuer || (iss.is_empty() && !must_be_there) {
            true => Ok(()),
            false => Err(refused("it was answered by another issuer")),
        }
    }

    async fn logged_in(&self, person: Person, ticket: Ticket) -> Result<Page, Error> {
        let principal = person.principal.clone();
        let opened = self
            .open(Opening {
                person,
                provider: ticket.provider,
                client_id: CLIENT.to_owned(),
                permissions: None,
                lasts_ms: BROWSER_MS,
                user_code: String::new(),
            })
            .await?;
        Ok(page::logged_in(&principal, &opened.access, &ticket.target))
    }

    /// The yes is all that is kept: the device fetches its tokens itself.
    async fn approve(&self, person: Person, ticket: Ticket) -> Result<Page, Error> {
        let approval = DeviceApproval {
            user_code: ticket.user_code.clone(),
            principal: person.principal.clone(),
            groups: person.groups,
            provider: ticket.provider,
            expires_at_ms: self.now_ms() + LOGIN_MS - CLOCKS_MS,
        };
        let approve = ApproveDevice {
            approval: Some(approval),
        };
        match self
            .propose(&person.principal, Change::ApproveDevice(approve))
            .await
        {
            Ok(_) => Ok(page::approved(&person.principal, &ticket.user_code)),
            Err(Error::Conflict { detail }) => Err(refused(&detail)),
            Err(Error::OutcomeUnknown) => Err(not_ready(
                "it is not known whether the yes was stored; look at the device",
            )),
            Err(error) => Err(error),
        }
    }
}

/// Values of our cookie: a browser may send one for each path that it was set for.
fn cookies(header: &str) -> impl Iterator<Item = &str> {
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn refused(reason: &str) -> Error {
    Error::Unauthenticated {
        reason: format!("this login does not count: {reason}; begin it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cookie_is_found_among_others() {
        let all = |header| cookies(header).collect::<Vec<_>>();
        assert_eq!(all("a=b; chamois-login=x; chamois-login=y;c"), ["x", "y"]);
        for none in [
            "",
            "chamois-login",
            "chamois-logins=x",
            "x-chamois-login=x",
            ";;;",
        ] {
            assert!(all(none).is_empty(), "{none}");
        }
    }
}
