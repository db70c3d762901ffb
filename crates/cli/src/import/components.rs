//! State/Components: what of the source is new here, what differs, and which NIDs collide.

use std::collections::BTreeMap;

use model::{HmsType, Xname, canonical_role, canonical_sub_role};
use proto::smd::v1::Component;
use proto::smd::v1::component::Flag;

use super::claims::losers;
use super::diff::{Change, Diff, quoted};

/// Compares; what the source does not say stays as it is here, and of a new component it stays absent. Two components with one
/// NID are refused or, with `renumber`, all but one of them get a free NID (those that are here already keep theirs).
/// `promised` are the NIDs of the node maps that there will be: a component that comes without a NID gets its own, and nobody
/// else does as long as it is not here.
pub(super) fn diff(
    source: &[Component],
    ours: &[Component],
    promised: &BTreeMap<Xname, u64>,
    renumber: bool,
) -> Diff<Component> {
    let mut diff = Diff::default();
    let ours: BTreeMap<Xname, &Component> = ours
        .iter()
        .filter_map(|component| Some((component.id.parse().ok()?, component)))
        .collect();
    let accepted = accept(source, &mut diff);
    let own = |id: &Xname| match ours.get(id) {
        Some(component) => component.nid,
        None => promised.get(id).copied(),
    };
    let wanted = accepted
        .iter()
        .map(|(id, given)| (id.clone(), given.nid.or_else(|| own(id)).into_iter().collect()));
    let held = ours
        .keys()
        .chain(promised.keys())
        .map(|id| (id.clone(), own(id).into_iter().collect()));
    let lost = losers(&wanted.collect(), &held.collect());
    for (id, given) in accepted {
        let given = match lost.get(&id) {
            None => given.clone(),
            Some(lost) if renumber && (ours.contains_key(&id) || own(&id) != Some(lost.key)) => Component {
                nid: None,
                ..given.clone()
            },
            Some(lost) if renumber => {
                let reason = format!(
                    "its node map gives it NID {}, which is that of {}; correct the map",
                    lost.key, lost.owner
                );
                diff.refuse(id.as_str(), reason);
                continue;
            }
            Some(lost) => {
                let reason = format!(
                    "NID {} is that of {}, too; correct one of them, or let --renumber-duplicate-nids give {id} a free one",
                    lost.key, lost.owner
                );
                diff.refuse(id.as_str(), reason);
                continue;
            }
        };
        match ours.get(&id) {
            None => diff.create.push(created(&id, given)),
            Some(before) => {
                let after = shown(before, overlaid(before, given));
                if after == **before {
                    diff.same += 1;
                } else if after.role.is_empty() && after.sub_role != before.sub_role {
                    diff.refuse(id.as_str(), "it has a subrole without a role; give it a role");
                } else {
                    let before = (*before).clone();
                    let change = Change { before, after };
                    match is_forced(&change) && change.after.state == 0 {
                        true => diff.refuse(id.as_str(), "neither has a state; give it one, e.g. Unknown"),
                        false => diff.change.push(change),
                    }
                }
            }
        }
    }
    diff
}

/// The components that can be meant, by xname; the others are refused.
fn accept<'a>(source: &'a [Component], diff: &mut Diff<Component>) -> BTreeMap<Xname, &'a Component> {
    let mut places: BTreeMap<Xname, usize> = BTreeMap::new();
    let mut accepted = BTreeMap::new();
    for (place, given) in source.iter().enumerate() {
        match identity(given) {
            Err(problem) => diff.refuse(quoted(&given.id), format!("Components[{place}]: {problem}")),
            Ok(id) => match places.get(&id) {
                Some(first) => {
                    let reason = format!("Components[{place}] is the same component as Components[{first}]");
                    diff.refuse(id.as_str(), reason);
                }
                None => {
                    places.insert(id.clone(), place);
                    accepted.insert(id, given);
                }
            },
        }
    }
    accepted
}

fn identity(given: &Component) -> Result<Xname, String> {
    let id: Xname = given
        .id
        .parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())?;
    if !given.r#type.is_empty() {
        let named: HmsType = given
            .r#type
            .parse()
            .map_err(|problem: model::InvalidValue| problem.to_string())?;
        if named != id.hms_type() {
            return Err(format!("it is a {}, not a {named}", id.hms_type()));
        }
    }
    Ok(id)
}

/// A new component as it is sent.
fn created(id: &Xname, given: Component) -> Component {
    Component {
        id: id.to_string(),
        r#type: String::new(),
        meta: None,
        ..given
    }
}

/// What is stored of `after`: where the fields are overwritten that `force` takes, a flag is OK unless one is given.
fn shown(before: &Component, after: Component) -> Component {
    let change = Change {
        before: before.clone(),
        after,
    };
    match is_forced(&change) {
        true => with_flag(change.after),
        false => change.after,
    }
}

/// What is here, with all that the source says; locks and reservations are whose who holds them.
fn overlaid(before: &Component, given: Component) -> Component {
    let text = |given: String, before: &String| if given.is_empty() { before.clone() } else { given };
    let number = |given: i32, before: i32| if given == 0 { before } else { given };
    let role = canonical_role(&given.role).map_or(given.role, str::to_owned);
    let sub_role = canonical_sub_role(&given.sub_role).map_or(given.sub_role, str::to_owned);
    Component {
        state: number(given.state, before.state),
        flag: number(given.flag, before.flag),
        enabled: given.enabled.or(before.enabled),
        software_status: text(given.software_status, &before.software_status),
        role: text(role, &before.role),
        sub_role: text(sub_role, &before.sub_role),
        nid: given.nid.or(before.nid),
        subtype: text(given.subtype, &before.subtype),
        net_type: number(given.net_type, before.net_type),
        arch: number(given.arch, before.arch),
        class: number(given.class, before.class),
        ..before.clone()
    }
}

/// Of changed components: whether what `force` overwrites differs.
pub(super) fn is_forced(change: &Change<Component>) -> bool {
    let Change { before, after } = change;
    let of = |component: &Component| {
        (
            component.state,
            component.flag,
            component.net_type,
            component.arch,
            component.class,
            component.subtype.clone(),
        )
    };
    of(before) != of(after)
}

/// A component as `force` takes it.
pub(super) fn forced(after: &Component) -> Component {
    Component {
        nid: None,
        meta: None,
        ..after.clone()
    }
}

fn with_flag(component: Component) -> Component {
    let flag = match component.flag() {
        Flag::Unspecified => Flag::Ok,
        flag => flag,
    };
    Component {
        flag: flag.into(),
        ..component
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::component::State;

    use super::*;

    /// Without node maps.
    fn diff(source: &[Component], ours: &[Component], renumber: bool) -> Diff<Component> {
        super::diff(source, ours, &BTreeMap::new(), renumber)
    }

    fn promised(maps: &[(&str, u64)]) -> BTreeMap<Xname, u64> {
        let parsed = maps.iter().map(|(id, nid)| (id.parse().unwrap(), *nid));
        parsed.collect()
    }

    fn node(id: &str, nid: Option<u64>) -> Component {
        Component {
            id: id.into(),
            state: State::On.into(),
            nid,
            ..Component::default()
        }
    }

    /// As our cluster stores what was created.
    fn stored(id: &str, nid: Option<u64>) -> Component {
        Component {
            r#type: "Node".into(),
            flag: Flag::Ok.into(),
            enabled: Some(true),
            role: "Compute".into(),
            ..node(id, nid)
        }
    }

    fn ids(diff: &Diff<Component>) -> Vec<&str> {
        diff.create
            .iter()
            .map(|component| component.id.as_str())
            .collect()
    }

    fn reasons(diff: &Diff<Component>) -> Vec<(&str, &str)> {
        let refused = diff.refused.iter();
        refused
            .map(|refused| (refused.id.as_str(), refused.reason.as_str()))
            .collect()
    }

    /// A BMC as a discovery leaves it has no state, and what is overwritten needs one; its flag becomes OK, which is shown.
    #[test]
    fn what_is_overwritten_needs_a_state_and_gets_a_flag() {
        let bmc = Component {
            id: "x0c0s0b0".into(),
            r#type: "NodeBMC".into(),
            ..Component::default()
        };
        let of_river = Component {
            class: proto::smd::v1::component::Class::River.into(),
            ..bmc.clone()
        };
        let without = diff(std::slice::from_ref(&of_river), std::slice::from_ref(&bmc), false);
        assert!(without.change.is_empty());
        assert!(
            reasons(&without)[0].1.contains("state"),
            "{:?}",
            reasons(&without)
        );
        let on = |component: Component| Component {
            state: State::On.into(),
            ..component
        };
        let with = diff(&[on(of_river)], &[on(bmc)], false);
        assert_eq!(with.change[0].after.flag(), Flag::Ok);
    }

    #[test]
    fn new_ones_are_created_and_equal_ones_left() {
        let source = [node("X0c0s01b0n0", Some(2)), node("x0c0s0b0n0", Some(1))];
        let diff = diff(&source, &[stored("x0c0s0b0n0", Some(1))], false);
        assert_eq!((ids(&diff), diff.same), (vec!["x0c0s1b0n0"], 1));
        assert!(diff.change.is_empty() && diff.refused.is_empty());
        assert_eq!(diff.create[0].nid, Some(2), "an explicit NID is kept");
    }

    /// SMD leaves out what is empty: silence is no order to delete.
    #[test]
    fn what_the_source_does_not_say_stays() {
        let source = Component {
            id: "x0c0s0b0n0".into(),
            role: "compute".into(),
            ..Component::default()
        };
        let ours = Component {
            sub_role: "Worker".into(),
            ..stored("x0c0s0b0n0", Some(1))
        };
        assert_eq!(diff(&[source], &[ours], false).same, 1);
    }

    #[test]
    fn what_differs_is_changed_and_nothing_else() {
        let source = Component {
            role: "Service".into(),
            enabled: Some(false),
            locked: true,
            ..node("x0c0s0b0n0", Some(9))
        };
        let ours = stored("x0c0s0b0n0", Some(1));
        let diff = diff(&[source], std::slice::from_ref(&ours), false);
        let expected = Component {
            role: "Service".into(),
            enabled: Some(false),
            nid: Some(9),
            ..ours
        };
        assert_eq!(diff.change[0].after, expected, "a lock is its holder's");
        assert!(!is_forced(&diff.change[0]));
    }

    /// As SMD and we have BMCs after a discovery: else what was exported would not come back the same.
    #[test]
    fn a_component_without_a_state_stays_without_one() {
        let bmc = Component {
            id: "x0c0s0b0".into(),
            r#type: "NodeBMC".into(),
            ..Component::default()
        };
        let created = diff(std::slice::from_ref(&bmc), &[], false);
        assert_eq!(created.create[0].state(), State::Unspecified);
        let again = diff(std::slice::from_ref(&bmc), std::slice::from_ref(&bmc), false);
        assert_eq!((again.same, again.change.len()), (1, 0));
    }

    /// Who is renumbered must not get what a map of the same import gives to another.
    #[test]
    fn a_nid_that_a_map_promises_is_nobody_elses() {
        let source = [
            node("x0c0s0b0n0", Some(5)),
            node("x0c0s1b0n0", None),
            node("x0c0s2b0n0", None),
        ];
        let ours = [stored("x0c0s3b0n0", Some(7))];
        let maps = promised(&[
            ("x0c0s9b0n0", 5),
            ("x0c0s1b0n0", 6),
            ("x0c0s2b0n0", 7),
            ("x0c0s3b0n0", 8),
        ]);
        let refusing = super::diff(&source, &ours, &maps, false);
        assert_eq!(ids(&refusing), ["x0c0s1b0n0"], "its own");
        let reasons = reasons(&refusing);
        assert!(
            reasons[0].1.contains("NID 5 is that of x0c0s9b0n0"),
            "{reasons:?}"
        );
        assert!(
            reasons[1].1.contains("NID 7 is that of x0c0s3b0n0"),
            "{reasons:?}"
        );
        let renumbering = super::diff(&source, &ours, &maps, true);
        assert_eq!(ids(&renumbering), ["x0c0s0b0n0", "x0c0s1b0n0"]);
        assert_eq!(renumbering.create[0].nid, None);
        let reason = &renumbering.refused[0].reason;
        assert!(reason.contains("its node map gives it NID 7"), "{reason}");
    }

    /// What a map promises to a component that is here with another NID is free.
    #[test]
    fn a_map_counts_only_for_what_is_not_here_yet() {
        let maps = promised(&[("x0c0s3b0n0", 5)]);
        let ours = [stored("x0c0s3b0n0", Some(7))];
        let diff = super::diff(&[node("x0c0s0b0n0", Some(5))], &ours, &maps, false);
        assert_eq!((ids(&diff), diff.refused.len()), (vec!["x0c0s0b0n0"], 0));
    }

    #[test]
    fn a_nid_of_two_is_told_with_both_owners_and_a_remedy() {
        let source = [
            node("x0c0s0b0n0", Some(1)),
            node("x0c0s1b0n0", Some(1)),
            node("x0c0s2b0n0", Some(7)),
        ];
        let ours = [stored("x9c0s0b0n0", Some(7))];
        let refusing = diff(&source, &ours, false);
        assert_eq!(ids(&refusing), ["x0c0s0b0n0"]);
        let reasons = reasons(&refusing);
        assert_eq!(reasons.len(), 2);
        for ((id, reason), owner) in reasons.into_iter().zip(["x0c0s0b0n0", "x9c0s0b0n0"]) {
            assert!(
                reason.contains(owner) && reason.contains("--renumber-duplicate-nids"),
                "{id}: {reason}"
            );
        }
        let renumbering = diff(&source, &ours, true);
        let nids: Vec<_> = renumbering.create.iter().map(|component| component.nid).collect();
        assert_eq!((nids, renumbering.refused.len()), (vec![Some(1), None, None], 0));
    }

    /// What was renumbered once must not be renumbered by the next import of the same.
    #[test]
    fn renumbering_is_done_once() {
        let source = [node("x0c0s0b0n0", Some(1)), node("x0c0s1b0n0", Some(1))];
        let ours = [stored("x0c0s0b0n0", Some(1)), stored("x0c0s1b0n0", Some(2))];
        let again = diff(&source, &ours, true);
        assert_eq!((again.same, again.change.len(), again.create.len()), (2, 0, 0));
    }

    #[test]
    fn nids_may_change_hands() {
        let source = [node("x0c0s0b0n0", Some(2)), node("x0c0s1b0n0", Some(1))];
        let ours = [stored("x0c0s0b0n0", Some(1)), stored("x0c0s1b0n0", Some(2))];
        let diff = diff(&source, &ours, false);
        assert_eq!((diff.change.len(), diff.refused.len()), (2, 0));
    }

    #[test]
    fn what_can_be_no_component_is_refused_by_its_place() {
        let typed = Component {
            r#type: "NodeBMC".into(),
            ..node("x0c0s1b0n0", None)
        };
        let source = [
            node("nowhere\u{1b}", None),
            typed,
            node("x0c0s2b0n0", None),
            node("X0c0s2b0n0", None),
        ];
        let diff = diff(&source, &[], false);
        let reasons = reasons(&diff);
        assert_eq!(ids(&diff), ["x0c0s2b0n0"]);
        for ((_, reason), text) in reasons.iter().zip([
            "Components[0]: `nowhere",
            "Components[1]: it is a Node, not a NodeBMC",
            "Components[3] is the same component as Components[2]",
        ]) {
            assert!(reason.starts_with(text), "{reason}");
        }
        assert!(!reasons[0].0.contains('\u{1b}') && !reasons[0].1.contains('\u{1b}'));
    }

    /// `force` without a flag means OK; a changed state must not change a NID.
    #[test]
    fn forced_components_say_everything_that_is_overwritten() {
        let before = stored("x0c0s0b0n0", Some(1));
        let ready = Component {
            state: State::Ready.into(),
            flag: 0,
            ..before.clone()
        };
        let after = shown(&before, ready);
        let sent = forced(&after);
        assert_eq!(
            (sent.flag(), sent.nid, sent.state()),
            (Flag::Ok, None, State::Ready)
        );
        assert!(is_forced(&Change { before, after }));
    }
}
