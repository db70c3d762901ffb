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
    let arguments = [&["bench", bench], more, &LITTLE].concat();
    let (code, out, err) = outcome(&chamois(&arguments));
    assert_eq!(code, 0, "{out}\n{err}");
    let rows = rows_in(bench, &out);
    (rows, err)
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

/// Whoever has no etcd still gets our figures, and the name of the package.
#[test]
fn writes_are_measured_alone_where_there_is_no_etcd() {
    let arguments = [&["bench", "write", "--clients", "1,3"], &LITTLE[..]].concat();
    let output = Command::new(CHAMOIS)
        .args(arguments)
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let (code, out, err) = outcome(&output);
    assert_eq!(code, 0, "{out}\n{err}");
    let rows = rows_in("write", &out);
    assert!(
        rows.iter()
            .all(|row| row["peer"].is_null() && row["ratio"].is_null()),
        "{out}"
    );
    assert!(row(&rows, "writes, 3 clients")["ours"].as_f64() > Some(0.0));
    assert_eq!(row(&rows, "errors, 3 clients")["met"], true);
    let disk = row(&rows, "bytes to disk of the members per write, 3 clients")["ours"].as_f64();
    assert!(disk >= Some(288.0), "a majority has the value on disk: {out}");
    // three logs; a write on its own syncs each of them, or two before it is acknowledged
    let syncs = row(&rows, "syncs of all logs per write, 1 client")["ours"].as_f64();
    assert!(
        syncs >= Some(1.9),
        "acknowledged means on disk on a majority: {out}"
    );
    assert!(err.contains("apt-get install etcd-server"), "{err}");
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
        eprintln!("NOT RUN: peers_are_measured_in_the_same_run: set CHAMOIS_E2E=1 (etcd, Kea and perfdhcp)");
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
    let more = ["--nodes", "50", "--rates", "20,40", "--avalanche", "20"];
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
}

/// The three benchmarks and their options are found from the help alone.
#[test]
fn the_help_has_examples() {
    for bench in ["bootscript", "write", "dhcp"] {
        let (code, out, _) = outcome(&chamois(&["bench", bench, "--help"]));
        assert_eq!(code, 0);
        for needed in ["Examples:", "--seconds", "--rounds", "--json", "--state-dir"] {
            assert!(out.contains(needed), "{bench}: {needed}\n{out}");
        }
    }
}
