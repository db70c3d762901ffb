//! State change notifications and reservations through three members, of which the leader is killed.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::http::{Administrator, Answer};
use common::{Member, Single};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Leaders that are killed.
const KILLS: usize = 2;
/// Components that are created before the first kill and after each.
const COMPONENTS: usize = 40;
/// Far longer than an election takes.
const AT_MOST: Duration = Duration::from_secs(60);

/// Three members.
struct Cluster {
    site: Single,
    members: Vec<Member>,
    administrator: Administrator,
}

impl Cluster {
    fn start() -> Self {
        let site = Single::prepare_one_of(3);
        (1..=3).for_each(|id| site.configure_api(id, "allow-loopback-webhooks = true\n"));
        let members = (1..=3).map(|id| site.spawn_member(id)).collect();
        let cluster = Self {
            administrator: Administrator::new(&site.dir.path().join("identities")),
            site,
            members,
        };
        cluster.until("a leader", |cluster| cluster.site.ask(&["subnet", "list"]).0 == 0);
        cluster
    }

    fn status(&self) -> Value {
        let out = self.site.ask(&["cluster", "status", "-o", "json"]).1;
        let value: Value = serde_json::from_str(&out).unwrap_or_default();
        value[0].clone()
    }

    fn send(&self, member: u64, line: &str, headers: &str, body: &str) -> Answer {
        let ip = self.site.net.member_address(member);
        let (verb, path) = line.split_once(' ').unwrap();
        self.administrator.send_with(ip, verb, path, headers, body)
    }

    /// Creates a component through member 1, however often it takes.
    fn create(&self, id: &str) {
        let body = format!(r#"{{"Components":[{{"ID":"{id}","State":"Off"}}]}}"#);
        self.until("a component is created", |cluster| {
            let answer = cluster.send(1, "POST /hsm/v2/State/Components", "", &body);
            answer.status == 204
        });
    }

    fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + AT_MOST;
        while !condition(self) {
            assert!(Instant::now() < deadline, "{what}: {}", self.members[0].log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A subscriber that accepts everything. Gives its URL and the components of each notification, in the order in which
/// the notifications came: those of one are in the order of their names, whenever they changed.
fn subscriber() -> (String, Arc<Mutex<Vec<Vec<String>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/scn", listener.local_addr().unwrap());
    let told = Arc::new(Mutex::new(Vec::new()));
    let remembered = Arc::clone(&told);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(AT_MOST)).unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !request.ends_with(b"}") {
                match stream.read(&mut piece) {
                    Ok(0) | Err(_) => break, // the leader was killed while it told this
                    Ok(length) => request.extend_from_slice(&piece[..length]),
                }
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some(body) = text.split("\r\n\r\n").nth(1) else {
                continue;
            };
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            let ids = body["Components"].as_array().cloned().unwrap_or_default();
            let ids = ids.iter().map(|id| id.as_str().unwrap().to_owned());
            remembered.lock().unwrap().push(ids.collect());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (url, told)
}

fn component(n: usize) -> String {
    format!("x{}c0s{}b0n0", n / 100, n % 100)
}

/// At least once and in order, whoever leads.
#[test]
fn subscribers_are_told_everything_in_order_while_leaders_are_killed() {
    let mut cluster = Cluster::start();
    let (url, told) = subscriber();
    let body = format!(r#"{{"Subscriber":"test@here","Url":"{url}","States":["Off"]}}"#);
    let answer = cluster.send(2, "POST /hsm/v2/Subscriptions/SCN", "", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut created = Vec::new();
    for round in 0..=KILLS {
        for _ in 0..COMPONENTS {
            let id = component(created.len());
            cluster.create(&id);
            created.push(id);
        }
        if round == KILLS {
            break;
        }
        let mut leader = 0;
        cluster.until("a leader", |cluster| {
            leader = cluster.status()["leader_id"].as_u64().unwrap_or_default();
            leader != 0
        });
        let place = usize::try_from(leader).unwrap() - 1;
        cluster.members[place].signal(Signal::SIGKILL);
        assert!(
            cluster.members[place].exit_code(AT_MOST).is_none(),
            "it was killed"
        );
        cluster.members[place] = cluster.site.spawn_member(leader);
        cluster.until("the member to be back", |cluster| {
            cluster.status()["leader_id"].as_u64().unwrap_or_default() != 0
        });
    }
    cluster.until("everything is told", |_| {
        let told = told.lock().unwrap();
        created.iter().all(|id| told.iter().any(|ids| ids.contains(id)))
    });
    let told = told.lock().unwrap();
    let first = |id: &String| told.iter().position(|ids| ids.contains(id));
    assert!(created.iter().map(first).is_sorted(), "{told:?}");
}

/// Power control that has lost an answer must be able to release what it has.
#[test]
fn a_repeat_of_a_reservation_is_told_the_same_keys_by_every_member() {
    let cluster = Cluster::start();
    cluster.create("x0c0s0b0n0");
    let body = r#"{"ComponentIDs":["x0c0s0b0n0"],"ReservationDuration":15}"#;
    let reserve = |member, key: &str| {
        let headers = format!("Idempotency-Key: {key}\r\n");
        cluster.send(member, "POST /hsm/v2/locks/service/reservations", &headers, body)
    };
    let first = reserve(1, "k-1");
    assert_eq!(first.status, 200, "{first:?}");
    for member in [1, 2, 3] {
        let again = reserve(member, "k-1");
        assert_eq!((again.status, &again.body), (200, &first.body), "member {member}");
    }
    let other = reserve(2, "k-2");
    assert!(
        other.status == 400 && other.body.contains("Component is Reserved"),
        "{other:?}"
    );
    let granted: Value = serde_json::from_str(&first.body).unwrap();
    let (deputy, key) = (
        granted["Success"][0]["DeputyKey"].as_str().unwrap(),
        granted["Success"][0]["ReservationKey"].as_str().unwrap(),
    );
    let check = format!(r#"{{"DeputyKeys":[{{"ID":"x0c0s0b0n0","Key":"{deputy}"}}]}}"#);
    let checked = cluster.send(3, "POST /hsm/v2/locks/service/reservations/check", "", &check);
    assert!(
        checked.status == 200 && checked.body.contains(deputy),
        "{checked:?}"
    );
    let release = format!(r#"{{"ReservationKeys":[{{"ID":"x0c0s0b0n0","Key":"{key}"}}]}}"#);
    let released = cluster.send(2, "POST /hsm/v2/locks/service/reservations/release", "", &release);
    assert_eq!(
        (released.status, released.body.as_str()),
        (
            200,
            r#"{"Counts":{"Total":1,"Success":1,"Failure":0},"Success":{"ComponentIDs":["x0c0s0b0n0"]},"Failure":[]}"#
        )
    );
    for member in [1, 2, 3] {
        let log = cluster.members[member - 1].log();
        assert!(!log.contains(key) && !log.contains(deputy), "member {member}");
    }
}
