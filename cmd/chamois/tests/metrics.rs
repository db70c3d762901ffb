//! The page of `/metrics` of real members: valid to the letter, under etcd's names, and true.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::time::{Duration, Instant};

use common::exposition::{Page, parse};
use common::http::Administrator;
use common::{Member, Single};

const MEMBERS: u64 = 3;
const COMPONENTS: &str = "/hsm/v2/State/Components";

struct Cluster {
    site: Single,
    members: Vec<Member>,
    administrator: Administrator,
}

impl Cluster {
    fn start() -> Cluster {
        let site = Single::prepare_one_of(MEMBERS);
        let members = (1..=MEMBERS).map(|id| site.spawn_member(id)).collect();
        let administrator = Administrator::new(&site.dir.path().join("identities"));
        let cluster = Cluster {
            site,
            members,
            administrator,
        };
        for id in 1..=MEMBERS {
            cluster.until("every member is ready", || {
                let address = cluster.site.net.member_address(id);
                std::net::TcpStream::connect((address, 8443)).is_ok() && cluster.get(id, "/readyz").0 == 200
            });
        }
        cluster
    }

    fn get(&self, id: u64, path: &str) -> (u16, String) {
        let address = self.site.net.member_address(id);
        let answer = self.administrator.send(address, "GET", path, "");
        (answer.status, answer.body)
    }

    /// Creates a component by member `id`.
    fn write(&self, id: u64, xname: &str) {
        let body = format!(r#"{{"Components":[{{"ID":"{xname}","State":"On"}}]}}"#);
        let address = self.site.net.member_address(id);
        let answer = self.administrator.send(address, "POST", COMPONENTS, &body);
        assert!(answer.status < 300, "{answer:?}");
    }

    fn page(&self, id: u64) -> Page {
        let (status, text) = self.get(id, "/metrics");
        assert_eq!(status, 200, "{text}");
        parse(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"))
    }

    fn pages(&self) -> Vec<Page> {
        (1..=MEMBERS).map(|id| self.page(id)).collect()
    }

    fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            let logs = || self.members.iter().map(Member::log).collect::<Vec<_>>();
            assert!(Instant::now() < deadline, "{what}:\n{}", logs().join("\n\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The one that leads, an index, and the term of all.
fn leader(pages: &[Page]) -> Option<usize> {
    let leads: Vec<usize> = (0..pages.len())
        .filter(|at| pages[*at].value("chamois_server_is_leader", &[]) == 1.0)
        .collect();
    let term = |page: &Page| page.value("chamois_server_raft_term", &[]);
    let same = pages.iter().all(|page| term(page) == term(&pages[0]));
    (leads.len() == 1 && same).then(|| leads[0])
}

/// A dashboard for etcd works here after one replacement, and what it shows is what has happened.
#[test]
fn the_page_of_every_member_is_valid_and_true() {
    let cluster = Cluster::start();
    for number in 0..10 {
        cluster.write(1 + number % MEMBERS, &format!("x0c0s{number}b0n0"));
    }
    assert_eq!(cluster.get(2, "/hsm/v2/State/Components/x0c0s63b0n0").0, 404);
    let mut pages = Vec::new();
    cluster.until(
        "all members have applied the same, and a heartbeat was answered",
        || {
            pages = cluster.pages();
            let applied = |page: &Page| page.value("chamois_server_proposals_applied_total", &[]);
            let Some(leader) = leader(&pages) else {
                return false;
            };
            let trips = pages[leader].0["chamois_network_peer_round_trip_time_seconds"]
                .samples
                .iter();
            let answered = trips.filter(|sample| sample.name.ends_with("_count") && sample.value > 0.0);
            answered.count() as u64 == MEMBERS - 1
                && pages.iter().all(|page| applied(page) == applied(&pages[0]))
        },
    );
    let leader = leader(&pages).unwrap();
    for (id, page) in (1..).zip(&pages) {
        let value = |family: &str| page.value(family, &[]);
        assert_eq!(
            page.value("chamois_server_id", &[("server_id", &format!("{id}"))]),
            1.0
        );
        assert_eq!(value("chamois_server_has_leader"), 1.0);
        assert!(value("chamois_server_leader_changes_seen_total") >= 1.0);
        let (committed, applied) = (
            value("chamois_server_proposals_committed_total"),
            value("chamois_server_proposals_applied_total"),
        );
        assert!(committed >= applied && applied > 10.0, "{committed} {applied}");
        assert_eq!(value("chamois_server_proposals_pending"), 0.0);
        assert_eq!(value("chamois_server_proposals_failed_total"), 0.0);
        assert!(value("chamois_server_read_indexes_total") > 0.0);
        assert!(
            value("chamois_server_linearizable_reads_total") >= value("chamois_server_read_indexes_total")
        );
        assert!(value("chamois_raft_log_bytes") > 0.0 && value("chamois_raft_log_entries") >= applied);
        let syncs = page.count("chamois_disk_wal_fsync_duration_seconds", &[]);
        let batches = [("part", "log"), ("reason", "batches")];
        let batches = page.value("chamois_raft_events_total", &batches);
        assert!(
            (10.0..=batches).contains(&syncs),
            "{syncs} syncs, {batches} batches"
        );
        assert!(page.count("chamois_server_apply_duration_seconds", &[]) > 0.0);
        assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 10.0);
    }
    for follower in (0..pages.len()).filter(|at| *at != leader) {
        let to = [("To", &*(follower + 1).to_string())];
        let sent = pages[leader].value("chamois_network_peer_sent_bytes_total", &to);
        assert!(
            sent > 1000.0,
            "the leader sends the log to member {}: {sent}",
            follower + 1
        );
    }
    let handled = |code: &str, method: &str| {
        let labels = [("grpc_code", code), ("grpc_method", method)];
        let of_one = |page: &Page| {
            let samples = page.0["grpc_server_handled_total"].samples.iter();
            let has = |(key, value): &(&str, &str), labels: &std::collections::BTreeMap<String, String>| {
                labels[*key] == *value
            };
            samples
                .filter(|sample| labels.iter().all(|label| has(label, &sample.labels)))
                .map(|sample| sample.value)
                .sum::<f64>()
        };
        pages.iter().map(of_one).sum::<f64>()
    };
    assert_eq!(handled("OK", "CreateComponents"), 10.0);
    assert_eq!(handled("NotFound", "GetComponent"), 1.0);
}

/// The parser of this test must not be more lenient than Prometheus.
#[test]
fn a_page_with_one_wrong_line_is_refused() {
    let right = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n";
    assert_eq!(parse(right).unwrap().value("a_total", &[("x", "1")]), 2.0);
    for wrong in [
        "# HELP a_total A.\n# TYPE a_total counter\na_total 2",
        "# TYPE a_total counter\na_total 2\n",
        "# HELP a_total A.\n# TYPE a_total counter\nb_total 2\n",
        "# HELP a A.\n# TYPE a counter\na 2\n",
        "# HELP a_total A.\n# TYPE a_total gauge\na_total 2\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 2\na_total 3\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=1} 2\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"\\q\"} 2\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total inf\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total -1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_sum 1\na_count 2\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_sum 1\na_count 3\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
