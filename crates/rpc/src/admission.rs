//! Who makes a call, and what he is given: the rule of the method, the credential, and the authority's answer.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use proto::auth::v1::Grant;
use proto::http::v1::Permission;
use tokio::sync::watch;

use crate::part_caller::check_method;
use crate::rights::Rights;
use crate::token::Verifier;
use crate::{Authority, Error, Identity, Rule, Rules, Scope, authorizer};

/// Whom a call is judged by.
pub(crate) struct Admission<'a> {
    pub(crate) rules: &'a Rules,
    /// Tokens of the cluster's own key.
    pub(crate) tokens: Option<&'a Verifier>,
    /// Policies, and tokens of all other kinds; without one, users are administrators.
    pub(crate) authority: Option<&'a Arc<dyn Authority>>,
}

/// Who makes a call.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) identity: Identity,
    /// How long a token of the cluster's own key is good still; of everything else the authority says it.
    pub(crate) ends_in: Option<Duration>,
}

impl Identified {
    fn by(identity: &Identity) -> Self {
        Self {
            identity: identity.clone(),
            ends_in: None,
        }
    }
}

/// What a caller is given for one call.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) scope: Scope,
    /// What gives him that, for the log; `None` for who needs no policy.
    pub(crate) grant: Option<Arc<Grant>>,
    pub(crate) rights: Rights,
    /// Moves when a stream must ask again.
    pub(crate) changes: Option<watch::Receiver<u64>>,
}

impl Given {
    fn everything() -> Self {
        Self {
            scope: Scope::Everything,
            grant: None,
            rights: Rights::default(),
            changes: None,
        }
    }
}

impl Admission<'_> {
    /// The identity of the connection, or that of the bearer token where the connection has none.
    ///
    /// Nodes never rise by a token: their port is plain HTTP, and whoever listens there could repeat it. Where there is an
    /// authority, a method that is for everyone takes what it finds in the header for its own: a client of OAuth names itself
    /// there, with a password.
    ///
    /// # Errors
    /// `Unauthenticated` for a credential that is none, or is not good any more.
    pub(crate) fn identify(
        &self,
        rule: Rule,
        connection: &Identity,
        headers: &HeaderMap,
    ) -> Result<Identified, Error> {
        match connection {
            Identity::Member(_)
            | Identity::User { .. }
            | Identity::Known(_)
            | Identity::Token { .. }
            | Identity::Node { .. } => Ok(Identified::by(connection)),
            Identity::Anonymous | Identity::LegacyReader { .. } => {
                let of_token = bearer_token(headers).and_then(|token| match token {
                    None => Ok(Identified::by(connection)),
                    Some(token) => self.of_token(token),
                });
                match of_token {
                    Err(_) if self.authority.is_some() && rule.permission == Permission::Public => {
                        Ok(Identified::by(connection))
                    }
                    identified => identified,
                }
            }
        }
    }

    fn of_token(&self, token: &str) -> Result<Identified, Error> {
        if let Some(authority) = self.authority
            && let Some(identity) = authority.authenticate(token)?
        {
            return Ok(Identified::by(&identity));
        }
        let tokens = self.tokens.ok_or_else(|| Error::Unauthenticated {
            reason: "this port accepts no bearer tokens".to_owned(),
        })?;
        let claims = tokens.verify(token)?;
        Ok(Identified {
            ends_in: Some(tokens.ends_in(&claims)),
            identity: Identity::Token { subject: claims.sub },
        })
    }

    /// What `identity` is given for the method at `path`.
    ///
    /// # Errors
    /// `Unauthenticated` and `Denied`; where policies decide, naming the permission and nothing else.
    pub(crate) fn decide(&self, path: &str, rule: Rule, identity: &Identity) -> Result<Given, Error> {
        let acts_by_policies = matches!(identity, Identity::User { .. } | Identity::Known(_));
        let by_policies = match rule.permission {
            Permission::Administrator | Permission::Node | Permission::Identified => acts_by_policies,
            Permission::Member | Permission::Public | Permission::Unspecified => false,
        };
        let Some(authority) = self.authority.filter(|_| by_policies) else {
            authorizer::authorize(path, rule, identity)?;
            return Ok(Given::everything());
        };
        // before the question: what changes after it is seen
        let changes = rule.server_streaming.then(|| authority.changes());
        let rights = Rights::of(Arc::clone(authority), identity.clone());
        let access = authority.access(identity, self.rules.permission(rule.needs));
        if rule.permission == Permission::Identified {
            // everybody may, who has not been revoked; the method asks for what is not the caller's own. A token that was made for
            // something else is not its principal
            return match access {
                Err(Error::Denied { .. }) if rule.for_limited_tokens || !is_limited(identity) => {
                    Ok(self.own(identity, rights))
                }
                Ok(_) => Ok(self.own(identity, rights)),
                Err(error) => Err(error),
            };
        }
        let access = access?;
        check_method(self.rules, path, rule, &access.scope)?;
        Ok(Given {
            scope: access.scope,
            grant: access.grant,
            rights,
            changes,
        })
    }

    /// What is a caller's own: the log is told what proves him, and gives him nothing else for it.
    fn own(&self, identity: &Identity, rights: Rights) -> Given {
        Given {
            grant: self.authority.and_then(|authority| authority.proof(identity)),
            rights,
            ..Given::everything()
        }
    }
}

/// Whether somebody shows a token that is for less than all that policies give its principal.
fn is_limited(identity: &Identity) -> bool {
    matches!(identity, Identity::Known(who) if who.permissions.is_some())
}

/// The token of `authorization: Bearer <token>`; `None` without the header.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::Unauthenticated {
            reason: "the authorization header is given more than once; send one".to_owned(),
        });
    }
    let text = value.to_str().ok();
    match text.and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Error::Unauthenticated {
            reason: "the authorization header is not of the form `Bearer <token>`".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Of two, a proxy and this member might take another one each.
    #[test]
    fn one_header_with_one_token_is_a_credential() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values.iter().copied() {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            headers
        };
        assert_eq!(bearer_token(&headers(&[])).unwrap(), None);
        assert_eq!(bearer_token(&headers(&["bearer  t "])).unwrap(), Some("t"));
        for wrong in [
            &["Bearer t", "Bearer t"][..],
            &["Bearer t", "Basic x"],
            &["Basic x"],
            &["t"],
            &[""],
        ] {
            bearer_token(&headers(wrong)).unwrap_err();
        }
    }
}
