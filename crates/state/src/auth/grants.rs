//! What gives the author of an entry the right: judged on the state before the entry, so that what was taken back earlier in the
//! log gives nothing, whichever member took the request.

use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::{Grant, Policy};
use proto::raft::v1::entry::Command;
use proto::raft::v1::outcome::Applied;

use super::policies::{is_for, stands};
use super::{Auth, Part, Proof, gives};
use crate::bounds::{GRANT_POLICIES_MAX, SESSION_GROUPS_MAX, check_count};
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_AUTH;
use crate::log_position::LogPosition;
use crate::{Event, State};

/// Why something of the part could not be done, for somebody who may know of the part only: the reason may name others.
const NOT_TOLD: &str = "it is not possible; whoever may change everything is told why";

/// Policies that name somebody and whose role gives a permission, in the order of names: what authority, `apply` and `explain`
/// share. `groups` stand without `group/`; what has ended by `now_ms` gives nothing.
pub fn policies_for<'a>(
    auth: &'a Auth,
    principal: &str,
    groups: &[String],
    permission: &str,
    now_ms: u64,
) -> Vec<&'a Arc<Policy>> {
    let policies = auth.policies.iter();
    policies
        .filter(|policy| auth.gives_to(policy, principal, groups, permission, now_ms))
        .collect()
}

impl Auth {
    fn gives_to(
        &self,
        policy: &Policy,
        principal: &str,
        groups: &[String],
        permission: &str,
        now_ms: u64,
    ) -> bool {
        let role = self.roles.get(&policy.role);
        stands(policy, now_ms)
            && is_for(policy, principal, groups)
            && role.is_some_and(|role| gives(&role.permissions, permission))
    }

    /// Whether what the request came with is good for the permission, as far as the state knows. A login that is not there was
    /// ended: it was opened before its first token, so earlier in the log.
    fn proves(&self, grant: &Grant, principal: &str, now_ms: u64) -> bool {
        let Grant {
            permission,
            token_id,
            session_id,
            issued_at_ms,
            certificate_sha256,
            ..
        } = grant;
        let proof = Proof {
            principal,
            token_id,
            session_id,
            issued_at_ms: *issued_at_ms,
            certificate_sha256,
        };
        let is_api_token = !token_id.is_empty() && *issued_at_ms == 0;
        let token_is_good = || {
            self.tokens.get(token_id).is_some_and(|token| {
                token.principal == principal
                    && token.expires_at_ms > now_ms
                    && gives(&token.permissions, permission)
            })
        };
        let session_is_good = || {
            self.sessions.get(session_id).is_some_and(|session| {
                let permissions = &session.permissions;
                session.principal == principal
                    && session.expires_at_ms > now_ms
                    && (permissions.is_empty() || gives(permissions, permission))
            })
        };
        self.revoked(&proof).is_none()
            && (!is_api_token || token_is_good())
            && (session_id.is_empty() || session_is_good())
    }
}

impl State {
    /// The policies of the grant that stand now: they are there, have not ended, name `principal` (or one of the grant's
    /// groups), and their role gives the permission.
    ///
    /// # Errors
    /// `Denied` if there is none, or what proves the principal was taken back; `Invalid` for more than any member writes.
    pub(crate) fn granted_part(
        &self,
        grant: &Grant,
        principal: &str,
        now_ms: u64,
    ) -> Result<Part, Rejection> {
        check_count("header.grant.policies", grant.policies.len(), GRANT_POLICIES_MAX)?;
        check_count("header.grant.groups", grant.groups.len(), SESSION_GROUPS_MAX)?;
        let named = grant.policies.iter().filter_map(|name| self.auth.policy(name));
        let standing: Vec<Arc<Policy>> = named
            .filter(|policy| {
                self.auth
                    .gives_to(policy, principal, &grant.groups, &grant.permission, now_ms)
            })
            .collect();
        if standing.is_empty() || !self.auth.proves(grant, principal, now_ms) {
            return Err(denied(&grant.permission));
        }
        Ok(Part::of(&standing, &self.smd, now_ms))
    }

    /// Whether every object is in the part, as it was and as it became. What changes nothing that can be watched cannot be
    /// judged, so it is refused.
    ///
    /// # Errors
    /// `Denied`.
    pub(crate) fn check_covered(part: &Part, permission: &str, events: &[Event]) -> Result<(), Rejection> {
        let is_covered = |event: &Event| {
            let mut objects = event.before().into_iter().chain(event.after());
            objects.all(|object| part.covers(object))
        };
        match !events.is_empty() && events.iter().all(is_covered) {
            true => Ok(()),
            false => Err(denied(permission)),
        }
    }

    /// As [`State::change`], by an author who acts by policies. A change of a part of the system is made on a clone, which costs
    /// nothing, and thrown away if it goes beyond the part. What follows from it elsewhere, e.g. addresses that are held, is not
    /// the author's.
    pub(crate) fn change_as_granted(
        &mut self,
        grant: &Grant,
        command: Option<&Command>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        self.cluster.need_level(FEATURE_LEVEL_AUTH)?;
        let part = self.granted_part(grant, at.principal, at.time_ms)?;
        if part.is_everything() {
            return self.change(command, at, changes);
        }
        let (mut next, mut made) = (self.clone(), Changes::default());
        let done = next.dispatch(command, at, &mut made);
        let mut applied = done.map_err(|no| self.told(no, &part, grant, command, at))?;
        State::check_covered(&part, &grant.permission, made.events())?;
        check_named(&applied, &part, &grant.permission)?;
        for refusal in &mut applied.refused {
            NOT_TOLD.clone_into(&mut refusal.reason);
        }
        next.follow_interfaces(at, &mut made);
        *self = next;
        changes.append(made);
        Ok(applied)
    }

    /// A "no" as it is told to somebody who may know of a part only: that something is there, is not there or has another owner
    /// is said of components in the part alone, and of nobody else's.
    fn told(
        &self,
        no: Rejection,
        part: &Part,
        grant: &Grant,
        command: Option<&Command>,
        at: &LogPosition<'_>,
    ) -> Rejection {
        let is_told = match &no {
            Rejection::NotFound { id, .. }
            | Rejection::RevisionMismatch { id, .. }
            | Rejection::AlreadyExists { id, .. } => part.has_component(id),
            Rejection::Invalid { .. } => self.is_of_the_request_alone(&no, command, at),
            Rejection::Conflict { .. } | Rejection::Denied { .. } => false,
            Rejection::SessionExpired
            | Rejection::RequestDiffers
            | Rejection::FeatureLevel { .. }
            | Rejection::Bug { .. } => true,
        };
        match no {
            Rejection::AlreadyExists { kind, id, .. } if is_told => Rejection::AlreadyExists {
                kind,
                id,
                detail: String::new(),
            },
            no if is_told => no,
            _ => denied(&grant.permission),
        }
    }

    /// Whether a state without any object says the same, so that nothing is learnt from it.
    fn is_of_the_request_alone(
        &self,
        no: &Rejection,
        command: Option<&Command>,
        at: &LogPosition<'_>,
    ) -> bool {
        let mut empty = State::at_level(self.feature_level());
        let again = empty.dispatch(command, at, &mut Changes::silent());
        again.is_err_and(|again| again == *no)
    }
}

fn denied(permission: &str) -> Rejection {
    Rejection::Denied {
        permission: permission.to_owned(),
    }
}

/// What was left as it was, or could not be done, has no events; but naming it tells of it.
fn check_named(applied: &Applied, part: &Part, permission: &str) -> Result<(), Rejection> {
    let refused = applied.refused.iter().map(|refusal| &refusal.id);
    let mut named = applied.unchanged.iter().chain(refused);
    match named.all(|id| part.has_component(id) || part.has_group(id)) {
        true => Ok(()),
        false => Err(denied(permission)),
    }
}
