//! Contexts, precedence, time limits and consistency of the real executable against a real member.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{CHAMOIS, Single, outcome, text};
use serde_json::Value;

/// A user with a folder for configuration of his own.
struct User(tempfile::TempDir);

impl User {
    fn new() -> User {
        User(tempfile::tempdir().unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(CHAMOIS);
        command
            .args(args)
            .env("XDG_CONFIG_HOME", self.0.path())
            .env("HOME", self.0.path());
        for name in [
            "CHAMOIS_ENDPOINTS",
            "CHAMOIS_CA",
            "CHAMOIS_TOKEN",
            "CHAMOIS_TOKEN_FILE",
            "CHAMOIS_CLIENT_CERTIFICATE",
            "CHAMOIS_CONTEXT",
            "CHAMOIS_OUTPUT",
            "CHAMOIS_TIMEOUT",
            "CHAMOIS_CONSISTENCY",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        outcome(&self.command(args).output().unwrap())
    }

    fn json(&self, args: &[&str]) -> Value {
        let (code, out, err) = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(code, 0, "{args:?}: {err}");
        serde_json::from_str(&out).unwrap()
    }

    /// A context for the member of `single`.
    fn set(&self, name: &str, single: &Single) {
        let target = single.client_args();
        let target: Vec<&str> = target.iter().map(String::as_str).collect();
        let (code, out, err) = self.run(&[&["config", "set", name][..], &target].concat());
        assert_eq!(code, 0, "{out}{err}");
    }
}

#[test]
fn contexts_are_set_listed_used_shown_and_deleted() {
    let user = User::new();
    assert_eq!(user.run(&["config", "show"]).0, 3, "there is none yet");
    for (name, endpoint) in [("prod", "a:7441,b:7441"), ("test", "c:7441")] {
        let set = ["config", "set", name, "--endpoints", endpoint, "--timeout", "2m"];
        assert_eq!(user.run(&set).0, 0);
    }
    let list = user.json(&["config", "list"]);
    assert_eq!(
        (&list[0]["name"], &list[0]["current"]),
        (&"prod".into(), &true.into())
    );
    assert_eq!(list[0]["endpoints"].as_array().unwrap().len(), 2);
    assert_eq!(user.run(&["config", "list", "-o", "name"]).1, "prod\ntest\n");
    assert_eq!(user.run(&["config", "use", "test"]).0, 0);
    assert_eq!(user.json(&["config", "show"])["endpoints"][0], "c:7441");
    let (code, _, err) = user.run(&["config", "use", "tset"]);
    assert!(code == 3 && err.contains("prod, test"), "{err}");
    assert_eq!(user.run(&["config", "set", "test", "--unset", "timeout"]).0, 0);
    assert_eq!(user.json(&["config", "show"])["timeout"], Value::Null);
    assert_eq!(user.run(&["config", "delete", "test"]).0, 0);
    assert_eq!(user.run(&["config", "show"]).0, 3, "the one that counted is gone");
    assert_eq!(user.run(&["config", "set", "a/b", "--endpoints", "a:1"]).0, 2);
}

/// Whoever has a context types the verb and nothing else; what he types counts more.
#[test]
fn a_context_reaches_the_cluster_and_is_outranked() {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("the member leads", || single.ask(&["group", "list"]).0 == 0);
    let user = User::new();
    user.set("here", &single);
    let none = [
        "config",
        "set",
        "nowhere",
        "--endpoints",
        "127.0.0.1:9",
        "--timeout",
        "500ms",
    ];
    let ca = single.identities().join("ca.pem");
    assert_eq!(user.run(&[&none[..], &["--ca", text(&ca)]].concat()).0, 0);
    let components = ["component", "list"];
    let (code, _, err) = user.run(&components);
    assert_eq!(code, 0, "{err}");

    // an option counts more than the environment, which counts more than the file
    assert_eq!(user.run(&["component", "list", "--context", "nowhere"]).0, 6);
    let mut by_variable = user.command(&components);
    assert_eq!(
        outcome(&by_variable.env("CHAMOIS_CONTEXT", "nowhere").output().unwrap()).0,
        6
    );
    let mut both = user.command(&["component", "list", "--context", "here"]);
    assert_eq!(
        outcome(&both.env("CHAMOIS_CONTEXT", "nowhere").output().unwrap()).0,
        0
    );
    let endpoint = format!("127.0.0.1:9,{}:7441", single.own());
    let mut several = user.command(&components);
    let (code, _, err) = outcome(&several.env("CHAMOIS_ENDPOINTS", &endpoint).output().unwrap());
    assert_eq!(code, 0, "the next endpoint is asked: {err}");

    // the form of the context, unless another is asked for
    assert_eq!(user.run(&["config", "set", "here", "--output", "yaml"]).0, 0);
    assert!(
        user.run(&components).1.starts_with("Components:"),
        "{}",
        user.run(&components).1
    );
    assert!(user.run(&["component", "list", "-o", "json"]).1.starts_with('{'));
    let mut by_variable = user.command(&components);
    let out = outcome(&by_variable.env("CHAMOIS_OUTPUT", "jsonl").output().unwrap()).1;
    assert_eq!(out, "");
}

/// A broken file must not keep a person from mending it, nor a member from starting.
#[test]
fn a_file_that_cannot_be_read_is_named_by_those_who_need_it_only() {
    let user = User::new();
    let folder = user.0.path().join("chamois");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[contexts.a]\nendpiont = 1\n").unwrap();
    let (code, _, err) = user.run(&["component", "list"]);
    assert!(
        code == 2 && err.contains("config.toml") && err.contains("endpiont"),
        "{err}"
    );
    let (code, _, err) = user.run(&["init", "--help"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = user.run(&["serve", "--config", "/none.toml", "--check"]);
    assert!(code == 1 && !err.contains("endpiont"), "{err}");
}

#[test]
fn a_call_ends_when_its_time_is_over() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); // it takes connections and says nothing
    let single = Single::prepare();
    let user = User::new();
    let endpoint = listener.local_addr().unwrap().to_string();
    let ca = single.identities().join("ca.pem");
    let begun = Instant::now();
    let words = [
        "component",
        "list",
        "--endpoints",
        &endpoint,
        "--ca",
        text(&ca),
        "--timeout",
        "500ms",
    ];
    let (code, _, err) = user.run(&words);
    assert_eq!(code, 6, "{err}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

/// Without a majority a member still tells what it has, to whoever says that this will do.
#[test]
fn local_reads_are_answered_without_a_majority() {
    let single = Single::prepare_one_of(3);
    let _member = single.spawn();
    let deadline = Instant::now() + Duration::from_secs(30);
    let local = ["component", "list", "--consistency", "local"];
    while single.ask(&local).0 != 0 {
        assert!(Instant::now() < deadline, "{:?}", single.ask(&local));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (code, _, err) = single.ask(&["component", "list", "--timeout", "2s"]);
    assert_eq!(code, 6, "{err}");
}

#[test]
fn a_watched_list_tells_rows_that_change() {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("the member leads", || single.ask(&["group", "list"]).0 == 0);
    let mut words = vec!["group", "list", "--watch", "-o", "jsonl"];
    let target = single.client_args();
    words.extend(target.iter().map(String::as_str));
    let user = User::new();
    let mut watching = user.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    assert_eq!(single.ask(&["group", "create", "blue"]).0, 0);
    let created: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(created["label"], "blue");
    assert_eq!(single.ask(&["group", "delete", "blue"]).0, 0);
    let gone: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(gone["gone"], "blue");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

/// Interfaces and endpoints are told of by the watch, boot files are looked for: which member has one is no change of the state.
#[test]
fn other_lists_go_on_too() {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("the member leads", || single.ask(&["group", "list"]).0 == 0);
    let file = single.dir.path().join("vmlinuz");
    std::fs::write(&file, "kernel").unwrap();
    let user = User::new();
    let cases: [(&str, &[&str], &[&str], &str); 3] = [
        (
            "iface",
            &["add", "02:00:00:00:00:a1"],
            &["delete", "02:00:00:00:00:a1"],
            "02:00:00:00:00:a1",
        ),
        (
            "rfe",
            &["add", "x0c0s0b0", "--fqdn", "bmc1"],
            &["delete", "x0c0s0b0"],
            "x0c0s0b0",
        ),
        (
            "file",
            &["put", "vmlinuz", text(&file)],
            &["delete", "vmlinuz"],
            "vmlinuz",
        ),
    ];
    for (noun, create, delete, key) in cases {
        let target = single.client_args();
        let mut words = vec![noun, "list", "--watch", "-o", "name"];
        words.extend(target.iter().map(String::as_str));
        let mut watching = user.command(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
        for (verb, told) in [(create, key.to_owned()), (delete, format!("-{key}"))] {
            let (code, out, err) = single.ask(&[&[noun][..], verb].concat());
            assert_eq!(code, 0, "{noun} {verb:?}: {out}{err}");
            // a file that is there is told again when its members change
            let mut news = lines.by_ref().map(Result::unwrap);
            let next = news.find(|line| line == &told || line != key);
            assert_eq!(next.as_ref(), Some(&told), "{noun} {verb:?}");
        }
        watching.kill().unwrap();
        watching.wait().unwrap();
    }
}

#[test]
fn ochamis_configuration_becomes_contexts() {
    let user = User::new();
    let file = user.0.path().join("ochami.yaml");
    let content = "default-cluster: foobar\nlog: {level: debug}\nclusters:\n- name: foobar\n  cluster: {uri: 'https://foobar:8443'}\n";
    std::fs::write(&file, content).unwrap();
    let import = ["config", "import-ochami", text(&file)];
    let (code, _, err) = user.run(&[&import[..], &["--dry-run"]].concat());
    assert!(code == 0 && err.contains("log:"), "{err}");
    assert_eq!(user.run(&["config", "list", "-o", "name"]).1, "");
    let (code, out, err) = user.run(&import);
    assert!(code == 0 && out.contains("foobar"), "{out}{err}");
    let shown = user.json(&["config", "show"]);
    assert_eq!(
        (&shown["name"], &shown["endpoints"][0]),
        (&"foobar".into(), &"foobar:7441".into())
    );
    assert!(user.run(&import).1.contains("there already: foobar"));
    assert_eq!(user.run(&["config", "import-ochami", "/none.yaml"]).0, 2);
}

/// Files of a context are named by where they are, wherever a command runs.
#[test]
fn files_are_kept_as_absolute_paths() {
    let user = User::new();
    let mut set = user.command(&["config", "set", "prod", "--endpoints", "a:1", "--ca", "ca.pem"]);
    let (code, _, err) = outcome(&set.current_dir(user.0.path()).output().unwrap());
    assert_eq!(code, 0, "{err}");
    let shown = user.json(&["config", "show", "prod"]);
    assert!(Path::new(shown["ca"].as_str().unwrap()).is_absolute(), "{shown}");
}
