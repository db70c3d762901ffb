//! The role `discovery` of real members: who works on which BMCs, what monitoring sees of it, and what happens where nobody has it.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::exposition::{Page, parse};
use common::http::Administrator;
use common::{Member, Single};
use lab::bmc::{BmcFleet, BmcSpec, Faults, Tree};
use serde_json::{Value, json};

/// HTTPS' own port is root's.
const BMC_PORT: u16 = 8443;

struct Site {
    single: Single,
    administrator: Administrator,
    member: Member,
}

impl Site {
    /// A member, with the role or without it.
    fn start(with_role: bool) -> Site {
        let single = Single::prepare();
        if with_role {
            single.let_work_on_bmcs(1);
        }
        let member = single.start();
        Site {
            administrator: Administrator::new(&single.identities()),
            single,
            member,
        }
    }

    /// A BMC at the address of node 0.
    fn bmc(&self) -> (BmcFleet, SocketAddr) {
        let address = SocketAddr::from((self.single.net.node_address(0).unwrap(), BMC_PORT));
        let spec = BmcSpec {
            address,
            tree: Arc::new(Tree::rack_server(1)),
            user: "root".to_owned(),
            password: "a password of the tests".to_owned(),
            latency: Duration::ZERO,
            faults: Faults::none(),
        };
        (BmcFleet::start(vec![spec]).unwrap(), address)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.administrator.send(self.single.own(), "GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    fn status(&self, path: &str) -> u16 {
        self.administrator.send(self.single.own(), "GET", path, "").status
    }

    fn page(&self) -> Page {
        let answer = self.administrator.send(self.single.own(), "GET", "/metrics", "");
        parse(&answer.body).unwrap_or_else(|problem| panic!("{problem}\n{}", answer.body))
    }

    /// Begins a scan of one address; gives the job.
    fn scan(&self, address: SocketAddr) -> String {
        let scan =
            json!({ "targets": [address.ip().to_string()], "ports": [address.port()], "timeout_ms": 2000 });
        let to = "/chamois/v1/scans";
        let answer = self
            .administrator
            .send(self.single.own(), "POST", to, &scan.to_string());
        assert_eq!(answer.status, 202, "{answer:?}");
        let started: Value = serde_json::from_str(&answer.body).unwrap();
        started["job"].as_str().unwrap().to_owned()
    }

    fn until_job(&mut self, id: &str, state: &str) {
        let path = format!("/chamois/v1/jobs/{id}");
        let (administrator, own) = (&self.administrator, self.single.own());
        self.member.until(&format!("the job is {state}"), || {
            let answer = administrator.send(own, "GET", &path, "");
            let job: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            job["state"] == state
        });
    }

    fn end(mut self) {
        self.member.terminate();
        assert_eq!(
            self.member.exit_code(Duration::from_secs(20)),
            Some(0),
            "{}",
            self.member.log()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_the_role_takes_jobs_and_counts_them() {
    let mut site = Site::start(true);
    let (_fleet, address) = site.bmc();
    let job = site.scan(address);
    site.until_job(&job, "succeeded");
    let bmcs = site.get("/chamois/v1/bmcs");
    assert_eq!(bmcs["bmcs"][0]["address"], address.to_string(), "{bmcs}");
    let page = site.page();
    let events = |part: &str, reason: &str| {
        page.value(
            "chamois_discovery_events_total",
            &[("part", part), ("reason", reason)],
        )
    };
    assert_eq!(events("jobs", "scans"), 1.0);
    assert_eq!(events("jobs", "power_transitions"), 0.0);
    assert!(events("connections", "opened") >= 1.0);
    assert_eq!(events("connections", "out_of_bounds"), 0.0);
    assert_eq!(page.value("chamois_bmcs", &[("crawl", "never")]), 1.0);
    let jobs = [("kind", "scan"), ("state", "succeeded")];
    assert_eq!(page.value("chamois_jobs", &jobs), 1.0);
    site.end();
}

/// A job about BMCs that nobody reaches must wait, and be seen to wait, not fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_has_the_role_jobs_wait() {
    let mut site = Site::start(false);
    let (fleet, address) = site.bmc();
    let job = site.scan(address);
    // the member looks at jobs each second, if it does at all
    tokio::time::sleep(Duration::from_secs(3)).await;
    site.until_job(&job, "waiting");
    assert_eq!(fleet.bmc(0).total(), 0, "nobody asked it anything");
    assert!(!site.page().0.contains_key("chamois_discovery_events_total"));
    assert_eq!(
        site.status("/readyz?role=discovery"),
        503,
        "it is no role that nodes are sent for"
    );
    site.end();
}

/// The same jobs by PCS' names, on every member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pcs_is_found_below_its_prefix_and_at_the_root() {
    let site = Site::start(false);
    for prefix in ["/power-control/v1", ""] {
        assert_eq!(site.status(&format!("{prefix}/liveness")), 204);
        assert_eq!(site.status(&format!("{prefix}/readiness")), 204);
        let transitions = site.get(&format!("{prefix}/transitions"));
        assert_eq!(transitions, json!({ "transitions": [] }));
        let power = site.get(&format!("{prefix}/power-status"));
        assert_eq!(power, json!({ "status": [] }));
    }
    site.end();
}
