//! Which xname a BMC gets, and what happens when two want one.

use model::Xname;
use proto::discovery::v1::bmc_service_server::BmcService as _;
use proto::discovery::v1::xname_rule_service_server::XnameRuleService as _;
use proto::discovery::v1::{AssignXnameRequest, ExplicitXname, PutXnameRuleRequest, XnameRule, xname_rule};
use proto::job::v1::{job, job_target};
use proto::raft::v1::entry::Command;
use proto::smd::v1::SmdCommand;
use proto::smd::v1::smd_command::{Change, PatchRedfishEndpoint};
use redfish::Limits;

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

/// They are told apart by their ports, also where SMD wants each FQDN once.
#[tokio::test]
async fn several_bmcs_behind_one_address_are_several() {
    let (site, first, _working) = crawled().await;
    let second = FakeBmc::start(OTHER_UUID).await;
    site.rule("second", OTHER_UUID, "x1000c0s1b0").await;
    let (job, targets) = site.crawl(&[&second.address()]).await;
    assert_eq!(job.state(), job::State::Succeeded, "{targets:?}");
    let (job, targets) = site.crawl(&["x1000c0s0b0", "x1000c0s1b0"]).await;
    assert_eq!(job.state(), job::State::Succeeded, "{targets:?}");
    let fqdn = |xname: &str| site.endpoint(xname).unwrap().fqdn;
    assert_eq!(fqdn("x1000c0s0b0"), "127.0.0.1");
    assert_eq!(fqdn("x1000c0s1b0"), second.address());
    assert_eq!(site.found(&first.address()).unwrap().xname, "x1000c0s0b0");
}

/// Some makers give all their BMCs one UUID: then a rule decides, not whose UUID was stored first.
#[tokio::test]
async fn a_uuid_that_another_bmc_has_too_leaves_it_to_the_rules() {
    let (site, _first, _working) = crawled().await;
    let second = FakeBmc::start(UUID).await;
    second.set(|mind| mind.serial = "another".to_owned());
    let explicit = ExplicitXname {
        serial: "another".to_owned(),
        xname: "x1000c0s1b0".to_owned(),
        ..ExplicitXname::default()
    };
    let rule = XnameRule {
        name: "by-serial".to_owned(),
        priority: Some(900),
        rule: Some(xname_rule::Rule::Explicit(explicit)),
        ..XnameRule::default()
    };
    let put = PutXnameRuleRequest {
        rule: Some(rule),
        if_revision: None,
    };
    let service = bmcs::XnameRuleService::new(site.store.clone());
    service.put_xname_rule(admin(put)).await.unwrap();
    let (job, targets) = site.crawl(&[&second.address()]).await;
    assert_eq!(job.state(), job::State::Succeeded, "{targets:?}");
    assert_eq!(site.found(&second.address()).unwrap().xname, "x1000c0s1b0");
}

/// Whoever may change where an endpoint is must not get its password at a host of his.
#[tokio::test]
async fn an_endpoint_that_is_said_to_be_elsewhere_must_show_its_key_there() {
    let (site, first, _working) = crawled().await;
    let other = FakeBmc::start_at("127.0.0.2", UUID).await;
    let patch = PatchRedfishEndpoint {
        id: "x1000c0s0b0".to_owned(),
        hostname: Some(String::new()),
        domain: Some(String::new()),
        fqdn: Some(other.address()),
        ip_address: Some("127.0.0.2".to_owned()),
        ..PatchRedfishEndpoint::default()
    };
    let change = Some(Change::PatchRedfishEndpoint(patch));
    let command = Command::Smd(SmdCommand { change });
    site.store.propose("user/admin", command, None).await.unwrap();
    let xname: Xname = "x1000c0s0b0".parse().unwrap();
    assert_eq!(site.bmcs.address_of(&xname).unwrap().to_string(), other.address());
    let (_, targets) = site.crawl(&["x1000c0s0b0"]).await;
    assert_eq!(targets[0].state(), job_target::State::Failed);
    let reason = &targets[0].reason;
    assert!(
        reason.contains(&first.address()) && reason.contains(&other.address()),
        "{reason}"
    );
    let opened = site.bmcs.open(&xname, &Limits::default()).await;
    assert_eq!(opened.err().unwrap().word(), "key-changed");
    assert_eq!(other.count("POST /redfish/v1/SessionService/Sessions"), 0);
    let noted = site.found(&other.address()).unwrap_or_default();
    assert!(
        noted.key_sha256.is_empty(),
        "its key is believed of nobody: {noted:?}"
    );
}
