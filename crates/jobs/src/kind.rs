//! What a job is about.

use std::fmt;
use std::str::FromStr;

use proto::job::v1::Job;
use proto::job::v1::job::Work;

/// The kinds of jobs, one for each work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// A search for BMCs.
    Scan,
    /// BMCs are read whole.
    Crawl,
    /// BMCs get new passwords.
    CredentialRotation,
    /// Nodes are switched.
    PowerTransition,
    /// BMCs get new firmware.
    FirmwareUpdate,
}

impl JobKind {
    /// Every kind, in the order of the fields of `Job.work`.
    pub const ALL: [JobKind; 5] = [
        JobKind::Scan,
        JobKind::Crawl,
        JobKind::CredentialRotation,
        JobKind::PowerTransition,
        JobKind::FirmwareUpdate,
    ];

    /// The kind of a job; `None` for one that a later version has made.
    #[must_use]
    pub fn of(job: &Job) -> Option<JobKind> {
        job.work.as_ref().map(JobKind::of_work)
    }

    /// The kind of a work.
    #[must_use]
    pub fn of_work(work: &Work) -> JobKind {
        match work {
            Work::Scan(_) => JobKind::Scan,
            Work::Crawl(_) => JobKind::Crawl,
            Work::CredentialRotation(_) => JobKind::CredentialRotation,
            Work::PowerTransition(_) => JobKind::PowerTransition,
            Work::FirmwareUpdate(_) => JobKind::FirmwareUpdate,
        }
    }

    /// As `ListJobsRequest.kind` and logs write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Scan => "scan",
            JobKind::Crawl => "crawl",
            JobKind::CredentialRotation => "credential_rotation",
            JobKind::PowerTransition => "power_transition",
            JobKind::FirmwareUpdate => "firmware_update",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobKind {
    type Err = String;

    /// The error says which words are accepted.
    fn from_str(text: &str) -> Result<JobKind, String> {
        let found = JobKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            let accepted = JobKind::ALL.map(JobKind::as_str).join(", ");
            format!("`{}` is no kind of job; write {accepted}", text.escape_debug())
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::{Crawl, CredentialRotation, Scan};
    use proto::firmware::v1::FirmwareUpdate;
    use proto::power::v1::PowerTransition;

    use super::*;

    #[test]
    fn every_work_has_a_kind_of_its_own_and_each_is_read_back() {
        let works = [
            Work::Scan(Scan::default()),
            Work::Crawl(Crawl::default()),
            Work::CredentialRotation(CredentialRotation::default()),
            Work::PowerTransition(PowerTransition::default()),
            Work::FirmwareUpdate(FirmwareUpdate::default()),
        ];
        for (work, kind) in works.into_iter().zip(JobKind::ALL) {
            let job = Job {
                work: Some(work),
                ..Job::default()
            };
            assert_eq!(JobKind::of(&job), Some(kind));
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!(JobKind::of(&Job::default()), None);
    }

    #[test]
    fn what_is_no_kind_is_told_with_those_that_are() {
        let problem = "scans".parse::<JobKind>().unwrap_err();
        assert!(problem.contains("`scans`"), "{problem}");
        assert!(problem.contains("scan, crawl, credential_rotation"), "{problem}");
    }
}
