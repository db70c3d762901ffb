//! A change of what nodes boot, step by step, on a real member: nodes that boot take it further, one that does not ends it.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::Ipv4Addr;

use common::http::{Administrator, as_node};
use common::{Member, Single};
use serde_json::Value;

const NODES: usize = 3;

fn xname(node: usize) -> String {
    format!("x0c0s{node}b0n0")
}

fn address(single: &Single, node: usize) -> Ipv4Addr {
    single.net.node_address(node + 1).unwrap()
}

/// Nodes of the group `rack`, which boot what the configuration `compute` says.
fn seed(single: &Single) {
    let administrator = Administrator::new(&single.dir.path().join("identities"));
    let post = |path: &str, body: &str| {
        let answer = administrator.send(single.own(), "POST", path, body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    };
    for node in 0..NODES {
        let (xname, address) = (xname(node), address(single, node));
        post(
            "/boot-service/nodes",
            &format!(
                r#"{{"spec":{{"xname":"{xname}","interfaces":[{{"mac":"02:00:00:00:00:0{node}","ip":"{address}"}}]}}}}"#
            ),
        );
    }
    let ids: Vec<String> = (0..NODES).map(|node| format!("\"{}\"", xname(node))).collect();
    let ids = ids.join(",");
    post(
        "/hsm/v2/groups",
        &format!(r#"{{"label":"rack","members":{{"ids":[{ids}]}}}}"#),
    );
    done(
        single,
        &[
            "boot",
            "config",
            "set",
            "compute",
            "--group",
            "rack",
            "--kernel",
            "http://i/old",
        ],
    );
}

fn done(single: &Single, arguments: &[&str]) -> String {
    let (code, out, err) = single.ask(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

fn started() -> (Single, Member) {
    let single = Single::prepare();
    let mut member = single.start();
    // a new cluster takes a moment to know that all its members know these changes
    member.until("nodes can be made", || {
        let administrator = Administrator::new(&single.dir.path().join("identities"));
        let body = r#"{"spec":{"xname":"x9c0s0b0n0"}}"#;
        administrator
            .send(single.own(), "POST", "/boot-service/nodes", body)
            .status
            == 201
    });
    seed(&single);
    (single, member)
}

/// The kernel that the node is told to boot, and where its documents are.
fn boot(single: &Single, node: usize) -> (String, String) {
    let path = format!("/boot/v1/bootscript?mac=02:00:00:00:00:0{node}&arch=x86_64");
    let script = as_node(address(single, node), single.http(), "GET", &path, "").body;
    let kernel = script
        .split("--name kernel ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let base = script.split(";s=").nth(1).unwrap().split(' ').next().unwrap();
    let base = base.strip_prefix(&format!("http://{}", single.http())).unwrap();
    (kernel.to_owned(), base.to_owned())
}

/// The node boots to the end, and tells so.
fn comes_home(single: &Single, node: usize) {
    let (_, base) = boot(single, node);
    let vendor_data = as_node(
        address(single, node),
        single.http(),
        "GET",
        &format!("{base}vendor-data"),
        "",
    );
    let url = vendor_data
        .body
        .lines()
        .find_map(|line| line.trim().strip_prefix("url: "));
    let path = url.unwrap().split_once(":8081").unwrap().1.to_owned();
    let home = as_node(
        address(single, node),
        single.http(),
        "POST",
        &path,
        "instance_id=i&hostname=n",
    );
    assert_eq!(home.status, 200, "{home:?}");
}

fn kernels(single: &Single) -> [String; NODES] {
    [0, 1, 2].map(|node| boot(single, node).0)
}

fn rollout(single: &Single) -> Value {
    serde_json::from_str(&done(single, &["boot", "rollout", "show", "new", "-o", "json"])).unwrap()
}

fn start(single: &Single, more: &[&str]) {
    let start = [
        "boot",
        "rollout",
        "start",
        "new",
        "--config",
        "compute",
        "--group",
        "rack",
        "--kernel",
        "http://i/new",
        "--steps",
        "1",
    ];
    done(single, &[&start[..], more].concat());
}

/// One node first; when it is home, the others; when they are, the configuration itself.
#[test]
fn a_rollout_goes_on_with_the_boots_of_its_nodes() {
    let (single, mut member) = started();
    start(&single, &[]);
    let kernels_now = kernels(&single);
    assert_eq!(kernels_now, ["http://i/new", "http://i/old", "http://i/old"]);
    comes_home(&single, 0);
    member.until("the second step begins", || kernels(&single)[2] == "http://i/new");
    (1..NODES).for_each(|node| comes_home(&single, node));
    member.until("all nodes are up", || {
        rollout(&single)["state"] == "STATE_COMPLETED"
    });
    let configuration = done(&single, &["boot", "config", "get", "compute", "-o", "json"]);
    assert!(configuration.contains("http://i/new"), "{configuration}");
    done(&single, &["boot", "rollout", "show", "new", "--watch"]);
}

/// A node that never comes home is one failure too many: everybody has the old kernel again, and nobody else got the new one.
#[test]
fn a_rollout_stops_by_itself_when_a_node_does_not_come_up() {
    let (single, mut member) = started();
    start(&single, &["--boot-deadline-s", "1"]);
    assert_eq!(boot(&single, 0).0, "http://i/new");
    member.until("the rollout has stopped", || {
        rollout(&single)["state"] == "STATE_STOPPED"
    });
    assert_eq!(kernels(&single), ["http://i/old"; NODES]);
    let (code, out, err) = single.ask(&["boot", "rollout", "show", "new", "--watch"]);
    assert_eq!(code, 1, "{out}");
    assert!(err.contains("stopped") && out.contains(&xname(0)), "{out}{err}");
    let configuration = done(&single, &["boot", "config", "get", "compute", "-o", "json"]);
    assert!(configuration.contains("http://i/old"), "{configuration}");
}
