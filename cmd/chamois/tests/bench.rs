//! `chamois bench` with real processes and tiny loads: its contract with tools outside the repository, never speed.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::process::Command;

use common::{CHAMOIS, chamois, outcome};
use serde_json::Value;

const ROW_KEYS: [&str; 8] = ["name", "unit", "ours", "peer", "peer_name", "ratio", "aim", "met"];
const LITTLE: [&str; 5] = ["--seconds", "1", "--rounds", "1", "--json"];

/// Runs a benchmark; its rows, and what people read.
fn rows_of(bench: &str, more: &[&str]) -> (Vec<Value>, String) {
    rows_with(bench, &[more, &LITTLE].concat())
}

fn rows_with(bench: &str, options: &[&str]) -> (Vec<Value>, String) {
    let arguments = [&["bench", bench], options].concat();
    let (code, out, err) = outcome(&chamois(&arguments));
    assert_eq!(code, 0, "{out}\n{err}");
    let rows = rows_in(bench, &out);
    (rows, err)
}

/// The same where no peer is installed.
fn rows_alone(bench: &str, options: &[&str]) -> (Vec<Value>, String) {
    let (rows, err) = rows_without_path(bench, options);
    assert!(
        rows.iter()
            .all(|row| row["peer"].is_null() && row["ratio"].is_null()),
        "{rows:?}"
    );
    (rows, err)
}

/// The same with what is found without a PATH: daemons in the folders that not every account looks in.
fn rows_without_path(bench: &str, options: &[&str]) -> (Vec<Value>, String) {
    let arguments = [&["bench", bench], options].concat();
    let output = Command::new(CHAMOIS)
        .args(arguments)
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let (code, out, err) = outcome(&output);
    assert_eq!(code, 0, "{out}\n{err}");
    (rows_in(bench, &out), err)
}

/// Checks the one line of JSON against the contract.
fn rows_in(bench: &str, out: &str) -> Vec<Value> {
    assert_eq!(
        out.lines().count(),
        1,
        "people's text is on standard error: {out}"
    );
    let report: Value = serde_json::from_str(out).unwrap();
    assert_eq!(report.as_object().unwrap().len(), 3, "{out}");
    assert_eq!(report["bench"], bench);
    assert!(report["machine"]["cores"].as_u64() >= Some(1), "{out}");
    let rows = report["results"].as_array().unwrap();
    for row in rows {
        let keys = row.as_object().unwrap();
        assert_eq!(keys.len(), ROW_KEYS.len(), "{row}");
        assert!(ROW_KEYS.iter().all(|key| keys.contains_key(*key)), "{row}");
        assert!(row["ours"].is_number() && row["name"].is_string(), "{row}");
        assert_eq!(row["peer"].is_null(), row["peer_name"].is_null(), "{row}");
    }
    rows.clone()
}

fn row<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    let found = rows.iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no row {name}: {rows:?}"))
}

/// Every script is the asking node's own, and none is missing.
#[test]
fn boot_scripts_are_counted_without_errors() {
    let (rows, err) = rows_of("bootscript", &["--nodes", "20", "--connections", "2,4"]);
    for connections in [2, 4] {
        let scripts = row(&rows, &format!("boot scripts, {connections} connections"));
        assert!(scripts["ours"].as_f64() > Some(0.0), "{scripts}");
        assert_eq!(
            row(&rows, &format!("errors, {connections} connections"))["ours"],
            0.0
        );
    }
    assert!(err.contains("keep-alive") && err.contains("MEASURED"), "{err}");
}

/// Every document is the asking node's own, and every kind of document is there.
#[test]
fn documents_of_cloud_init_are_counted_without_errors() {
    let (rows, err) = rows_of("cloud-init", &["--nodes", "20", "--connections", "3"]);
    for document in ["meta-data", "user-data", "vendor-data", "network-config"] {
        let documents = row(&rows, &format!("documents, {document}"));
        assert!(documents["ours"].as_f64() > Some(0.0), "{documents}");
        assert_eq!(row(&rows, &format!("errors, {document}"))["ours"], 0.0);
    }
    assert!(err.contains("MEASURED"), "{err}");
}

/// All come up with what is theirs, though the holder of their address is killed when half of them are up.
#[test]
fn a_storm_outlives_the_holder_of_the_address() {
    let (rows, err) = rows_with("storm", &["--nodes", "40", "--json"]);
    let failed = row(&rows, "errors: nodes that failed or got another's data");
    assert_eq!(
        (&failed["ours"], &failed["met"]),
        (&Value::from(0.0), &Value::from(true))
    );
    for stated in ["bytes on the network per node", "CPU of the members per node"] {
        assert!(row(&rows, stated)["ours"].as_f64() > Some(0.0), "{rows:?}");
    }
    assert!(err.contains("40 of 40 booted"), "{err}");
}

/// Whoever has no etcd still gets our figures, and the name of the package.
#[test]
fn writes_are_measured_alone_where_there_is_no_etcd() {
    let (rows, err) = rows_alone("write", &[&["--clients", "1,3"], &LITTLE[..]].concat());
    assert!(row(&rows, "writes, 3 clients")["ours"].as_f64() > Some(0.0));
    assert_eq!(row(&rows, "errors, 3 clients")["met"], true);
    let disk = row(&rows, "bytes to disk of the members per write, 3 clients")["ours"].as_f64();
    assert!(disk >= Some(288.0), "a majority has the value on disk: {rows:?}");
    // three logs; a write on its own syncs each of them, or two before it is acknowledged
    let syncs = row(&rows, "syncs of all logs per write, 1 client")["ours"].as_f64();
    assert!(
        syncs >= Some(1.9),
        "acknowledged means on disk on a majority: {rows:?}"
    );
    assert!(err.contains("apt-get install etcd-server"), "{err}");
}

/// Each read is checked to be that of its object, whichever member is asked and however fresh it must be.
#[test]
fn reads_are_counted_without_errors() {
    let (rows, _) = rows_alone("read", &[&["--clients", "2"], &LITTLE[..]].concat());
    for consistency in ["linearizable", "local"] {
        for member in ["leader", "follower"] {
            let name = |what: &str| format!("{what}, {consistency}, {member}, 2 clients");
            assert!(
                row(&rows, &name("reads"))["ours"].as_f64() > Some(0.0),
                "{rows:?}"
            );
            assert_eq!(row(&rows, &name("errors"))["ours"], 0.0);
            assert!(row(&rows, &name("CPU of the members per read"))["ours"].is_number());
        }
    }
}

/// Every answer is checked to be the right one, however it is asked for; all components go in, and change, in one request.
#[test]
fn the_inventory_is_measured_without_errors() {
    let little = [&["--nodes", "300", "--clients", "4"], &LITTLE[..]].concat();
    let (rows, err) = rows_alone("smd", &little);
    let ours = |name: &str| row(&rows, name)["ours"].as_f64().unwrap();
    for way in ["gRPC local", "gRPC linearizable", "HTTPS"] {
        for of in ["xname", "MAC"] {
            assert!(ours(&format!("requests, get by {of}, {way}")) > 0.0);
            assert_eq!(ours(&format!("errors, get by {of}, {way}")), 0.0);
        }
    }
    for kind in [
        "all components, gRPC",
        "all components, HTTPS",
        "patch of one, gRPC",
        "patch of one, HTTPS",
    ] {
        assert!(ours(&format!("requests, {kind}")) > 0.0, "{rows:?}");
        assert!(row(&rows, &format!("CPU of the members, {kind}"))["met"].is_boolean());
    }
    assert!(ours("bulk post of 300") > 0.0 && ours("bulk patch of 300") > 0.0);
    assert!(ours("memory of a member with 300 nodes") > 1.0);
    assert!(
        err.contains("SMD with PostgreSQL on another, quiet machine"),
        "{err}"
    );
}

/// Both consistencies on one connection, and what the same get costs over HTTPS.
#[test]
fn small_calls_over_one_connection_are_counted_without_errors() {
    let little = [
        "--nodes",
        "20",
        "--callers",
        "1,4",
        "--seconds",
        "1",
        "--rounds",
        "1",
        "--json",
    ];
    let (rows, err) = rows_alone("api", &little);
    let ours = |name: &str| row(&rows, name)["ours"].as_f64().unwrap();
    for of in [
        "gRPC local, 1 caller",
        "gRPC linearizable, 4 callers",
        "HTTPS local, 4 callers",
    ] {
        assert!(ours(&format!("gets, {of}")) > 0.0, "{rows:?}");
        assert_eq!(ours(&format!("errors, {of}")), 0.0, "{rows:?}");
    }
    assert!(row(&rows, "CPU that the gateway adds to a get")["met"].is_boolean());
    assert!(err.contains("user's certificate"), "{err}");
}

/// Leaders die in both profiles, and somebody acknowledges a write after each of them.
#[test]
fn leaders_are_killed_and_writes_go_on() {
    let (rows, _) = rows_alone("failover", &["--rounds", "1", "--json"]);
    for profile in ["steady", "fast"] {
        for what in ["p50", "worst"] {
            let took = row(&rows, &format!("{what} of kill to first write, {profile}"));
            assert!(took["ours"].as_f64() > Some(0.0), "{took}");
        }
    }
    assert_eq!(rows.len(), 4);
}

/// The member that comes back answers with the objects that it had.
#[test]
fn a_member_with_objects_comes_back() {
    let (rows, _) = rows_alone("restart", &["--objects", "500", "--rounds", "1", "--json"]);
    let seconds = row(&rows, "start to first linearizable answer");
    assert!(
        seconds["ours"].as_f64() > Some(0.0) && seconds["unit"] == "s",
        "{seconds}"
    );
    for when in [
        "memory of a member before the kill",
        "memory of the member after the restart",
    ] {
        assert!(row(&rows, when)["ours"].as_f64() > Some(1.0), "{rows:?}");
    }
}

/// Every node has its rows, also in the process that begins with the snapshot.
#[test]
fn the_state_of_many_nodes_is_measured() {
    let (rows, err) = rows_with("scale", &["--nodes", "3000", "--rounds", "1", "--json"]);
    let ours = |name: &str| row(&rows, name)["ours"].as_f64().unwrap();
    assert!(ours("rows in the state") >= 12_000.0, "{rows:?}");
    assert!(ours("entries applied, building") > 0.0 && ours("start from the snapshot") > 0.0);
    assert!(err.contains("3000 nodes"), "{err}");
}

/// A list that was cut by a part of nobody would be quick, too.
#[test]
fn decisions_by_policies_are_measured() {
    let little = ["--nodes", "600", "--policies", "8", "--rounds", "1", "--json"];
    let (rows, err) = rows_with("authz", &little);
    for name in ["decision, mean", "decision, p99", "600 components judged"] {
        assert!(row(&rows, name)["ours"].as_f64() > Some(0.0), "{name}: {rows:?}");
    }
    assert!(row(&rows, "decision, mean")["aim"].is_string(), "{rows:?}");
    assert!(err.contains("8 policies") && !err.contains("0 of 600"), "{err}");
}

/// All are read whole and once, and no session is left on them.
#[test]
fn bmcs_are_read_whole_and_once() {
    let little = ["--bmcs", "1,6", "--latency-ms", "5", "--rounds", "1", "--json"];
    let (rows, err) = rows_with("discover", &little);
    for bmcs in ["1 BMC", "6 BMCs"] {
        let seconds = row(&rows, &format!("read whole, {bmcs}"));
        assert!(
            seconds["ours"].as_f64() > Some(0.0) && seconds["aim"].is_null(),
            "{seconds}"
        );
        assert!(row(&rows, &format!("requests for each, {bmcs}"))["ours"].as_f64() > Some(10.0));
        assert!(row(&rows, &format!("memory of the reader, most, {bmcs}"))["ours"].as_f64() > Some(1.0));
        for none in [
            "resources read twice",
            "sessions left open",
            "errors: not read whole",
        ] {
            assert_eq!(
                row(&rows, &format!("{none}, {bmcs}"))["met"],
                true,
                "{rows:?}\n{err}"
            );
        }
        let at_once = row(&rows, &format!("requests at once to one, most, {bmcs}"));
        assert!(at_once["ours"].as_f64() <= Some(5.0), "{at_once}");
    }
    assert!(err.contains("thinks 5 ms about each request"), "{err}");
}

/// All clients get the whole file, and the member's memory does not grow with it.
#[test]
fn a_large_file_goes_to_many_clients() {
    let little = ["--mib", "16", "--clients", "2,3", "--rounds", "1", "--json"];
    let (rows, err) = rows_without_path("image", &little);
    for clients in [2, 3] {
        let rate = row(&rows, &format!("16 MiB to each, {clients} clients"));
        assert!(rate["ours"].as_f64() > Some(0.0), "{rate}");
        assert_eq!(row(&rows, &format!("errors, {clients} clients"))["ours"], 0.0);
    }
    assert!(row(&rows, "memory of the serving member")["ours"].as_f64() > Some(1.0));
    let has_peer = !row(&rows, "16 MiB to each, 2 clients")["peer"].is_null();
    assert_eq!(err.contains("apt-get install nginx-light"), !has_peer, "{err}");
}

/// The message must say which package is missing, before anything is started.
#[test]
fn a_missing_tool_is_named_with_its_package() {
    let output = Command::new(CHAMOIS)
        .args(["bench", "dhcp", "--json"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let (code, out, err) = outcome(&output);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("apt-get install util-linux"), "{err}");
}

/// With the peers on this host both sides have figures. Runs with `CHAMOIS_E2E=1`: it needs Debian's packages, and a
/// kernel that allows user namespaces.
#[test]
fn peers_are_measured_in_the_same_run() {
    if std::env::var_os("CHAMOIS_E2E").is_none() {
        eprintln!(
            "NOT RUN: peers_are_measured_in_the_same_run: set CHAMOIS_E2E=1 (etcd, nginx, Kea, perfdhcp and tftp-hpa)"
        );
        return;
    }
    let (rows, err) = rows_of("write", &["--clients", "2"]);
    let writes = row(&rows, "writes, 2 clients");
    assert!(writes["peer"].as_f64() > Some(0.0), "{writes}");
    assert!(
        writes["peer_name"].as_str().unwrap().starts_with("etcd 3."),
        "{writes}"
    );
    let conditions = err.contains("quota of 8 GiB") && err.contains("until both sides are at rest");
    assert!(conditions, "{err}");
    let (rows, _) = rows_of("read", &["--clients", "2"]);
    let reads = row(&rows, "reads, linearizable, follower, 2 clients");
    assert!(
        reads["peer"].as_f64() > Some(0.0) && reads["ratio"].is_number(),
        "{reads}"
    );
    assert_eq!(row(&rows, "errors, local, leader, 2 clients")["peer"], 0.0);
    let (rows, err) = rows_with("failover", &["--rounds", "1", "--json"]);
    let took = row(&rows, "worst of kill to first write, steady");
    assert!(
        took["peer"].as_f64() > Some(0.0) && took["met"].is_boolean(),
        "{took}"
    );
    assert!(err.contains("election 1000 ms"), "timers are stated: {err}");
    let (rows, _) = rows_with("restart", &["--objects", "500", "--rounds", "1", "--json"]);
    let memory = row(&rows, "memory of the member after the restart");
    assert!(
        memory["peer"].as_f64() > Some(1.0) && memory["met"].is_boolean(),
        "{memory}"
    );
    let (rows, _) = rows_with(
        "image",
        &["--mib", "16", "--clients", "2", "--rounds", "1", "--json"],
    );
    let rate = row(&rows, "16 MiB to each, 2 clients");
    assert!(
        rate["peer"].as_f64() > Some(0.0) && rate["met"].is_boolean(),
        "{rate}"
    );
    assert!(
        rate["peer_name"].as_str().unwrap().starts_with("nginx 1."),
        "{rate}"
    );
    assert_eq!(row(&rows, "errors, 2 clients")["peer"], 0.0);
    let more = [
        "--nodes",
        "50",
        "--rates",
        "20,40",
        "--pool-rates",
        "20,40",
        "--avalanche",
        "20",
    ];
    let (rows, err) = rows_of("dhcp", &more);
    assert!(
        err.contains("Kea keeps a lease for each DHCPACK") && err.contains("50 reserved addresses"),
        "{err}"
    );
    let exchanges = row(&rows, "exchanges with at most 1 % lost");
    assert!(
        exchanges["ours"].as_f64() > Some(0.0) && exchanges["peer"].as_f64() > Some(0.0),
        "{exchanges}"
    );
    assert!(
        exchanges["peer_name"].as_str().unwrap().starts_with("Kea "),
        "{exchanges}"
    );
    let leases = row(&rows, "leases of a pool with at most 1 % lost");
    assert!(
        leases["ours"].as_f64() > Some(0.0) && leases["peer"].as_f64() > Some(0.0),
        "{leases}"
    );
    let transfer = row(&rows, "1 MiB by TFTP");
    assert!(
        transfer["ours"].as_f64() > Some(0.0) && transfer["met"].is_boolean(),
        "{transfer}"
    );
    let has_peer = transfer["peer_name"]
        .as_str()
        .is_some_and(|name| name.starts_with("tftp-hpa "));
    assert!(
        has_peer || err.contains("in.tftpd serves only when root"),
        "{transfer}\n{err}"
    );
}

/// Whoever watches one node, a group or everything is told of each change, once.
#[test]
fn watchers_are_told_of_every_change_once() {
    let (rows, err) = rows_of(
        "watch",
        &[
            "--watchers",
            "300",
            "--everything",
            "3",
            "--changes",
            "100",
            "--nodes",
            "40",
            "--groups",
            "4",
        ],
    );
    let changes = row(&rows, "changes")["ours"].as_f64();
    let events = row(&rows, "events told")["ours"].as_f64();
    assert!(changes > Some(0.0) && events > changes, "{rows:?}\n{err}");
    for none in ["events lost", "events told twice", "errors"] {
        assert_eq!(row(&rows, none)["ours"], 0.0, "{none}: {err}");
    }
    let behind = row(&rows, "p99 behind the acknowledgement");
    assert_eq!(behind["aim"], "< 5", "{behind}");
    assert!(err.contains("0 if that came first"), "{err}");
}

/// The benchmarks and their options are found from the help alone.
#[test]
fn the_help_has_examples() {
    let (_, all, _) = outcome(&chamois(&["bench", "--help"]));
    for (bench, own) in [
        ("bootscript", "--seconds"),
        ("write", "--seconds"),
        ("read", "--seconds"),
        ("smd", "--nodes"),
        ("api", "--callers"),
        ("failover", "--rounds"),
        ("restart", "--objects"),
        ("scale", "--nodes"),
        ("authz", "--policies"),
        ("image", "--mib"),
        ("dhcp", "--seconds"),
        ("discover", "--bmcs"),
        ("watch", "--watchers"),
        ("configure", "--nodes"),
    ] {
        assert!(all.contains(&format!("chamois bench {bench}")), "{all}");
        let (code, out, _) = outcome(&chamois(&["bench", bench, "--help"]));
        assert_eq!(code, 0);
        for needed in ["Examples:", own, "--rounds", "--json", "--state-dir"] {
            assert!(out.contains(needed), "{bench}: {needed}\n{out}");
        }
    }
}

/// Files of all targets follow one node after the other, each with the new address in it, and tables are shown.
#[test]
fn files_follow_a_node_that_changes() {
    let (rows, err) = rows_with("configure", &["--nodes", "30", "--rounds", "1", "--json"]);
    for measured in [
        "all targets rendered",
        "one node changed, files replaced, slowest",
        "start to the first byte of a table",
        "table of 30 components",
    ] {
        assert!(row(&rows, measured)["ours"].as_f64() > Some(0.0), "{rows:?}");
    }
    assert!(
        err.contains("MEASURED") && err.contains("configure watch"),
        "{err}"
    );
}
