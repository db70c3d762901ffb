//! Every list and every shown object in every form, against a real member: table, wide, JSON, YAML, names, JSON lines.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use common::http::Administrator;
use common::{Member, Single, text};
use serde_json::Value;

const NODE: &str = "x0c0s0b0n0";

/// How many rows the seed gives a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    Some,
    Any,
}

/// What lists objects, and whether the seed has any.
const LISTS: &[(&str, Rows)] = &[
    ("api list /hsm/v2/groups", Rows::Some),
    ("bmc credential list", Rows::Some),
    ("bmc list", Rows::Any),
    ("boot config list", Rows::Some),
    ("boot history config/gpu", Rows::Some),
    ("boot params list", Rows::Some),
    ("boot rollout list", Rows::Any),
    ("boot status", Rows::Some),
    ("certificate list", Rows::Some),
    ("cloud-init group list", Rows::Some),
    ("cloud-init profile list", Rows::Any),
    ("cluster status", Rows::Some),
    ("component list", Rows::Some),
    ("configure template list", Rows::Any),
    ("console list", Rows::Any),
    ("dhcp held", Rows::Any),
    ("dhcp leases", Rows::Any),
    ("dhcp policy list", Rows::Some),
    ("dhcp unknown", Rows::Any),
    ("discover rule list", Rows::Some),
    ("file list", Rows::Some),
    ("firmware list", Rows::Any),
    ("group list", Rows::Some),
    ("iface list", Rows::Some),
    ("image list", Rows::Any),
    ("job list", Rows::Any),
    ("member list", Rows::Some),
    ("oidc list", Rows::Any),
    ("policy list", Rows::Some),
    ("policy role list", Rows::Some),
    ("power status", Rows::Any),
    ("rfe list", Rows::Any),
    ("subnet list", Rows::Some),
    ("token keys", Rows::Some),
    ("token list", Rows::Any),
    ("token list --sessions", Rows::Any),
];

/// What shows one object, and its name.
const SHOWN: &[(&str, &str)] = &[
    ("boot config get gpu", "gpu"),
    ("boot params show x0c0s0b0n0", NODE),
    ("boot script x0c0s0b0n0", NODE),
    ("cloud-init defaults show", "defaults"),
    ("cloud-init group show compute", "compute"),
    ("cloud-init node show x0c0s0b0n0", NODE),
    ("component show x0c0s0b0n0", NODE),
    ("dhcp policy show nodes", "nodes"),
    ("group show compute", "compute"),
    ("iface show 020000000001", "02:00:00:00:00:01"),
    ("policy show readers", "readers"),
    ("secrets status", ""),
];

/// Verbs with such a name that are asked elsewhere, and why not here.
const NOT_HERE: &[(&str, &str)] = &[
    (
        "bmc show",
        "the seed has no BMC; it is the same function as the others",
    ),
    (
        "boot rollout show",
        "the seed has no rollout; it is the same function as the others",
    ),
    ("break-glass status", "asks a socket, not the API"),
    (
        "cloud-init profile show",
        "the seed has no profile; it is the same function as the others",
    ),
    ("config list", "asks no cluster: contexts.rs"),
    ("config show", "asks no cluster: contexts.rs"),
    (
        "configure template show",
        "the seed has no template; it is the same function as the others",
    ),
    (
        "firmware show",
        "the seed has no BMC; it is the same function as the others",
    ),
    (
        "job show",
        "the seed has no job; it is the same function as the others",
    ),
    ("nodeset list", "as ClusterShell's: clustershell.rs"),
    (
        "rfe show",
        "the seed has no BMC; it is the same function as the others",
    ),
];

/// Whoever adds a verb that lists or shows must say here how it is asked: no verb has fewer forms than the others.
#[test]
fn every_verb_that_lists_or_shows_is_asked_in_every_form() {
    let mut root = cli::Cli::command();
    root.build();
    let mut leaves = Vec::new();
    let mut commands = vec![(String::new(), &root)];
    while let Some((name, command)) = commands.pop() {
        let below: Vec<_> = command
            .get_subcommands()
            .filter(|below| !below.is_hide_set() && below.get_name() != "help")
            .map(|below| (format!("{name} {}", below.get_name()).trim().to_owned(), below))
            .collect();
        if below.is_empty() {
            leaves.push(name);
        }
        commands.extend(below);
    }
    let asked: Vec<&str> = LISTS
        .iter()
        .map(|(words, _)| *words)
        .chain(SHOWN.iter().map(|(words, _)| *words))
        .chain(NOT_HERE.iter().map(|(words, _)| *words))
        .collect();
    let is_asked = |leaf: &str| {
        asked
            .iter()
            .any(|words| *words == leaf || words.starts_with(&format!("{leaf} ")))
    };
    let forgotten: Vec<&String> = leaves
        .iter()
        .filter(|leaf| {
            ["list", "show", "status", "get"]
                .iter()
                .any(|verb| leaf.ends_with(&format!(" {verb}")))
        })
        .filter(|leaf| !is_asked(leaf))
        .collect();
    assert!(
        forgotten.is_empty(),
        "add them to LISTS, SHOWN or NOT_HERE: {forgotten:?}"
    );
    for words in &asked {
        let is_verb = leaves
            .iter()
            .any(|leaf| *words == leaf || words.starts_with(&format!("{leaf} ")));
        assert!(is_verb, "no such verb any more: {words}");
    }
}

#[test]
fn every_list_has_every_form() {
    let single = Single::prepare();
    let _member = seeded(&single);
    for (words, rows) in LISTS {
        let list = List::asked(&single, words);
        list.documents_agree();
        list.names_are_words();
        if *rows == Rows::Some {
            assert!(!list.names.is_empty(), "{words}: the seed has rows of it");
            list.tables_have_a_head_and_a_row_for_each();
        }
    }
}

#[test]
fn every_shown_object_has_every_form() {
    let single = Single::prepare();
    let _member = seeded(&single);
    for (words, name) in SHOWN {
        let of = |form: &str| answer(&single, words, form);
        let json: Value = serde_json::from_str(&of("json")).unwrap();
        let yaml: Value = serde_yaml_ng::from_str(&of("yaml")).unwrap();
        let line: Value = serde_json::from_str(of("jsonl").trim_end()).unwrap();
        assert_eq!(keys(&json), keys(&yaml), "{words}");
        assert_eq!(keys(&json), keys(&line), "{words}");
        let shown = of("name");
        assert_eq!(shown.lines().count(), 1, "{words}: {shown}");
        assert!(name.is_empty() || shown.trim_end() == *name, "{words}: {shown}");
        assert!(
            !of("table").trim().is_empty() && !of("wide").trim().is_empty(),
            "{words}"
        );
    }
}

/// What comes out of one command goes into the next: `chamois component list -o name | xargs …`.
#[test]
fn names_can_be_typed_again_and_changes_can_be_silent() {
    let single = Single::prepare();
    let _member = seeded(&single);
    let (_, names, _) = single.ask(&["component", "list", "--type", "Node", "-o", "name"]);
    assert_eq!(names, format!("{NODE}\n"));
    let (code, out, err) = single.ask(&["group", "create", "again", names.trim_end(), "-q"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let (code, out, _) = single.ask(&["group", "delete", "again", "-q", "-o", "json"]);
    assert_eq!(code, 0);
    serde_json::from_str::<Value>(&out).expect("programs get their answer in silence, too");
}

/// Neither colours nor anything that moves where no terminal is.
#[test]
fn without_a_terminal_there_is_nothing_but_text() {
    let single = Single::prepare();
    let _member = seeded(&single);
    for words in ["component list", "member list", "boot status", "power status"] {
        let words: Vec<&str> = words.split(' ').collect();
        let (_, out, err) = single.ask(&words);
        assert!(
            !out.contains('\u{1b}') && !err.contains('\u{1b}'),
            "{words:?}: {out}{err}"
        );
    }
}

/// A list in its forms.
struct List {
    words: &'static str,
    table: String,
    wide: String,
    json: Value,
    yaml: Value,
    lines: Vec<Value>,
    names: Vec<String>,
}

impl List {
    fn asked(single: &Single, words: &'static str) -> List {
        let of = |form: &str| answer(single, words, form);
        let parsed = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{words}: {error}: {line}"))
        };
        List {
            words,
            table: of("table"),
            wide: of("wide"),
            json: parsed(&of("json")),
            yaml: serde_yaml_ng::from_str(&of("yaml")).unwrap_or_else(|error| panic!("{words}: {error}")),
            lines: of("jsonl").lines().map(parsed).collect(),
            names: of("name").lines().map(str::to_owned).collect(),
        }
    }

    fn documents_agree(&self) {
        assert_eq!(keys(&self.json), keys(&self.yaml), "{}", self.words);
        assert_eq!(
            self.lines.len(),
            self.names.len(),
            "{}: a line for each name",
            self.words
        );
        assert!(self.lines.iter().all(Value::is_object), "{}", self.words);
    }

    fn names_are_words(&self) {
        for name in &self.names {
            assert!(
                !name.is_empty() && !name.contains(char::is_whitespace),
                "{}: {name:?}",
                self.words
            );
        }
    }

    fn tables_have_a_head_and_a_row_for_each(&self) {
        let head = |table: &str| table.lines().next().unwrap_or_default().trim_end().to_owned();
        let (narrow, wide) = (head(&self.table), head(&self.wide));
        for title in [&narrow, &wide] {
            assert_eq!(title, &title.to_uppercase(), "{}", self.words);
        }
        assert!(wide.len() > narrow.len(), "{}: {narrow} / {wide}", self.words);
        for name in &self.names {
            let shown = self
                .table
                .lines()
                .skip(1)
                .any(|line| line.contains(last_word(name)));
            assert!(shown, "{}: {name}: {}", self.words, self.table);
        }
    }
}

/// The API's methods are shown by the end of their names.
fn last_word(name: &str) -> &str {
    name.rsplit('.')
        .next()
        .filter(|_| name.starts_with("chamois."))
        .unwrap_or(name)
}

/// Keys at the top, or how many objects a list has: values that grow older differ from call to call.
fn keys(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(list) => [format!("{} objects", list.len())].into(),
        other => panic!("neither an object nor a list: {other}"),
    }
}

fn answer(single: &Single, words: &str, form: &str) -> String {
    let mut all: Vec<&str> = words.split(' ').collect();
    all.extend(["-o", form]);
    let (code, out, err) = single.ask(&all);
    assert_eq!(code, 0, "{words} -o {form}: {err}");
    out
}

/// A member with at least one of most things.
fn seeded(single: &Single) -> Member {
    let file = |name: &str, content: &str| {
        let path = single.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (password, user_data) = (file("password", "secret\n"), file("user-data", "#cloud-config\n"));
    let policies = file(
        "policies.yaml",
        "{name: readers, role: viewer, principals: [user/ada]}\n",
    );
    let kernel = file("vmlinuz", "a kernel");
    let mut member = single.start();
    member.until("the member leads", || single.ask(&["component", "list"]).0 == 0);
    let administrator = Administrator::new(&single.identities());
    let kernel_url = format!("http://{}/files/vmlinuz", single.http());
    for (path, body) in [
        (
            "/hsm/v2/State/Components",
            format!(r#"{{"Components":[{{"ID":"{NODE}","State":"On","NID":1}}]}}"#),
        ),
        (
            "/hsm/v2/Inventory/EthernetInterfaces",
            format!(r#"{{"MACAddress":"02:00:00:00:00:01","ComponentID":"{NODE}"}}"#),
        ),
        (
            "/boot/v1/bootparameters",
            format!(r#"{{"hosts":["{NODE}"],"params":"quiet","kernel":"{kernel_url}"}}"#),
        ),
    ] {
        let answer = administrator.send(single.own(), "POST", path, &body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    }
    let network = single.net.subnet().to_string();
    for words in [
        &["group", "create", "compute", NODE][..],
        &["subnet", "put", &network],
        &["file", "put", "vmlinuz", text(&kernel)],
        &[
            "boot",
            "config",
            "set",
            "gpu",
            "--group",
            "gpu",
            "--kernel",
            "/files/vmlinuz",
        ],
        &[
            "cloud-init",
            "group",
            "put",
            "compute",
            "--file",
            text(&user_data),
        ],
        &["cloud-init", "defaults", "set", "--short-name", "nid"],
        &["cloud-init", "node", "set", NODE, "--local-hostname", "login1"],
        &[
            "dhcp",
            "policy",
            "put",
            "nodes",
            "--type",
            "Node",
            "--hostname",
            "nid{04d}",
        ],
        &["policy", "put", text(&policies)],
        &[
            "discover", "rule", "put", "spare", "--serial", "CZ1", "--xname", "x0c0s0b0",
        ],
        &[
            "bmc",
            "credential",
            "put",
            "default",
            "--user",
            "root",
            "--password-file",
            text(&password),
        ],
    ] {
        let (code, out, err) = single.ask(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
    }
    member
}
