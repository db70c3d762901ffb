//! What gives the author of an entry the right: judged on the state before the entry, so that what was taken back earlier in the
//! log gives nothing, whichever member took the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::{Grant, Policy};
use proto::job::v1::JobTarget;
use proto::raft::v1::entry::Command;
use proto::raft::v1::outcome::Applied;

use super::areas::{CREDENTIALS, of_event, of_permission, of_secret};
use super::policies::{is_for, stands};
use super::{Auth, Part, Proof, gives};
use crate::bounds::{GRANT_POLICIES_MAX, SESSION_GROUPS_MAX, check_count};
use crate::changes::Changes;
use crate::cluster::{FEATURE_LEVEL_AUTH, FEATURE_LEVEL_DISCOVERY};
use crate::log_position::LogPosition;
use crate::{Event, Object, RowKind, State, discovery};

/// Why something of the part could not be done, for somebody who may know of the part only: the reason may name others.
const NOT_TOLD: &str = "it is not possible; whoever may change everything is told why";

/// Policies that name somebody and whose role gives a permission, in the order of names. `groups` stand without `group/`; what has
/// ended by `now_ms` gives nothing.
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

    /// Whether what the request came with stands and is good for the permission, as far as the state knows; an empty one is that of
    /// everybody who proves who he is. What an access token comes from, a login or an API token, was there before its first token, so
    /// earlier in the log: one that is not there was ended.
    pub(super) fn proves(&self, grant: &Grant, principal: &str, permission: &str, now_ms: u64) -> bool {
        let Grant {
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
        let lets = |given: &[String]| permission.is_empty() || gives(given, permission);
        let is_api_token = !token_id.is_empty() && *issued_at_ms == 0;
        let token_is_good = |id: &str| {
            self.tokens.get(id).is_some_and(|token| {
                token.principal == principal && token.expires_at_ms > now_ms && lets(&token.permissions)
            })
        };
        let session_is_good = || {
            self.sessions.get(session_id).is_some_and(|session| {
                let permissions = &session.permissions;
                session.principal == principal
                    && session.expires_at_ms > now_ms
                    && (permissions.is_empty() || lets(permissions))
            })
        };
        self.revoked(&proof).is_none()
            && grant.scope.as_deref().is_none_or(|scope| lets(&words(scope)))
            && (!is_api_token || token_is_good(token_id))
            && (session_id.is_empty() || session_is_good() || token_is_good(session_id))
    }

    /// Whether it is the grant of a user's certificate before the first policy, which is an administrator's. The first policy of the
    /// log ends that for every entry behind it, whichever member took the request and whatever it knew.
    fn is_before_policies(&self, grant: &Grant, principal: &str) -> bool {
        let by_certificate = grant.token_id.is_empty() && grant.session_id.is_empty();
        grant.policies.is_empty() && by_certificate && principal.starts_with("user/") && !self.has_policies()
    }
}

impl State {
    /// The policies of the grant that stand now: they are there, have not ended, name `principal` (or one of the grant's
    /// groups), and their role gives the permission. Of a grant that names none: everything, until the first policy is stored.
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
        if !self.auth.proves(grant, principal, &grant.permission, now_ms) {
            return Err(denied(&grant.permission));
        }
        if self.auth.is_before_policies(grant, principal) {
            return Ok(Part::everything());
        }
        let named = grant.policies.iter().filter_map(|name| self.auth.policy(name));
        let standing: Vec<Arc<Policy>> = named
            .filter(|policy| {
                self.auth
                    .gives_to(policy, principal, &grant.groups, &grant.permission, now_ms)
            })
            .collect();
        match standing.is_empty() {
            true => Err(denied(&grant.permission)),
            false => Ok(self.stored_part(&standing, now_ms)),
        }
    }

    fn stored_part(&self, policies: &[Arc<Policy>], now_ms: u64) -> Part {
        Part::of_stored(&self.auth.policies, policies, &self.smd, now_ms)
    }

    /// As [`State::change`], by an author who acts by policies, or by what proves who he is. The change is made on a clone, which
    /// costs nothing, and thrown away if it goes beyond what he is given. What follows from it elsewhere, e.g. addresses that are
    /// held, is not the author's.
    pub(crate) fn change_as_granted(
        &mut self,
        grant: &Grant,
        command: Option<&Command>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        self.cluster.need_level(FEATURE_LEVEL_AUTH)?;
        if grant.permission.is_empty() {
            self.auth.check_own(grant, command, at)?;
            return self.change(command, at, changes);
        }
        let part = self.granted_part(grant, at.principal, at.time_ms)?;
        let (mut next, mut made) = (self.clone(), Changes::default());
        let done = next.dispatch(command, at, &mut made);
        let mut applied = match part.is_everything() {
            true => done?,
            false => done.map_err(|no| self.told(no, &part, grant, command, at))?,
        };
        self.check_areas(&next, grant, &part, at, made.events())?;
        if !part.is_everything() {
            let is_of_part = |id: &str| part.of_kind(RowKind::BmcCredential).has_component(id);
            let is_judged = discovery::changes_unseen(command).is_some_and(is_of_part);
            check_told(&mut applied, &part, &grant.permission, &made, is_judged)?;
        }
        next.follow(at, &mut made);
        *self = next;
        changes.append(made);
        Ok(applied)
    }

    /// Whether every object that was changed is in what the author is given of its own area, as it was and as it became: of the
    /// permission's area that is `part`, of any other what his policies give of `<area>.write`. Else whoever may write boot
    /// configurations could make himself a member of a group by them.
    ///
    /// # Errors
    /// `Denied`, naming the permission that is missing.
    fn check_areas(
        &self,
        next: &State,
        grant: &Grant,
        part: &Part,
        at: &LogPosition<'_>,
        events: &[Event],
    ) -> Result<(), Rejection> {
        if self.auth.is_before_policies(grant, at.principal) {
            return Ok(());
        }
        let mut by_area: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in events {
            let area = match event.key().kind() {
                // before it a secret is the cluster's, whatever it opens: a member of the release before would say no
                RowKind::Secret if self.feature_level() >= FEATURE_LEVEL_DISCOVERY => {
                    of_secret(event.key().key(), &grant.permission)
                }
                _ => of_event(event, self, next),
            };
            by_area.entry(area).or_default().push(event);
        }
        for (area, events) in by_area {
            if area == of_permission(&grant.permission) {
                self.check_covered(next, part, &grant.permission, &events)?;
                continue;
            }
            let permission = format!("{area}.write");
            if !self.auth.proves(grant, at.principal, &permission, at.time_ms) {
                return Err(denied(&permission));
            }
            let given = policies_for(&self.auth, at.principal, &grant.groups, &permission, at.time_ms);
            // a sealed password cannot be watched, so no object says whose it is
            if area == CREDENTIALS && given.is_empty() {
                return Err(denied(&permission));
            }
            let given: Vec<Arc<Policy>> = given.into_iter().cloned().collect();
            self.check_covered(next, &self.stored_part(&given, at.time_ms), &permission, &events)?;
        }
        Ok(())
    }

    /// Whether every object is in the part, as it was and as it became.
    fn check_covered(
        &self,
        next: &State,
        part: &Part,
        permission: &str,
        events: &[&Event],
    ) -> Result<(), Rejection> {
        let covers = |object: &Object| match object {
            Object::Job(job) => part.covers(object) || self.has_targets_in(next, part, &job.id),
            _ => part.covers(object),
        };
        let is_covered = |event: &&Event| {
            let mut objects = event.before().into_iter().chain(event.after());
            objects.all(covers)
        };
        match events.iter().all(is_covered) {
            true => Ok(()),
            false => Err(denied(permission)),
        }
    }

    /// Whether a job has targets, before the change or after it, and all of them are in the part. A scan finds what nobody knows
    /// yet, so it is in no part but everything.
    fn has_targets_in(&self, next: &State, part: &Part, job: &str) -> bool {
        let targets = || self.jobs.targets(job).chain(next.jobs.targets(job));
        let is_in = |target: &Arc<JobTarget>| part.covers(&Object::JobTarget(Arc::clone(target)));
        targets().next().is_some() && targets().all(is_in)
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
        let no = match no {
            Rejection::OfAnother { rejection, kind, id } => {
                return match self.told(*rejection, part, grant, command, at) {
                    // its text names the other object, too
                    no @ Rejection::Invalid { .. } => no.of_another(&kind, id),
                    no => no,
                };
            }
            no => no,
        };
        let is_told = match &no {
            Rejection::OfAnother { .. } => false,
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
        again.is_err_and(|again| again.plain() == *no)
    }
}

pub(super) fn denied(permission: &str) -> Rejection {
    Rejection::Denied {
        permission: permission.to_owned(),
    }
}

/// What somebody who may know of a part only is told of a change. What was left as it was, or could not be done, has no events; but
/// naming it tells of it. What changes nothing that can be watched cannot be judged, so it is refused, unless it changes nothing at all,
/// or is known by its command to be of the part (`is_judged`).
fn check_told(
    applied: &mut Applied,
    part: &Part,
    permission: &str,
    made: &Changes,
    is_judged: bool,
) -> Result<(), Rejection> {
    let refused = applied.refused.iter().map(|refusal| &refusal.id);
    let mut named = applied.unchanged.iter().chain(refused);
    let is_of_part = named.all(|id| part.has_component(id) || part.has_group(id));
    let mut events = made.events().iter();
    let can_be_watched = events.any(|event| event.before().or(event.after()).is_some());
    let is_judged = is_judged || can_be_watched || (made.is_empty() && is_no_change(applied));
    if !is_of_part || !is_judged {
        return Err(denied(permission));
    }
    for refusal in &mut applied.refused {
        NOT_TOLD.clone_into(&mut refusal.reason);
    }
    Ok(())
}

/// Whether all that is said is that something was so already.
fn is_no_change(applied: &Applied) -> bool {
    let rest = Applied {
        unchanged: Vec::new(),
        ..applied.clone()
    };
    !applied.unchanged.is_empty() && rest == Applied::default()
}

fn words(scope: &str) -> Vec<String> {
    scope.split_whitespace().map(str::to_owned).collect()
}
