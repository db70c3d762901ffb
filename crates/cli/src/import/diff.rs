//! What an import would do, collection by collection, for people and for programs.

use proto::http::v1::ObjectMeta;
use serde_json::{Value, json};

use super::url_hosts::Hosts;
use crate::hsm::Collection;
use crate::output;

/// Lines of detail that people are shown of one kind in one collection; all of them are in the JSON.
const LINES_MAX: usize = 20;

/// One collection.
#[derive(Debug)]
pub(super) struct Diff<T> {
    /// Not here yet.
    pub(super) create: Vec<T>,
    /// Here with other values.
    pub(super) change: Vec<Change<T>>,
    /// Here with the same values.
    pub(super) same: usize,
    /// What cannot be imported.
    pub(super) refused: Vec<Refused>,
}

/// An object that is here with other values.
#[derive(Debug)]
pub(super) struct Change<T> {
    pub(super) before: T,
    pub(super) after: T,
}

/// What cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) id: String,
    /// What stands against it and what to do.
    pub(super) reason: String,
}

impl<T> Default for Diff<T> {
    fn default() -> Self {
        Self {
            create: Vec::new(),
            change: Vec::new(),
            same: 0,
            refused: Vec::new(),
        }
    }
}

impl<T> Diff<T> {
    /// Everything that is new or differs, as it is to be; changes first. Each with the revision that it was seen at here, 0
    /// where there was none.
    pub(super) fn after(self, meta: fn(&T) -> Option<&ObjectMeta>) -> Vec<(T, u64)> {
        let changed = self.change.into_iter();
        let changed = changed.map(|change| (change.after, revision(meta(&change.before))));
        changed
            .chain(self.create.into_iter().map(|new| (new, 0)))
            .collect()
    }

    /// Cannot be imported.
    pub(super) fn refuse(&mut self, id: impl Into<String>, reason: impl Into<String>) {
        self.refused.push(Refused {
            id: id.into(),
            reason: reason.into(),
        });
    }
}

/// The revision of an object's last change.
pub(super) fn revision(meta: Option<&ObjectMeta>) -> u64 {
    let modified = meta.and_then(|meta| meta.modified.as_ref());
    modified.map_or(0, |change| change.revision)
}

/// The same in words.
#[derive(Debug)]
pub(super) struct Shown {
    /// Name of the collection.
    pub(super) name: &'static str,
    pub(super) create: Vec<String>,
    /// Id, and which fields become what.
    pub(super) change: Vec<(String, Vec<String>)>,
    pub(super) same: usize,
    pub(super) refused: Vec<Refused>,
}

/// A collection that is left out.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) collection: Collection,
    /// How many the source has, if it was asked.
    pub(super) objects: Option<usize>,
    pub(super) reason: &'static str,
}

/// A part of the source that has no counterpart here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// File and line.
    pub(super) at: String,
    /// What stands there, shown safely.
    pub(super) what: String,
    /// Why, and what to do.
    pub(super) why: String,
}

/// All collections.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) shown: Vec<Shown>,
    pub(super) skipped: Vec<Skipped>,
    /// What is left out or stands out otherwise, for people and programs.
    pub(super) notes: Vec<String>,
    /// Parts of the source that have no counterpart here.
    pub(super) left_out: Vec<LeftOut>,
    /// Hosts that URLs go on naming.
    pub(super) hosts: Hosts,
}

impl Summary {
    /// One collection more.
    pub(super) fn add(&mut self, shown: Shown) {
        self.shown.push(shown);
    }

    /// Objects that would be created or changed.
    pub(super) fn to_do(&self) -> usize {
        let of = |shown: &Shown| shown.create.len() + shown.change.len();
        self.shown.iter().map(of).sum()
    }

    /// Objects that cannot be imported.
    pub(super) fn refused(&self) -> usize {
        self.shown.iter().map(|shown| shown.refused.len()).sum()
    }

    /// For people: a table, then the first of what changes and of what is refused.
    pub(super) fn render(&self) -> String {
        let mut table = output::table(["COLLECTION", "CREATE", "CHANGE", "SAME", "REFUSED"]);
        for shown in &self.shown {
            table.add_row([
                shown.name.to_owned(),
                shown.create.len().to_string(),
                shown.change.len().to_string(),
                shown.same.to_string(),
                shown.refused.len().to_string(),
            ]);
        }
        let mut text = table.to_string();
        for shown in &self.shown {
            let name = shown.name;
            let created = shown.create.iter().map(|id| format!("+ {id}"));
            list(&mut text, &format!("{name}, created"), created);
            let changed = shown.change.iter();
            let changed = changed.map(|(id, fields)| format!("~ {id}: {}", fields.join("; ")));
            list(&mut text, &format!("{name}, changed"), changed);
            let refused = shown.refused.iter();
            let refused = refused.map(|refused| format!("! {}: {}", refused.id, refused.reason));
            list(&mut text, &format!("{name}, refused"), refused);
        }
        for skipped in &self.skipped {
            let Skipped {
                collection,
                objects,
                reason,
            } = skipped;
            let counted = objects.map(|objects| format!(" ({objects} in the source)"));
            let counted = counted.unwrap_or_default();
            text += &format!("\n{}: skipped{counted}; {reason}", collection.name());
        }
        self.list_left_out(&mut text);
        for note in &self.notes {
            text += &format!("\n{note}");
        }
        text + &self.hosts.render()
    }

    /// What has the same reason stands under it.
    fn list_left_out(&self, text: &mut String) {
        let mut reasons: Vec<&str> = Vec::new();
        for left_out in &self.left_out {
            if !reasons.contains(&left_out.why.as_str()) {
                reasons.push(&left_out.why);
            }
        }
        for reason in reasons {
            let of = self.left_out.iter().filter(|left_out| left_out.why == reason);
            let lines: Vec<String> = of.map(|of| format!("- {}: {}", of.at, of.what)).collect();
            list(text, &format!("not imported, {reason}"), lines.into_iter());
        }
    }

    /// For programs: everything.
    pub(super) fn to_json(&self, applied: bool) -> Value {
        let collections = self.shown.iter().map(|shown| {
            let change = shown.change.iter();
            let refused = shown.refused.iter();
            json!({
                "collection": shown.name,
                "create": shown.create,
                "change": change.map(|(id, fields)| json!({ "id": id, "fields": fields })).collect::<Vec<_>>(),
                "same": shown.same,
                "refused": refused.map(|of| json!({ "id": of.id, "reason": of.reason })).collect::<Vec<_>>(),
            })
        });
        let skipped = self.skipped.iter().map(|skipped| {
            json!({
                "collection": skipped.collection.name(),
                "objects": skipped.objects,
                "reason": skipped.reason,
            })
        });
        let mut told = json!({
            "applied": applied,
            "collections": collections.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
        });
        if !self.left_out.is_empty() {
            let left_out = self.left_out.iter();
            let left_out = left_out.map(|of| json!({ "at": of.at, "what": of.what, "why": of.why }));
            told["not_imported"] = left_out.collect();
        }
        if !self.notes.is_empty() {
            told["notes"] = json!(self.notes);
        }
        if !self.hosts.is_empty() {
            told["hosts"] = self.hosts.to_json();
        }
        told
    }
}

fn list(text: &mut String, title: &str, lines: impl ExactSizeIterator<Item = String>) {
    let count = lines.len();
    if count == 0 {
        return;
    }
    *text += &format!("\n{title}:");
    for line in lines.take(LINES_MAX) {
        *text += &format!("\n  {line}");
    }
    if count > LINES_MAX {
        *text += &format!("\n  … and {} more; -o json shows all", count - LINES_MAX);
    }
}

/// Which keys of two objects differ: `Role: Compute -> Service`. Of a key that `is_free_form`, only that it does: any JSON may
/// stand there, also what nobody should read on a terminal.
pub(super) fn changed_fields(
    before: &Value,
    after: &Value,
    is_free_form: impl Fn(&str) -> bool,
) -> Vec<String> {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return Vec::new();
    };
    let shown = |value: Option<&Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.escape_debug().to_string(),
        Some(other) => other.to_string(),
    };
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| match is_free_form(key) {
            true => format!("{key}: differs"),
            false => format!("{key}: {} -> {}", shown(before.get(key)), shown(after.get(key))),
        })
        .collect()
}

/// A text of the source, safe to be shown: one line, not too long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 64;
    let mut shown: String = text
        .chars()
        .take(SHOWN_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    match shown.is_empty() {
        true => "(without a name)".to_owned(),
        false => shown,
    }
}

#[cfg(test)]
mod tests {
    use proto::http::v1::Change;
    use proto::smd::v1::NodeMap;

    use super::*;
    use crate::hsm::HsmMessage;

    fn summary(count: usize) -> Summary {
        let shown = Shown {
            name: Collection::Components.name(),
            create: (0..count).map(|n| format!("x0c0s{n}b0n0")).collect(),
            change: vec![("x1c0s0b0n0".into(), vec!["Role: Compute -> Service".into()])],
            same: 3,
            refused: vec![Refused {
                id: "nowhere".into(),
                reason: "not an xname".into(),
            }],
        };
        let skipped = Skipped {
            collection: Collection::Memberships,
            objects: Some(7),
            reason: "they follow from the groups",
        };
        Summary {
            shown: vec![shown],
            skipped: vec![skipped],
            ..Summary::default()
        }
    }

    #[test]
    fn people_see_counts_then_what_changes_and_what_is_refused() {
        let text = summary(2).render();
        for needed in [
            "Components",
            "+ x0c0s1b0n0",
            "~ x1c0s0b0n0: Role: Compute -> Service",
            "! nowhere: not an xname",
            "memberships: skipped (7 in the source); they follow from the groups",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
        assert_eq!((summary(2).to_do(), summary(2).refused()), (3, 1));
    }

    /// Ten thousand lines would hide what matters; a program gets them all.
    #[test]
    fn only_the_first_are_listed_for_people() {
        let text = summary(10_000).render();
        assert!(
            text.contains("… and 9980 more") && text.lines().count() < 40,
            "{text}"
        );
        let json = summary(10_000).to_json(false);
        assert_eq!(json["collections"][0]["create"].as_array().unwrap().len(), 10_000);
        assert_eq!(json["skipped"][0]["objects"], 7);
    }

    /// One sentence for a thousand hosts that all have the same statement.
    #[test]
    fn what_is_left_out_stands_under_its_reason() {
        let of = |line: usize, why: &str| LeftOut {
            at: format!("d.conf:{line}"),
            what: "filename x".into(),
            why: why.into(),
        };
        let summary = Summary {
            left_out: (1..=30)
                .map(|line| of(line, ["odd", "even"][(line + 1) % 2]))
                .collect(),
            ..Summary::default()
        };
        let text = summary.render();
        let place = |needed: &str| text.find(needed).unwrap_or_else(|| panic!("{needed}\n{text}"));
        assert!(place("not imported, odd:") < place("- d.conf:29: filename x"));
        assert!(place("- d.conf:29: filename x") < place("not imported, even:"));
        let json = summary.to_json(false);
        assert_eq!(json["not_imported"][29]["at"], "d.conf:30");
    }

    #[test]
    fn fields_that_differ_are_named_with_both_values() {
        let before = json!({ "ID": "x", "Role": "Compute", "NID": 7 });
        let after = json!({ "ID": "x", "Role": "Service\n", "Arch": "X86", "NID": 8 });
        assert_eq!(
            changed_fields(&before, &after, |_| false),
            [
                "Arch: nothing -> X86",
                "NID: 7 -> 8",
                "Role: Compute -> Service\\n"
            ]
        );
    }

    /// What sites keep in NodeInfo is theirs.
    #[test]
    fn of_a_key_with_any_json_only_that_it_differs_is_told() {
        let maps = HsmMessage::named("chamois.smd.v1.NodeMap").unwrap();
        let before = json!({ "ID": "x", "NID": 7, "NodeInfo": { "password": "hunter2" } });
        let after = json!({ "ID": "x", "NID": 8, "NodeInfo": "secret" });
        let told = changed_fields(&before, &after, |key| maps.is_free_form(key));
        assert_eq!(told, ["NID: 7 -> 8", "NodeInfo: differs"]);
    }

    /// A condition on what was seen; what was not there must not be there.
    #[test]
    fn what_is_sent_goes_with_the_revision_that_was_seen() {
        let at = |revision| NodeMap {
            meta: Some(ObjectMeta {
                modified: Some(Change {
                    revision,
                    ..Change::default()
                }),
                ..ObjectMeta::default()
            }),
            ..NodeMap::default()
        };
        let diff = Diff {
            create: vec![NodeMap::default()],
            change: vec![super::Change {
                before: at(7),
                after: NodeMap::default(),
            }],
            ..Diff::default()
        };
        let sent: Vec<u64> = diff
            .after(|map| map.meta.as_ref())
            .into_iter()
            .map(|(_, at)| at)
            .collect();
        assert_eq!(sent, [7, 0]);
    }

    /// A name comes from another system and goes to a terminal.
    #[test]
    fn names_of_the_source_are_escaped_and_cut() {
        assert_eq!(quoted("a\u{1b}[2J"), "a\\u{1b}[2J");
        assert_eq!(quoted(""), "(without a name)");
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), 65);
    }
}
