//! A BMC is read whole and becomes inventory; one that cannot be read takes nothing away.

use proto::discovery::v1::bmc_service_server::BmcService as _;
use proto::discovery::v1::discovery_command::{Change, PutBmcs};
use proto::discovery::v1::{
    Bmc, Crawl, DiscoveryCommand, StartCrawlRequest, TrustKeyRequest, crawl_service_server::CrawlService as _,
};
use proto::job::v1::{job, job_target};
use proto::raft::v1::entry::Command;
use tonic::Code;

use crate::common::{FakeBmc, Site, UUID, admin, crawled};

const BMC: &str = "x1000c0s0b0";
const NODE: &str = "x1000c0s0b0n0";

fn status_of(site: &Site) -> String {
    let info = site.endpoint(BMC).unwrap().discovery_info.unwrap_or_default();
    info.last_discovery_status
}

#[tokio::test]
async fn a_bmc_with_a_rule_becomes_inventory_in_the_name_of_who_asked() {
    let (site, bmc, _working) = crawled().await;
    let node = site.component(NODE).unwrap();
    let created = node.meta.unwrap().created.unwrap();
    assert_eq!(created.principal, "user/admin");
    assert_eq!(status_of(&site), "DiscoverOK");
    let found = site.found(&bmc.address()).unwrap();
    assert_eq!((found.xname.as_str(), found.crawl_status.as_str()), (BMC, "ok"));
    assert_eq!((found.vendor.as_str(), found.uuid.as_str()), ("Chamois", UUID));
    assert_eq!(found.key_sha256.len(), 64);
    assert!(found.crawled_at_ms > 0);
    let system = site.bmcs.system_of(&NODE.parse().unwrap()).unwrap();
    assert_eq!(
        (system.bmc.as_str(), system.uri.as_str()),
        (BMC, "/redfish/v1/Systems/1")
    );
    assert_eq!(system.reset_types, ["On", "ForceOff"]);
    let firmware = site
        .store
        .state()
        .discovery
        .firmware(&BMC.parse().unwrap())
        .cloned();
    assert_eq!(firmware.unwrap().systems[0].bios_version, "2.1");
}

/// No resource twice, and no session left behind: some BMCs have four.
#[tokio::test]
async fn each_resource_is_read_once_and_the_session_is_deleted() {
    let (_site, bmc, _working) = crawled().await;
    for resource in [
        "/redfish/v1/Systems/1",
        "/redfish/v1/Managers/1",
        "/redfish/v1/Chassis/1",
    ] {
        assert_eq!(bmc.count(&format!("GET {resource}")), 1, "{resource}");
    }
    assert_eq!(bmc.count("POST /redfish/v1/SessionService/Sessions"), 1);
    let deleted = bmc
        .mind
        .lock()
        .unwrap()
        .seen
        .iter()
        .filter(|seen| seen.starts_with("DELETE "))
        .count();
    assert_eq!(deleted, 1);
}

#[tokio::test]
async fn wrong_credentials_are_told_and_take_nothing_away() {
    let (site, bmc, _working) = crawled().await;
    bmc.set(|mind| mind.password = "changed by hand".to_owned());
    let (job, targets) = site.crawl(&[BMC]).await;
    assert_eq!(job.state(), job::State::Failed);
    assert!(
        targets[0].remedy.contains("chamois bmc credential put"),
        "{targets:?}"
    );
    let found = site.found(&bmc.address()).unwrap();
    assert_eq!(
        (found.xname.as_str(), found.crawl_status.as_str()),
        (BMC, "credentials")
    );
    assert_eq!(status_of(&site), "HTTPsGetFailed");
    assert!(site.component(NODE).is_some());
    assert!(site.bmcs.system_of(&NODE.parse().unwrap()).is_ok());
    bmc.set(|mind| mind.password = "first-password".to_owned());
    site.crawl(&[BMC]).await;
    assert_eq!(status_of(&site), "DiscoverOK");
    assert!(site.found(&bmc.address()).unwrap().crawl_remedy.is_empty());
}

/// Who answers with another key may be in between: it must get no password.
#[tokio::test]
async fn a_changed_key_gets_no_login_until_it_is_trusted() {
    let (site, bmc, _working) = crawled().await;
    let (port, first) = (bmc.port, site.found(&bmc.address()).unwrap().key_sha256);
    drop(bmc);
    let bmc = FakeBmc::restart(port, UUID).await;
    let (_, targets) = site.crawl(&[BMC]).await;
    assert_eq!(targets[0].state(), job_target::State::Failed);
    assert!(targets[0].remedy.contains("chamois bmc trust"), "{targets:?}");
    assert_eq!(bmc.count("POST /redfish/v1/SessionService/Sessions"), 0);
    let found = site.found(&bmc.address()).unwrap();
    assert_eq!(
        (found.crawl_status.as_str(), &found.key_sha256),
        ("key-changed", &first)
    );
    assert_eq!(found.other_key_sha256.len(), 64);
    let trust = TrustKeyRequest {
        address: bmc.address(),
        key_sha256: found.other_key_sha256.clone(),
    };
    let service = bmcs::BmcService::new(site.store.clone());
    let trusted = service.trust_key(admin(trust)).await.unwrap().into_inner();
    assert_eq!(trusted.key_sha256, found.other_key_sha256);
    let (job, targets) = site.crawl(&[BMC]).await;
    assert_eq!(job.state(), job::State::Succeeded, "{targets:?}");
}

/// One that is dark must not keep the others waiting, nor fail them.
#[tokio::test]
async fn the_rest_goes_on_when_one_does_not_answer() {
    let (site, bmc, _working) = crawled().await;
    let gone = FakeBmc::start("00000000-0000-4000-8000-000000000009").await;
    let dark = gone.address();
    drop(gone);
    let (job, targets) = site.crawl(&[&dark, &bmc.address()]).await;
    assert_eq!(job.state(), job::State::Failed);
    let mut states: Vec<_> = targets.iter().map(|target| target.state()).collect();
    states.sort_unstable();
    assert_eq!(states, [job_target::State::Succeeded, job_target::State::Failed]);
    assert_eq!(site.found(&dark).unwrap().crawl_status, "unreachable");
}

/// What an administrator has set of an endpoint is not a BMC's to change.
#[tokio::test]
async fn what_was_set_by_hand_stays() {
    let (site, _bmc, _working) = crawled().await;
    let patch = proto::smd::v1::smd_command::PatchRedfishEndpoint {
        id: BMC.to_owned(),
        name: Some("the first".to_owned()),
        template_id: Some("t1".to_owned()),
        ..Default::default()
    };
    let change = Some(proto::smd::v1::smd_command::Change::PatchRedfishEndpoint(patch));
    let command = proto::raft::v1::entry::Command::Smd(proto::smd::v1::SmdCommand { change });
    site.store.propose("user/admin", command, None).await.unwrap();
    site.crawl(&[BMC]).await;
    let endpoint = site.endpoint(BMC).unwrap();
    assert_eq!(
        (endpoint.name.as_str(), endpoint.template_id.as_str()),
        ("the first", "t1")
    );
}

#[tokio::test]
async fn a_crawl_out_of_reach_waits_for_another_member() {
    let site = Site::reaching(&["10.1.0.0/16"]);
    let _working = site.work();
    let crawl = Crawl {
        targets: vec!["127.0.0.1:1".to_owned()],
        ..Crawl::default()
    };
    let service = bmcs::CrawlService::new(site.bmcs.clone());
    let request = StartCrawlRequest { crawl: Some(crawl) };
    let id = service
        .start_crawl(admin(request))
        .await
        .unwrap()
        .into_inner()
        .job;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let job = site.store.state().jobs.get(&id).unwrap().as_ref().clone();
    assert_eq!(job.state(), job::State::Waiting);
}

/// All that are known are those that speak Redfish: a PDU has no tree, and must be shown no password.
#[tokio::test]
async fn a_pdu_without_redfish_is_not_crawled() {
    let site = Site::new();
    let pdu = Bmc {
        address: "127.0.0.1:1".to_owned(),
        service: "jaws".to_owned(),
        ..Bmc::default()
    };
    let change = Some(Change::PutBmcs(PutBmcs { bmcs: vec![pdu] }));
    let command = Command::Discovery(DiscoveryCommand { change });
    site.store.propose("user/admin", command, None).await.unwrap();
    let service = bmcs::CrawlService::new(site.bmcs.clone());
    let all = service.start_crawl(admin(StartCrawlRequest::default())).await;
    assert_eq!(all.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_a_job_is_made() {
    let site = Site::new();
    let service = bmcs::CrawlService::new(site.bmcs.clone());
    for (targets, part) in [
        (vec![], "targets: no BMC is known"),
        (vec!["http://127.0.0.1"], "targets[0]: a crawl logs in"),
        (vec!["x9000c0s0b0"], "names no BMC that is known"),
        (vec!["a b"], "targets[0]: "),
    ] {
        let crawl = Crawl {
            targets: targets.into_iter().map(str::to_owned).collect(),
            ..Crawl::default()
        };
        let refused = service
            .start_crawl(admin(StartCrawlRequest { crawl: Some(crawl) }))
            .await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(part), "{}", refused.message());
    }
    assert_eq!(site.store.state().jobs.iter().count(), 0);
}
