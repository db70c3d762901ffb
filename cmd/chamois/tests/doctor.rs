//! `chamois doctor` and `chamois support-bundle` with a real member, without one, and with secrets everywhere.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use common::{CHAMOIS, Single, chamois, outcome, text};
use serde_json::Value;

/// The findings of `doctor`, with its exit code.
fn findings(single: &Single) -> (i32, Vec<Value>) {
    let config = single.config();
    let (code, out, err) = single.ask(&["doctor", "-o", "json", "--config", text(&config)]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (code, report["findings"].as_array().unwrap().clone())
}

fn of<'a>(findings: &'a [Value], check: &str, severity: &str) -> Vec<&'a Value> {
    let fits = |finding: &&Value| finding["check"] == check && finding["severity"] == severity;
    findings.iter().filter(fits).collect()
}

#[test]
fn a_member_that_is_well_has_no_errors_and_a_boot_entry_without_its_kernel_is_one() {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("a leader", || single.ask(&["group", "create", "a"]).0 == 0);
    let (_, found) = findings(&single);
    for check in ["members", "quorum", "certificates", "boot files", "dns"] {
        assert!(!of(&found, check, "ok").is_empty(), "{check}: {found:#?}");
        assert!(of(&found, check, "error").is_empty(), "{check}: {found:#?}");
    }
    assert_eq!(
        of(&found, "quorum", "warning").len(),
        1,
        "one voter survives no loss: {found:#?}"
    );
    assert!(!of(&found, "dhcp", "ok").is_empty(), "{found:#?}");

    let set = [
        "boot",
        "config",
        "set",
        "all",
        "--default",
        "--kernel",
        "/files/gone/vmlinuz",
    ];
    let (code, _, err) = single.ask(&set);
    assert_eq!(code, 0, "{err}");
    let (code, found) = findings(&single);
    assert_eq!(code, 1);
    let error = of(&found, "boot files", "error")[0];
    assert!(
        error["what"].as_str().unwrap().contains("boot configuration all"),
        "{error}"
    );
    assert!(
        error["remedy"]
            .as_str()
            .unwrap()
            .contains("chamois file put gone/vmlinuz"),
        "{error}"
    );
}

/// The day that a doctor is for.
#[test]
fn without_any_member_what_this_host_knows_is_still_said() {
    let single = Single::prepare();
    let (code, found) = findings(&single);
    assert_eq!(code, 1);
    assert_eq!(of(&found, "members", "error").len(), 1, "{found:#?}");
    assert_eq!(of(&found, "quorum", "error").len(), 1, "{found:#?}");
    assert!(!of(&found, "ports", "error").is_empty(), "{found:#?}");
    let certificates = of(&found, "certificates", "ok");
    assert!(
        certificates
            .iter()
            .any(|f| f["subject"].as_str().unwrap().ends_with("member.pem")),
        "{found:#?}"
    );
    assert_eq!(of(&found, "host", "ok").len(), 1, "{found:#?}");
}

#[test]
fn a_host_that_is_told_nothing_is_told_what_to_export() {
    let (code, out, _) = outcome(&chamois(&["doctor", "--config", "/nonexistent/chamois.toml"]));
    assert!(code == 0 || code == 1, "{out}");
    assert!(
        out.contains("--endpoints") && out.contains("chamois init"),
        "{out}"
    );
}

/// Each file of a bundle, and its text.
fn bundle(file: &Path) -> Vec<(String, String)> {
    let file = std::fs::File::open(file).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        files.push((entry.path().unwrap().display().to_string(), content));
    }
    files
}

/// Secrets where members and administrators have them: none is in the bundle, and the rest is.
#[test]
fn a_bundle_has_what_helps_and_no_secret() {
    let single = Single::prepare();
    let (config, identity) = (single.config(), single.identities().join("member-1"));
    single.configure_api(1, "# a comment with canary-comment-0001\n");
    let mut member = single.start();
    member.until("a leader", || single.ask(&["group", "create", "a"]).0 == 0);
    // what a member would refuse, and somebody has all the same; after it has started
    let mut broken = std::fs::read_to_string(&config).unwrap();
    broken += "\n[site]\npassword = \"canary-password-0002\"\n[bss.s3]\nsecret = \"canary-s3-00000003\"\n";
    std::fs::write(&config, broken).unwrap();
    let out = single.dir.path().join("case.tar.zst");
    let mut asking = Command::new(CHAMOIS);
    asking.args(["support-bundle", "--config", text(&config), "--out", text(&out)]);
    asking
        .args(single.client_args())
        .env("CHAMOIS_TOKEN", "canary-environment-0004");
    let (code, shown, err) = outcome(&asking.output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert!(
        shown.contains("doctor.txt") && shown.contains("case.tar.zst"),
        "{shown}"
    );

    let files = bundle(&out);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for needed in [
        "CONTENTS",
        "doctor.txt",
        "doctor.json",
        "chamois.toml",
        "host.txt",
        "members/",
        "metrics/",
        "journal/",
    ] {
        assert!(
            names.iter().any(|name| name.contains(needed)),
            "{needed}: {names:?}"
        );
    }
    let secrets = common::files(&identity)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "key"));
    let secrets: Vec<String> = secrets
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    assert!(!secrets.is_empty());
    let lines = secrets
        .iter()
        .flat_map(|key| key.lines())
        .filter(|line| !line.starts_with("-----"));
    let token = single.token();
    let signature = token.rsplit('.').next().unwrap();
    for (name, content) in &files {
        assert!(!content.contains("canary-"), "{name}: {content}");
        assert!(!content.contains(signature), "{name} has the token");
        for line in lines.clone() {
            assert!(!content.contains(line), "{name} has a line of a key");
        }
    }
    let toml = &files
        .iter()
        .find(|(name, _)| name.ends_with("chamois.toml"))
        .unwrap()
        .1;
    assert!(
        toml.contains("peer-listen") && toml.contains("[removed]"),
        "{toml}"
    );
    let (code, _, err) = single.ask(&["support-bundle", "--config", text(&config), "--out", text(&out)]);
    assert_eq!(code, 4, "nothing is overwritten: {err}");
}
