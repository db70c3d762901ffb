//! Whole answers, as text: what a site sees of a small world. Read again by hickory from the bytes that are sent.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use dns::{BYTES_OVER_UDP_MAX, Decision, Question, decide};
use hickory_proto::op::Message;
use state::State;

#[allow(dead_code, reason = "shared with the unit tests")]
#[path = "../src/testing.rs"]
mod testing;

use testing::{NETWORK, put_policy, put_subnet, question, question_with, world};

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const PTR: u16 = 12;
const MX: u16 = 15;
const AAAA: u16 = 28;
const IXFR: u16 = 251;
const AXFR: u16 = 252;
const ANY: u16 = 255;

/// Code, whether a majority has to be asked before (`?`), authority; then answers and, behind `;`, the authorities.
fn answer(state: &State, message: &[u8]) -> String {
    let question = Question::parse(message).unwrap();
    let (reply, asks) = match decide(state, &question, &NETWORK) {
        Decision::Reply(reply) => (reply, ""),
        Decision::NoSuchName(reply) => (reply, "?"),
    };
    let written = reply.write(&question, BYTES_OVER_UDP_MAX);
    let read = Message::from_vec(&written.bytes).unwrap();
    assert_eq!(read.metadata.id, 0x1234);
    assert!(!read.metadata.recursion_available && read.metadata.recursion_desired);
    assert!(read.additionals.is_empty() && !read.metadata.truncation);
    let authority = if read.metadata.authoritative { " aa" } else { "" };
    let code = format!("{:?}{asks}{authority}", read.metadata.response_code);
    let lines = |sign: &str, records: &[hickory_proto::rr::Record]| {
        let lines = records.iter().map(|record| format!("\n{sign}{record}"));
        lines.collect::<String>()
    };
    code + &lines("", &read.answers) + &lines("; ", &read.authorities)
}

/// With the serial, which is the revision, as a word.
fn golden(state: &State, name: &str, record_type: u16) -> String {
    let serial = format!(" {} 3600", state.applied_index());
    answer(state, &question(name, record_type)).replace(&serial, " SERIAL 3600")
}

const NEGATIVE: &str =
    "; demo.example. 10 IN SOA ns.demo.example. hostmaster.demo.example. SERIAL 3600 600 86400 10";

#[tokio::test]
async fn names_lead_to_addresses() {
    let state = world().await.store.state();
    for name in ["x1000c0s0b0n0", "de0001", "nid0001"] {
        let name = format!("{name}.demo.example.");
        assert_eq!(
            golden(&state, &name, A),
            format!("NoError aa\n{name} 60 IN A 10.97.2.1")
        );
        assert_eq!(
            golden(&state, &name, AAAA),
            format!("NoError aa\n{name} 60 IN AAAA fd00::a1")
        );
    }
    assert_eq!(
        golden(&state, "x1000c0s0b0.bmc.example.", A),
        "NoError aa\nx1000c0s0b0.bmc.example. 60 IN A 10.98.3.1"
    );
    assert_eq!(
        golden(&state, "de0002.bmc.example.", AAAA),
        "NoError aa\nde0002.bmc.example. 60 IN AAAA fd00::2\nde0002.bmc.example. 60 IN AAAA fd00::3"
    );
    assert_eq!(
        golden(&state, "ns.demo.example.", A),
        "NoError aa\nns.demo.example. 60 IN A 10.97.0.1"
    );
}

/// The spelling is the client's own, in the owner of records as in the question (0x20).
#[tokio::test]
async fn case_does_not_count_and_is_kept() {
    let state = world().await.store.state();
    assert_eq!(
        golden(&state, "DE0001.demo.EXAMPLE.", A),
        "NoError aa\nDE0001.demo.EXAMPLE. 60 IN A 10.97.2.1"
    );
}

#[tokio::test]
async fn addresses_lead_to_one_name() {
    let state = world().await.store.state();
    assert_eq!(
        golden(&state, "1.2.97.10.in-addr.arpa.", PTR),
        "NoError aa\n1.2.97.10.in-addr.arpa. 60 IN PTR de0001.demo.example."
    );
    assert_eq!(
        golden(&state, "1.3.98.10.in-addr.arpa.", PTR),
        "NoError aa\n1.3.98.10.in-addr.arpa. 60 IN PTR x1000c0s0b0.bmc.example."
    );
    let zone = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.";
    let of_ipv6 = format!("1.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.{zone}");
    assert_eq!(
        golden(&state, &of_ipv6, PTR),
        format!("NoError aa\n{of_ipv6} 60 IN PTR de0001.demo.example.")
    );
    assert_eq!(
        golden(&state, &format!("0.0.0.0.0.0.0.0.0.0.0.0.0.0.{zone}"), PTR)
            .lines()
            .next(),
        Some("NoError aa"),
        "a part of the address"
    );
    // a subnet without a domain: in its zone, but nobody there has a name
    assert!(
        golden(&state, "5.2.99.10.in-addr.arpa.", PTR)
            .starts_with("NXDomain? aa\n; 99.10.in-addr.arpa. 10 IN SOA")
    );
}

/// That a name has no such records is said at once, that there is none only after the majority was asked.
#[tokio::test]
async fn no_data_and_no_such_name_are_told_apart() {
    let store = world().await.store;
    put_subnet(&store, "10.120.0.0/16", "a.rack1.demo.example").await;
    let state = store.state();
    for (name, record_type) in [
        ("de0001.demo.example.", MX),
        ("x1000c0s0b0n1.demo.example.", 16),
        ("demo.example.", A),
        ("ns.demo.example.", AAAA),
        ("rack1.demo.example.", A),
        ("rack1.demo.example.", ANY),
    ] {
        assert_eq!(
            golden(&state, name, record_type),
            format!("NoError aa\n{NEGATIVE}"),
            "{name}"
        );
    }
    for name in [
        "de0009.demo.example.",
        "x1000c0s0b0.demo.example.",
        "x1000c0s0b0n3.demo.example.",
        "1.de0001.demo.example.",
        "_ldap._tcp.demo.example.",
        "*.demo.example.",
        "1.rack1.demo.example.",
    ] {
        for record_type in [A, ANY] {
            let expected = format!("NXDomain? aa\n{NEGATIVE}");
            assert_eq!(golden(&state, name, record_type), expected, "{name}");
        }
    }
}

#[tokio::test]
async fn a_zone_says_who_serves_it() {
    let state = world().await.store.state();
    assert_eq!(
        golden(&state, "demo.example.", SOA),
        "NoError aa\ndemo.example. 60 IN SOA ns.demo.example. hostmaster.demo.example. SERIAL 3600 600 86400 10"
    );
    assert_eq!(
        golden(&state, "demo.example.", NS),
        "NoError aa\ndemo.example. 60 IN NS ns.demo.example."
    );
    // a reverse zone has no names of its own: the servers are in the first of the domains
    assert_eq!(
        golden(&state, "97.10.in-addr.arpa.", NS),
        "NoError aa\n97.10.in-addr.arpa. 60 IN NS ns.bmc.example."
    );
}

/// The serial must rise with every change of what is answered, or caches of zones would keep what is old.
#[tokio::test]
async fn the_serial_is_the_revision_of_the_last_change_of_names() {
    let world = world().await;
    let serial = |state: &State| {
        let text = answer(state, &question("demo.example.", SOA));
        let words: Vec<&str> = text.split_whitespace().collect();
        words[words.len() - 5].parse::<u64>().unwrap()
    };
    assert_eq!(serial(&world.store.state()), world.store.state().applied_index());
    world.call("x1000c0s0b0n0", "login1").await;
    let after = world.store.state();
    assert_eq!(serial(&after), after.applied_index());
}

/// Whatever looks like a lever for a flood, or a way to everything at once, gives little.
#[tokio::test]
async fn little_is_said_of_everything() {
    let state = world().await.store.state();
    for name in ["de0001.demo.example.", "demo.example.", "1.2.97.10.in-addr.arpa."] {
        assert_eq!(
            golden(&state, name, ANY),
            format!("NoError aa\n{name} 60 IN HINFO RFC8482 ")
        );
    }
    for record_type in [AXFR, IXFR] {
        assert_eq!(golden(&state, "demo.example.", record_type), "Refused");
    }
}

#[tokio::test]
async fn what_is_in_no_zone_is_refused() {
    let state = world().await.store.state();
    for name in [
        "www.example.org.",
        "example.",
        ".",
        "xdemo.example.",
        "1.2.96.10.in-addr.arpa.",
        "10.in-addr.arpa.",
        "1.0.0.0.ip6.arpa.",
    ] {
        assert_eq!(golden(&state, name, A), "Refused", "{name}");
    }
    // version 1 of EDNS: the upper bits of the code are in the OPT record
    let version_1 = [0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0];
    let asked = question_with("de0001.demo.example.", A, &version_1);
    assert_eq!(
        answer(&state, &asked),
        "BADSIG",
        "hickory's name for code 16, BADVERS here"
    );
}

/// Who asks for a node by the name that DHCP has told it gets an answer, and whoever remembers it sees the serial change.
#[tokio::test]
async fn a_policy_renames_a_node() {
    let world = world().await;
    let before = golden(&world.store.state(), "c001.demo.example.", A);
    assert_eq!(before, format!("NXDomain? aa\n{NEGATIVE}"));
    put_policy(&world.store, "nodes", "c{03d}", "").await;
    let state = world.store.state();
    assert_eq!(
        golden(&state, "C001.demo.example.", A),
        "NoError aa\nC001.demo.example. 60 IN A 10.97.2.1"
    );
    assert_eq!(
        golden(&state, "1.2.97.10.in-addr.arpa.", PTR),
        "NoError aa\n1.2.97.10.in-addr.arpa. 60 IN PTR c001.demo.example."
    );
    assert_eq!(
        golden(&state, "nothing.demo.example.", A),
        format!("NXDomain? aa\n{NEGATIVE}"),
        "the serial is the policy's revision"
    );
}
