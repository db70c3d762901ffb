//! The difference between documents and cluster: what is to be made, changed and deleted, in which order. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::{Document, Place};
use super::kinds::{Kind, Write};
use super::present::{Objects, Present};
use crate::error::CliError;

/// What is known of each kind that is looked at.
pub(super) type Known = BTreeMap<&'static str, Objects>;

/// What one object becomes.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) kind: &'static Kind,
    pub(super) name: String,
    /// What is there, at the revision that it was seen at.
    pub(super) before: Option<Present>,
    /// What is to be there; none: nothing any more.
    pub(super) after: Option<Map<String, Value>>,
    /// Fields of `after` that a document declares. Of a component the others are what was seen of it.
    pub(super) declared: Vec<String>,
    /// Where that is said; of what is pruned nowhere.
    pub(super) place: Option<Place>,
}

/// All that is to be done, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Objects that are as they are declared.
    pub(super) unchanged: usize,
}

impl Step {
    /// `BootConfiguration compute`.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.kind.name, self.name)
    }

    /// `created`, `changed` or `deleted`.
    pub(super) fn verb(&self) -> &'static str {
        match (&self.before, &self.after) {
            (_, None) => "deleted",
            (None, Some(_)) => "created",
            (Some(_), Some(_)) => "changed",
        }
    }

    /// The revision that it was seen at; 0: it was not there.
    pub(super) fn seen(&self) -> u64 {
        self.before.as_ref().map_or(0, |before| before.modified)
    }
}

/// Compares. Of a component only what is declared is compared, because its rest is what is observed; everything else is as its document
/// says, and not set what it does not say.
///
/// # Errors
/// One object declared twice; a change that no method makes.
pub(super) fn compare(documents: &[Document], known: &Known) -> Result<Plan, CliError> {
    check_once(documents)?;
    let mut plan = Plan::default();
    for document in documents {
        let objects = known.get(document.kind.name);
        let before = objects.and_then(|objects| objects.get(&document.name)).cloned();
        let after = match (document.kind.write, &before) {
            (Write::Components, Some(before)) => {
                let mut after = before.spec.clone();
                after.extend(document.spec.clone());
                after
            }
            _ => document.spec.clone(),
        };
        if before.as_ref().is_some_and(|before| before.spec == after) {
            plan.unchanged += 1;
            continue;
        }
        check_possible(document, before.as_ref(), &after)?;
        plan.steps.push(Step {
            kind: document.kind,
            name: document.name.clone(),
            before,
            after: Some(after),
            declared: document.spec.keys().cloned().collect(),
            place: Some(document.place.clone()),
        });
    }
    plan.steps.sort_by_key(|step| step.kind.rank());
    Ok(plan)
}

impl Plan {
    /// Adds objects that are to go, behind everything else and in the other order of the kinds.
    pub(super) fn delete(&mut self, gone: impl IntoIterator<Item = (&'static Kind, String, Present)>) {
        let mut steps: Vec<Step> = gone
            .into_iter()
            .map(|(kind, name, before)| Step {
                kind,
                name,
                before: Some(before),
                after: None,
                declared: Vec::new(),
                place: None,
            })
            .collect();
        steps.sort_by_key(|step| std::cmp::Reverse(step.kind.rank()));
        self.steps.extend(steps);
    }
}

fn check_once(documents: &[Document]) -> Result<(), CliError> {
    let mut places = BTreeMap::new();
    for document in documents {
        let key = (document.kind.name, document.name.as_str());
        if let Some(first) = places.insert(key, &document.place) {
            let problem = format!("{} {} is declared twice, first in {first}", key.0, key.1);
            return Err(document.place.refused(&problem));
        }
    }
    Ok(())
}

fn check_possible(
    document: &Document,
    before: Option<&Present>,
    after: &Map<String, Value>,
) -> Result<(), CliError> {
    let Some(before) = before.filter(|_| document.kind.write == Write::Groups) else {
        return Ok(());
    };
    match before.spec.get("exclusiveGroup") == after.get("exclusiveGroup") {
        true => Ok(()),
        false => Err(document.place.refused(
            "spec.exclusiveGroup: a group keeps the one that it was made with; delete the group first",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kinds::find;
    use super::*;

    fn document(kind: &str, name: &str, spec: &Value) -> Document {
        Document {
            kind: find(kind).unwrap(),
            name: name.to_owned(),
            spec: spec.as_object().unwrap().clone(),
            place: Place {
                file: "a.yaml".into(),
                document: 1,
                line: 1,
            },
        }
    }

    fn present(spec: &Value) -> Present {
        Present {
            spec: spec.as_object().unwrap().clone(),
            modified: 7,
            created: 5,
        }
    }

    fn known(kind: &str, name: &str, spec: &Value) -> Known {
        let kind = find(kind).unwrap();
        [(kind.name, [(name.to_owned(), present(spec))].into())].into()
    }

    #[test]
    fn what_others_name_comes_first_and_goes_last() {
        let documents = [
            document("Policy", "p", &json!({"role": "r"})),
            document("Group", "g", &json!({})),
            document("Component", "x0c0s0b0n0", &json!({})),
            document("Role", "r", &json!({})),
        ];
        let mut plan = compare(&documents, &Known::new()).unwrap();
        let gone = |kind: &str, name: &str| (find(kind).unwrap(), name.to_owned(), present(&json!({})));
        plan.delete([gone("Component", "x0c0s1b0n0"), gone("Group", "old")]);
        let titles: Vec<_> = plan.steps.iter().map(Step::title).collect();
        let order = [
            "Role r",
            "Component x0c0s0b0n0",
            "Group g",
            "Policy p",
            "Group old",
            "Component x0c0s1b0n0",
        ];
        assert_eq!(titles, order);
        let verbs: Vec<_> = plan.steps.iter().map(Step::verb).collect();
        assert_eq!(&verbs[3..5], ["created", "deleted"]);
    }

    #[test]
    fn what_is_as_declared_is_no_step() {
        let spec = json!({"kernel": "/k"});
        let plan = compare(
            &[document("BootConfiguration", "c", &spec)],
            &known("BootConfiguration", "c", &spec),
        )
        .unwrap();
        assert_eq!((plan.steps.len(), plan.unchanged), (0, 1));
        let other = json!({"kernel": "/k", "params": "quiet"});
        let plan = compare(
            &[document("BootConfiguration", "c", &spec)],
            &known("BootConfiguration", "c", &other),
        )
        .unwrap();
        assert_eq!(
            (plan.steps[0].seen(), plan.steps[0].verb()),
            (7, "changed"),
            "params are not set any more"
        );
    }

    /// Its state is observed, not declared.
    #[test]
    fn of_a_component_only_what_is_declared_counts() {
        let is = json!({"State": "Ready", "Role": "Compute", "NID": 7});
        let known = known("Component", "x0c0s0b0n0", &is);
        let of = |spec: &Value| compare(&[document("Component", "x0c0s0b0n0", spec)], &known).unwrap();
        assert_eq!(of(&json!({"Role": "Compute"})).unchanged, 1);
        let plan = of(&json!({"Role": "Service"}));
        let after = plan.steps[0].after.as_ref().unwrap();
        assert_eq!(plan.steps[0].declared, ["Role"]);
        assert_eq!(after["State"], "Ready");
        assert_eq!(after["Role"], "Service");
    }

    #[test]
    fn one_object_twice_is_refused_with_both_places() {
        let twice = [
            document("Group", "g", &json!({})),
            document("Group", "g", &json!({})),
        ];
        let error = compare(&twice, &Known::new()).unwrap_err().to_string();
        assert!(
            error.contains("declared twice") && error.matches("a.yaml").count() == 2,
            "{error}"
        );
    }

    #[test]
    fn what_no_method_changes_is_refused_before_anything_is_sent() {
        let known = known("Group", "g", &json!({"exclusiveGroup": "a"}));
        let error = compare(&[document("Group", "g", &json!({}))], &known).unwrap_err();
        assert!(error.to_string().contains("exclusiveGroup"), "{error}");
    }
}
