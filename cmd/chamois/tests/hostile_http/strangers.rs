//! Strangers who ask without end: for scripts of nodes that nobody knows, or more often than any node does. Judged by
//! counts: what a member asks the majority for, and what it refuses.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::Target;
use crate::common::exposition::{Page, parse};
use crate::common::http::{Administrator, get};

const XNAME: &str = "x1000c0s0b0n0";
const MAC: &str = "02:00:00:00:00:01";
/// Addresses that ask at once, and how often each does.
const STRANGERS: u8 = 32;
const QUESTIONS_EACH: usize = 100;
/// How often the known node asks before the flood, and during it at most; together less than an address may.
const KNOWN_QUESTIONS: usize = 400;
/// Read indexes that a member may ask for by itself meanwhile: one or two a second.
const OWN_READS_MAX: f64 = 100.0;

/// A flood of unknown MACs: each question is one read index and no more, many share a round, and the node that is known
/// has its script every time, which costs the majority nothing.
#[test]
fn strangers_share_read_indexes_and_known_nodes_need_none() {
    let mut target = Target::start();
    let administrator = seed(&target);
    let [_, before] = reads(&target, &administrator);
    for _ in 0..KNOWN_QUESTIONS {
        assert_is_served(&target);
    }
    let [rounds, readers] = reads(&target, &administrator);
    assert!(
        readers - before < OWN_READS_MAX,
        "{KNOWN_QUESTIONS} scripts of a known node were {} read indexes",
        readers - before
    );

    let flooding = AtomicBool::new(true);
    let served = std::thread::scope(|scope| {
        let known = scope.spawn(|| {
            let mut served = 0;
            while served < KNOWN_QUESTIONS && flooding.load(Ordering::Relaxed) {
                assert_is_served(&target);
                served += 1;
            }
            served
        });
        let target = &target;
        let flood: Vec<_> = (1..=STRANGERS)
            .map(|last| scope.spawn(move || ask_for_strangers(target, last)))
            .collect();
        let ended: Vec<_> = flood.into_iter().map(|stranger| stranger.join()).collect();
        flooding.store(false, Ordering::Relaxed);
        ended.into_iter().for_each(|ended| ended.unwrap());
        known.join().unwrap()
    });
    assert!(served > 0, "the known node was served during the flood");

    let [rounds_after, readers_after] = reads(&target, &administrator);
    let (asked, shared) = (readers_after - readers, rounds_after - rounds);
    let questions = f64::from(STRANGERS) * QUESTIONS_EACH as f64;
    assert!(
        (questions..questions + OWN_READS_MAX).contains(&asked),
        "{questions} questions of strangers were {asked} read indexes"
    );
    assert!(shared < asked, "{asked} read indexes took {shared} rounds");
    target.assert_unharmed();
}

/// Beyond its burst an address is told to come back, and is seen on the page of metrics; one beside it is answered.
#[test]
fn who_asks_too_often_is_told_to_come_back_and_is_counted() {
    const QUESTIONS: usize = 2000;
    let mut target = Target::start();
    let administrator = Administrator::new(&target.single.dir.path().join("identities"));
    let answers = pipelined(&target, 7, QUESTIONS, |_| "/readyz".to_owned());
    let refused = answers.matches("HTTP/1.1 503 ").count();
    let answered = answers.matches("HTTP/1.1 200 ").count();
    assert_eq!(refused + answered, QUESTIONS, "each is answered");
    assert!(answered >= 1000, "{answered}: less than its burst");
    assert!(refused > 0);
    assert_eq!(
        answers.to_lowercase().matches("\r\nretry-after: ").count(),
        refused
    );
    assert!(answers.contains("boot.shared-addresses"), "what to do about it");
    assert!(target.is_answered_from(8), "one beside it");
    let page = page(&target, &administrator);
    let labels = [("port", "nodes"), ("reason", "requests_refused")];
    let counted = page.value("chamois_gateway_events_total", &labels);
    assert!((counted - refused as f64).abs() < 0.5, "{counted} of {refused}");
    target.assert_unharmed();
}

/// What `ochami` would send for one node.
fn seed(target: &Target) -> Administrator {
    let administrator = Administrator::new(&target.single.dir.path().join("identities"));
    for (path, body) in [
        (
            "/hsm/v2/State/Components",
            json!({ "Components": [{ "ID": XNAME, "State": "On", "NID": 7 }] }),
        ),
        (
            "/hsm/v2/Inventory/EthernetInterfaces",
            json!({ "MACAddress": MAC, "ComponentID": XNAME }),
        ),
        (
            "/boot/v1/bootparameters",
            json!({ "hosts": [XNAME], "kernel": "http://x/k" }),
        ),
    ] {
        let answer = administrator.send(target.single.own(), "POST", path, &body.to_string());
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    }
    administrator
}

fn assert_is_served(target: &Target) {
    let answer = get(target.single.http(), &format!("/boot/v1/bootscript?mac={MAC}"));
    assert!(
        answer.status == 200 && answer.body.contains("http://x/k"),
        "{answer:?}"
    );
}

/// Every question is about another MAC, and is answered: its node is asked for its architecture.
fn ask_for_strangers(target: &Target, last: u8) {
    let answers = pipelined(target, last, QUESTIONS_EACH, |question| {
        format!("/boot/v1/bootscript?mac=02:ff:00:00:{last:02x}:{question:02x}")
    });
    assert_eq!(
        answers.matches("&arch=${buildarch}").count(),
        QUESTIONS_EACH,
        "{answers}"
    );
}

/// All that is answered to so many requests from 127.1.1.`last` on one connection.
fn pipelined(target: &Target, last: u8, times: usize, path: impl Fn(usize) -> String) -> String {
    let mut stream = target.connect_from(last);
    let mut sending = stream.try_clone().unwrap();
    let requests: String = (0..times)
        .map(|number| {
            let close = if number + 1 == times {
                "Connection: close\r\n"
            } else {
                ""
            };
            format!("GET {} HTTP/1.1\r\nHost: x\r\n{close}\r\n", path(number))
        })
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(move || sending.write_all(requests.as_bytes()).unwrap());
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    })
}

/// Rounds of the read index, and for how many readers.
fn reads(target: &Target, administrator: &Administrator) -> [f64; 2] {
    let page = page(target, administrator);
    [
        "chamois_server_read_indexes_total",
        "chamois_server_linearizable_reads_total",
    ]
    .map(|family| page.value(family, &[]))
}

fn page(target: &Target, administrator: &Administrator) -> Page {
    let answer = administrator.send(target.single.own(), "GET", "/metrics", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    parse(&answer.body).unwrap()
}
