//! New passwords: in the log first, then at the BMC, and the password only after a login with it.

use bmcs::BmcCredentialService;
use proto::discovery::v1::bmc_credential_service_server::BmcCredentialService as _;
use proto::discovery::v1::discovery_command::{Change, PutNextPassword};
use proto::discovery::v1::{DiscoveryCommand, StartCredentialRotationRequest};
use proto::job::v1::job_command::{Change as JobChange, ClaimJob, ReportJob};
use proto::job::v1::{JobCommand, JobTarget, job, job_target};
use proto::raft::v1::entry::Command;

use crate::common::{Site, admin, crawled};

const BMC: &str = "x1000c0s0b0";
const STORED: &str = "bmc/x1000c0s0b0";
const NEXT: &str = "bmc-next/x1000c0s0b0";

async fn start(site: &Site) -> String {
    let request = StartCredentialRotationRequest {
        targets: vec!["x1000c0s*b0".to_owned()],
    };
    let service = BmcCredentialService::new(site.bmcs.clone());
    let started = service.start_credential_rotation(admin(request)).await;
    started.unwrap().into_inner().job
}

async fn rotate(site: &Site) -> JobTarget {
    let id = start(site).await;
    let (_, mut targets) = site.over(&id).await;
    assert_eq!(targets.len(), 1);
    targets.remove(0)
}

#[tokio::test]
async fn a_bmc_gets_a_new_password_that_is_stored_and_works() {
    let (site, bmc, _working) = crawled().await;
    let before = bmc.password();
    let target = rotate(&site).await;
    assert_eq!(target.state(), job_target::State::Succeeded, "{target:?}");
    let after = bmc.password();
    assert_ne!(after, before);
    assert_eq!(site.password(STORED), Some(after.clone()));
    assert_eq!(site.password(NEXT), None);
    assert!(!format!("{target:?}").contains(&after), "it is shown to nobody");
    let (job, targets) = site.crawl(&[BMC]).await;
    assert_eq!(job.state(), job::State::Succeeded, "{targets:?}");
}

#[tokio::test]
async fn a_bmc_that_refuses_keeps_its_password_and_so_do_we() {
    let (site, bmc, _working) = crawled().await;
    bmc.set(|mind| mind.refuses_passwords = true);
    let target = rotate(&site).await;
    assert_eq!(target.state(), job_target::State::Failed);
    assert!(target.reason.contains("refuses a new password"), "{target:?}");
    assert_eq!((site.password(STORED), site.password(NEXT)), (None, None));
    assert_eq!(bmc.password(), "first-password");
}

/// "OK" is not enough: a login decides.
#[tokio::test]
async fn a_bmc_that_only_says_so_is_found_out() {
    let (site, bmc, _working) = crawled().await;
    bmc.set(|mind| mind.forgets_passwords = true);
    let target = rotate(&site).await;
    assert_eq!(target.state(), job_target::State::Failed);
    assert!(
        target.reason.contains("still takes its old password"),
        "{target:?}"
    );
    assert_eq!((site.password(STORED), site.password(NEXT)), (None, None));
}

async fn propose(site: &Site, command: Command) -> u64 {
    site.store
        .propose("cluster/jobs", command, None)
        .await
        .unwrap()
        .revision
}

/// A rotation that a member has begun; `told` is what the BMC is being told, if it is.
async fn begun(site: &Site, told: Option<&str>) -> String {
    let id = start(site).await;
    let claim = ClaimJob {
        id: id.clone(),
        member_id: 9,
        lapse_s: 5,
    };
    let change = Some(JobChange::ClaimJob(claim));
    let fence = propose(site, Command::Job(JobCommand { change })).await;
    let begun = JobTarget {
        state: job_target::State::Running.into(),
        note: "from version 0".to_owned(),
        ..JobTarget::default()
    };
    let report = ReportJob {
        id: id.clone(),
        fence,
        lapse_s: 5,
        targets: vec![begun],
        ..ReportJob::default()
    };
    let change = Some(JobChange::ReportJob(report));
    propose(site, Command::Job(JobCommand { change })).await;
    if let Some(password) = told {
        let sealed = site.sealer.seal(NEXT, 1, password.as_bytes()).unwrap();
        let put = PutNextPassword {
            xname: BMC.to_owned(),
            password: Some(sealed),
        };
        let change = Some(Change::PutNextPassword(put));
        propose(site, Command::Discovery(DiscoveryCommand { change })).await;
    }
    id
}

/// A rotation that a member began, and then died; `told` is what the BMC was told, if it was.
async fn died(site: &Site, told: Option<&str>) -> String {
    let id = begun(site, told).await;
    (0..6000).for_each(|_| {
        site.store.cluster_time_ms();
    });
    id
}

/// Whoever takes over asks, and tells nothing.
#[tokio::test]
async fn after_a_death_both_passwords_are_tried_and_none_is_set() {
    let (site, bmc, working) = crawled().await;
    drop(working);
    let id = died(&site, Some("set-before-death")).await;
    bmc.set(|mind| mind.password = "set-before-death".to_owned());
    let _heir = site.work();
    let (_, targets) = site.over(&id).await;
    assert_eq!(targets[0].state(), job_target::State::Succeeded, "{targets:?}");
    assert_eq!(site.password(STORED).as_deref(), Some("set-before-death"));
    assert_eq!(bmc.count("PATCH /redfish/v1/AccountService/Accounts/1"), 0);
}

#[tokio::test]
async fn after_a_death_before_the_bmc_was_told_the_old_password_stays() {
    let (site, bmc, working) = crawled().await;
    drop(working);
    let id = died(&site, Some("never told")).await;
    let _heir = site.work();
    let (_, targets) = site.over(&id).await;
    assert_eq!(targets[0].state(), job_target::State::Failed, "{targets:?}");
    assert_eq!((site.password(STORED), site.password(NEXT)), (None, None));
    assert_eq!(bmc.password(), "first-password");
    let again = rotate(&site).await;
    assert_eq!(again.state(), job_target::State::Succeeded, "{again:?}");
}

#[tokio::test]
async fn after_a_death_before_anything_was_done_it_is_said_so() {
    let (site, bmc, working) = crawled().await;
    drop(working);
    let id = died(&site, None).await;
    let _heir = site.work();
    let (_, targets) = site.over(&id).await;
    assert_eq!(targets[0].state(), job_target::State::Failed);
    assert!(
        targets[0].reason.contains("before the BMC was told anything"),
        "{targets:?}"
    );
    assert_eq!(bmc.password(), "first-password");
}

/// One that takes neither may have either: forgetting one of them could lock it for ever.
#[tokio::test]
async fn when_neither_password_is_taken_both_are_kept() {
    let (site, bmc, working) = crawled().await;
    drop(working);
    let id = died(&site, Some("perhaps")).await;
    bmc.set(|mind| mind.password = "changed by hand".to_owned());
    let _heir = site.work();
    let (_, targets) = site.over(&id).await;
    assert_eq!(targets[0].state(), job_target::State::Unknown, "{targets:?}");
    assert_eq!(site.password(NEXT).as_deref(), Some("perhaps"));
}

/// Between the log and the BMC a password is nowhere else: another rotation that finds it not taken must not forget it.
#[tokio::test]
async fn a_rotation_keeps_away_from_one_that_is_under_way() {
    let (site, bmc, working) = crawled().await;
    drop(working);
    let first = begun(&site, Some("on its way")).await;
    let _other = site.work();
    let target = rotate(&site).await;
    assert_eq!(target.state(), job_target::State::Failed, "{target:?}");
    assert!(target.reason.contains(&first), "{target:?}");
    assert_eq!(site.password(NEXT).as_deref(), Some("on its way"));
    assert_eq!(bmc.count("PATCH /redfish/v1/AccountService/Accounts/1"), 0);
}

/// Without sessions and without accounts to see, any password looks right.
#[tokio::test]
async fn a_password_that_nobody_looked_at_is_not_taken_for_the_right_one() {
    let (site, bmc, _working) = crawled().await;
    bmc.set(|mind| {
        mind.lacks_sessions = true;
        mind.forgets_passwords = true;
    });
    let target = rotate(&site).await;
    assert_eq!(target.state(), job_target::State::Unknown, "{target:?}");
    assert_eq!(site.password(STORED), None);
    assert!(site.password(NEXT).is_some());
}
