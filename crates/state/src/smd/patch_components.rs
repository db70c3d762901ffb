//! Changes of single properties of many components at once, and of their NIDs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{NodeState, Rejection, Xname, canonical_role, canonical_sub_role};
use proto::raft::v1::outcome::{Applied, Refusal};
use proto::smd::v1::Component;
use proto::smd::v1::component::Flag;
use proto::smd::v1::smd_command::{PatchComponents, SetNids};

use super::components::{Components, KIND, flag_or_ok, may_enter};
use super::lock_enforcement::{Hold, Holds};
use crate::bounds::{IDS_LISTED_MAX, NAME_BYTES_MAX, check_ids, check_text};
use crate::changes::Changes;
use crate::log_position::{LogPosition, modified_revision};

impl Components {
    /// Sets what the patch gives of every component that there is and that may have it; the others are `refused`, each
    /// with the reason, and those that have it already are `unchanged`. One that is held is refused among others; alone, it
    /// rejects the command.
    ///
    /// Source: SMD `PATCH /State/Components/Bulk…`, which says nothing of those that it leaves alone.
    pub(super) fn patch_all(
        &mut self,
        patch: &PatchComponents,
        holds: &Holds<'_>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let values = Values::of(patch)?;
        let mut ids = parse_all("ids", patch.ids.iter())?;
        let mut seen = BTreeSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        self.check_known(&ids, patch.if_revision)?;
        let is_alone = ids.len() == 1;
        let mut applied = Applied::default();
        for id in ids {
            let Some(before) = self.get(&id).cloned() else {
                refuse(&mut applied, &id, || "there is no such component".to_owned());
                continue;
            };
            match values.set_on(&before) {
                Err(reason) => refuse(&mut applied, &id, || reason),
                Ok(after) if after == *before => applied.unchanged.push(id.to_string()),
                Ok(mut after) => match holds.allow(&id, &before, || after.clone()) {
                    Err(hold) if is_alone => return Err(hold.rejection(&id)),
                    Err(hold) => refuse(&mut applied, &id, || hold.reason()),
                    Ok(()) => {
                        applied.updated.push(id.to_string());
                        after.meta = at.modified(before.meta.as_ref());
                        self.put(id, after, changes);
                    }
                },
            }
        }
        Ok(applied)
    }

    /// Gives components their NIDs, which may change hands among them.
    ///
    /// A component that does not exist is `refused`, and so is one that is held, which keeps its NID; alone, it rejects the
    /// command. A NID that belongs to a component that keeps it rejects it all.
    pub(super) fn set_nids(
        &mut self,
        set: &SetNids,
        holds: &Holds<'_>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let ids = parse_all("components", set.components.iter().map(|component| &component.id))?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = ids.iter().find(|id| !seen.insert(*id)) {
            let problem = format!("{twice} is given twice in one request");
            return Err(Rejection::invalid("components", problem));
        }
        self.check_known(&ids, set.if_revision)?;
        let wanted: Vec<(Xname, u64)> = ids
            .into_iter()
            .zip(set.components.iter().map(|component| component.nid))
            .collect();
        let held = self.held(&wanted, holds)?;
        self.check_nids(wanted.iter().filter(|(id, _)| !held.contains_key(id)))?;
        let mut applied = Applied::default();
        let mut moved = Vec::new();
        for (id, nid) in wanted {
            if let Some(hold) = held.get(&id) {
                refuse(&mut applied, &id, || hold.reason());
                continue;
            }
            match self.get(&id).cloned() {
                None => refuse(&mut applied, &id, || "there is no such component".to_owned()),
                Some(before) if before.nid == Some(nid) => applied.unchanged.push(id.to_string()),
                Some(before) => {
                    applied.updated.push(id.to_string());
                    moved.push((id, nid, before));
                }
            }
        }
        // all let go of theirs before any takes another's
        for (_, _, before) in &moved {
            before.nid.into_iter().for_each(|nid| self.nids.remove(nid));
        }
        for (id, nid, before) in moved {
            let after = Component {
                nid: Some(nid),
                meta: at.modified(before.meta.as_ref()),
                ..before.as_ref().clone()
            };
            self.table.put(id.clone(), after, changes);
            self.nids.insert(nid, id);
        }
        Ok(applied)
    }

    /// Those that may not get the NID that is wanted for them.
    fn held(&self, wanted: &[(Xname, u64)], holds: &Holds<'_>) -> Result<BTreeMap<Xname, Hold>, Rejection> {
        let mut held = BTreeMap::new();
        for (id, nid) in wanted {
            let Some(before) = self.get(id) else { continue };
            let after = || Component {
                nid: Some(*nid),
                ..before.as_ref().clone()
            };
            match holds.allow(id, before, after) {
                Err(hold) if wanted.len() == 1 => return Err(hold.rejection(id)),
                Err(hold) => held.extend([(id.clone(), hold)]),
                Ok(()) => {}
            }
        }
        Ok(held)
    }

    /// One of the components must exist, and all that do must be at `if_revision`, if it is given.
    fn check_known(&self, ids: &[Xname], if_revision: Option<u64>) -> Result<(), Rejection> {
        let mut known = ids.iter().filter_map(|id| self.get(id)).peekable();
        if known.peek().is_none() {
            let all = match ids {
                [only] => only.to_string(),
                _ => format!("none of the {} that are named exists", ids.len()),
            };
            return Err(Rejection::not_found(KIND, all));
        }
        let Some(expected) = if_revision else {
            return Ok(());
        };
        match known.find(|component| modified_revision(component.meta.as_ref()) != expected) {
            Some(other) => Err(Rejection::RevisionMismatch {
                id: other.id.clone(),
                expected,
                actual: modified_revision(other.meta.as_ref()),
            }),
            None => Ok(()),
        }
    }

    /// No NID is given twice, and none belongs to a component that keeps it.
    fn check_nids<'w>(
        &self,
        wanted: impl Iterator<Item = &'w (Xname, u64)> + Clone,
    ) -> Result<(), Rejection> {
        let giving_up: BTreeSet<&Xname> = wanted.clone().map(|(id, _)| id).collect();
        let mut claimed: BTreeMap<u64, &Xname> = BTreeMap::new();
        for (id, nid) in wanted {
            let keeper = self.nids.owner(*nid).filter(|owner| !giving_up.contains(owner));
            let other = claimed.insert(*nid, id);
            if let Some(owner) = keeper.or(other) {
                let detail =
                    format!("it belongs to {owner}, so {id} cannot have it; give {owner} another one first");
                let taken = Rejection::AlreadyExists {
                    kind: "NID".into(),
                    id: nid.to_string(),
                    detail,
                };
                return Err(taken.of_another(KIND, owner));
            }
        }
        Ok(())
    }
}

/// What a patch sets, checked and in SMD's spelling.
struct Values<'p> {
    state: Option<(NodeState, bool)>,
    flag: Option<i32>,
    enabled: Option<bool>,
    software_status: Option<&'p str>,
    role: Option<&'p str>,
    sub_role: Option<&'p str>,
}

impl Values<'_> {
    fn of(patch: &PatchComponents) -> Result<Values<'_>, Rejection> {
        let state = match patch.state {
            0 => None,
            number => Some(NodeState::try_from(number).map_err(|e| Rejection::invalid("state", e))?),
        };
        if let Some(state) = state.filter(|state| state.needs_force() && !patch.force) {
            let problem = format!("operation not allowed and not forced. {state} is only set with force");
            return Err(Rejection::invalid("state", problem));
        }
        let flag = flag_or_ok("flag", patch.flag)?;
        let texts = [
            ("software_status", &patch.software_status),
            ("role", &patch.role),
            ("sub_role", &patch.sub_role),
        ];
        for (field, text) in texts {
            check_text(field, text.as_deref().unwrap_or_default(), NAME_BYTES_MAX)?;
        }
        let values = Values {
            state: state.map(|state| (state, patch.force)),
            flag: (state.is_some() || patch.flag != 0).then_some(flag),
            enabled: patch.enabled,
            software_status: patch.software_status.as_deref(),
            role: patch
                .role
                .as_deref()
                .map(|role| canonical_role(role).unwrap_or(role)),
            sub_role: patch
                .sub_role
                .as_deref()
                .map(|role| canonical_sub_role(role).unwrap_or(role)),
        };
        if values.is_empty() {
            let problem =
                "nothing is to be changed; give a state, flag, enabled, software_status, role or sub_role";
            return Err(Rejection::invalid("patch", problem));
        }
        Ok(values)
    }

    fn is_empty(&self) -> bool {
        self.flag.is_none()
            && self.enabled.is_none()
            && self.software_status.is_none()
            && self.role.is_none()
            && self.sub_role.is_none()
    }

    /// The component with these values; why it cannot have them, else. A Locked flag stays while the state changes, as in
    /// SMD; only a patch of the flag alone takes it away.
    fn set_on(&self, before: &Arc<Component>) -> Result<Component, String> {
        let mut after = before.as_ref().clone();
        if let (Some((state, force)), Some(flag)) = (self.state, self.flag) {
            if !may_enter(before, state, flag, force) {
                return Err(not_from(before, state));
            }
            after.state = state as i32;
            if before.flag() != Flag::Locked {
                after.flag = flag;
            }
        } else if let Some(flag) = self.flag {
            after.flag = flag;
        }
        after.enabled = self.enabled.or(after.enabled);
        let text = |new: Option<&str>, old: &mut String| new.into_iter().for_each(|new| new.clone_into(old));
        text(self.software_status, &mut after.software_status);
        text(self.role, &mut after.role);
        text(self.sub_role, &mut after.sub_role);
        Ok(after)
    }
}

/// Why a component may not enter `target`, in one line.
fn not_from(before: &Component, target: NodeState) -> String {
    let from = NodeState::try_from(before.state).map_or("without a state", NodeState::as_str);
    let starts: Vec<&str> = NodeState::ALL
        .into_iter()
        .filter(|start| target.may_follow(*start, false))
        .map(NodeState::as_str)
        .collect();
    format!(
        "it is {from}; {target} follows {} or takes force",
        starts.join(", ")
    )
}

fn parse_all<'t>(
    field: &str,
    ids: impl ExactSizeIterator<Item = &'t String>,
) -> Result<Vec<Xname>, Rejection> {
    check_ids(field, ids.len())?;
    ids.map(|text| text.parse().map_err(|e| Rejection::invalid(field, e)))
        .collect()
}

fn refuse(applied: &mut Applied, id: &Xname, reason: impl FnOnce() -> String) {
    applied.refused_count += 1;
    if applied.refused.len() < IDS_LISTED_MAX {
        applied.refused.push(Refusal {
            id: id.to_string(),
            reason: reason(),
        });
    }
}
