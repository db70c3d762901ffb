use proptest::prelude::*;

use super::super::testing::{assert_golden, drawn, mutated};
use super::*;

const SAMPLE: &str = include_str!("../samples/kea-dhcp4.conf");

fn read(text: &str) -> Result<DhcpImport, String> {
    super::read(&Source::of("kea.conf", text), &mut Files::none())
}

#[test]
fn the_configuration_of_a_cluster_is_read() {
    assert_golden(
        &read(SAMPLE).unwrap(),
        include_str!("../samples/kea-dhcp4.golden"),
    );
}

/// What no Kea would start with proves nothing. Skipped without Kea, which .ci/run installs.
#[test]
fn the_sample_is_what_kea_takes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kea-dhcp4.conf");
    std::fs::write(&file, SAMPLE).unwrap();
    let mut kea = std::process::Command::new("kea-dhcp4");
    let kea = kea.arg("-t").arg(&file).env("KEA_LOCKFILE_DIR", dir.path());
    match kea.env("KEA_PIDFILE_DIR", dir.path()).output() {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => eprintln!("SKIPPED: kea-dhcp4 cannot be run here: {error}"),
    }
}

#[test]
fn what_is_included_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(
        path("hosts.json"),
        "\n[ { \"hw-address\": \"02:00:00:00:00:01\" } ]",
    )
    .unwrap();
    let text = "{ \"Dhcp4\": { \"reservations\": <?include \"hosts.json\"?> } }";
    std::fs::write(path("kea.conf"), text).unwrap();
    let mut files = Files::new();
    let source = files.open(&path("kea.conf")).unwrap();
    let import = super::read(&source, &mut files).unwrap();
    assert!(import.reservations[0].at.to_string().ends_with("hosts.json:2"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let subnet = |inside: &str| {
        format!("{{ \"Dhcp4\": {{ \"subnet4\": [\n{{ \"subnet\": \"10.0.0.0/24\",\n{inside} }} ] }} }}")
    };
    for (inside, why) in [
        (
            "\"pools\": [ { \"pool\": \"10.0.0.1\" } ]",
            "write the first and the last address of 10.0.0.0/24",
        ),
        (
            "\"pools\": [ { \"pool\": \"10.0.0.1-10.0.9.1\" } ]",
            "it leaves 10.0.0.0/24",
        ),
        ("\"pools\": { }", "write a list"),
        (
            "\"reservations\": [ { \"hw-address\": \"02\" } ]",
            "`02` is not a MAC address",
        ),
        (
            "\"reservations\": [ { \"hw-address\": \"02:00:00:00:00:01\", \"ip-address\": \"x\" } ]",
            "`x` is not an IPv4",
        ),
        (
            "\"reservations\": [ { \"duid\": \"02\" } ]",
            "here a reservation is by MAC",
        ),
        (
            "\"option-data\": [ { \"name\": \"routers\", \"data\": \"gw\" } ]",
            "`gw` is not an IPv4 address",
        ),
        (
            "\"option-data\": [ { \"name\": \"routers\", \"csv-format\": false, \"data\": \"0a\" } ]",
            "it is written in hex",
        ),
        ("\"valid-lifetime\": \"soon\"", "`soon` is not a number"),
    ] {
        let import = read(&subnet(inside)).unwrap();
        let told = &import.wrong[0];
        assert!(
            told.at.line == 3 && told.why.starts_with(why),
            "{inside}: {told:?}"
        );
    }
    let outside = read("{ \"Dhcp4\": { \"subnet4\": [\n{ \"subnet\": \"10.0.0.0\" } ] } }").unwrap();
    assert_eq!(outside.wrong[0].at.line, 2);
    for (text, error) in [
        ("{ \"Dhcp6\": {} }", "kea.conf:1: there is no `Dhcp4` in it"),
        ("[]", "kea.conf:1: there is no `Dhcp4` in it"),
        ("{\n", "kea.conf:2: an object does not end"),
    ] {
        assert!(read(text).unwrap_err().starts_with(error), "{text}");
    }
}

proptest! {
    /// A file of somebody else's may hold anything.
    #[test]
    fn nothing_that_is_nearly_a_configuration_ends_the_program(
        changes in proptest::collection::vec((0..SAMPLE.len(), any::<u8>(), any::<u8>()), 1..12),
    ) {
        let _ = read(&mutated(SAMPLE, &changes)).map(|import| drawn(&import));
    }

    #[test]
    fn nor_does_any_text(text in "(\\PC|[\\[\\]{}:,\"\\\\#/*<?> \n]|\"Dhcp4\":){0,60}") {
        let _ = read(&text);
    }
}
