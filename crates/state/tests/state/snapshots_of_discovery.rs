//! Snapshots of what discovery found and of jobs, which no `apply` wrote: they are refused.

use proto::discovery::v1::{BmcCredential, XnameRule};
use proto::job::v1::job::State as JobStage;
use proto::job::v1::{Job, JobTarget};
use proto::raft::v1::snapshot_row::Row;
use state::RowKind;

use crate::snapshots::{assert_malformed, row};
use crate::{bmcs, firmware, xname_rules};

/// Two owners of one xname would each be sent the other's password.
#[test]
fn what_was_found_that_no_apply_wrote_is_refused() {
    let bmc = |address: &str, xname: &str| row(Row::Bmc(bmcs::seen(address, "ab", xname)));
    assert_malformed(
        RowKind::Bmc,
        [
            vec![bmc("10.1.0.7", "")],
            vec![bmc("10.1.0.7:443", "X0c0s0b0")],
            vec![bmc("10.1.0.7:443", "x0c0s0b0"), bmc("10.1.0.8:443", "x0c0s0b0")],
        ],
    );
    let no_rule = XnameRule {
        rule: None,
        ..xname_rules::rule("a", None)
    };
    assert_malformed(RowKind::XnameRule, [vec![row(Row::XnameRule(no_rule))]]);
    let credential = |scope: &str| {
        row(Row::BmcCredential(BmcCredential {
            scope: scope.into(),
            user: "root".into(),
            meta: None,
        }))
    };
    assert_malformed(
        RowKind::BmcCredential,
        [vec![credential("all")], vec![credential("bmc:X0c0s0b0")]],
    );
    let mut unsorted = firmware::inventory("x0c0s0b0");
    unsorted.firmware.reverse();
    assert_malformed(
        RowKind::FirmwareInventory,
        [vec![row(Row::FirmwareInventory(unsorted))]],
    );
}

/// A member that counts otherwise than the others would end a job otherwise.
#[test]
fn jobs_that_no_apply_wrote_are_refused() {
    let job = |state: JobStage, ended_at_ms: u64| {
        row(Row::Job(Job {
            id: "a".into(),
            state: state.into(),
            ended_at_ms,
            ..Job::default()
        }))
    };
    let target = |place: u32| {
        row(Row::JobTarget(JobTarget {
            job: "a".into(),
            place,
            ..JobTarget::default()
        }))
    };
    assert_malformed(
        RowKind::Job,
        [
            vec![job(JobStage::Unspecified, 0)],
            vec![job(JobStage::Succeeded, 0)],
            vec![job(JobStage::Running, 7)],
            vec![job(JobStage::Waiting, 0), target(0)],
        ],
    );
    assert_malformed(
        RowKind::JobTarget,
        [vec![target(0)], vec![job(JobStage::Waiting, 0), target(1)]],
    );
}
