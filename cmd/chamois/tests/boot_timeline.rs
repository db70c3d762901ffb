//! A boot as a real member sees it and `chamois boot status` shows it: script, kernel, documents, phone-home.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::http::{Administrator, get};
use common::{Member, Single};
use serde_json::Value;

const NODE: &str = "x0c0s0b0n0";
/// Who connects to an address of loopback has this one, unless it binds another.
const NODE_ADDRESS: &str = "127.0.0.1";
const KERNEL: &str = "the kernel";

#[test]
fn a_boot_is_followed_from_its_script_to_its_phone_home() {
    let single = Single::prepare();
    let mut member = single.start();
    seed(&single);
    let (code, out, err) = single.ask(&["boot", "status"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("never seen") && out.contains("0 of 1 home"), "{out}");

    // a new cluster takes a moment to know that all its members can tell of phases
    let mut script = String::new();
    member.until("the script is in the timeline", || {
        let path = "/boot/v1/bootscript?mac=02:00:00:00:00:01&arch=x86_64";
        script = get(single.http(), path).body;
        phases(&single).contains(&"PHASE_SCRIPT".to_owned())
    });
    let base = script.split_once("ds=nocloud-net;s=").unwrap().1;
    let base = base.split_once(' ').unwrap().0;
    let base = base.split_once(":8081").unwrap().1.to_owned();
    assert_eq!(get(single.http(), "/files/vmlinuz").body, KERNEL);
    for document in ["meta-data", "user-data"] {
        assert_eq!(get(single.http(), &format!("{base}{document}")).status, 200);
    }
    let vendor_data = get(single.http(), &format!("{base}vendor-data")).body;
    until_seen(
        &single,
        &mut member,
        &["KERNEL", "META_DATA", "USER_DATA", "VENDOR_DATA"],
    );
    let newest = newest(&single);
    let mut kernel = newest["phases"].as_array().unwrap().iter();
    let kernel = kernel.find(|seen| seen["phase"] == "PHASE_KERNEL");
    assert_eq!(kernel.unwrap()["bytes"], KERNEL.len());

    let (code, out, _) = single.ask(&["boot", "status", "x[0-1]c0"]);
    assert!(code == 0 && out.contains("vendor-data"), "{out}");
    let (code, out, err) = single.ask(&["boot", "status", NODE, "--watch", "--within", "1"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        err.contains("1 of 1 nodes are not home after 1 s: x0c0s0b0n0"),
        "{err}"
    );

    let phone_home = vendor_data
        .lines()
        .find_map(|line| line.trim().strip_prefix("url: "));
    let path = phone_home.unwrap().split_once(":8081").unwrap().1;
    assert_eq!(post(&single, path, "instance_id=i&hostname=n1"), 200);
    let (code, out, err) = single.ask(&["boot", "status", "--watch", "--within", "30"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("1 of 1 home"), "{out}");
    let (code, _, err) = single.ask(&["boot", "status", "--watch", "--new", "--within", "1"]);
    assert_eq!(
        (code, err.contains("not home")),
        (1, true),
        "that boot began before: {err}"
    );
    let (_, out, _) = single.ask(&["boot", "status", NODE]);
    for word in ["PHONED HOME", "phoned-home", "kernel", "10 B"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let (code, _, err) = single.ask(&["boot", "status", "x[3-1]"]);
    assert_eq!((code, err.contains("NODESET")), (2, true), "{err}");
}

/// The node, its address and what it boots, by the calls that today's scripts make.
fn seed(single: &Single) {
    std::fs::write(single.files_dir(1).join("vmlinuz"), KERNEL).unwrap();
    let administrator = Administrator::new(&single.dir.path().join("identities"));
    let kernel = format!("http://{}/files/vmlinuz", single.http());
    for (path, body) in [
        (
            "/hsm/v2/State/Components",
            format!(r#"{{"Components":[{{"ID":"{NODE}","State":"On","NID":1}}]}}"#),
        ),
        (
            "/hsm/v2/Inventory/EthernetInterfaces",
            format!(
                r#"{{"MACAddress":"02:00:00:00:00:01","ComponentID":"{NODE}","IPAddresses":[{{"IPAddress":"{NODE_ADDRESS}"}}]}}"#
            ),
        ),
        (
            "/boot/v1/bootparameters",
            format!(r#"{{"hosts":["{NODE}"],"params":"quiet","kernel":"{kernel}"}}"#),
        ),
    ] {
        let answer = administrator.send(single.own(), "POST", path, &body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    }
}

fn newest(single: &Single) -> Value {
    let (code, out, err) = single.ask(&["boot", "status", NODE, "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let records: Value = serde_json::from_str(&out).unwrap();
    records["records"][0].clone()
}

/// Names of the phases of the newest boot.
fn phases(single: &Single) -> Vec<String> {
    let newest = newest(single);
    let phases = newest["phases"].as_array().cloned().unwrap_or_default();
    phases
        .iter()
        .map(|seen| seen["phase"].as_str().unwrap().to_owned())
        .collect()
}

fn until_seen(single: &Single, member: &mut Member, wanted: &[&str]) {
    member.until("the phases are in the timeline", || {
        let seen = phases(single);
        wanted
            .iter()
            .all(|phase| seen.contains(&format!("PHASE_{phase}")))
    });
}

/// The status of a form that the node posts.
fn post(single: &Single, path: &str, form: &str) -> u16 {
    let mut stream = TcpStream::connect(single.http()).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
