//! The executable as scripts and people meet it: exit codes, help, errors that teach.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use clap::CommandFactory as _;
use common::{Single, chamois, outcome, text};

/// Every command has at least one example, because that is what people read; so has every verb of a noun.
#[test]
fn every_command_explains_itself_with_an_example() {
    let mut root = cli::Cli::command();
    root.build();
    let mut missing = Vec::new();
    let mut leaves = 0;
    let mut commands = vec![(root.get_name().to_owned(), &root)];
    while let Some((name, command)) = commands.pop() {
        let below = command
            .get_subcommands()
            .filter(|below| !below.is_hide_set() && below.get_name() != "help");
        let below: Vec<_> = below
            .map(|below| (format!("{name} {}", below.get_name()), below))
            .collect();
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let has_example = after.contains("Example") && after.contains(&format!("\n  {name}"));
        if below.is_empty() || name == "chamois" {
            leaves += 1;
            if !has_example {
                missing.push(name);
            }
        }
        commands.extend(below);
    }
    assert!(missing.is_empty(), "without an example: {missing:?}");
    assert!(leaves > 40, "{leaves} commands were looked at");

    let (code, out, err) = outcome(&chamois(&["subnet", "put", "--help"]));
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("Example") && out.contains("\n  chamois subnet put "),
        "{out}"
    );
}

#[test]
fn what_cannot_be_parsed_is_usage() {
    for command in [
        &[][..],
        &["nodes"],
        &["cluster", "status", "--bogus"],
        &["demo", "--members", "2"],
        &["demo", "--nodes", "many"],
        &["subnet", "put", "10.97.0.0"],
        &["component", "list", "-o", "toml"],
        &["component", "list", "--type", "Nod"],
        &["component", "list", "--state", "!Redy"],
        &["component", "list", "--timeout", "6m"],
        &["component", "list", "--consistency", "eventual"],
        &["address-helper"],
        &["token", "issue"],
        &["token", "issue", "--key", "k", "--subject", "../x"],
        &["power", "on"],
        &["power", "on", "x0c0s[3-1]b0n0"],
        &["nodeset", "fold", "n[1"],
        &["nodeset", "list", "-s", "rol"],
        &["power", "on", "x0c0s0b0n0", "--stagger", "2m"],
        &["bmc", "credential", "put", "everything", "--user", "root"],
        &["console"],
        &["discover", "rule", "put", "a", "--xname", "x0c0s0b0"],
        &["discover", "scna"],
        &["discover", "scan", "--bogus"],
        &["discover", "scan", "10.0.0.0/99"],
        &["api", "call"],
        &["api", "explain"],
        &["api", "call", "GetComponent", "-d", "{"],
        &["api", "call", "GetComponent", "-d", "{\"idd\": 1}"],
    ] {
        let (code, _, err) = outcome(&chamois(command));
        assert_eq!(code, 2, "{command:?}: {err}");
        assert!(!err.is_empty());
    }
}

/// Whoever types the first command without anything set is told what to set.
#[test]
fn missing_endpoints_and_certificates_are_usage_with_the_variable_named() {
    let (code, _, err) = outcome(&chamois(&["cluster", "status"]));
    assert_eq!(code, 2);
    assert!(
        err.contains("CHAMOIS_ENDPOINTS") && err.contains("demo --keep"),
        "{err}"
    );
    let (code, _, err) = outcome(&chamois(&[
        "cluster",
        "status",
        "--endpoints",
        "127.0.0.1:1",
        "--ca",
        "/none",
    ]));
    assert_eq!(code, 2);
    assert!(err.contains("/none"), "{err}");
}

/// Magellan's verbs need no cluster; what they find out is told by BMC, with what to do.
#[test]
fn magellans_verbs_work_without_a_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("bmcs.json");
    let found = r#"[{"host":"https://127.0.0.1","port":1},{"host":"https://127.0.0.2","port":1}]"#;
    let (code, out, err) = outcome(&chamois(&["discover", "collect", "-d", found, "-t", "1"]));
    assert_eq!(code, 7, "{out}{err}");
    assert!(err.contains("127.0.0.[1-2]:1: unreachable"), "{err}");
    assert_eq!(out.trim(), "[]");
    let scan = [
        "discover",
        "scan",
        "127.0.0.1",
        "--port",
        "1",
        "-t",
        "1",
        "--cache",
        text(&cache),
    ];
    let (code, _, err) = outcome(&chamois(&scan));
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = outcome(&chamois(&[
        "discover",
        "list",
        "-F",
        "json",
        "--cache",
        text(&cache),
    ]));
    assert_eq!((code, out.trim()), (0, "[]"), "nothing answers there");
    let (code, out, err) = outcome(&chamois(&["discover", "scan", "--help"]));
    assert!(
        code == 0 && out.contains("chamois discover scan --subnet"),
        "{out}{err}"
    );
    let (code, out, err) = outcome(&chamois(&["discover", "--help"]));
    assert!(code == 0 && out.contains("collect  Read all"), "{out}{err}");
}

#[test]
fn serve_refuses_what_cannot_work_and_opens_nothing() {
    let (code, _, err) = outcome(&chamois(&["serve", "--config", "/none/chamois.toml"]));
    assert_eq!(code, 1);
    assert!(err.contains("/none/chamois.toml"), "{err}");
    let (code, _, err) = outcome(&chamois(&["serve", "--log", "raft=loud"]));
    assert_eq!(code, 1);
    assert!(err.contains("--log"), "{err}");
}

/// `--check` reads what a start would read: configuration, identity, host.
#[test]
fn check_accepts_a_good_directory_and_names_what_is_wrong_with_a_bad_one() {
    let single = Single::prepare();
    let config = single.config();
    let check = || outcome(&chamois(&["serve", "--config", text(&config), "--check"]));
    let (code, out, err) = check();
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("can start"), "{out}");
    assert!(
        !single.dir.path().join("data-1").exists(),
        "--check writes nothing"
    );
    std::fs::remove_file(single.dir.path().join("identities/member-1/kek.key")).unwrap();
    let (code, _, err) = check();
    assert_eq!(code, 1);
    assert!(err.contains("kek.key"), "{err}");
}

#[test]
fn a_member_that_cannot_be_reached_is_unavailable() {
    let single = Single::prepare();
    let (code, _, err) = single.ask(&["cluster", "status"]);
    assert_eq!(code, 6, "{err}");
    assert!(err.contains(&format!("{}:7441", single.own())), "{err}");
    let (code, _, err) = single.ask(&["boot", "script", "x0c0s0b0n0"]);
    assert_eq!(code, 6, "{err}");
}

/// The whole surface against one real member.
#[test]
fn commands_against_a_member_answer_with_their_class() {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("the member leads", || {
        single.ask(&["cluster", "status"]).1.contains("leader")
    });
    let (code, out, _) = single.ask(&["cluster", "status", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &value[0]["role"]), (0, &"leader".into()));
    assert_eq!(
        value[0]["held_addresses"][0],
        single.net.service_address().to_string()
    );

    let network = single.net.subnet().to_string();
    let (code, out, err) = single.ask(&["subnet", "put", &network, "--dns", "127.0.0.53", "--mtu", "9000"]);
    assert!(
        code == 0 && out.contains("9000") && out.contains("127.0.0.53"),
        "{out}{err}"
    );
    let (code, out, _) = single.ask(&["subnet", "list"]);
    assert!(code == 0 && out.contains(&network), "{out}");
    let (code, _, err) = single.ask(&["subnet", "put", "127.0.0.0/8"]);
    assert_eq!(code, 4, "it overlaps: {err}");
    assert!(err.contains(&network), "both networks are named: {err}");
    let (code, out, _) = single.ask(&["subnet", "delete", &network]);
    assert!(code == 0 && out.contains("deleted"), "{out}");
    assert_eq!(single.ask(&["subnet", "delete", &network]).0, 3);

    assert_eq!(single.ask(&["component", "list", "--type", "Node"]).0, 0);
    let (code, _, err) = single.ask(&["component", "list", "--state", "Sleeping"]);
    assert_eq!(code, 2, "{err}");
    let (code, _, err) = single.ask(&["boot", "script", "x9999c0s0b0n0"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("component list"), "{err}");
    boot_configurations(&single);
    bmcs_and_jobs(&single);
    let bad_token = single.dir.path().join("bad.token");
    std::fs::write(&bad_token, "not.a.token").unwrap();
    let mut args = single.client_args();
    args[5] = text(&bad_token).to_owned();
    let mut all = vec!["component", "list"];
    all.extend(args.iter().map(String::as_str));
    let (code, _, err) = outcome(&chamois(&all));
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("CHAMOIS_TOKEN"), "{err}");
}

/// Rules and credentials are kept, no answer has a password, and what is not there says so.
fn bmcs_and_jobs(single: &Single) {
    let words = [
        "discover", "rule", "put", "spare", "--serial", "CZ1", "--xname", "x0c0s0b0",
    ];
    let (code, out, err) = single.ask(&words);
    assert!(code == 0 && out.contains("serial number CZ1"), "{out}{err}");
    let (code, out, _) = single.ask(&["discover", "rule", "list"]);
    assert!(code == 0 && out.contains("spare"), "{out}");
    assert_eq!(single.ask(&["discover", "rule", "delete", "spare"]).0, 0);
    assert_eq!(single.ask(&["discover", "rule", "delete", "spare"]).0, 3);
    let password = single.dir.path().join("bmc-password");
    std::fs::write(&password, "c4n4ry-of-a-bmc\n").unwrap();
    let put = [
        "bmc",
        "credential",
        "put",
        "default",
        "--user",
        "root",
        "--password-file",
        text(&password),
    ];
    let (code, out, err) = single.ask(&put);
    assert!(code == 0 && out.contains("root"), "{out}{err}");
    let (code, out, err) = single.ask(&["bmc", "credential", "list", "-o", "json"]);
    assert!(code == 0 && out.contains("root") && !(out + &err).contains("c4n4ry"));
    assert_eq!(single.ask(&["bmc", "credential", "delete", "default"]).0, 0);
    for (words, code) in [
        (&["bmc", "list"][..], 0),
        (&["bmc", "show", "10.1.0.7"][..], 3),
        (&["job", "list"][..], 0),
        (&["job", "show", "6f9619ff-8b86-4011-b42d-00c04fc964ff"][..], 3),
        (&["firmware", "list"][..], 0),
        (&["firmware", "show", "x0c0s0b0"][..], 3),
        (&["console", "list"][..], 0),
        (&["console", "x0c0s0b0n0"][..], 3),
        (&["power", "status"][..], 0),
    ] {
        let (got, out, err) = single.ask(words);
        assert_eq!(got, code, "{words:?}: {out}{err}");
    }
}

/// Set, shown, explained and deleted, with the exit code of each refusal.
fn boot_configurations(single: &Single) {
    let set = |more: &[&str]| {
        let words = [
            "boot",
            "config",
            "set",
            "gpu",
            "--group",
            "gpu",
            "--priority",
            "60",
        ];
        single.ask(&[&words[..], more].concat())
    };
    let (code, out, err) = set(&["--kernel", "/files/k", "--params", "console=ttyS0"]);
    assert!(code == 0 && out.contains("group gpu"), "{out}{err}");
    let (code, _, err) = set(&["--kernel", "vmlinuz"]);
    assert!(code == 2 && err.contains("/files/<name>"), "{err}");
    let (code, _, err) = set(&["--kernel", "/files/k", "--if-revision", "1"]);
    assert!(code == 4 && err.contains("read it again"), "{err}");
    let (code, out, _) = single.ask(&["boot", "config", "list"]);
    assert!(code == 0 && out.contains("gpu") && out.contains("60"), "{out}");
    let (_, out, _) = single.ask(&["boot", "config", "get", "gpu", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&value["priority"], &value["kernel"]),
        (&60.into(), &"/files/k".into())
    );
    let (code, out, err) = single.ask(&["boot", "explain", "02:00:00:00:00:99", "--all"]);
    assert!(
        code == 0 && out.contains("SMD has no node 02:00:00:00:00:99"),
        "{out}{err}"
    );
    assert!(out.contains("it selects groups gpu"), "{out}");
    let (code, out, _) = single.ask(&["boot", "config", "delete", "gpu"]);
    assert!(code == 0 && out.contains("deleted gpu"), "{out}");
    assert_eq!(single.ask(&["boot", "config", "delete", "gpu"]).0, 3);
}

/// A token ends after a day; whoever has the key makes the next one without asking anybody.
#[test]
fn a_member_accepts_the_token_that_was_issued_last() {
    let single = Single::prepare();
    let key = single.dir.path().join("identities/token.key");
    let token = single.dir.path().join("identities/admin.token");
    std::fs::write(&token, "ended").unwrap();
    let (code, out, err) = outcome(&chamois(&["token", "issue", "--key", text(&key)]));
    assert_eq!(code, 0, "{err}");
    let exported = format!("export CHAMOIS_TOKEN_FILE={}\n", token.display());
    assert!(out.contains(&exported), "{out}");
    let _member = single.start();
    let (code, _, err) = single.ask(&["component", "list"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = outcome(&chamois(&["token", "issue", "--key", "/none/token.key"]));
    assert_eq!(code, 2);
    assert!(
        err.contains("/none/token.key") && err.contains("chamois init"),
        "{err}"
    );
}
