//! What a subscriber is told of changes: SMD's payloads, one for each value that components have taken.

use std::collections::BTreeSet;

use model::NodeState;
use proto::smd::v1::{Component, ScnSubscription, component};
use raft::Revision;
use serde::Serialize;
use state::Object;

/// Components of one notification.
const COMPONENTS_MAX: usize = 10_000;

/// One notification: components that took the same value one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notification {
    value: Value,
    components: BTreeSet<String>,
}

/// What they took. SMD tells the flag with the state, and the subrole with the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Value {
    #[serde(rename_all = "PascalCase")]
    Enabled { enabled: bool },
    #[serde(rename_all = "PascalCase")]
    Role {
        #[serde(skip_serializing_if = "str::is_empty")]
        role: String,
        #[serde(skip_serializing_if = "str::is_empty")]
        sub_role: String,
    },
    #[serde(rename_all = "PascalCase")]
    SoftwareStatus { software_status: String },
    #[serde(rename_all = "PascalCase")]
    State {
        #[serde(skip_serializing_if = "str::is_empty")]
        flag: &'static str,
        state: &'static str,
    },
}

impl Notification {
    /// The body, as SMD writes it.
    pub(super) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Payload<'a> {
            components: &'a BTreeSet<String>,
            #[serde(flatten)]
            value: &'a Value,
        }
        let payload = Payload {
            components: &self.components,
            value: &self.value,
        };
        serde_json::to_vec(&payload).unwrap_or_default() // strings and a bool: there is nothing to fail
    }
}

/// What `subscription` is told of these revisions, in their order.
pub(super) fn of_revisions<'r>(
    subscription: &ScnSubscription,
    revisions: impl Iterator<Item = &'r Revision>,
) -> Vec<Notification> {
    let mut told = Vec::new();
    for revision in revisions {
        // those of one revision happened at once: each kind of value by itself, as SMD sends them
        let mut kinds: [Vec<Notification>; 4] = Default::default();
        for event in &revision.events {
            let Some(Object::Component(after)) = event.after() else {
                continue; // SMD tells of no delete
            };
            let before = match event.before() {
                Some(Object::Component(before)) => Some(before.as_ref()),
                Some(_) | None => None,
            };
            let values = taken(before, after);
            for (kind, value) in kinds.iter_mut().zip(values) {
                let wanted = value.filter(|value| is_wanted(subscription, value));
                wanted.into_iter().for_each(|value| add(kind, value, &after.id));
            }
        }
        for notification in kinds.into_iter().flatten() {
            join(&mut told, notification);
        }
    }
    told
}

/// What `subscription` is told when the changes themselves are not known any more: how everything is now.
pub(super) fn of_everything<'c>(
    subscription: &ScnSubscription,
    components: impl Iterator<Item = &'c Component>,
) -> Vec<Notification> {
    let mut kinds: [Vec<Notification>; 4] = Default::default();
    for component in components {
        for (kind, value) in kinds.iter_mut().zip(taken(None, component)) {
            let wanted = value.filter(|value| is_wanted(subscription, value));
            wanted
                .into_iter()
                .for_each(|value| add(kind, value, &component.id));
        }
    }
    kinds.into_iter().flatten().collect()
}

/// The values that differ, of each kind at most one. A component that is new takes all that it has.
fn taken(before: Option<&Component>, after: &Component) -> [Option<Value>; 4] {
    let differs = |same: fn(&Component, &Component) -> bool| before.is_none_or(|before| !same(before, after));
    let state = NodeState::try_from(after.state).ok();
    let state = state.filter(|_| differs(|a, b| (a.state, a.flag) == (b.state, b.flag)));
    let role = differs(|a, b| (&a.role, &a.sub_role) == (&b.role, &b.sub_role));
    let role = role && !(after.role.is_empty() && after.sub_role.is_empty());
    let status = differs(|a, b| a.software_status == b.software_status);
    let status = status && !(before.is_none() && after.software_status.is_empty());
    let enabled = differs(|a, b| a.enabled == b.enabled);
    [
        state.map(|state| Value::State {
            flag: flag_name(after.flag()),
            state: state.as_str(),
        }),
        role.then(|| Value::Role {
            role: after.role.clone(),
            sub_role: after.sub_role.clone(),
        }),
        status.then(|| Value::SoftwareStatus {
            software_status: after.software_status.clone(),
        }),
        after
            .enabled
            .filter(|_| enabled)
            .map(|enabled| Value::Enabled { enabled }),
    ]
}

fn is_wanted(subscription: &ScnSubscription, value: &Value) -> bool {
    let among = |list: &[String], value: &str| list.iter().any(|one| one.eq_ignore_ascii_case(value));
    match value {
        Value::State { state, .. } => among(&subscription.states, state),
        Value::Role { role, sub_role } => {
            among(&subscription.roles, role) || among(&subscription.sub_roles, sub_role)
        }
        Value::SoftwareStatus { software_status } => among(&subscription.software_status, software_status),
        Value::Enabled { .. } => subscription.enabled == Some(true),
    }
}

/// Puts a component to the others of its value.
fn add(kind: &mut Vec<Notification>, value: Value, id: &str) {
    let with_room = |one: &&mut Notification| one.value == value && one.components.len() < COMPONENTS_MAX;
    match kind.iter_mut().find(with_room) {
        Some(notification) => {
            notification.components.insert(id.to_owned());
        }
        None => kind.push(Notification {
            value,
            components: BTreeSet::from([id.to_owned()]),
        }),
    }
}

/// Appends, or adds to the last if that tells the same value: a thousand nodes that come up one after another are one
/// notification, and the order of what became of each stays.
fn join(told: &mut Vec<Notification>, next: Notification) {
    match told.last_mut() {
        Some(last)
            if last.value == next.value
                && last.components.len() + next.components.len() <= COMPONENTS_MAX =>
        {
            last.components.extend(next.components);
        }
        Some(_) | None => told.push(next),
    }
}

fn flag_name(flag: component::Flag) -> &'static str {
    use component::Flag;
    match flag {
        Flag::Unspecified => "",
        Flag::Unknown => "Unknown",
        Flag::Ok => "OK",
        Flag::Warning => "Warning",
        Flag::Alert => "Alert",
        Flag::Locked => "Locked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, state: component::State) -> Component {
        Component {
            id: id.into(),
            state: state.into(),
            flag: component::Flag::Ok.into(),
            role: "Compute".into(),
            enabled: Some(true),
            ..Component::default()
        }
    }

    fn subscription() -> ScnSubscription {
        ScnSubscription {
            enabled: Some(true),
            roles: vec!["compute".into()],
            states: vec!["Off".into(), "Ready".into()],
            ..ScnSubscription::default()
        }
    }

    fn bodies(told: &[Notification]) -> Vec<String> {
        told.iter()
            .map(|one| String::from_utf8(one.body()).unwrap())
            .collect()
    }

    /// The order of keys and the keys themselves are those of SMD's Go struct, but for the components' order.
    #[test]
    fn bodies_are_those_of_smd() {
        let values = [
            (
                Value::State {
                    flag: "OK",
                    state: "Ready",
                },
                r#"{"Components":["x0"],"Flag":"OK","State":"Ready"}"#,
            ),
            (
                Value::Role {
                    role: "Compute".into(),
                    sub_role: String::new(),
                },
                r#"{"Components":["x0"],"Role":"Compute"}"#,
            ),
            (
                Value::SoftwareStatus {
                    software_status: "Admin".into(),
                },
                r#"{"Components":["x0"],"SoftwareStatus":"Admin"}"#,
            ),
            (
                Value::Enabled { enabled: false },
                r#"{"Components":["x0"],"Enabled":false}"#,
            ),
        ];
        for (value, body) in values {
            let components = BTreeSet::from(["x0".to_owned()]);
            let notification = Notification { value, components };
            assert_eq!(bodies(&[notification]), [body]);
        }
    }

    #[test]
    fn everything_is_told_by_value_to_whoever_missed_the_changes() {
        let nodes = [
            node("x1", component::State::Off),
            node("x2", component::State::Ready),
            node("x3", component::State::Off),
            node("x4", component::State::On),
        ];
        let told = of_everything(&subscription(), nodes.iter());
        assert_eq!(
            bodies(&told),
            [
                r#"{"Components":["x1","x3"],"Flag":"OK","State":"Off"}"#,
                r#"{"Components":["x2"],"Flag":"OK","State":"Ready"}"#,
                r#"{"Components":["x1","x2","x3","x4"],"Role":"Compute"}"#,
                r#"{"Components":["x1","x2","x3","x4"],"Enabled":true}"#,
            ]
        );
    }

    #[test]
    fn only_what_changed_and_is_asked_for_is_told() {
        let before = node("x1", component::State::On);
        let none = [None, None, None, None];
        assert_eq!(taken(Some(&before), &before), none);
        let mut after = node("x1", component::State::Off);
        after.nid = Some(7);
        let [state, role, status, enabled] = taken(Some(&before), &after);
        assert!(is_wanted(&subscription(), &state.unwrap()));
        assert_eq!((role, status, enabled), (None, None, None));
        let warned = Component {
            flag: component::Flag::Warning.into(),
            ..before.clone()
        };
        let [state, ..] = taken(Some(&before), &warned);
        let state = state.unwrap();
        assert!(
            !is_wanted(&subscription(), &state),
            "On is not asked for: {state:?}"
        );
        let other_role = Component {
            role: "Service".into(),
            sub_role: "Worker".into(),
            ..before.clone()
        };
        let [_, role, ..] = taken(Some(&before), &other_role);
        let role = role.unwrap();
        assert!(!is_wanted(&subscription(), &role));
        let by_sub_role = ScnSubscription {
            sub_roles: vec!["WORKER".into()],
            ..ScnSubscription::default()
        };
        assert!(is_wanted(&by_sub_role, &role));
        let cleared = Component {
            software_status: String::new(),
            ..before
        };
        assert_eq!(
            taken(None, &cleared)[2],
            None,
            "nothing to tell of a status that there is not"
        );
    }

    #[test]
    fn one_notification_has_a_bounded_number_of_components() {
        let nodes: Vec<Component> = (0..COMPONENTS_MAX + 1)
            .map(|n| node(&format!("x{n}"), component::State::Off))
            .collect();
        let off = ScnSubscription {
            states: vec!["Off".into()],
            ..ScnSubscription::default()
        };
        let told = of_everything(&off, nodes.iter());
        let sizes: Vec<usize> = told.iter().map(|one| one.components.len()).collect();
        assert_eq!(sizes, [COMPONENTS_MAX, 1]);
    }
}
