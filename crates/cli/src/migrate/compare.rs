//! What changes for one node: inventory, boot script, cloud-init's groups. Pure.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use proto::cloud_init::v1::Group as Data;
use proto::smd::v1::{Component, Group};
use serde_json::{Value, json};

use super::old_scripts::Script;
use crate::import::cloud_init_objects::is_same_group;

/// Words that both systems add to a command line by themselves, unless the administrator has.
const ADDED: [&str; 5] = ["xname=", "nid=", "bss_referral_token=", "BOOTIF=", "ds="];
/// Begins a URL that is signed before it is sent.
const S3: &str = "s3://";
/// Parameters whose value is such a URL.
const S3_PARAMETERS: [&str; 2] = ["metal.server=", "root=live:"];

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeChange {
    pub(super) node: String,
    /// The cluster has it.
    pub(super) is_here: bool,
    /// What is about it, and what becomes of it.
    pub(super) changes: Vec<(&'static str, String)>,
}

impl NodeChange {
    pub(super) fn to_json(&self) -> Value {
        let changes = self.changes.iter();
        let changes: Vec<Value> = changes
            .map(|(what, text)| json!({ "what": what, "change": text }))
            .collect();
        json!({ "node": self.node, "here": self.is_here, "changes": changes })
    }
}

/// A system's side of one node.
pub(super) struct Side<'a> {
    pub(super) component: &'a Component,
    /// Sorted.
    pub(super) macs: Vec<String>,
    pub(super) script: Option<Script>,
    /// Groups that it is in and that cloud-init has data for.
    pub(super) groups: BTreeMap<&'a str, &'a Data>,
}

/// What changes from `old` to `ours`; the cluster may not have the node.
pub(super) fn compare(old: &Side<'_>, ours: Option<&Side<'_>>) -> NodeChange {
    let mut changes = Vec::new();
    if let Some(ours) = ours {
        inventory(old, ours, &mut changes);
        script(old.script.as_ref(), ours.script.as_ref(), &mut changes);
        groups(&old.groups, &ours.groups, &mut changes);
    }
    NodeChange {
        node: old.component.id.clone(),
        is_here: ours.is_some(),
        changes,
    }
}

/// A change of two texts from another system, safe to be shown.
fn becomes(old: &str, ours: &str) -> String {
    let shown = |text: &str| match text {
        "" => "nothing".to_owned(),
        text => text.escape_debug().to_string(),
    };
    format!("{} -> {}", shown(old), shown(ours))
}

fn inventory(old: &Side<'_>, ours: &Side<'_>, changes: &mut Vec<(&'static str, String)>) {
    let nid = |side: &Side<'_>| side.component.nid.map(|nid| nid.to_string()).unwrap_or_default();
    let fields = [
        ("nid", nid(old), nid(ours)),
        ("role", old.component.role.clone(), ours.component.role.clone()),
        ("macs", old.macs.join(" "), ours.macs.join(" ")),
    ];
    for (what, old, ours) in fields {
        if old != ours {
            changes.push((what, becomes(&old, &ours)));
        }
    }
}

fn script(old: Option<&Script>, ours: Option<&Script>, changes: &mut Vec<(&'static str, String)>) {
    let (old, ours) = match (old, ours) {
        (None, None) => return,
        (Some(old), None) => {
            changes.push(("script", becomes(&format!("boots {}", old.kernel), "no script")));
            return;
        }
        (None, Some(ours)) => {
            changes.push(("script", becomes("no script", &format!("boots {}", ours.kernel))));
            return;
        }
        (Some(old), Some(ours)) => (old, ours),
    };
    for (what, old, ours) in [
        ("kernel", &old.kernel, &ours.kernel),
        ("initrd", &old.initrd, &ours.initrd),
    ] {
        if !is_same_url(old, ours) {
            changes.push((what, becomes(old, ours)));
        }
    }
    changes.extend(words(old, ours).map(|text| ("params", text)));
}

/// An object in S3 is signed by both, each with its own time. BSS takes it as `s3://bucket/key` and as `s3:///bucket/key`, and what
/// is signed is encoded.
fn is_same_url(old: &str, ours: &str) -> bool {
    if old == ours {
        return true;
    }
    let Some(object) = s3_object(old) else {
        return false;
    };
    let signed = || {
        let url = ours.split('?').next()?;
        let (_, path) = url.split_once("://")?.1.split_once('/')?;
        Some(decoded(path))
    };
    s3_object(ours).or_else(signed) == Some(object)
}

/// Bucket and key of an object that is not signed.
fn s3_object(url: &str) -> Option<String> {
    let scheme = url.get(..S3.len())?;
    let is_object = scheme.eq_ignore_ascii_case(S3);
    is_object.then(|| decoded(url[S3.len()..].trim_start_matches('/')))
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// A parameter whose value is a URL is the same when the URL is.
fn is_same_word(old: &str, ours: &str) -> bool {
    let urls = S3_PARAMETERS
        .iter()
        .find_map(|key| Some((old.strip_prefix(key)?, ours.strip_prefix(key)?)));
    old == ours || urls.is_some_and(|(old, ours)| is_same_url(old, ours))
}

/// Words that go and words that come; only what administrators wrote, and `ds=` and the like where they did.
fn words(old: &Script, ours: &Script) -> Option<String> {
    let added_by_us = |word: &&String| {
        let prefix = ADDED.iter().find(|prefix| word.starts_with(**prefix));
        prefix.is_some_and(|prefix| !old.words.iter().any(|word| word.starts_with(prefix)))
    };
    // both name the file that iPXE has loaded, and drop what stood there before
    let of_initrd = |word: &&String| !old.initrd.is_empty() && word.starts_with("initrd=");
    let before: Vec<&String> = old.words.iter().filter(|word| !of_initrd(word)).collect();
    let after: Vec<&String> = ours
        .words
        .iter()
        .filter(|word| !added_by_us(word) && !of_initrd(word))
        .collect();
    let (mut gone, mut new) = (Vec::new(), after.clone());
    for word in &before {
        match new.iter().position(|other| is_same_word(word, other)) {
            Some(place) => {
                new.remove(place);
            }
            None => gone.push(word.escape_debug().to_string()),
        }
    }
    let new: Vec<String> = new.iter().map(|word| word.escape_debug().to_string()).collect();
    let in_order = || {
        before
            .iter()
            .zip(&after)
            .all(|(old, ours)| is_same_word(old, ours))
    };
    match (gone.is_empty(), new.is_empty()) {
        (true, true) if in_order() => None,
        (true, true) => Some("the same words in another order".to_owned()),
        (false, true) => Some(format!("without {}", gone.join(" "))),
        (true, false) => Some(format!("with {}", new.join(" "))),
        (false, false) => Some(format!("{} -> {}", gone.join(" "), new.join(" "))),
    }
}

fn groups(
    old: &BTreeMap<&str, &Data>,
    ours: &BTreeMap<&str, &Data>,
    changes: &mut Vec<(&'static str, String)>,
) {
    let names: BTreeSet<&&str> = old.keys().chain(ours.keys()).collect();
    for name in names {
        let change = match (old.get(*name), ours.get(*name)) {
            (Some(old), Some(ours)) if is_same_group(old, ours) => continue,
            (Some(_), Some(_)) => "differs",
            (Some(_), None) => "is given no more",
            (None, _) => "is given for the first time",
        };
        changes.push(("cloud-init", format!("group {}: {change}", name.escape_debug())));
    }
}

/// The groups of each node that cloud-init has data for.
pub(super) fn data_by_node<'a>(
    groups: &'a [Group],
    data: &'a [Data],
) -> BTreeMap<&'a str, BTreeMap<&'a str, &'a Data>> {
    let data: BTreeMap<String, &Data> = data
        .iter()
        .map(|data| (data.name.to_ascii_lowercase(), data))
        .collect();
    let mut by_node: BTreeMap<&str, BTreeMap<&str, &Data>> = BTreeMap::new();
    for group in groups {
        let Some(of_group) = data.get(&group.label.to_ascii_lowercase()) else {
            continue;
        };
        for member in group.members.iter().flat_map(|members| &members.ids) {
            by_node.entry(member).or_default().insert(&group.label, of_group);
        }
    }
    by_node
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::GroupMembers;

    use super::*;

    fn node(nid: u64) -> Component {
        Component {
            id: "x0c0s0b0n0".into(),
            role: "Compute".into(),
            nid: Some(nid),
            ..Component::default()
        }
    }

    fn script(kernel: &str, initrd: &str, words: &str) -> Option<Script> {
        Some(Script {
            kernel: kernel.into(),
            initrd: initrd.into(),
            words: words.split(' ').map(str::to_owned).collect(),
        })
    }

    fn side(component: &Component, script: Option<Script>) -> Side<'_> {
        Side {
            component,
            macs: vec!["02:00:00:00:00:01".into()],
            script,
            groups: BTreeMap::new(),
        }
    }

    fn changes(old: Option<Script>, ours: Option<Script>) -> Vec<(&'static str, String)> {
        let node = node(1);
        compare(&side(&node, old), Some(&side(&node, ours))).changes
    }

    /// What each system adds is its own: another token, another cloud-init server.
    #[test]
    fn a_node_that_boots_the_same_has_no_changes() {
        let ours = script(
            "http://i/k",
            "http://i/i",
            "initrd=initrd quiet xname=x0c0s0b0n0 nid=1 bss_referral_token=t BOOTIF=01-02 ds=nocloud-net;s=http://us/",
        );
        assert!(changes(script("http://i/k", "http://i/i", "quiet initrd=old"), ours).is_empty());
        assert!(changes(None, None).is_empty());
    }

    #[test]
    fn what_boots_otherwise_is_told_part_by_part() {
        let told = changes(
            script(
                "http://old/k",
                "http://old/i",
                "quiet console=ttyS0 ds=nocloud;s=http://old/",
            ),
            script(
                "http://new/k",
                "http://old/i",
                "quiet console=tty1 xname=x ds=nocloud;s=http://new/",
            ),
        );
        assert_eq!(
            told,
            [
                ("kernel", "http://old/k -> http://new/k".to_owned()),
                (
                    "params",
                    "console=ttyS0 ds=nocloud;s=http://old/ -> console=tty1 ds=nocloud;s=http://new/"
                        .to_owned()
                ),
            ]
        );
        let only = |old: &str, ours: &str| changes(script("k", "", old), script("k", "", ours))[0].1.clone();
        assert_eq!(only("a b", "a"), "without b");
        assert_eq!(only("a", "a b b"), "with b b");
        assert_eq!(only("a b", "b a"), "the same words in another order");
    }

    #[test]
    fn a_node_that_boots_no_more_or_only_now_says_so() {
        assert_eq!(
            changes(script("k", "", "a"), None),
            [("script", "boots k -> no script".to_owned())]
        );
        assert_eq!(
            changes(None, script("k", "", "a")),
            [("script", "no script -> boots k".to_owned())]
        );
    }

    /// Both sign when they are asked: the signatures are never equal.
    #[test]
    fn an_object_in_s3_is_the_same_when_it_is_signed() {
        assert!(is_same_url(
            "s3://images/a/k",
            "https://s3:9000/images/a/k?X-Amz-Signature=1"
        ));
        assert!(!is_same_url(
            "s3://images/a/k",
            "https://s3:9000/images/b/k?x=/images/a/k"
        ));
        assert!(!is_same_url("http://i/k", "http://j/k"));
        for same in ["s3:///images/a b/k", "S3://images/a b/k", "s3://images/a%20b/k"] {
            let signed = "http://s3/images/a%20b/k?X-Amz-Signature=1";
            assert!(is_same_url(same, signed), "{same}");
            assert!(is_same_url(same, "s3://images/a b/k"), "{same}");
        }
        for other in ["s3://a b/k", "s3://b/images/a b/k", "s3://", "s3"] {
            assert!(!is_same_url(other, "http://s3/images/a%20b/k?x"), "{other}");
        }
    }

    /// Root file systems are named by parameters, and signed there.
    #[test]
    fn an_object_in_a_parameter_is_the_same_when_it_is_signed() {
        let told = |old: &str, ours: &str| changes(script("k", "", old), script("k", "", ours));
        let ours = "quiet root=live:https://s3/b/r?X-Amz-Date=1 metal.server=https://s3/b/m?X-Amz-Date=1";
        assert!(told("quiet root=live:s3://b/r metal.server=s3://b/m", ours).is_empty());
        let moved = told("metal.server=s3://b/m quiet root=live:s3://b/r", ours);
        assert_eq!(moved[0].1, "the same words in another order");
        let other = told("quiet root=live:s3://b/r2 metal.server=s3://b/m", ours);
        assert!(
            other[0].1.starts_with("root=live:s3://b/r2 -> root=live:https"),
            "{other:?}"
        );
        assert!(
            !is_same_word("root=s3://b/r", "root=https://s3/b/r?x"),
            "nobody signs that"
        );
    }

    /// A text of another system goes onto a terminal.
    #[test]
    fn hostile_texts_are_escaped() {
        let told = changes(script("k\u{1b}[2J", "", "a\nb"), script("k", "", "a"));
        assert_eq!(told.len(), 2);
        for (_, text) in told {
            assert!(!text.contains(['\u{1b}', '\n']), "{text}");
        }
    }

    #[test]
    fn inventory_and_groups_are_compared_too() {
        let (old, ours) = (node(1), node(2));
        let data = |description: &str| Data {
            name: "compute".into(),
            description: description.into(),
            ..Data::default()
        };
        let (before, after, other) = (data("a"), data("b"), data("c"));
        let old = Side {
            groups: [("compute", &before), ("gone", &other)].into(),
            ..side(&old, None)
        };
        let ours = Side {
            macs: Vec::new(),
            groups: [("compute", &after), ("new", &other)].into(),
            ..side(&ours, None)
        };
        let told = compare(&old, Some(&ours));
        assert_eq!(
            told.changes,
            [
                ("nid", "1 -> 2".to_owned()),
                ("macs", "02:00:00:00:00:01 -> nothing".to_owned()),
                ("cloud-init", "group compute: differs".to_owned()),
                ("cloud-init", "group gone: is given no more".to_owned()),
                ("cloud-init", "group new: is given for the first time".to_owned()),
            ]
        );
        let away = compare(&old, None);
        assert!(!away.is_here && away.changes.is_empty());
        assert_eq!(told.to_json()["changes"][0]["what"], "nid");
    }

    #[test]
    fn a_node_is_given_the_data_of_its_groups() {
        let groups = [Group {
            label: "compute".into(),
            members: Some(GroupMembers {
                ids: vec!["x0c0s0b0n0".into()],
            }),
            ..Group::default()
        }];
        let data = [
            Data {
                name: "Compute".into(),
                ..Data::default()
            },
            Data {
                name: "other".into(),
                ..Data::default()
            },
        ];
        let by_node = data_by_node(&groups, &data);
        assert_eq!(by_node["x0c0s0b0n0"].keys().collect::<Vec<_>>(), [&"compute"]);
        assert_eq!(by_node.len(), 1);
    }
}
