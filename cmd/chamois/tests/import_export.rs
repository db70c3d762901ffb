//! `chamois import smd` and `chamois export` against real members: what goes out comes in again, and nothing changes
//! without a yes.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::time::Duration;

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

/// What administrators have said to DHCP goes out, comes into an empty cluster and goes out again: the same bytes.
#[test]
fn subnets_and_dhcp_policies_come_back_the_same() {
    let (first, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let said = json!({
        "subnets": [
            { "network": "10.98.0.0/16", "routers": ["10.98.0.254"], "dnsServers": ["10.98.0.53"], "domain": "hpc.example",
              "leaseTimeS": 7200, "unknownClients": "UNKNOWN_CLIENTS_ADDRESS",
              "pools": [{ "first": "10.98.200.1", "last": "10.98.200.100", "excluded": ["10.98.200.7"] }] },
            { "network": "10.99.0.0/24" },
        ],
        "policies": [
            { "name": "nodes", "subnets": ["10.98.0.0/16"], "continues": true, "hostname": "n{04d}", "domain": "a.example",
              "domainAppend": "DOMAIN_APPEND_POLICY", "mtu": 1500, "options": [{ "code": 100, "text": "UTC0" }] },
            { "name": "bmcs", "priority": 0, "componentTypes": ["NodeBMC"], "ignore": true },
        ],
    });
    let mut dump = save(dir.path(), &said);
    let import = |single: &Single, dump: &str, more: &[&str]| {
        single.ask(&[&["import", "dhcp", dump, "-o", "json"], more].concat())
    };
    let (code, out, err) = import(&first, &dump, &["--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "subnets"), (2, 0, 0, 0));
    assert_eq!(counts(&out, "DHCP policies"), (2, 0, 0, 0));
    let exported = |single: &Single| {
        let (code, out, err) = single.ask(&["export", "--of", "dhcp"]);
        assert_eq!(code, 0, "{err}");
        out
    };
    let before = exported(&first);
    let mut value: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(value["policies"][0]["name"], "nodes", "by priority: {before}");
    assert_eq!(value["policies"][1]["priority"], 0);
    assert_eq!(value["subnets"][0]["pools"], said["subnets"][0]["pools"]);
    assert!(
        !before.contains("meta") && !before.contains("longest"),
        "{before}"
    );
    assert_eq!(
        first.ask(&["export", "--of", "dhcp", text(dir.path())]).0,
        2,
        "no folder"
    );

    let (second, _member) = cluster();
    std::fs::write(dir.path().join("dump.json"), &before).unwrap();
    let (code, _, err) = import(&second, &dump, &["--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(exported(&second), before);

    value["policies"][0]["mtu"] = 9000.into();
    value["policies"].as_array_mut().unwrap().pop();
    dump = save(dir.path(), &value);
    let (code, out, err) = import(&second, &dump, &["--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "DHCP policies"), (0, 1, 0, 0));
    assert_eq!(counts(&out, "subnets"), (0, 0, 2, 0));
    assert!(out.contains("mtu: 1500 -> 9000"), "{out}");
    let (_, shown, _) = second.ask(&["dhcp", "policy", "list"]);
    assert!(
        shown.contains("bmcs") && shown.contains("9000"),
        "what is not in the file stays: {shown}"
    );
    let (code, out, _) = import(&second, &dump, &[]);
    assert_eq!((code, counts(&out, "DHCP policies")), (0, (0, 0, 1, 0)));
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
        ("import", "dhcp"),
        ("import", "coredhcp"),
        ("import", "dnsmasq"),
        ("import", "isc"),
        ("import", "kea"),
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
    assert_eq!(seen, 30);
}

/// A client behind a relay, on the port that the member answers DHCP on.
struct DhcpClient {
    socket: UdpSocket,
    relay: Ipv4Addr,
    server: SocketAddrV4,
}

impl DhcpClient {
    fn at(single: &Single) -> Self {
        let relay = single.net.relay_address();
        let socket = UdpSocket::bind((relay, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        Self {
            socket,
            relay,
            server: SocketAddrV4::new(single.net.service_address(), 6767),
        }
    }

    /// What a DHCPDISCOVER is offered; `None` for silence.
    fn offered(&self, mac: [u8; 6]) -> Option<Ipv4Addr> {
        let mut packet = vec![0; 240];
        packet[..4].copy_from_slice(&[1, 1, 6, 1]); // BOOTREQUEST, Ethernet, its length, one hop
        packet[4..8].copy_from_slice(&mac[2..]);
        packet[24..28].copy_from_slice(&self.relay.octets());
        packet[28..34].copy_from_slice(&mac);
        packet[236..].copy_from_slice(&[99, 130, 83, 99]);
        packet.extend([53, 1, 1, 82, 2, 19, 0, 255]); // DHCPDISCOVER; answers to this port
        packet.resize(300, 0);
        self.socket.send_to(&packet, self.server).unwrap();
        let mut answer = [0; 1500];
        let length = self.socket.recv(&mut answer).ok()?;
        assert!(
            length > 240 && answer[4..8] == mac[2..],
            "the answer to something else"
        );
        Some(Ipv4Addr::new(answer[16], answer[17], answer[18], answer[19]))
    }
}

/// Kea's configuration of a node that is called by its xname, and of a host that is not.
fn kea_file(dir: &Path, single: &Single, node: Ipv4Addr) -> String {
    let network = single.net.subnet();
    let host = single.net.node_address(1).unwrap();
    let content = format!(
        "// as it was\n{{ \"Dhcp4\": {{ \"valid-lifetime\": 600, \"loggers\": [ {{ \"name\": \"kea-dhcp4\" }} ],\n\
         \"subnet4\": [ {{ \"id\": 1, \"subnet\": \"{network}\",\n\
         \"option-data\": [ {{ \"name\": \"domain-name\", \"data\": \"hpc.example\" }} ],\n\
         \"reservations\": [\n\
         {{ \"hw-address\": \"02:00:00:00:00:01\", \"ip-address\": \"{node}\", \"hostname\": \"x1000c0s0b0n0\" }},\n\
         {{ \"hw-address\": \"02:00:00:00:00:02\", \"ip-address\": \"{host}\", \"hostname\": \"login1\" }} ] }} ] }} }}\n"
    );
    let file = dir.join("kea-dhcp4.conf");
    std::fs::write(&file, content).unwrap();
    text(&file).to_owned()
}

/// From a file to an answer on the wire; what is here already is kept unless it is to be replaced.
#[test]
fn the_reservations_of_a_kea_are_answered_after_an_import() {
    let (single, mut member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (
        single.net.node_address(0).unwrap(),
        single.net.node_address(2).unwrap(),
    );
    let file = kea_file(dir.path(), &single, first);
    let nothing = export(&single);
    let (code, out, err) = single.ask(&["import", "kea", &file, "--dry-run", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "subnets"), (1, 0, 0, 0));
    assert_eq!(counts(&out, "Components"), (1, 0, 0, 0));
    assert_eq!(counts(&out, "EthernetInterfaces"), (2, 0, 0, 0));
    let report: Value = serde_json::from_str(&out).unwrap();
    let left_out = &report["not_imported"][0];
    assert_eq!(
        (&left_out["at"], &left_out["what"]),
        (&json!(format!("{file}:2")), &json!("loggers"))
    );
    assert_eq!(export(&single), nothing);

    let (code, out, err) = single.ask(&["import", "kea", &file, "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("imported 4 objects") && out.contains("1 MACs are of no component"),
        "{out}"
    );
    let exported: Value = serde_json::from_str(&export(&single)).unwrap();
    assert_eq!(exported["EthernetInterfaces"][0]["ComponentID"], "x1000c0s0b0n0");
    assert_eq!(exported["EthernetInterfaces"][1]["Description"], "login1");
    assert_eq!(exported["Components"][0]["Role"], "Compute");
    let (_, subnets, _) = single.ask(&["subnet", "list"]);
    assert!(
        subnets.contains("hpc.example") && subnets.contains("600 s"),
        "{subnets}"
    );
    let client = DhcpClient::at(&single);
    member.until("the node's address is offered", || {
        client.offered([2, 0, 0, 0, 0, 1]) == Some(first)
    });
    assert_eq!(client.offered([2, 0, 0, 0, 0, 2]), single.net.node_address(1));

    let (code, out, _) = single.ask(&["import", "kea", &file]);
    assert!(code == 0 && out.contains("everything is here already"), "{out}");
    let here = export(&single);
    let file = kea_file(dir.path(), &single, second);
    let (code, out, err) = single.ask(&["import", "kea", &file, "--yes"]);
    assert_eq!(code, 4, "{out}");
    let conflict =
        format!("kea-dhcp4.conf:6: this MAC has the address {first} here, and {second} in the file");
    assert!(
        out.contains(&conflict) && err.contains("nothing was imported"),
        "{out}{err}"
    );
    assert_eq!(export(&single), here);
    let (code, _, err) = single.ask(&["import", "kea", &file, "--yes", "--replace"]);
    assert_eq!(code, 0, "{err}");
    assert!(export(&single).contains(&second.to_string()));
}

/// What the cluster itself would not take is told with everything else before anything is stored.
#[test]
fn the_rules_of_coresmd_become_policies_and_its_pools_subnets() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    let write = |rule: &str| {
        let content = format!(
            "server4:\n  plugins:\n    - server_id: 10.98.0.1\n    - router: 10.98.0.254\n    - netmask: 255.255.0.0\n    \
             - coresmd: |\n        lease_time=2h\n        rule={rule}\n        bmc_pattern=bmc{{04d}}\n    - bootloop: |\n        \
             subnet_pool=10.99.0.0/24,10.99.0.10,10.99.0.20\n"
        );
        std::fs::write(&file, content).unwrap();
    };
    let import =
        |more: &[&str]| single.ask(&[&["import", "coredhcp", text(&file), "-o", "json"], more].concat());
    write("type:NoSuchType,hostname:nid{04d}");
    let (code, out, err) = import(&["--yes"]);
    assert_eq!(code, 4, "{err}");
    assert_eq!(counts(&out, "DHCP policies"), (1, 0, 0, 1));
    assert!(
        !single.ask(&["subnet", "list"]).1.contains("10.98"),
        "nothing is stored"
    );
    write("name:nodes,type:Node,subnet:10.98.0.0/16,hostname:nid{04d},routers:10.98.0.253");
    let (code, out, err) = import(&["--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "DHCP policies"), (2, 0, 0, 0));
    assert_eq!(counts(&out, "subnets"), (2, 0, 0, 0));
    let (_, subnets, _) = single.ask(&["subnet", "list"]);
    assert!(
        subnets.contains("10.98.0.254") && subnets.contains("10.99.0.0/24") && subnets.contains("7200 s"),
        "{subnets}"
    );
    let (code, out, err) = import(&[]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "DHCP policies"), (0, 0, 2, 0));
    assert_eq!(counts(&out, "subnets"), (0, 0, 2, 0));
}

/// File and line, whatever the language; and all that is wrong in its statements at once.
#[test]
fn a_configuration_that_is_wrong_is_told_by_file_and_line() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    for (command, name, content, problem) in [
        (
            "isc",
            "dhcpd.conf",
            "\nsubnet 10.98.0.0 {\n",
            "dhcpd.conf:2: this block does not end",
        ),
        (
            "kea",
            "kea.conf",
            "{\n\"Dhcp4\": }",
            "kea.conf:2: this is no value of JSON",
        ),
        (
            "coredhcp",
            "config.yaml",
            "server6: {}\n",
            "config.yaml:1: there is no list `plugins`",
        ),
        ("dnsmasq", "none/dnsmasq.conf", "", "none/dnsmasq.conf"),
    ] {
        let file = dir.path().join(name);
        let _missing = std::fs::write(&file, content);
        let (code, out, err) = single.ask(&["import", command, text(&file), "--yes"]);
        assert_eq!(code, 2, "{out}{err}");
        assert!(err.contains(problem), "{err}");
    }
    let file = dir.path().join("dnsmasq.conf");
    let lines =
        "dhcp-range=10.98.0.1,10.98.0.9\ndhcp-host=02:00:*,a\ndhcp-range=10.97.0.1,static,255.0.255.0\n";
    std::fs::write(&file, lines).unwrap();
    let (code, out, err) = single.ask(&["import", "dnsmasq", text(&file), "--yes", "-o", "json"]);
    assert_eq!(code, 4, "{out}{err}");
    assert_eq!(counts(&out, "statements"), (0, 0, 0, 3), "{out}");
}
