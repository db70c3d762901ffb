//! What is fuzzed (`fuzz/`, with nightly and for minutes in `.ci/long`) as it is tested by every change: each seed, cut
//! off anywhere, and with each of its bytes changed.
#![allow(clippy::duplicate_mod, reason = "inputs share what their worlds are made of")]

use std::path::{Path, PathBuf};

#[path = "../../fuzz/inputs/apply.rs"]
mod apply;
#[path = "../../fuzz/inputs/dhcp.rs"]
mod dhcp;
#[path = "../../fuzz/inputs/dhcp6.rs"]
mod dhcp6_input;
#[path = "../../fuzz/inputs/dns.rs"]
mod dns_input;
#[path = "../../fuzz/inputs/node_http.rs"]
mod node_http;
#[path = "../../fuzz/inputs/tftp.rs"]
mod tftp;
#[path = "../../fuzz/inputs/token.rs"]
mod token_input;

/// Of a seed so many bytes at most are cut off or changed: the heads, where the lengths are.
const BYTES_CHANGED_MAX: usize = 400;

/// The inputs of `target`, each with its file.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target);
    let files = std::fs::read_dir(&folder).expect("the target has seeds");
    let read = |file: PathBuf| (file.clone(), std::fs::read(&file).expect("a seed"));
    files.map(|file| read(file.expect("an entry").path())).collect()
}

/// Runs all that is made of each seed; how many inputs it was.
fn run_all(target: &str, run: fn(&[u8])) -> usize {
    let mut count = 0;
    for (file, seed) in seeds(target) {
        println!("{}", file.display()); // shown when it fails
        let changed = seed.len().min(BYTES_CHANGED_MAX);
        run(&seed);
        for end in 0..changed {
            run(&seed[..end]);
            let mut other = seed.clone();
            for byte in [0, 0xff, seed[end] ^ 0x01] {
                other[end] = byte;
                run(&other);
            }
        }
        count += 1 + 4 * changed;
    }
    count
}

#[test]
fn entries_of_the_log() {
    assert!(run_all("apply", apply::run) > 5000);
}

#[test]
fn dhcp_packets_of_strangers() {
    assert!(run_all("dhcp", dhcp::run) > 10_000);
}

#[test]
fn dhcpv6_packets_of_strangers() {
    assert!(run_all("dhcp6", dhcp6_input::run) > 5000);
}

#[test]
fn tftp_packets_of_strangers() {
    assert!(run_all("tftp", tftp::run) > 1000);
}

#[test]
fn dns_questions_of_strangers() {
    assert!(run_all("dns", dns_input::run) > 3000);
}

#[test]
fn requests_of_strangers_on_the_node_port() {
    assert!(run_all("node_http", node_http::run) > 1000);
}

#[test]
fn bearer_tokens() {
    assert!(run_all("token", token_input::run) > 1000);
}
