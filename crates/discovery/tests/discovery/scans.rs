//! Scans of places in this process.

use std::collections::BTreeSet;

use discovery::scan::{ScanPlan, Step, scan};
use proto::discovery::v1::Scan;
use redfish::Connector;

use crate::server::Server;
use crate::trees;

/// BMCs, and something else that speaks HTTP.
async fn servers(bmcs: usize) -> (Vec<Server>, Server) {
    let mut started = Vec::new();
    for _ in 0..bmcs {
        started.push(Server::start(trees::bodies(&trees::blade())).await);
    }
    let page = [("/index.html".to_owned(), b"<html>".to_vec())];
    (started, Server::start(page.into()).await)
}

fn plan(targets: Vec<String>, concurrency_max: u32) -> ScanPlan {
    let scan = Scan {
        targets,
        concurrency_max,
        timeout_ms: 2_000,
        ..Scan::default()
    };
    ScanPlan::of(&scan).ok().unwrap()
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// What is found from `from` on, and every number that is told.
async fn found(plan: &ScanPlan, from: u64) -> (BTreeSet<String>, Vec<u64>) {
    let (mut found, mut asked) = (BTreeSet::new(), Vec::new());
    let mut sink = |step: Step| match step {
        Step::Found(one) => {
            assert_eq!(
                (one.service.as_str(), one.root.product.as_str()),
                ("redfish", "Blade")
            );
            found.insert(one.address.to_string());
        }
        Step::Asked(below) => asked.push(below),
    };
    scan(&Connector::system(64), plan, from, &mut sink).await;
    (found, asked)
}

#[tokio::test]
async fn what_speaks_redfish_is_found_and_nothing_else() {
    let (bmcs, other) = servers(5).await;
    let mut targets: Vec<String> = bmcs.iter().map(url).collect();
    targets.push(url(&other));
    targets.push("http://127.0.0.1:1".to_owned()); // nobody listens there
    let plan = plan(targets, 3);
    let (found, asked) = found(&plan, 0).await;
    let expected: BTreeSet<String> = bmcs.iter().map(|bmc| bmc.address.to_string()).collect();
    assert_eq!(found, expected);
    assert_eq!(asked.last(), Some(&7));
}

#[tokio::test]
async fn a_scan_goes_on_where_another_one_ended() {
    let (bmcs, _other) = servers(6).await;
    let plan = plan(bmcs.iter().map(url).collect(), 0);
    let (all, _) = found(&plan, 0).await;
    assert_eq!(all.len(), 6);
    for from in 0..=6 {
        let (rest, asked) = found(&plan, from).await;
        let expected: BTreeSet<String> = (from..6)
            .map(|place| plan.nth(place).unwrap().to_string())
            .collect();
        assert_eq!((rest, asked.as_slice()), (expected, &[6][..]));
    }
    let (none, asked) = found(&plan, 1_000).await;
    assert!(none.is_empty() && asked == [6]);
}

/// A place is told as done only after what was found there was told: what is told is never lost.
#[tokio::test]
async fn a_number_is_told_after_what_is_below_it() {
    let (bmcs, _other) = servers(3).await;
    let mut targets: Vec<String> = bmcs.iter().map(url).collect();
    targets.extend((1..200).map(|port| format!("http://127.0.0.1:{port}")));
    let plan = plan(targets, 8);
    let places: Vec<String> = (0..plan.len())
        .map(|place| plan.nth(place).unwrap().to_string())
        .collect();
    let mut steps = Vec::new();
    let mut sink = |step: Step| steps.push(step);
    scan(&Connector::system(64), &plan, 0, &mut sink).await;
    let mut found = BTreeSet::new();
    let expected: BTreeSet<String> = bmcs.iter().map(|bmc| bmc.address.to_string()).collect();
    let mut low = 0;
    for step in steps {
        match step {
            Step::Found(one) => {
                found.insert(one.address.to_string());
            }
            Step::Asked(below) => {
                assert!(below >= low, "{below} after {low}");
                low = below;
                let done = usize::try_from(below).unwrap();
                assert!(
                    places[..done]
                        .iter()
                        .filter(|place| expected.contains(*place))
                        .all(|place| found.contains(place))
                );
            }
        }
    }
    assert_eq!((low, found), (plan.len(), expected));
}
