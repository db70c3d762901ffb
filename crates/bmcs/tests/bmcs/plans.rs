//! A plan tells what a crawl would do, and does nothing.

use futures::StreamExt as _;
use proto::discovery::v1::crawl_service_server::CrawlService as _;
use proto::discovery::v1::{Crawl, PlanCrawlRequest, PlanCrawlResponse};

use crate::common::{FakeBmc, Site, UUID, admin, crawled};

async fn plan(site: &Site, target: &str) -> PlanCrawlResponse {
    let crawl = Crawl {
        targets: vec![target.to_owned()],
        ..Crawl::default()
    };
    let service = bmcs::CrawlService::new(site.bmcs.clone());
    let planned = service
        .plan_crawl(admin(PlanCrawlRequest { crawl: Some(crawl) }))
        .await;
    let answers: Vec<_> = planned.unwrap().into_inner().collect().await;
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().unwrap().unwrap()
}

#[tokio::test]
async fn a_plan_names_what_would_be_new_and_stores_none_of_it() {
    let (site, bmc) = (Site::new(), FakeBmc::start(UUID).await);
    site.credential("default", &bmc.password()).await;
    site.rule("first", UUID, "x1000c0s0b0").await;
    let before = site.store.state().applied_index();
    let planned = plan(&site, &bmc.address()).await;
    assert_eq!(
        (planned.xname.as_str(), planned.status.as_str()),
        ("x1000c0s0b0", "ok")
    );
    let is_node = |change: &&proto::http::v1::ObjectChange| {
        change.kind == "component" && change.id == "x1000c0s0b0n0" && change.change == "created"
    };
    assert!(
        planned.changes.iter().any(|change| is_node(&change)),
        "{planned:?}"
    );
    assert!(site.component("x1000c0s0b0n0").is_none());
    assert_eq!(site.store.state().applied_index(), before);
}

/// What is there already is no change, but for when it was looked at.
#[tokio::test]
async fn a_plan_of_what_is_known_changes_no_component() {
    let (site, _bmc, _working) = crawled().await;
    let planned = plan(&site, "x1000c0s0b0").await;
    assert_eq!(planned.status, "ok");
    assert!(
        planned.changes.iter().all(|change| change.kind != "component"),
        "{planned:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_its_remedy() {
    let (site, bmc) = (Site::new(), FakeBmc::start(UUID).await);
    site.credential("default", "wrong").await;
    let refused = plan(&site, &bmc.address()).await;
    assert_eq!(
        (refused.status.as_str(), refused.address),
        ("credentials", bmc.address())
    );
    assert!(!refused.remedy.is_empty() && refused.changes.is_empty());
    let far = Site::reaching(&["10.1.0.0/16"]);
    let out = plan(&far, &bmc.address()).await;
    assert_eq!(out.status, "out-of-reach");
}
