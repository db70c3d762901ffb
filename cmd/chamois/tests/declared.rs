//! `chamois apply`, `diff`, `edit`, `get` and `explain` against a real member: what files declare is made once, nobody's change is
//! overwritten, nothing of anybody else is deleted, and what could not be done is told exactly.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::path::PathBuf;

use common::http::Administrator;
use common::{Member, Single, text};
use serde_json::{Value, json};

/// A small site: everything that is declared here names something else that is.
const SITE: &str = "\
kind: Policy
metadata: {name: boot-team}
spec: {role: boot-crew, principals: [user/ada], groups: [compute]}
---
kind: BootConfiguration
metadata: {name: compute}
spec:
  groups: [compute]
  kernel: http://10.0.0.1/vmlinuz
  params: quiet
---
kind: Group
metadata: {name: compute}
spec:
  description: the first rack
  members: {ids: [x1000c0s0b0n0, x1000c0s1b0n0]}
---
kind: Component
metadata: {name: x1000c0s0b0n0}
spec: {Role: Compute, NID: 1, Class: River}
---
kind: Component
metadata: {name: X1000c0s01b0n0}
spec: {Role: Compute, NID: 2}
---
kind: Role
metadata: {name: boot-crew}
spec: {permissions: [bss.read, bss.write]}
---
kind: BootParameters
metadata: {name: nid7}
spec: {kernel: http://10.0.0.1/vmlinuz, params: single}
---
kind: CloudInitGroup
metadata: {name: compute}
spec:
  meta-data: {rack: 1}
---
kind: CloudInitDefaults
metadata: {name: cluster}
spec: {region: here, short-name: nid}
";

/// A cluster of one member that leads, and a folder of declarations.
struct Site {
    cluster: Single,
    _member: Member,
}

impl Site {
    fn start() -> Self {
        let cluster = Single::prepare();
        let mut member = cluster.start();
        member.until("the member leads at the newest level", || {
            cluster.ask(&["component", "list"]).0 == 0
        });
        std::fs::create_dir(cluster.dir.path().join("site")).unwrap();
        Self {
            cluster,
            _member: member,
        }
    }

    fn folder(&self) -> PathBuf {
        self.cluster.dir.path().join("site")
    }

    fn write(&self, name: &str, documents: &str) {
        std::fs::write(self.folder().join(name), documents).unwrap();
    }

    /// A verb of the folder.
    fn of_folder(&self, verb: &str, more: &[&str]) -> (i32, String, String) {
        let folder = self.folder();
        let args = [&[verb, "-f", text(&folder)][..], more].concat();
        self.cluster.ask(&args)
    }

    /// Objects with the revisions of their last change.
    fn objects(&self) -> String {
        let lists = [
            &["component", "list", "-o", "jsonl"][..],
            &["group", "list", "-o", "jsonl"],
            &["boot", "config", "list", "-o", "jsonl"],
            &["subnet", "list", "-o", "jsonl"],
            &["policy", "list", "-o", "jsonl"],
        ];
        let listed = lists.map(|words| {
            let (code, out, err) = self.cluster.ask(words);
            assert_eq!(code, 0, "{err}");
            out
        });
        listed.concat()
    }

    fn names(&self, kind: &str) -> Vec<String> {
        let (code, out, err) = self.cluster.ask(&["get", kind, "-o", "name"]);
        assert_eq!(code, 0, "{err}");
        out.lines().map(str::to_owned).collect()
    }
}

/// Policies are written before the group and the role that they name are read: the order is the kinds', not the file's.
#[test]
fn a_folder_is_made_once_and_the_same_again_writes_nothing() {
    let site = Site::start();
    site.write("all.yaml", SITE);
    let (code, out, err) = site.of_folder("diff", &[]);
    assert_eq!(code, 1, "{err}");
    assert!(
        out.contains("+++ declared Group compute") && out.contains("+  params: quiet"),
        "{out}"
    );

    let before = site.objects();
    let (code, out, err) = site.of_folder("apply", &["--dry-run"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("Component x1000c0s1b0n0 would be created"), "{out}");
    assert_eq!(site.objects(), before, "a dry run writes nothing");

    let (code, out, err) = site.of_folder("apply", &[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("9 changed, 0 unchanged"), "{out}");
    assert_eq!(site.names("component"), ["x1000c0s0b0n0", "x1000c0s1b0n0"]);

    let made = site.objects();
    let (code, out, err) = site.of_folder("apply", &[]);
    assert_eq!((code, out.trim()), (0, "unchanged: 9"), "{err}");
    assert_eq!(site.objects(), made, "the same again writes nothing");
    let (code, out, err) = site.of_folder("diff", &[]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
}

/// What `get` prints, `apply` reads.
#[test]
fn what_is_got_is_as_it_is_declared() {
    let site = Site::start();
    site.write("all.yaml", SITE);
    assert_eq!(site.of_folder("apply", &[]).0, 0);
    let mut all = Vec::new();
    for kind in [
        "role",
        "component",
        "group",
        "cloud-init-group",
        "boot-parameters",
        "boot-configuration",
        "policy",
    ] {
        let (code, out, err) = site.cluster.ask(&["get", kind]);
        assert_eq!(code, 0, "{kind}: {err}");
        all.push(out);
    }
    let file = site.cluster.dir.path().join("got.yaml");
    std::fs::write(&file, all.join("---\n")).unwrap();
    let (code, out, err) = site.cluster.ask(&["diff", "-f", text(&file)]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let (code, _, err) = site.cluster.ask(&["get", "boot-configuration", "comptue"]);
    assert!(code == 3 && err.contains("Is it compute?"), "{code}: {err}");
}

#[test]
fn only_what_an_earlier_apply_made_is_pruned() {
    let site = Site::start();
    let configuration = |name: &str| {
        format!(
            "kind: BootConfiguration\nmetadata: {{name: {name}}}\nspec: {{is_default: true, kernel: /files/k}}\n"
        )
    };
    let set = [
        "boot",
        "config",
        "set",
        "foreign",
        "--default",
        "--kernel",
        "/files/k",
    ];
    let (code, _, err) = site.cluster.ask(&set);
    assert_eq!(code, 0, "{err}");
    site.write("a.yaml", &configuration("a"));
    site.write("b.yaml", &configuration("b"));
    site.write("c.yaml", &configuration("foreign"));
    let (code, _, err) = site.of_folder("apply", &[]);
    assert_eq!(code, 0, "{err}");

    for gone in ["b.yaml", "c.yaml"] {
        std::fs::remove_file(site.folder().join(gone)).unwrap();
    }
    let (code, out, err) = site.of_folder("apply", &["--prune", "--dry-run"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("BootConfiguration b would be deleted") && !out.contains("foreign"),
        "{out}"
    );
    let (code, _, err) = site.of_folder("apply", &["--prune"]);
    assert!(
        code == 2 && err.contains("--yes"),
        "nobody can be asked: {code}: {err}"
    );
    assert_eq!(site.names("boot-configuration"), ["a", "b", "foreign"]);
    let (code, out, err) = site.of_folder("apply", &["--prune", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("BootConfiguration b deleted"), "{out}");
    assert_eq!(site.names("boot-configuration"), ["a", "foreign"]);
    let (code, _, err) = site.cluster.ask(&["apply", "-f", "-", "--prune"]);
    assert!(code == 2 && err.contains("standard input"), "{code}: {err}");
}

/// Who may write boot configurations and nothing else is not told the cluster's id: its CA says which cluster it is, whichever
/// endpoints are named.
#[test]
fn a_record_is_found_again_by_other_endpoints_without_a_right_to_the_id() {
    let site = Site::start();
    let path = |name: &str| site.cluster.dir.path().join(name);
    let crew = "kind: Role\nmetadata: {name: crew}\nspec: {permissions: [bss.read, bss.write]}\n---\n\
                kind: Policy\nmetadata: {name: crew}\nspec: {role: crew, principals: [service/ci]}\n";
    std::fs::write(path("crew.yaml"), crew).unwrap();
    let (code, _, err) = site.cluster.ask(&["apply", "-f", text(&path("crew.yaml"))]);
    assert_eq!(code, 0, "{err}");
    let asked = json!({"principal": "service/ci", "permissions": ["bss.*"]}).to_string();
    let administrator = Administrator::new(&site.cluster.identities());
    let answer = administrator.send(site.cluster.own(), "POST", "/chamois/v1/api-tokens", &asked);
    assert_eq!(answer.status, 201, "{answer:?}");
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    std::fs::write(path("ci.token"), made["token"].as_str().unwrap()).unwrap();

    let own = format!("{}:7441", site.cluster.own());
    let apply = |endpoints: &str, more: &[&str]| {
        let (ca, token) = (path("identities/ca.pem"), path("ci.token"));
        let folder = site.folder();
        let target = [
            "apply",
            "-f",
            text(&folder),
            "--endpoints",
            endpoints,
            "--ca",
            text(&ca),
            "--token-file",
            text(&token),
        ];
        common::outcome(&common::chamois(&[&target[..], more].concat()))
    };
    let configuration = |name: &str| {
        format!(
            "kind: BootConfiguration\nmetadata: {{name: {name}}}\nspec: {{is_default: true, kernel: /files/k}}\n"
        )
    };
    site.write("a.yaml", &configuration("a"));
    site.write("b.yaml", &configuration("b"));
    let (code, _, err) = apply(&own, &[]);
    assert_eq!(code, 0, "{err}");
    let record = std::fs::read_to_string(site.folder().join(".chamois-applied.yaml")).unwrap();
    assert!(record.contains("ca:") && !record.contains("cluster:"), "{record}");

    std::fs::remove_file(site.folder().join("b.yaml")).unwrap();
    let (code, out, err) = apply(&format!("{own},127.0.0.1:1"), &["--prune", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("BootConfiguration b deleted"), "{out}");
    assert_eq!(site.names("boot-configuration"), ["a"]);
}

#[test]
fn everything_that_would_be_refused_is_told_and_nothing_is_done() {
    let site = Site::start();
    let before = site.objects();
    site.write(
        "bad.yaml",
        "kind: Group\nmetadata: {name: fine}\n---\n\
         kind: Group\nmetadata: {name: lonely}\nspec: {members: {ids: [x9c0s0b0n0]}}\n---\n\
         kind: BootConfiguration\nmetadata: {name: nobody}\nspec: {kernel: /files/k}\n",
    );
    let (code, _, err) = site.of_folder("apply", &[]);
    assert!(code == 2 || code == 4, "{code}: {err}");
    for part in [
        "Group lonely",
        "x9c0s0b0n0",
        "BootConfiguration nobody",
        "bad.yaml, document 3",
        "nothing was changed",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(!err.contains("Group fine"), "{err}");
    assert_eq!(site.objects(), before);
    site.write(
        "bad.yaml",
        "kind: Group\nmetadata: {name: g}\nspec: {desciption: x}\n",
    );
    let (code, _, err) = site.of_folder("apply", &[]);
    assert!(
        code == 2 && err.contains("line 3") && err.contains("Is it description?"),
        "{code}: {err}"
    );
}

/// The editor of this one is a script; it changes the object by another command while the text is open.
#[test]
fn an_edit_does_not_overwrite_what_somebody_changed_meanwhile() {
    let site = Site::start();
    let set = |params: &str| {
        [
            "boot",
            "config",
            "set",
            "c",
            "--default",
            "--kernel",
            "/files/k",
            "--params",
            params,
        ]
        .map(str::to_owned)
    };
    let made = set("first");
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    assert_eq!(site.cluster.ask(&made).0, 0);
    let edit = |editor: &str| {
        let output = std::process::Command::new(common::CHAMOIS)
            .args(["edit", "BootConfiguration", "c"])
            .args(site.cluster.client_args())
            .env("EDITOR", editor)
            .env_remove("VISUAL")
            .output()
            .unwrap();
        common::outcome(&output)
    };
    let (code, out, err) = edit("sed -i s/first/second/");
    assert!(
        code == 0 && out.contains("BootConfiguration c changed"),
        "{code}: {out}{err}"
    );
    let (code, out, err) = edit("true");
    assert!(code == 0 && out.contains("unchanged"), "{code}: {out}{err}");

    let meanwhile = set("theirs");
    let command = format!(
        "{} {} {} > /dev/null && sed -i s/second/ours/",
        common::CHAMOIS,
        meanwhile.join(" "),
        site.cluster.client_args().join(" ")
    );
    let (code, _, err) = edit(&command);
    assert_eq!(code, 4, "{err}");
    let path = err
        .trim_end()
        .rsplit("kept in ")
        .next()
        .unwrap()
        .trim_end_matches('.');
    assert!(std::fs::read_to_string(path).unwrap().contains("ours"), "{err}");
    std::fs::remove_file(path).unwrap();
    let (_, out, _) = site
        .cluster
        .ask(&["get", "boot-configuration", "c", "-o", "json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap()["spec"]["params"],
        json!("theirs")
    );
}

/// Needs no cluster: it is what somebody reads before he has one.
#[test]
fn fields_are_explained_by_the_names_of_kinds() {
    let (code, out, err) = common::outcome(&common::chamois(&["explain", "BootConfiguration.hosts"]));
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("nodesets"), "{out}");
    let (code, out, _) = common::outcome(&common::chamois(&["explain", "component"]));
    assert!(code == 0 && out.contains("smd.v1.Component"), "{out}");
}
