//! What is secret of cloud-init's data, on a real member: the node gets it at its boot, once, and it is in no file and no log.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::Ipv4Addr;
use std::path::Path;

use common::Single;
use common::http::{Administrator, as_node};
use common::two_nodes::{self, NODE};

/// What is looked for.
const CANARY: &str = "c4n4ry-of-munge";
const FILE: &str = "#cloud-config\nwrite_files: [{path: /etc/munge/munge.key, content: c4n4ry-of-munge}]\n";

/// Status and body, as whoever is at `from` gets them.
fn get(single: &Single, from: Ipv4Addr, path: &str) -> (u16, String) {
    let answer = as_node(from, single.http(), "GET", path, "");
    (answer.status, answer.body)
}

/// Two nodes; the first is in the group `munge`, whose file is secret.
fn seed(single: &Single) {
    let administrator = Administrator::new(&single.identities());
    two_nodes::seed(single, &administrator, "munge");
    two_nodes::put_file(single, "munge", FILE, true);
    let (_, shown, _) = single.ask(&["cloud-init", "group", "show", "munge", "-o", "json"]);
    assert!(shown.contains("\"secret\"") && !shown.contains(CANARY), "{shown}");
    let answer = administrator.send(single.own(), "GET", "/cloud-init/admin/groups", "");
    assert!(
        answer.body.contains("munge") && !answer.body.contains(CANARY),
        "{answer:?}"
    );
}

/// Path of the node's documents, from its boot script.
fn seed_path(single: &Single, from: Ipv4Addr) -> String {
    let (status, script) = get(single, from, two_nodes::SCRIPT);
    assert_eq!(status, 200, "{script}");
    let origin = format!("http://{}", single.http());
    let path = two_nodes::documents_url(&script).strip_prefix(&origin);
    path.unwrap().to_owned()
}

/// Every file below `dir` that holds one of `texts`.
fn files_with(dir: &Path, texts: &[&str], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_with(&path, texts, found);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let has = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if let Some(text) = texts.iter().find(has) {
            found.push(format!("{}: {text}", path.display()));
        }
    }
}

/// One call tells all of the node's documents, and of the secret one why it is not shown.
fn explained_without_the_secret(single: &Single) {
    let (code, out, err) = single.ask(&["boot", "explain", NODE, "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains(CANARY) && !out.contains("/t/"), "{out}");
    let explained: serde_json::Value = serde_json::from_str(&out).unwrap();
    let documents = explained["documents"].as_array().unwrap();
    let names: Vec<&str> = documents
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    let expected = [
        "network-config",
        "meta-data",
        "user-data",
        "vendor-data",
        "munge.yaml",
    ];
    assert_eq!(names, expected);
    assert!(documents[1]["text"].as_str().unwrap().contains(NODE), "{out}");
    assert!(
        documents[4]["problem"].as_str().unwrap().contains("is secret"),
        "{out}"
    );
}

#[test]
fn a_secret_reaches_the_node_at_its_boot_and_is_in_no_file_and_no_log() {
    let single = Single::prepare();
    let mut member = single.spawn_in(1, &["--log-format", "json", "--log", "debug"], &[]);
    member.until("the service address answers", || single.answers_nodes());
    seed(&single);
    let [node, other] = [1, 2].map(|n| single.net.node_address(n).unwrap());

    // whoever else asks for the node's script is given no token
    assert!(!seed_path(&single, other).contains("/t/"));
    let base = seed_path(&single, node);
    let token = base.trim_end_matches('/').rsplit_once("/t/").unwrap().1;

    let (status, vendor_data) = get(&single, node, &format!("{base}vendor-data"));
    assert_eq!(status, 200);
    let file = two_nodes::file_url(&vendor_data, "munge");
    let file = file.strip_prefix(&format!("http://{}", single.http())).unwrap();
    for _ in 0..2 {
        assert_eq!(get(&single, node, file), (200, FILE.to_owned()), "a retry works");
    }
    // another peer with the same URL, and the node without its token
    assert_ne!(get(&single, other, file).0, 200);
    assert_eq!(get(&single, node, "/cloud-init/munge.yaml").0, 403);
    // and nobody else at all
    let (_, script) = get(&single, node, "/cloud-init/vendor-data");
    assert!(!script.contains("munge"), "{script}");

    explained_without_the_secret(&single);
    let saved = single.dir.path().join("saved.snapshot");
    let (code, out, err) = single.ask(&["snapshot", "save", common::text(&saved)]);
    assert_eq!(code, 0, "{out}{err}");
    let log = member.log();
    assert!(
        log.contains("/cloud-init/b/"),
        "the log says what was asked: {log}"
    );
    drop(member);
    let mut found = Vec::new();
    files_with(single.dir.path(), &[CANARY, token], &mut found);
    assert!(found.is_empty(), "{found:?}");
}
