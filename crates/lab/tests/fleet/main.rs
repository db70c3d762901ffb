//! Whole fleets against a small cluster of the test's own that loses, dies, refuses and lies as told.
#![allow(clippy::unwrap_used)] // a test's helpers are tests

mod fake;

use std::time::Duration;

use fake::{Cluster, INITRD, KERNEL, Trick};
use lab::{FileDigest, Fleet, FleetConfig, FleetReport, Pace, Phase};

const QUICK: Pace = Pace::with_second(Duration::from_millis(10));

fn config(cluster: &Cluster) -> FleetConfig {
    FleetConfig {
        nodes: cluster.nodes(),
        dhcp_servers: vec![*cluster.dhcp_server().ip()],
        relayed_to: vec![cluster.dhcp_server()],
        relay_address: cluster.net.relay_address(),
        kernel: FileDigest::of(&KERNEL),
        initrd: FileDigest::of(&INITRD),
        booting_max: 64,
        starts_per_second: 10_000,
        node_time_max: Duration::from_secs(60),
        seed: 1,
        pace: QUICK,
    }
}

async fn boot(nodes: usize, trick: Trick) -> (FleetReport, Cluster) {
    let cluster = Cluster::start(nodes, trick).await;
    let report = Fleet::start(config(&cluster)).unwrap().finish().await;
    (report, cluster)
}

/// The one node of a fleet of one must fail, in this phase, for this reason.
async fn must_fail(trick: Trick, phase: Phase, reason: &str) {
    let (report, _cluster) = boot(1, trick).await;
    let failure = report
        .failures
        .first()
        .unwrap_or_else(|| panic!("{trick:?} went unnoticed"));
    assert_eq!(failure.phase, phase, "{failure:?}");
    assert!(failure.reason.contains(reason), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_nodes_boot_and_phone_home() {
    let (report, cluster) = boot(1000, Trick::None).await;
    assert_eq!((report.booted, report.failed), (1000, 0), "{:?}", report.failures);
    assert_eq!(cluster.phoned_home().len(), 1000, "each of its own");
    assert!(report.script_p50_ms > 0.0 && report.script_p50_ms <= report.script_p99_ms);
    let first = &report.nodes[0];
    let ends: Vec<f64> = first.phase_end_seconds.iter().map(|end| end.unwrap()).collect();
    assert!(ends.is_sorted() && ends[5] <= first.seconds, "{ends:?}");
}

#[tokio::test]
async fn progress_counts_each_node_once_in_each_phase() {
    let cluster = Cluster::start(10, Trick::KernelBreaksOnce).await;
    let fleet = Fleet::start(config(&cluster)).unwrap();
    let mut progress = fleet.progress();
    let over = *progress.wait_for(lab::Progress::is_over).await.unwrap();
    assert_eq!(over.completed, [10; 6]);
    assert_eq!(
        (over.total, over.started, over.booted, over.failed),
        (10, 10, 10, 0)
    );
    assert_eq!(fleet.finish().await.booted, 10);
}

#[tokio::test]
async fn no_more_nodes_than_allowed_boot_at_once() {
    let cluster = Cluster::start(20, Trick::None).await;
    Fleet::start(FleetConfig {
        booting_max: 3,
        ..config(&cluster)
    })
    .unwrap()
    .finish()
    .await;
    assert!(cluster.connections_max() <= 3, "{}", cluster.connections_max());
    assert!(
        Fleet::start(FleetConfig {
            booting_max: 0,
            ..config(&cluster)
        })
        .is_err()
    );
}

/// A node boots when its BMC is told to switch it on, once, and not before.
#[tokio::test]
async fn nodes_boot_when_they_are_switched_on() {
    let cluster = Cluster::start(4, Trick::None).await;
    let (switch, switched_on) = tokio::sync::mpsc::channel(8);
    let fleet = Fleet::start_on_demand(config(&cluster), switched_on).unwrap();
    let mut progress = fleet.progress();
    for place in [2, 0, 2, 99] {
        switch.send(place).await.unwrap();
    }
    let two = *progress.wait_for(|progress| progress.booted == 2).await.unwrap();
    assert_eq!((two.started, two.total), (2, 4));
    switch.send(1).await.unwrap();
    drop(switch);
    let report = fleet.finish().await;
    assert_eq!((report.booted, report.failed), (3, 1), "{:?}", report.failures);
    let failure = &report.failures[0];
    assert_eq!(failure.xname, cluster.nodes()[3].xname.to_string());
    assert!(failure.reason.contains("never switched on"), "{failure:?}");
}

/// The member dies in the middle of a transfer: the script's retry boots the node, and the time is counted.
#[tokio::test]
async fn a_transfer_that_breaks_off_is_retried_by_the_script() {
    for trick in [Trick::KernelBreaksOnce, Trick::InitrdBreaksOnce] {
        let (report, cluster) = boot(1, trick).await;
        assert_eq!(report.booted, 1, "{trick:?}: {:?}", report.failures);
        assert_eq!(cluster.scripts_served(), 2, "{trick:?}");
        assert!(
            report.extra_boot_seconds_max >= QUICK.seconds(1).as_secs_f64(),
            "the script's sleep counts"
        );
    }
}

/// A frozen member answers nothing and closes nothing: only the keepalive frees the node, after 15 s of its time.
#[tokio::test]
async fn a_stalled_transfer_is_freed_and_retried() {
    let (report, cluster) = boot(1, Trick::InitrdStallsOnce).await;
    assert_eq!(report.booted, 1, "{:?}", report.failures);
    assert_eq!(cluster.scripts_served(), 2);
    assert!(report.extra_boot_seconds_max >= QUICK.seconds(15).as_secs_f64());
}

#[tokio::test]
async fn nothing_listens_for_a_while_and_the_fleet_boots_all_the_same() {
    let (report, _cluster) = boot(5, Trick::HttpComesLate).await;
    assert_eq!(report.booted, 5, "{:?}", report.failures);
    assert!(report.extra_boot_seconds_max > 0.0);
}

/// The very first script has no script around it that could retry: the firmware does.
#[tokio::test]
async fn firmware_starts_over_when_the_first_script_breaks_off() {
    let (report, cluster) = boot(1, Trick::ScriptBreaksOnce).await;
    assert_eq!(report.booted, 1, "{:?}", report.failures);
    assert_eq!(cluster.discovers(), 2);
}

#[tokio::test]
async fn lost_dhcp_packets_are_sent_again() {
    let (report, _cluster) = boot(5, Trick::EveryOtherDhcpPacketIsLost).await;
    assert_eq!(report.booted, 5, "{:?}", report.failures);
    assert!(report.extra_boot_seconds_max >= QUICK.seconds(3).as_secs_f64());
}

#[tokio::test]
async fn busy_answers_are_waited_for() {
    let (report, _cluster) = boot(1, Trick::EverythingIsBusyOnce).await;
    assert_eq!(report.booted, 1, "{:?}", report.failures);
    let waits = QUICK.seconds(2 * 7).as_secs_f64(); // script, kernel, initrd, four documents; 2 s each
    assert!(
        report.extra_boot_seconds_max >= waits,
        "{}",
        report.extra_boot_seconds_max
    );
}

#[tokio::test]
async fn cloud_init_and_phone_home_try_again() {
    for trick in [Trick::DocumentsFailTwice, Trick::PhoneHomeFailsTwice] {
        let (report, cluster) = boot(1, trick).await;
        assert_eq!(report.booted, 1, "{trick:?}: {:?}", report.failures);
        assert_eq!(cluster.phoned_home().len(), 1);
    }
    must_fail(Trick::NoVendorData, Phase::CloudInit, "11 tries").await;
    must_fail(Trick::PhoneHomeIsRefused, Phase::PhoneHome, "10 tries").await;
}

/// The order is cloud-init's own; servers are tuned to it.
#[tokio::test]
async fn documents_are_asked_for_in_cloud_inits_order() {
    let (_, cluster) = boot(1, Trick::None).await;
    let documents = ["network-config", "meta-data", "user-data", "vendor-data"];
    let asked: Vec<String> = cluster
        .paths()
        .into_iter()
        .filter(|path| documents.iter().any(|name| path.ends_with(name)))
        .collect();
    let order: Vec<&str> = asked
        .iter()
        .map(|path| path.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(order, documents);
}

#[tokio::test]
async fn another_nodes_data_is_noticed_wherever_it_comes() {
    must_fail(Trick::AddressOfAnother, Phase::Dhcp, "not this node's").await;
    must_fail(
        Trick::ScriptOfAnother,
        Phase::Initrd,
        "another node's command line",
    )
    .await;
    must_fail(Trick::MetaDataOfAnother, Phase::CloudInit, "another node's data").await;
    must_fail(
        Trick::NetworkConfigOfAnother,
        Phase::CloudInit,
        "another node's data",
    )
    .await;
}

#[tokio::test]
async fn damaged_files_and_scripts_are_noticed() {
    must_fail(Trick::KernelHasAFlippedBit, Phase::Kernel, "damaged").await;
    must_fail(Trick::InitrdIsShort, Phase::Initrd, "damaged").await;
    must_fail(
        Trick::ScriptHasAnInjectedLine,
        Phase::Script,
        "\"reboot\" has no place in a boot script",
    )
    .await;
    must_fail(Trick::ScriptIsHtml, Phase::Script, "#!ipxe").await;
    must_fail(Trick::ScriptDoesNotBoot, Phase::Script, "without booting").await;
}

/// A URL that names a member dies with it; the service address is all that a node may be told.
#[tokio::test]
async fn a_members_own_address_is_noticed() {
    must_fail(Trick::BootfileOnAMember, Phase::Dhcp, "not the service address").await;
    must_fail(
        Trick::DataSourceOnAMember,
        Phase::CloudInit,
        "not the service address",
    )
    .await;
}

/// Nothing lasts for ever: a node whose cloud-init hangs (it has no time-out) ends at the fleet's bound.
#[tokio::test]
async fn a_node_that_hangs_is_bounded() {
    let cluster = Cluster::start(1, Trick::MetaDataStalls).await;
    let node_time_max = Duration::from_millis(500);
    let report = Fleet::start(FleetConfig {
        node_time_max,
        ..config(&cluster)
    })
    .unwrap()
    .finish()
    .await;
    assert_eq!(report.failures[0].phase, Phase::CloudInit);
    assert!(
        report.failures[0].reason.contains("not up after"),
        "{:?}",
        report.failures
    );
}

/// A dropped fleet is switched off: it must not go on filling logs and sockets.
#[tokio::test]
async fn a_dropped_fleet_asks_no_more() {
    let cluster = Cluster::start(50, Trick::None).await;
    let fleet = Fleet::start(FleetConfig {
        starts_per_second: 100,
        ..config(&cluster)
    })
    .unwrap();
    fleet
        .progress()
        .wait_for(|progress| progress.booted > 0)
        .await
        .unwrap();
    drop(fleet);
    tokio::time::sleep(Duration::from_millis(200)).await; // packets on their way arrive
    let before = cluster.discovers();
    tokio::time::sleep(Duration::from_millis(200)).await; // twenty nodes' worth of time
    assert_eq!(cluster.discovers(), before);
    assert!(before < 50);
}
