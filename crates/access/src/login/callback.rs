//! Back from the provider: in the browser that the login was begun in, by the issuer that it was begun with, once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::auth::v1::auth_command::{ApproveDevice, Change};
use proto::auth::v1::{CallbackRequest, DeviceApproval, OidcProvider};
use rpc::Error;

use super::Logins;
use super::begin::COOKIE;
use super::key::LoginKey;
use super::page::{self, Page};
use super::session::Opening;
use super::ticket::{LOGIN_MS, Ticket};
use crate::issued::CLOCKS_MS;
use crate::oidc::{Code, Person};
use crate::rates::network_of;
use crate::token_checks::not_ready;

/// What sessions of browsers call the program that has logged in.
const CLIENT: &str = "browser";
/// Codes that the provider did not take from one network in a minute, before it is not asked any more.
pub(super) const FAILED_A_MINUTE_MAX: u32 = 20;
/// Devices that one person has said yes to, and that have not asked again, at once.
const APPROVALS_MAX: usize = 5;
/// A browser is given one access token and nothing to renew it with, milliseconds.
const BROWSER_MS: u64 = 11 * 60 * 1000;

impl Logins {
    /// # Errors
    /// `Unauthenticated` for a login that does not count; the text quotes nothing of what was shown. `Overloaded` for a network from which
    /// too many codes came that the provider did not take.
    pub(super) async fn returned(
        &self,
        peer: Option<SocketAddr>,
        returned: CallbackRequest,
    ) -> Result<Page, Error> {
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
        let person = self
            .person(peer, &provider, &key, &ticket, &returned.code)
            .await?;
        let page = match ticket.user_code.is_empty() {
            true => self.logged_in(person, ticket).await?,
            false => self.approve(person, ticket).await?,
        };
        let gone = format!("{COOKIE}=; Secure; HttpOnly; SameSite=Lax; Path=/oidc/callback; Max-Age=0");
        Ok(page.with_header("set-cookie", gone))
    }

    /// Whom the provider gives for a code. Each failure is the provider's work, so they are counted before it is asked again.
    async fn person(
        &self,
        peer: Option<SocketAddr>,
        provider: &Arc<OidcProvider>,
        key: &LoginKey,
        ticket: &Ticket,
        code: &str,
    ) -> Result<Person, Error> {
        let network = network_of(peer);
        if let Some(wait_ms) = self.0.failed.wait_ms(&network, self.now_ms()) {
            return Err(Error::Overloaded {
                what: "codes that the provider did not take came from this address".to_owned(),
                retry_after: Duration::from_millis(wait_ms),
            });
        }
        let nonce = ticket.nonce(key);
        let place = self.0.exchanging.enter(&nonce);
        let _place = place.ok_or_else(|| refused("it is answered at this moment"))?;
        let code = Code {
            code,
            verifier: &ticket.verifier(key),
            nonce: &nonce,
            redirect_uri: &ticket.redirect_uri(),
        };
        let person = Box::pin(self.0.oidc.person(provider, code)).await;
        if person.is_err() {
            self.0.failed.count(&network, self.now_ms());
        }
        person
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
        let promised = known.metadata.authorization_response_iss_parameter_supported;
        let must_be_there = promised || self.has_several_providers();
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
        let (state, now_ms) = (self.state(), self.now_ms());
        let waiting = state
            .auth
            .device_approvals()
            .filter(|approval| approval.principal == person.principal && approval.expires_at_ms > now_ms);
        if waiting.count() >= APPROVALS_MAX {
            return Err(refused(
                "you have said yes to 5 devices that have not asked again; wait until they have",
            ));
        }
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
        let two = "a=b; __Secure-chamois-login=x; __Secure-chamois-login=y;c";
        assert_eq!(all(two), ["x", "y"]);
        for none in [
            "",
            "__Secure-chamois-login",
            "__Secure-chamois-logins=x",
            "chamois-login=x",
            "x-__Secure-chamois-login=x",
            ";;;",
        ] {
            assert!(all(none).is_empty(), "{none}");
        }
    }
}
