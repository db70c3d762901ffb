//! What the leader does by itself: components follow their BMCs, and requests and leases become crawls.

use std::time::Duration;

use proto::job::v1::job;
use proto::raft::v1::entry::Command;
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::smd_command::{Change, PatchComponents, RequestDiscovery};
use proto::smd::v1::{EthernetInterface, IpAddressMapping, SmdCommand};
use tokio::task::JoinHandle;

use crate::common::{FakeBmc, Site, crawled, until};

const NODE: &str = "x1000c0s0b0n0";
const POLL: Duration = Duration::from_millis(50);

struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn follow(site: &Site, adopt_leases: bool) -> Following {
    let following = bmcs::follow(site.bmcs.clone(), POLL, adopt_leases, std::future::pending());
    Following(tokio::spawn(following))
}

async fn propose(site: &Site, change: Change) {
    let command = Command::Smd(SmdCommand { change: Some(change) });
    site.store.propose("user/admin", command, None).await.unwrap();
}

async fn is_now(site: &Site, state: State, flag: Flag) {
    until(|| {
        let node = site.component(NODE)?;
        (node.state() == state && node.flag() == flag).then_some(())
    })
    .await;
}

async fn looks(bmc: &FakeBmc) {
    let before = bmc.count("GET /redfish/v1/Systems/1");
    until(|| (bmc.count("GET /redfish/v1/Systems/1") >= before + 3).then_some(())).await;
}

#[tokio::test]
async fn power_and_health_become_state_and_flag() {
    let (site, bmc, _working) = crawled().await;
    let _following = follow(&site, false);
    bmc.set(|mind| mind.power = "Off".to_owned());
    is_now(&site, State::Off, Flag::Ok).await;
    bmc.set(|mind| mind.power = "On".to_owned());
    until(|| (site.component(NODE)?.state() == State::On).then_some(())).await;
    bmc.set(|mind| mind.health = "Critical".to_owned());
    is_now(&site, State::On, Flag::Alert).await;
    bmc.set(|mind| mind.health = "OK".to_owned());
    is_now(&site, State::On, Flag::Ok).await;
}

/// With events nobody waits for the next look: here that is 20 s away.
#[tokio::test]
async fn an_event_is_looked_into_at_once() {
    let (site, bmc, _working) = crawled().await;
    bmc.set(|mind| mind.has_events = true);
    let poll = Duration::from_secs(2);
    let following = bmcs::follow(site.bmcs.clone(), poll, false, std::future::pending());
    let _following = Following(tokio::spawn(following));
    until(|| (bmc.count("GET /redfish/v1/EventService/SSE") == 1).then_some(())).await;
    let before = std::time::Instant::now();
    bmc.set(|mind| {
        mind.power = "Off".to_owned();
        mind.bell.notify_one();
    });
    until(|| (site.component(NODE)?.state() == State::Off).then_some(())).await;
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "{:?}",
        before.elapsed()
    );
}

/// A node that has booted is more than on, whatever its BMC says of its power.
#[tokio::test]
async fn a_ready_node_stays_ready() {
    let (site, bmc, _working) = crawled().await;
    let ready = PatchComponents {
        ids: vec![NODE.to_owned()],
        state: State::Ready.into(),
        ..PatchComponents::default()
    };
    propose(&site, Change::PatchComponents(ready)).await;
    let _following = follow(&site, false);
    looks(&bmc).await;
    assert_eq!(site.component(NODE).unwrap().state(), State::Ready);
}

/// Not to know is no state.
#[tokio::test]
async fn a_bmc_that_is_gone_changes_nothing() {
    let (site, bmc, _working) = crawled().await;
    let _following = follow(&site, false);
    looks(&bmc).await;
    let before = site.component(NODE).unwrap();
    drop(bmc);
    tokio::time::sleep(POLL * 6).await;
    assert_eq!(site.component(NODE).unwrap(), before);
}

#[tokio::test]
async fn what_a_client_of_hsm_wants_discovered_is_crawled_once() {
    let (site, _bmc, _working) = crawled().await;
    let jobs = || site.store.state().jobs.iter().count();
    let before = jobs();
    let request = RequestDiscovery {
        ids: vec!["x1000c0s0b0".to_owned()],
        all: false,
    };
    propose(&site, Change::RequestDiscovery(request)).await;
    let _following = follow(&site, false);
    until(|| (jobs() > before).then_some(())).await;
    until(|| {
        site.endpoint("x1000c0s0b0")?
            .discovery_requested
            .is_none()
            .then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(jobs(), before + 1);
}

/// A BMC's interface that got an address where it was never crawled.
#[tokio::test]
async fn a_bmc_with_a_new_address_is_crawled_once() {
    let site = Site::new();
    let interface = EthernetInterface {
        mac_address: "02:00:00:00:0a:01".to_owned(),
        component_id: "x1000c0s5b0".to_owned(),
        ip_addresses: vec![IpAddressMapping {
            ip_address: "127.0.0.9".to_owned(),
            ..IpAddressMapping::default()
        }],
        ..EthernetInterface::default()
    };
    let create = proto::smd::v1::smd_command::CreateEthernetInterfaces {
        interfaces: vec![interface],
        ..Default::default()
    };
    propose(&site, Change::CreateEthernetInterfaces(create)).await;
    let (_working, _following) = (site.work(), follow(&site, true));
    let id = until(|| {
        let state = site.store.state();
        state.jobs.iter().next().map(|job| job.id.clone())
    });
    let (job, targets) = site.over(&id.await).await;
    assert!(matches!(job.work, Some(job::Work::Crawl(_))));
    assert_eq!((targets.len(), targets[0].target.as_str()), (1, "127.0.0.9:443"));
    assert_eq!(job.principal, "cluster/discovery");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(site.store.state().jobs.iter().count(), 1);
}

#[tokio::test]
async fn without_adoption_addresses_are_left_alone() {
    let site = Site::new();
    let _following = follow(&site, false);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.store.state().jobs.iter().count(), 0);
}
