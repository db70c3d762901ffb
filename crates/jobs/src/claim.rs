//! One claimed job: its work runs, what it says is reported, the claim is renewed, and the job is ended.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use proto::job::v1::job_command::{Change, ClaimJob, EndJob};
use proto::job::v1::{JobCommand, JobTarget, job_target};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::pending::Batch;
use crate::{Pace, Running, Work};

/// Who claims, reports and ends.
const PRINCIPAL: &str = "cluster/jobs";
/// How long a member that stops takes to give a job back.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// How a claim came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The job is over.
    Done,
    /// Somebody else has the job, or may have it; or it was given back.
    Gone,
}

/// The claim of one job by this member.
pub(crate) struct Claim {
    pub(crate) store: Store,
    pub(crate) member_id: u64,
    pub(crate) pace: Pace,
    /// `None`: nobody does this work any more, and the job is only to be ended.
    pub(crate) work: Option<Arc<dyn Work>>,
    /// True from when this member stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// When the next report is due, and how long the claim is good.
struct Lease {
    pace: Pace,
    sent_at: Instant,
    not_before: Instant,
    good_until: Instant,
    backoff: Duration,
}

impl Lease {
    fn new(pace: Pace, at: Instant) -> Lease {
        Lease {
            pace,
            sent_at: at,
            not_before: at,
            good_until: at + pace.good_for(),
            backoff: pace.backoff_first,
        }
    }

    /// What was sent at `at` has come through.
    fn renewed(&mut self, at: Instant) {
        *self = Lease::new(self.pace, at);
    }

    fn failed(&mut self) {
        self.not_before = Instant::now() + self.backoff;
        self.backoff = (self.backoff * 2).min(self.pace.backoff_max);
    }

    fn due(&self, running: &Running) -> Instant {
        let pending = running.pending();
        let wanted = match (pending.is_urgent(), pending.is_empty()) {
            (true, _) => self.not_before,
            (false, false) => self.sent_at + self.pace.report,
            (false, true) => self.sent_at + self.pace.lapse / 3,
        };
        wanted.max(self.not_before).min(self.good_until)
    }
}

/// What a report led to.
enum Sent {
    Yes,
    Released,
    Later,
    Lost,
}

impl Claim {
    /// Claims the job `id` and sees it through, as long as the claim is good.
    pub(crate) async fn run(self, id: &str) -> Ended {
        let claimed_at = Instant::now();
        let running = match self.claim(id).await {
            Ok(running) => running,
            Err(error) => {
                tracing::debug!(id, %error, "a job was not claimed");
                return Ended::Gone;
            }
        };
        let mut lease = Lease::new(self.pace, claimed_at);
        tracing::info!(id, job = ?running, "a job is claimed");
        let ended = self.attend(&running, &mut lease).await;
        tracing::info!(id, ?ended, "the claim of a job is over");
        ended
    }

    async fn claim(&self, id: &str) -> Result<Running, Error> {
        let claim = ClaimJob {
            id: id.to_owned(),
            member_id: self.member_id,
            lapse_s: self.pace.lapse_s(),
        };
        let committed = self.propose(Change::ClaimJob(claim)).await?;
        let state = self.store.state();
        let job = state.jobs.get(id).map(|job| job.as_ref().clone());
        let job = job.ok_or_else(|| Error::Conflict {
            detail: format!("job {id} is gone"),
        })?;
        let left = state.jobs.targets(id).filter(|target| is_left(target));
        let left = left.map(|target| target.as_ref().clone()).collect();
        Ok(Running::new(self.store.clone(), job, left, committed.revision))
    }

    async fn propose(&self, change: Change) -> Result<Committed, Error> {
        let command = Command::Job(JobCommand { change: Some(change) });
        self.store.propose(PRINCIPAL, command, None).await
    }

    /// Until the work is over, or the claim. Whatever ends it, the work is dropped with this.
    async fn attend(&self, running: &Running, lease: &mut Lease) -> Ended {
        let mut work = JoinSet::new();
        let Some(of_work) = self.work.clone() else {
            let reason = "it was cancelled, and no member could go on with it";
            return self.end(running, lease, reason).await;
        };
        work.spawn(of_work.run(running.clone()));
        let mut lost = pin!(running.lost());
        let mut stopping = self.stopping.clone();
        loop {
            let due = lease.due(running);
            tokio::select! {
                biased;
                () = &mut lost => return Ended::Gone,
                () = stopped(&mut stopping) => {
                    work.shutdown().await;
                    return self.give_back(running, lease).await;
                }
                over = work.join_next() => {
                    let reason = match over {
                        Some(Err(bug)) => self.met_bug(running, &bug),
                        Some(Ok(())) | None => String::new(),
                    };
                    return self.end(running, lease, &reason).await;
                }
                () = tokio::time::sleep_until(due) => match self.send(running, lease).await {
                    Sent::Yes | Sent::Later => {}
                    Sent::Released | Sent::Lost => return Ended::Gone,
                },
                () = running.said() => {}
            }
        }
    }

    fn met_bug(&self, running: &Running, bug: &tokio::task::JoinError) -> String {
        tracing::error!(job = ?running, error = %bug, "the work of a job met a bug");
        format!(
            "the work met a bug on member {}; its log says which",
            self.member_id
        )
    }

    /// One report, which renews the claim. After it has lapsed for this member none is sent: nobody would work on what it renewed.
    async fn send(&self, running: &Running, lease: &mut Lease) -> Sent {
        let at = Instant::now();
        if at >= lease.good_until {
            tracing::warn!(job = ?running, "the claim of a job has lapsed");
            return Sent::Lost;
        }
        let batch: Batch = running.take();
        let report = batch.report(&running.job().id, running.fence(), self.pace.lapse_s());
        let proposed = self.propose(Change::ReportJob(report));
        match timeout_at(lease.good_until, proposed).await {
            Ok(Ok(_)) => {
                lease.renewed(at);
                let is_released = batch.release.is_some();
                batch.done();
                if is_released { Sent::Released } else { Sent::Yes }
            }
            Ok(Err(error)) if is_worth_a_repeat(&error) && Instant::now() < lease.good_until => {
                tracing::warn!(job = ?running, %error, "a report has to wait");
                running.put_back(batch);
                lease.failed();
                Sent::Later
            }
            Ok(Err(error)) => {
                tracing::warn!(job = ?running, %error, "the claim of a job is lost");
                Sent::Lost
            }
            Err(_) => {
                tracing::warn!(job = ?running, "the claim of a job has lapsed");
                Sent::Lost
            }
        }
    }

    /// All that was said, then the end.
    async fn end(&self, running: &Running, lease: &mut Lease, reason: &str) -> Ended {
        while !running.pending().is_empty() {
            match self.send(running, lease).await {
                Sent::Yes => {}
                Sent::Later => tokio::time::sleep_until(lease.not_before).await,
                Sent::Released | Sent::Lost => return Ended::Gone,
            }
        }
        loop {
            let end = EndJob {
                id: running.job().id.clone(),
                fence: running.fence(),
                reason: reason.to_owned(),
            };
            match timeout_at(lease.good_until, self.propose(Change::EndJob(end))).await {
                Ok(Ok(_)) => return Ended::Done,
                Ok(Err(error)) if is_worth_a_repeat(&error) => {
                    tracing::warn!(job = ?running, %error, "the end of a job has to wait");
                    lease.failed();
                    tokio::time::sleep_until(lease.not_before.min(lease.good_until)).await;
                }
                Ok(Err(error)) => {
                    tracing::warn!(job = ?running, %error, "a job was not ended");
                    return Ended::Gone;
                }
                Err(_) => return Ended::Gone,
            }
        }
    }

    /// This member stops: another one need not wait for the lapse.
    async fn give_back(&self, running: &Running, lease: &mut Lease) -> Ended {
        let reason = format!("member {} stopped", self.member_id);
        running.say(|pending| pending.release(reason));
        let giving = async {
            while matches!(self.send(running, lease).await, Sent::Yes | Sent::Later) {
                tokio::time::sleep_until(lease.not_before).await;
            }
        };
        if tokio::time::timeout(STOP_WAIT, giving).await.is_err() {
            tracing::warn!(job = ?running, "a job was not given back; it is taken over when the claim lapses");
        }
        Ended::Gone
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without a sender this member has stopped, too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// What a job still has to do: what waits, and what was begun.
pub(crate) fn is_left(target: &JobTarget) -> bool {
    matches!(
        target.state(),
        job_target::State::Waiting | job_target::State::Running
    )
}

/// Whether the log may take it the next time.
fn is_worth_a_repeat(error: &Error) -> bool {
    matches!(
        error,
        Error::NoQuorum { .. }
            | Error::NotReady { .. }
            | Error::OutcomeUnknown
            | Error::Overloaded { .. }
            | Error::DeadlineExceeded { .. }
    )
}

#[cfg(test)]
mod tests {
    use proto::job::v1::Job;

    use super::*;

    /// Reports that fail wait ever longer, and the work must not go on while another member may have the job.
    #[tokio::test]
    async fn however_long_a_report_has_to_wait_the_claim_is_not_trusted_beyond_its_time() {
        let running = Running::new(Store::in_memory(), Job::default(), Vec::new(), 1);
        let (pace, at) = (Pace::default(), Instant::now());
        let mut lease = Lease::new(pace, at);
        assert_eq!(lease.due(&running), at + pace.lapse / 3);
        for _ in 0..10 {
            lease.failed();
            assert!(lease.due(&running) <= at + pace.good_for());
        }
        assert!(lease.not_before > lease.good_until, "it would have waited longer");
    }
}
