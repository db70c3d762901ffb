//! `chamois import smd` and `chamois export` against real members: what goes out comes in again, and nothing changes
//! without a yes.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::path::Path;

use clap::{CommandFactory as _, Parser as _};
use common::http::Administrator;
use common::{Member, Single, counts, text};
use serde_json::{Value, json};

/// A cluster of one member that leads.
fn cluster() -> (Single, Member) {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("the member leads at the newest level", || {
        single.ask(&["component", "list"]).0 == 0
    });
    (single, member)
}

/// Three nodes with their interfaces, a BMC as SMD has it after a discovery, and two groups.
fn inventory() -> Value {
    let node = |n: u32| {
        json!({
            "ID": format!("x1000c0s{n}b0n0"), "Type": "Node", "State": "Ready", "Flag": "OK", "Enabled": true,
            "Role": "Compute", "NID": 100 + n, "NetType": "Sling", "Arch": "X86", "Class": "River",
        })
    };
    let interface = |n: u32| {
        json!({
            "ID": format!("02000000000{n}"), "Description": "boot", "MACAddress": format!("02:00:00:00:00:0{n}"),
            "LastUpdate": "2024-01-01T00:00:00Z", "ComponentID": format!("x1000c0s{n}b0n0"), "Type": "Node",
            "IPAddresses": [{ "IPAddress": format!("10.97.0.{}", n + 1), "Network": "NMN" }],
        })
    };
    let bmc = json!({ "ID": "x1000c0s0b0", "Type": "NodeBMC", "Enabled": true });
    json!({
        "Components": [node(0), node(1), node(2), bmc],
        "EthernetInterfaces": [interface(0), interface(1), interface(2)],
        "groups": [
            { "label": "blue", "description": "first rack", "exclusiveGroup": "colour", "tags": ["slurm"],
              "members": { "ids": ["x1000c0s0b0n0", "x1000c0s1b0n0"] } },
            { "label": "red", "description": "", "exclusiveGroup": "colour", "members": { "ids": ["x1000c0s2b0n0"] } },
        ],
        "RedfishEndpoints": [
            { "ID": "x1000c0s0b0", "Type": "NodeBMC", "Hostname": "bmc0", "Domain": "rack", "FQDN": "bmc0.rack",
              "Enabled": true, "User": "root", "Password": "hunter2", "RediscoverOnUpdate": false,
              "DiscoveryInfo": { "LastDiscoveryStatus": "DiscoverOK", "RedfishVersion": "1.6.0" } },
        ],
        "Hardware": [{ "ID": "x1000c0s0b0n0" }],
        "memberships": [],
    })
}

fn save(dir: &Path, inventory: &Value) -> String {
    let file = dir.join("dump.json");
    std::fs::write(&file, inventory.to_string()).unwrap();
    text(&file).to_owned()
}

fn export(single: &Single) -> String {
    let (code, out, err) = single.ask(&["export"]);
    assert_eq!(code, 0, "{err}");
    out
}

/// Export, import into another, empty cluster, export again: the same bytes. The first cluster's own API is a live SMD.
#[test]
fn what_goes_out_comes_in_again() {
    let (first, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let dump = save(dir.path(), &inventory());
    let (code, out, err) = first.ask(&["import", "smd", &dump, "--yes"]);
    assert_eq!(code, 0, "{err}");
    for line in [
        "imported 10 objects",
        "memberships: skipped",
        "Hardware: skipped (1 in the source)",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    assert!(!out.contains("hunter2"), "{out}");
    let exported = export(&first);
    assert!(!exported.contains("hunter2"), "{exported}");
    let value: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(value["Components"][1]["NID"], 100);
    assert_eq!(value["Components"][0]["ID"], "x1000c0s0b0");
    assert!(value["Components"][0].get("State").is_none(), "as it was");
    let endpoint = &value["RedfishEndpoints"][0];
    assert_eq!(
        (&endpoint["FQDN"], &endpoint["User"]),
        (&json!("bmc0.rack"), &json!("root"))
    );
    assert_eq!(endpoint["DiscoveryInfo"]["LastDiscoveryStatus"], "DiscoverOK");
    assert_eq!(value["groups"][0]["members"]["ids"].as_array().unwrap().len(), 2);

    let folder = dir.path().join("saved");
    let (code, out, err) = first.ask(&["export", text(&folder)]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("4 Components, 3 EthernetInterfaces, 2 groups"),
        "{out}"
    );
    let (second, _member) = cluster();
    let (code, _, err) = second.ask(&["import", "smd", text(&folder), "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(export(&second), exported);
    assert_eq!(
        first.ask(&["export", text(&folder)]).0,
        4,
        "nothing is overwritten"
    );

    let (third, _member) = cluster();
    let url = format!("https://{}:8443/hsm/v2", first.own());
    let source = |name: &str| text(&first.dir.path().join("identities").join(name)).to_owned();
    let (ca, token) = (source("ca.pem"), source("admin.token"));
    let live = ["import", "smd", &url, "--source-ca", &ca];
    let (code, _, err) = third.ask(&[&live[..], &["--yes"]].concat());
    assert_eq!(code, 5, "it wants a token: {err}");
    assert!(err.contains("--source-token-file"), "{err}");
    let (code, out, err) = third.ask(&[&live[..], &["--source-token-file", &token, "--yes"]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("imported 10 objects"), "{out}");
    assert_eq!(export(&third), exported);
    let (code, out, _) = third.ask(&[&live[..], &["--source-token-file", &token]].concat());
    assert!(code == 0 && out.contains("everything is here already"), "{out}");
}

#[test]
fn nothing_changes_without_a_yes() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let dump = save(dir.path(), &inventory());
    let nothing = export(&single);
    let (code, out, err) = single.ask(&["import", "smd", &dump]);
    assert_eq!(code, 2, "there is nobody to ask");
    assert!(
        out.contains("+ x1000c0s0b0n0") && err.contains("--yes") && err.contains("--dry-run"),
        "{out}{err}"
    );
    let (code, out, err) = single.ask(&["import", "smd", &dump, "--dry-run"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("+ blue") && out.contains("nothing was changed"),
        "{out}"
    );
    assert_eq!(single.ask(&["import", "smd", &dump, "--dry-run", "--yes"]).0, 2);
    assert_eq!(export(&single), nothing);
}

/// Every kind of change, NIDs, addresses and members that change hands among them; the second time there is none.
#[test]
fn an_import_changes_what_differs_and_only_once() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let mut inventory = inventory();
    let dump = save(dir.path(), &inventory);
    assert_eq!(single.ask(&["import", "smd", &dump, "--yes"]).0, 0);

    let components = inventory["Components"].as_array_mut().unwrap();
    components[0]["NID"] = 101.into();
    components[1]["NID"] = 100.into();
    components[1]["Role"] = "Service".into();
    components[1]["SubRole"] = "Worker".into();
    components[2]["Enabled"] = false.into();
    components[2]["State"] = "Off".into();
    components[2]["SoftwareStatus"] = "AdminDown".into();
    let interfaces = inventory["EthernetInterfaces"].as_array_mut().unwrap();
    let (first, second) = (
        interfaces[0]["IPAddresses"].take(),
        interfaces[1]["IPAddresses"].take(),
    );
    interfaces[0]["IPAddresses"] = second;
    interfaces[1]["IPAddresses"] = first;
    inventory["groups"][0]["members"]["ids"] = json!(["x1000c0s2b0n0"]);
    inventory["groups"][0]["description"] = "second rack".into();
    inventory["groups"][1]["members"]["ids"] = json!(["x1000c0s0b0n0"]);
    inventory["RedfishEndpoints"][0]["User"] = "admin".into();
    let dump = save(dir.path(), &inventory);

    let (code, out, err) = single.ask(&["import", "smd", &dump, "--yes"]);
    assert_eq!(code, 0, "{err}");
    for line in [
        "~ x1000c0s0b0n0: NID: 100 -> 101",
        "~ x1000c0s1b0n0: NID: 101 -> 100; Role: Compute -> Service; SubRole: nothing -> Worker",
        "~ x1000c0s2b0n0: Enabled: true -> false; SoftwareStatus: nothing -> AdminDown; State: Ready -> Off",
        "~ blue: description: first rack -> second rack; members: +1 -2",
        "~ x1000c0s0b0: User: root -> admin",
        "imported 8 objects",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    let (code, out, err) = single.ask(&["import", "smd", &dump, "--yes", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "Components"), (0, 0, 4, 0));
    assert_eq!(counts(&out, "EthernetInterfaces"), (0, 0, 3, 0));
    assert_eq!(counts(&out, "groups"), (0, 0, 2, 0));
    assert_eq!(counts(&out, "RedfishEndpoints"), (0, 0, 1, 0));
    let exported: Value = serde_json::from_str(&export(&single)).unwrap();
    assert_eq!(exported["Components"][3]["State"], "Off");
    assert_eq!(exported["groups"][1]["members"]["ids"], json!(["x1000c0s0b0n0"]));
}

/// SMD gives NID 1 to the first node of every BMC.
#[test]
fn a_nid_of_two_is_refused_with_both_owners_until_it_is_decided() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let mut inventory = inventory();
    for node in 0..3 {
        inventory["Components"][node]["NID"] = 1.into();
    }
    let dump = save(dir.path(), &inventory);
    let nothing = export(&single);
    let (code, out, err) = single.ask(&["import", "smd", &dump, "--yes"]);
    assert_eq!(code, 4, "{out}");
    let both = "! x1000c0s1b0n0: NID 1 is that of x1000c0s0b0n0, too";
    assert!(
        out.contains(both) && err.contains("nothing was imported"),
        "{out}{err}"
    );
    assert!(
        out.contains("--renumber-duplicate-nids") && err.contains("--skip-refused"),
        "{out}{err}"
    );
    assert_eq!(export(&single), nothing);

    let (code, out, _) = single.ask(&["import", "smd", &dump, "--yes", "-o", "json"]);
    assert_eq!(
        (code, counts(&out, "Components")),
        (4, (2, 0, 0, 2)),
        "programs see why"
    );

    let skipping = ["import", "smd", &dump, "--yes", "--skip-refused", "-o", "json"];
    let (code, out, err) = single.ask(&skipping);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "Components"), (2, 0, 0, 2));
    assert_eq!(counts(&out, "groups").3, 2, "what is no component is no member");

    let renumbering = [
        "import",
        "smd",
        &dump,
        "--yes",
        "--renumber-duplicate-nids",
        "-o",
        "json",
    ];
    let (code, out, err) = single.ask(&renumbering);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "Components"), (2, 0, 2, 0));
    let exported: Value = serde_json::from_str(&export(&single)).unwrap();
    let mut nids: Vec<u64> = exported["Components"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c["NID"].as_u64())
        .collect();
    nids.sort_unstable();
    assert_eq!(nids, [1, 2, 3]);
    let (_, out, _) = single.ask(&renumbering);
    assert_eq!(
        counts(&out, "Components"),
        (0, 0, 4, 0),
        "the next import moves nothing"
    );
}

/// What a discovery has found goes out, comes into an empty cluster and goes out again: the same bytes.
#[test]
fn what_was_discovered_comes_back_the_same() {
    let (first, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let found = json!({
        "ID": "x0c0s0b0", "SchemaVersion": 1,
        "Systems": [{ "uuid": "4c4c4544-0001", "name": "node", "ethernet_interfaces": [] }],
        "Managers": [{ "name": "BMC", "type": "BMC", "ethernet_interfaces": [] }],
    });
    let administrator = Administrator::new(&first.dir.path().join("identities"));
    let path = "/hsm/v2/Inventory/RedfishEndpoints";
    let answer = administrator.send_with(first.own(), "POST", path, "", &found.to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    let exported = export(&first);
    let value: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(value["Components"].as_array().unwrap().len(), 2, "{exported}");
    assert!(
        value["Components"]
            .as_array()
            .unwrap()
            .iter()
            .all(|of| of.get("Role").is_none())
    );
    let dump = dir.path().join("dump.json");
    std::fs::write(&dump, &exported).unwrap();
    let (second, _member) = cluster();
    let (code, _, err) = second.ask(&["import", "smd", text(&dump), "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(export(&second), exported);
}

/// A new node without a NID gets the one of its map, and a renumbered one gets neither that nor any other that is promised.
#[test]
fn node_maps_come_before_the_components_that_they_are_for() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let node = |n: u32| json!({ "ID": format!("x0c0s{n}b0n0"), "State": "On", "NID": 1 });
    let inventory = json!({
        "Components": [node(0), node(1), { "ID": "x0c0s2b0n0", "State": "On" }],
        "NodeMaps": [{ "ID": "x0c0s2b0n0", "NID": 2 }, { "ID": "x0c0s3b0n0", "NID": 3 }],
    });
    let dump = save(dir.path(), &inventory);
    let (code, _, err) = single.ask(&["import", "smd", &dump, "--yes", "--renumber-duplicate-nids"]);
    assert_eq!(code, 0, "{err}");
    let exported: Value = serde_json::from_str(&export(&single)).unwrap();
    let nids: Vec<&Value> = exported["Components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["NID"])
        .collect();
    assert_eq!(nids, [1, 4, 2]);
}

/// Several requests of each kind; a node without a NID takes none that a later one names.
#[test]
fn thousands_of_nodes_come_in_by_a_few_requests() {
    const NODES: usize = 4500;
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let name = |n: usize| format!("x{}c{}s{}b0n0", n / 512, n / 64 % 8, n % 64);
    let components = (0..NODES).map(|n| match n {
        0 => json!({ "ID": name(n), "State": "On" }),
        _ => json!({ "ID": name(n), "State": "On", "NID": NODES - n }),
    });
    let interfaces = (0..NODES).map(|n| {
        json!({ "MACAddress": format!("02000000{n:04x}"), "ComponentID": name(n),
                "IPAddresses": [{ "IPAddress": format!("10.{}.{}.1", n / 256, n % 256) }] })
    });
    let inventory = json!({
        "Components": components.collect::<Vec<_>>(),
        "EthernetInterfaces": interfaces.collect::<Vec<_>>(),
        "groups": [{ "label": "all", "members": { "ids": (0..NODES).map(name).collect::<Vec<_>>() } }],
    });
    let dump = save(dir.path(), &inventory);
    let (code, out, err) = single.ask(&["import", "smd", &dump, "--yes", "--timeout", "60"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("imported 9001 objects") && out.contains("more; -o json shows all"),
        "{out}"
    );
    let (_, out, _) = single.ask(&["import", "smd", &dump, "--dry-run", "-o", "json"]);
    assert_eq!(counts(&out, "Components"), (0, 0, NODES as u64, 0));
    assert_eq!(counts(&out, "EthernetInterfaces"), (0, 0, NODES as u64, 0));
    let exported: Value = serde_json::from_str(&export(&single)).unwrap();
    assert_eq!(
        exported["Components"][0]["NID"], NODES,
        "the lowest that is free in the end"
    );
}

/// File, place, what is accepted; and no secret that stood in the wrong place.
#[test]
fn a_wrong_source_is_usage_and_says_what_is_accepted() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Components.json");
    for (content, problem) in [
        ("not JSON", "line 1 column 2"),
        (
            r#"{"Components":[{"ID":"x0c0s0b0n0","State":"Sleeping"}]}"#,
            "Components[0].State",
        ),
        (
            r#"{"Components":{"Password":"hunter2"}}"#,
            "Components: it is an object; write an array",
        ),
        (r#"{"Nodes":[]}"#, "none of HSM's collections"),
    ] {
        std::fs::write(&file, content).unwrap();
        let (code, out, err) = single.ask(&["import", "smd", text(&file), "--yes"]);
        assert_eq!(code, 2, "{out}{err}");
        assert!(
            err.contains(text(&file)) && err.contains(problem) && err.contains("Accepted"),
            "{err}"
        );
        assert!(!err.contains("hunter2") && out.is_empty(), "{out}{err}");
    }
    let (code, _, err) = single.ask(&["import", "smd", "/none/here"]);
    assert!(code == 2 && err.contains("/none/here"), "{err}");
    let (code, _, err) = single.ask(&["import", "smd", "http://127.0.0.1:1/hsm/v2"]);
    assert!(code == 6 && err.contains("http://127.0.0.1:1/hsm/v2"), "{err}");
}

/// What the help shows can be typed.
#[test]
fn the_examples_of_the_help_parse() {
    let mut root = cli::Cli::command();
    root.build();
    let mut seen = 0;
    let verbs = [
        ("import", "smd"),
        ("import", "bss"),
        ("import", "cloud-init"),
        ("migrate", "openchami"),
    ];
    let verb = |(noun, verb)| root.find_subcommand(noun).unwrap().find_subcommand(verb).unwrap();
    for command in verbs.map(verb).into_iter().chain(root.find_subcommand("export")) {
        let help = command.get_after_help().unwrap().to_string();
        for line in help.lines().filter_map(|line| line.strip_prefix("  chamois ")) {
            let typed = line
                .split("   ")
                .next()
                .unwrap()
                .split(['>', '|'])
                .next()
                .unwrap();
            let words = std::iter::once("chamois").chain(typed.split_whitespace());
            if let Err(error) = cli::Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 18);
}
