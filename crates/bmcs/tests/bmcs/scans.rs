//! A scan remembers what answers, and may have it crawled.

use proto::discovery::v1::bmc_service_server::BmcService as _;
use proto::discovery::v1::{Scan, StartScanRequest};
use proto::job::v1::{Job, job, job_target};
use tonic::Code;

use crate::common::{FakeBmc, OTHER_UUID, Site, UUID, admin, until};

fn scan(ports: &[u16]) -> Scan {
    Scan {
        targets: vec!["127.0.0.1".to_owned()],
        ports: ports.iter().map(|port| u32::from(*port)).collect(),
        timeout_ms: 2_000,
        ..Scan::default()
    }
}

async fn start(site: &Site, scan: Scan) -> String {
    let service = bmcs::BmcService::new(site.store.clone());
    let request = StartScanRequest { scan: Some(scan) };
    service.start_scan(admin(request)).await.unwrap().into_inner().job
}

#[tokio::test]
async fn what_answers_is_remembered_with_its_first_key_and_no_login_is_sent() {
    let (site, first, second) = (
        Site::new(),
        FakeBmc::start(UUID).await,
        FakeBmc::start(OTHER_UUID).await,
    );
    let _working = site.work();
    let id = start(&site, scan(&[first.port, second.port])).await;
    let (job, targets) = site.over(&id).await;
    assert_eq!(
        (job.state(), targets.len()),
        (job::State::Succeeded, 2),
        "{targets:?}"
    );
    assert!(job.cursor >= 2);
    for bmc in [&first, &second] {
        let found = site.found(&bmc.address()).unwrap();
        assert_eq!((found.service.as_str(), found.key_sha256.len()), ("redfish", 64));
        assert!(found.xname.is_empty() && found.crawl_status.is_empty());
        assert_eq!(bmc.count("POST /redfish/v1/SessionService/Sessions"), 0);
    }
    assert!(
        targets
            .iter()
            .all(|target| target.state() == job_target::State::Succeeded)
    );
    assert!(targets[0].reason.contains("Chamois"), "{targets:?}");
}

#[tokio::test]
async fn what_was_found_is_crawled_if_that_is_asked_for() {
    let (site, bmc) = (Site::new(), FakeBmc::start(UUID).await);
    site.credential("default", &bmc.password()).await;
    site.rule("first", UUID, "x1000c0s0b0").await;
    let _working = site.work();
    let asked = Scan {
        then_crawl: true,
        ..scan(&[bmc.port])
    };
    let id = start(&site, asked).await;
    site.over(&id).await;
    let crawl = until(|| {
        let state = site.store.state();
        let mut jobs = state.jobs.iter().filter(|job| job.id != id);
        jobs.next().map(|job| Job::clone(job))
    });
    let crawl = crawl.await;
    assert!(matches!(crawl.work, Some(job::Work::Crawl(_))), "{crawl:?}");
    let (crawl, targets) = site.over(&crawl.id).await;
    assert_eq!(crawl.state(), job::State::Succeeded, "{targets:?}");
    assert!(site.component("x1000c0s0b0n0").is_some());
}

#[tokio::test]
async fn a_scan_of_where_no_member_reaches_waits() {
    let site = Site::reaching(&["10.1.0.0/16"]);
    let _working = site.work();
    let id = start(&site, scan(&[1])).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let job = site.store.state().jobs.get(&id).unwrap().as_ref().clone();
    assert_eq!(job.state(), job::State::Waiting);
}

/// Its second half is another member's: who cannot ask it must not say that nothing is there.
#[tokio::test]
async fn what_this_member_does_not_reach_is_left_to_another() {
    let (site, bmc) = (Site::reaching(&["127.0.0.1/32"]), FakeBmc::start(UUID).await);
    let _working = site.work();
    let half = Scan {
        targets: vec!["127.0.0.1-127.0.0.2".to_owned()],
        ..scan(&[bmc.port])
    };
    let id = start(&site, half).await;
    until(|| site.found(&bmc.address())).await;
    let job = until(|| {
        let job = site.store.state().jobs.get(&id)?.as_ref().clone();
        (job.cursor == 1).then_some(job)
    });
    assert_ne!(job.await.state(), job::State::Succeeded);
}

#[tokio::test]
async fn a_scan_that_cannot_be_meant_is_refused() {
    let site = Site::new();
    let service = bmcs::BmcService::new(site.store.clone());
    let wrong = Scan {
        targets: vec!["10.1.0.0/99".to_owned()],
        ..Scan::default()
    };
    let refused = service
        .start_scan(admin(StartScanRequest { scan: Some(wrong) }))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let missing = service
        .start_scan(admin(StartScanRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(missing.message(), "scan: it is missing");
}
