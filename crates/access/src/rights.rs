//! What handlers ask beside what the guard has asked: whose something is, and whether the caller may do more than with his own.

use std::fmt;
use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::Grant;
use rpc::{Access, Authority, Error, Identity, Principal, Rules, Scope};
use state::State;
use state::auth::{Proof, gives};
use state::cluster::FEATURE_LEVEL_AUTH;

use crate::scopes::covers;

/// What reads of others' tokens need.
pub(crate) const READ: &str = "auth.read";
/// What a token needs to be for, so that all that is its principal's can be ended by it.
const WRITE: &str = "auth.write";
/// What changes of others' tokens need.
pub(crate) const ADMIN: &str = "auth.admin";

/// Asks the authority, whichever it is. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rights {
    authority: Arc<dyn Authority>,
    /// Every permission that a method needs.
    permissions: Arc<[String]>,
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rights").finish_non_exhaustive()
    }
}

impl Rights {
    pub(crate) fn new(authority: Arc<dyn Authority>, rules: &Rules) -> Rights {
        Rights {
            authority,
            permissions: rules.permissions().map(str::to_owned).collect(),
        }
    }

    /// That the caller has a permission on everything; the grant for the log.
    ///
    /// # Errors
    /// `Denied` naming the permission and nothing else.
    pub(crate) fn require(&self, caller: &Identity, permission: &str) -> Result<Option<Arc<Grant>>, Error> {
        // the cluster's offline key needs no policy
        if matches!(caller, Identity::Token { .. }) {
            return Ok(None);
        }
        match self.authority.access(caller, permission)? {
            Access {
                scope: Scope::Everything,
                grant,
            } => Ok(grant),
            Access {
                scope: Scope::Part(_),
                ..
            } => Err(denied(permission)),
        }
    }

    /// Whether the caller has a permission on everything.
    ///
    /// # Errors
    /// As the authority, if it cannot say.
    pub(crate) fn has(&self, caller: &Identity, permission: &str) -> Result<bool, Error> {
        match self.require(caller, permission) {
            Ok(_) => Ok(true),
            Err(Error::Denied { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// That the caller has, on everything, whatever the patterns give: nobody gives away more than he has.
    ///
    /// # Errors
    /// `Denied` naming the first permission that is missing.
    pub(crate) fn require_all(&self, caller: &Identity, patterns: &[String]) -> Result<(), Error> {
        let given = self
            .permissions
            .iter()
            .filter(|permission| gives(patterns, permission));
        for permission in given {
            self.require(caller, permission)?;
        }
        Ok(())
    }
}

/// Whom a caller acts for, as tokens name it; `None` for those who have no tokens: members, nodes on their own port, and the
/// cluster's offline key.
pub(crate) fn own_name(caller: &Identity) -> Option<String> {
    match caller {
        Identity::User { name } => Some(format!("user/{name}")),
        Identity::Known(principal) => Some(principal.name.clone()),
        Identity::Member(_)
        | Identity::Token { .. }
        | Identity::Node { .. }
        | Identity::LegacyReader { .. }
        | Identity::Anonymous => None,
    }
}

/// What a caller has shown, if a token or certificate of ours.
pub(crate) fn known(caller: &Identity) -> Option<&Principal> {
    match caller {
        Identity::Known(principal) => Some(principal),
        _ => None,
    }
}

/// What a caller has shown, as the state knows what was taken back of it.
pub(crate) fn proof(who: &Principal) -> Proof<'_> {
    Proof {
        principal: &who.name,
        token_id: &who.token_id,
        session_id: &who.session_id,
        issued_at_ms: who.issued_at_ms,
        certificate_sha256: &who.certificate_sha256,
    }
}

/// Whether the login stands that an access token comes from; false for what comes from none, e.g. from an API token.
pub(crate) fn login_stands(state: &State, who: &Principal, now_ms: u64) -> bool {
    let session = state.auth.session(&who.session_id);
    session.is_some_and(|session| session.principal == who.name && session.expires_at_ms > now_ms)
}

/// Whether what a caller has shown stands, and what it comes from.
pub(crate) fn stands(state: &State, who: &Principal, now_ms: u64) -> bool {
    let is_good = |id: &str| {
        let token = state.auth.api_token(id);
        token.is_some_and(|token| token.principal == who.name && token.expires_at_ms > now_ms)
    };
    let comes_from_what_stands =
        || who.session_id.is_empty() || login_stands(state, who, now_ms) || is_good(&who.session_id);
    let is_api_token = !who.token_id.is_empty() && who.issued_at_ms == 0;
    state.auth.revoked(&proof(who)).is_none()
        && (!is_api_token || is_good(&who.token_id))
        && comes_from_what_stands()
}

/// Whether a caller's token is for less than all that is his, and not for the rights of others either.
pub(crate) fn is_limited(caller: &Identity) -> bool {
    let permissions = known(caller).and_then(|who| who.permissions.as_ref());
    permissions.is_some_and(|own| !gives(own, WRITE))
}

/// That the caller's own token lets him pass the patterns on: what it may not do, nothing made with it may.
///
/// # Errors
/// `Denied` naming the first pattern that goes beyond it.
pub(crate) fn require_within_own(caller: &Identity, patterns: &[String]) -> Result<(), Error> {
    let Some(limit) = known(caller).and_then(|principal| principal.permissions.as_ref()) else {
        return Ok(());
    };
    match patterns.iter().find(|pattern| !covers(limit, pattern)) {
        Some(beyond) => Err(denied(beyond)),
        None => Ok(()),
    }
}

pub(crate) fn denied(permission: &str) -> Error {
    Error::Denied {
        reason: format!("{permission} is needed for what this request names"),
    }
}

/// That the log of this cluster may have identities and rights.
///
/// # Errors
/// `FeatureLevel`, with how to raise it.
pub(crate) fn require_level(state: &State) -> Result<(), Error> {
    let (needed, current) = (FEATURE_LEVEL_AUTH, state.feature_level());
    match current < needed {
        true => Err(Rejection::FeatureLevel { needed, current }.into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_testing::{FakeAuthority, rights, token_of, user};

    #[test]
    fn the_offline_key_needs_no_policy_and_owns_nothing() {
        let rights = rights(FakeAuthority::nobody());
        let offline = Identity::Token {
            subject: "admin".into(),
        };
        rights.require(&offline, ADMIN).unwrap();
        rights.require_all(&offline, &["*.*".to_owned()]).unwrap();
        assert_eq!(own_name(&offline), None);
        assert!(!rights.has(&user("ada"), ADMIN).unwrap());
    }

    /// The text says what is missing and nothing about what there is.
    #[test]
    fn a_part_is_not_enough_for_what_is_everywhere() {
        let rights = rights(FakeAuthority::part(&["auth.admin"]));
        let error = rights.require(&user("ada"), ADMIN).unwrap_err();
        assert_eq!(
            error.to_string(),
            "auth.admin is needed for what this request names"
        );
    }

    #[test]
    fn nobody_gives_away_more_than_he_has() {
        let rights = rights(FakeAuthority::everything(&[
            "auth.admin",
            "smd.read",
            "smd.write",
        ]));
        let asked = |pattern: &str| rights.require_all(&user("ada"), &[pattern.to_owned()]);
        asked("smd.read").unwrap();
        for beyond in ["bss.read", "*.*", "*.read"] {
            assert!(matches!(asked(beyond), Err(Error::Denied { .. })), "{beyond}");
        }
    }

    #[test]
    fn a_narrow_token_makes_no_wider_one() {
        let narrow = token_of("user/ada", Some(&["smd.*"]));
        let asked = |caller: &Identity, pattern: &str| require_within_own(caller, &[pattern.to_owned()]);
        asked(&narrow, "smd.read").unwrap();
        asked(&narrow, "*.*").unwrap_err();
        asked(&narrow, "bss.read").unwrap_err();
        asked(&token_of("user/ada", None), "*.*").unwrap();
        asked(&user("ada"), "*.*").unwrap();
    }

    /// `apply` judges by a table, and reads by the descriptor: they must say the same.
    #[test]
    fn the_log_and_the_descriptor_put_every_kind_into_one_area() {
        for kind in state::RowKind::ALL {
            let read = rpc::area_of_kind(kind as u32);
            assert_eq!(read, Some(state::auth::area_of(kind)), "{kind:?}");
        }
    }

    #[test]
    fn an_older_cluster_is_told_how_to_get_there() {
        let error = require_level(&State::at_level(FEATURE_LEVEL_AUTH - 1)).unwrap_err();
        assert!(matches!(error, Error::FeatureLevel { .. }), "{error:?}");
        require_level(&State::at_level(FEATURE_LEVEL_AUTH)).unwrap();
    }
}
