//! Names, ports of single services and `[api.acme]`.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// The example with its commented `[api.acme]` in force, and the file that it names.
fn with_acme(dir: &Path) -> String {
    let example = example(dir).replace("/etc/chamois/tls", dir.to_str().unwrap());
    let key = dir.join("eab.key");
    std::fs::write(&key, "AQID").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (before, rest) = example.split_once("# [api.acme]\n").unwrap();
    let (block, after) = rest.split_once("\n\n").unwrap();
    let is_key = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let keys: Vec<&str> = block
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(is_key)
        .collect();
    format!("{before}[api.acme]\n{}\n\n{after}", keys.join("\n"))
}

#[test]
fn the_examples_acme_is_accepted_and_shows_every_key() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_acme(dir.path());
    verdict(&text).unwrap();
    let acme = parse(&text).unwrap().api.acme.unwrap();
    assert_eq!(acme.names, ["smd.hpc.example.org"]);
    let bogus = text.replacen("[api.acme]\n", "[api.acme]\nbogus = 1\n", 1);
    let error = parse(&bogus).unwrap_err().to_string();
    let (_, accepted) = error.split_once("accepted: ").unwrap();
    let accepted = accepted.split(". Did you mean").next().unwrap();
    for key in accepted.split(", ") {
        assert!(
            text.contains(&format!("\n{key} = ")),
            "`{key}` is not in the example"
        );
    }
}

#[test]
fn what_a_ca_would_refuse_is_refused_before() {
    let dir = tempfile::tempdir().unwrap();
    let good = with_acme(dir.path());
    for (from, to, says) in [
        (
            "directory = \"https:",
            "directory = \"http:",
            "api.acme.directory: ",
        ),
        (
            "names = [\"smd.hpc.example.org\"]",
            "names = []",
            "api.acme.names: empty",
        ),
        (
            "names = [\"smd.hpc.example.org\"]",
            "names = [\"10.97.1.1\"]",
            "is not a host's name",
        ),
        (
            "agree-to-terms = true",
            "agree-to-terms = false",
            "api.acme.agree-to-terms: false",
        ),
        (
            "contact = \"ops@",
            "contact = \"mailto:ops@",
            "api.acme.contact: not a mail address",
        ),
        ("eab-key-id = \"kid-1\"\n", "", "eab-key-id: it is missing"),
        (
            "http-listen = \"10.97.1.1:80\"",
            "http-listen = \"10.97.1.1:8443\"",
            "is also taken by",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let error = verdict(&good.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(says), "{to}: {error}");
    }
}

/// Two sources of one certificate: which of them counts nobody could tell.
#[test]
fn files_and_acme_are_not_both_taken() {
    let dir = tempfile::tempdir().unwrap();
    let files = "[api]\nhttps-certificate = \"/nowhere/a.pem\"\nhttps-key = \"/nowhere/a.key\"\n";
    let error = verdict(&with_acme(dir.path()).replacen("[api]\n", files, 1)).unwrap_err();
    assert!(
        error.contains("api.acme: a certificate comes from files"),
        "{error}"
    );
}

#[test]
fn names_and_ports_of_services_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let with = |line: &str| verdict(&example(dir.path()).replacen("[api]\n", &format!("[api]\n{line}\n"), 1));
    with("names = [\"Demo.OpenCHAMI.cluster\", \"smd\"]\nlegacy-smd-listen = \"127.0.0.1:27779\"").unwrap();
    for (line, says) in [
        ("names = [\"a_b\"]", "api.names: `a_b` is not a host's name"),
        ("names = [\"a.b\", \"A.B\"]", "`a.b` is there twice"),
        (
            "legacy-bss-listen = \"0.0.0.0:27778\"",
            "api.legacy-bss-listen: plain HTTP",
        ),
        (
            "legacy-bss-listen = \"10.97.1.1\"",
            "is not an address with a port",
        ),
        ("legacy-bss-listen = \"10.97.1.1:8443\"", "is also taken by"),
    ] {
        let error = with(line).expect_err(line);
        assert!(error.contains(says), "{line}: {error}");
    }
}
