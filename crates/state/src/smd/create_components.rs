//! Creating components: SMD's defaults and its `force`, unique NIDs, all or nothing.

use std::collections::{BTreeMap, BTreeSet};

use model::{HmsType, NodeState, Rejection, Xname, canonical_role, canonical_sub_role};
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::Component;
use proto::smd::v1::component::{Arch, Class, NetType};
use proto::smd::v1::smd_command::CreateComponents;

use super::components::{Components, KIND, flag_or_ok};
use super::lock_enforcement::Holds;
use super::node_maps::NodeMaps;
use crate::bounds::{NAME_BYTES_MAX, check_ids, check_one_each, check_text};
use crate::changes::Changes;
use crate::log_position::{LogPosition, check_revision};

/// SMD's role of a node that is posted without one.
const NODE_ROLE_DEFAULT: &str = "Compute";

impl Components {
    /// Creates what does not exist yet. What exists stays as it is or, with `force`, takes over State, Flag, Subtype,
    /// NetType, Arch and Class and nothing else. Nodes without a NID get that of their map or the lowest free ones, after the
    /// NIDs that the command itself names. With `as_given` a new component has no state, flag or role but what is given. One
    /// that is held and would be changed rejects the whole command.
    ///
    /// Source: SMD `POST /State/Components` (its SQL's ON CONFLICT list).
    pub(super) fn create(
        &mut self,
        create: &CreateComponents,
        maps: &NodeMaps,
        holds: &Holds<'_>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        if create.as_given && create.force {
            let problem = "it is of new components, and force overwrites what exists; leave out one of them";
            return Err(Rejection::invalid("as_given", problem));
        }
        let defaults = if create.as_given {
            Defaults::None
        } else {
            Defaults::Smd(maps)
        };
        let given = normalise_all(&create.components, defaults)?;
        self.check_revisions(&create.if_revisions, &given)?;
        if create.force {
            self.check_holds(&given, holds)?;
        }
        let new: Vec<&(Xname, Component)> = given.iter().filter(|(id, _)| self.get(id).is_none()).collect();
        let mut nids = self.assign_nids(&new, maps)?;
        let mut applied = Applied::default();
        for (id, mut component) in given {
            let key = id.to_string();
            match self.get(&id).cloned() {
                None => {
                    component.nid = nids.remove(&id);
                    component.meta = at.created();
                    self.put(id, component, changes);
                    applied.created.push(key);
                }
                Some(before) if create.force => {
                    let meta = at.modified(before.meta.as_ref());
                    self.put(id, overwritten(&before, component, meta), changes);
                    applied.updated.push(key);
                }
                Some(_) => applied.unchanged.push(key),
            }
        }
        Ok(applied)
    }

    /// Whether all that exists may be overwritten.
    fn check_holds(&self, given: &[(Xname, Component)], holds: &Holds<'_>) -> Result<(), Rejection> {
        for (id, component) in given {
            if let Some(before) = self.get(id) {
                let after = || overwritten(before, component.clone(), None);
                holds
                    .allow(id, before, after)
                    .map_err(|hold| hold.rejection(id))?;
            }
        }
        Ok(())
    }

    fn check_revisions(&self, if_revisions: &[u64], given: &[(Xname, Component)]) -> Result<(), Rejection> {
        check_one_each(if_revisions, given.len())?;
        for ((id, _), expected) in given.iter().zip(if_revisions) {
            let before = self.get(id).and_then(|before| before.meta.as_ref());
            check_revision(id.as_str(), Some(*expected), before)?;
        }
        Ok(())
    }

    /// The NID of each new component that has or needs one. Those that maps give to others are not free.
    pub(super) fn assign_nids(
        &self,
        new: &[&(Xname, Component)],
        maps: &NodeMaps,
    ) -> Result<BTreeMap<Xname, u64>, Rejection> {
        let mut claimed: BTreeMap<u64, &Xname> = BTreeMap::new();
        let mapped = |id: &Xname| maps.get(id).map(|map| map.nid);
        let wanted = |(id, component): &(Xname, Component)| component.nid.or_else(|| mapped(id));
        for one in new {
            let Some(nid) = wanted(one) else { continue };
            let (id, component) = one;
            if let Some(owner) = self.nids.owner(nid).or(claimed.get(&nid).copied()) {
                let remedy = match component.nid {
                    Some(_) => "leave it out to get a free one",
                    None => "its node map gives it this one; change that",
                };
                let detail = format!("it belongs to {owner}, so {id} cannot have it; {remedy}");
                let taken = Rejection::AlreadyExists {
                    kind: "NID".into(),
                    id: nid.to_string(),
                    detail,
                };
                return Err(taken.of_another(KIND, owner));
            }
            claimed.insert(nid, id);
        }
        let is_free = |nid: &u64| !claimed.contains_key(nid);
        let mut free = self.nids.free(maps.nids()).filter(is_free);
        let mut nids = BTreeMap::new();
        for one in new {
            let (id, _) = one;
            let nid = wanted(one).or_else(|| if id.is_node() { free.next() } else { None });
            nids.extend(nid.map(|nid| (id.clone(), nid)));
        }
        Ok(nids)
    }
}

/// What a new component is that is not said of it.
#[derive(Clone, Copy)]
enum Defaults<'a> {
    /// SMD's: a state must be given, the flag is OK, role and subrole are those of the node's map or a node's own.
    Smd(&'a NodeMaps),
    None,
}

/// What `force` leaves of the old component.
fn overwritten(before: &Component, given: Component, meta: Option<proto::http::v1::ObjectMeta>) -> Component {
    Component {
        state: given.state,
        flag: given.flag,
        subtype: given.subtype,
        net_type: given.net_type,
        arch: given.arch,
        class: given.class,
        meta,
        ..before.clone()
    }
}

fn normalise_all(
    components: &[Component],
    defaults: Defaults<'_>,
) -> Result<Vec<(Xname, Component)>, Rejection> {
    check_ids("components", components.len())?;
    let mut seen = BTreeSet::new();
    let mut normalised = Vec::with_capacity(components.len());
    for (position, component) in components.iter().enumerate() {
        let field = |name: &str| format!("components[{position}].{name}");
        let (id, component) = normalise(component, defaults, field)?;
        if !seen.insert(id.clone()) {
            return Err(Rejection::invalid(
                &field("id"),
                format!("{id} is given twice in one request"),
            ));
        }
        normalised.push((id, component));
    }
    Ok(normalised)
}

/// The component as it is stored, without its NID and meta.
fn normalise(
    given: &Component,
    defaults: Defaults<'_>,
    field: impl Fn(&str) -> String,
) -> Result<(Xname, Component), Rejection> {
    let id: Xname = given
        .id
        .parse()
        .map_err(|e| Rejection::invalid(&field("id"), e))?;
    check_type(&id, &given.r#type, &field("type"))?;
    let is_absent = |value: i32| value == 0 && matches!(defaults, Defaults::None);
    if !is_absent(given.state) {
        NodeState::try_from(given.state).map_err(|_| {
            Rejection::invalid(&field("state"), "it is missing; write a state, e.g. On or Ready")
        })?;
    }
    check_enum::<NetType>(&field("net_type"), given.net_type)?;
    check_enum::<Arch>(&field("arch"), given.arch)?;
    check_enum::<Class>(&field("class"), given.class)?;
    let texts = [
        ("software_status", &given.software_status),
        ("role", &given.role),
        ("sub_role", &given.sub_role),
        ("subtype", &given.subtype),
    ];
    for (name, text) in texts {
        check_text(&field(name), text, NAME_BYTES_MAX)?;
    }
    // last, as every version has it: members must tell the same of a component with two mistakes
    let flag = match is_absent(given.flag) {
        true => given.flag,
        false => flag_or_ok(&field("flag"), given.flag)?,
    };
    let (role, sub_role) = roles(&id, given, defaults);
    let component = Component {
        id: id.to_string(),
        r#type: id.hms_type().to_string(),
        flag,
        enabled: Some(given.enabled.unwrap_or(true)),
        role: canonical_role(&role).map_or(role, str::to_owned),
        sub_role: canonical_sub_role(&sub_role).map_or(sub_role, str::to_owned),
        meta: None,
        ..given.clone()
    };
    Ok((id, component))
}

/// Role and subrole of a new component.
fn roles(id: &Xname, given: &Component, defaults: Defaults<'_>) -> (String, String) {
    let Defaults::Smd(maps) = defaults else {
        return (given.role.clone(), given.sub_role.clone());
    };
    let map = maps.get(id);
    let or_mapped = |given: &str, mapped: Option<&String>, otherwise: &str| {
        let given = Some(given).filter(|given| !given.is_empty());
        let mapped = mapped.map(String::as_str).filter(|mapped| !mapped.is_empty());
        given.or(mapped).unwrap_or(otherwise).to_owned()
    };
    let default_role = if id.is_node() { NODE_ROLE_DEFAULT } else { "" };
    (
        or_mapped(&given.role, map.map(|map| &map.role), default_role),
        or_mapped(&given.sub_role, map.map(|map| &map.sub_role), ""),
    )
}

/// The type follows from the xname; a client may repeat it but not contradict it.
fn check_type(id: &Xname, given: &str, field: &str) -> Result<(), Rejection> {
    if given.is_empty() {
        return Ok(());
    }
    let named: HmsType = given.parse().map_err(|e| Rejection::invalid(field, e))?;
    if named != id.hms_type() {
        let problem = format!("{id} is a {}, not a {named}; leave the type out", id.hms_type());
        return Err(Rejection::invalid(field, problem));
    }
    Ok(())
}

fn check_enum<E: TryFrom<i32>>(field: &str, value: i32) -> Result<(), Rejection> {
    match E::try_from(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Rejection::invalid(
            field,
            format!("{value} is not a value of this field"),
        )),
    }
}
