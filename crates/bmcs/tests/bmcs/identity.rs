//! Which xname a BMC gets, and what happens when two want one.

use proto::discovery::v1::AssignXnameRequest;
use proto::discovery::v1::bmc_service_server::BmcService as _;
use proto::job::v1::{job, job_target};

use crate::common::{FakeBmc, OTHER_UUID, Site, UUID, admin, crawled};

#[tokio::test]
async fn without_a_rule_the_bmc_is_known_and_nothing_is_in_the_inventory() {
    let (site, bmc) = (Site::new(), FakeBmc::start(UUID).await);
    site.credential("default", &bmc.password()).await;
    let _working = site.work();
    let (job, targets) = site.crawl(&[&bmc.address()]).await;
    assert_eq!(job.state(), job::State::Failed);
    assert!(
        targets[0].reason.contains("no rule gives an xname"),
        "{targets:?}"
    );
    assert!(
        targets[0].remedy.contains("chamois discover rule put"),
        "{targets:?}"
    );
    assert_eq!(site.found(&bmc.address()).unwrap().crawl_status, "no-xname");
    assert_eq!(site.store.state().smd.redfish_endpoints().count(), 0);
}

#[tokio::test]
async fn an_assigned_xname_needs_no_rule() {
    let (site, bmc) = (Site::new(), FakeBmc::start(UUID).await);
    site.credential("default", &bmc.password()).await;
    let _working = site.work();
    site.crawl(&[&bmc.address()]).await;
    let assign = AssignXnameRequest {
        address: bmc.address(),
        xname: "X1000C0S7B0".to_owned(),
    };
    let service = bmcs::BmcService::new(site.store.clone());
    let assigned = service.assign_xname(admin(assign)).await.unwrap().into_inner();
    assert_eq!(assigned.xname, "x1000c0s7b0");
    let (job, targets) = site.crawl(&[&bmc.address()]).await;
    assert_eq!(job.state(), job::State::Succeeded, "{targets:?}");
    assert!(site.component("x1000c0s7b0n0").is_some());
}

/// The second would take the first one's nodes, and its password.
#[tokio::test]
async fn two_bmcs_with_one_xname_are_told_by_name_and_the_first_keeps_it() {
    let (site, first, _working) = crawled().await;
    let second = FakeBmc::start(OTHER_UUID).await;
    second.set(|mind| mind.password = first.password());
    site.rule("second", OTHER_UUID, "x1000c0s0b0").await;
    let (job, targets) = site.crawl(&[&second.address()]).await;
    assert_eq!(job.state(), job::State::Failed);
    let reason = &targets[0].reason;
    assert!(
        reason.contains(&first.address()) && reason.contains(&second.address()),
        "{reason}"
    );
    assert!(reason.contains("x1000c0s0b0"), "{reason}");
    assert_eq!(site.found(&first.address()).unwrap().xname, "x1000c0s0b0");
    let refused = site.found(&second.address()).unwrap();
    assert_eq!(
        (refused.xname.as_str(), refused.crawl_status.as_str()),
        ("", "collision")
    );
    let endpoint = site.endpoint("x1000c0s0b0").unwrap();
    assert!(
        endpoint.uuid.is_empty() || endpoint.uuid.eq_ignore_ascii_case(UUID),
        "{endpoint:?}"
    );
}

/// A UUID is only what a BMC says: without the key of the one that was there it gets nothing of it.
#[tokio::test]
async fn another_bmc_that_says_the_same_uuid_is_another_one() {
    let (site, first, _working) = crawled().await;
    let pretender = FakeBmc::start(UUID).await;
    let (_, targets) = site.crawl(&[&pretender.address()]).await;
    assert_eq!(targets[0].state(), job_target::State::Failed);
    assert!(targets[0].reason.contains(&first.address()), "{targets:?}");
    assert_eq!(site.found(&first.address()).unwrap().xname, "x1000c0s0b0");
}
