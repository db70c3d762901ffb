//! What is to be reported of a job and is not in the log yet.

use std::collections::BTreeMap;

use proto::job::v1::JobTarget;
use proto::job::v1::job_command::ReportJob;
use rpc::Error;
use tokio::sync::oneshot;

/// Targets of one report, and found ones beside them.
pub(crate) const TARGETS_PER_REPORT_MAX: usize = 500;

/// Who waits until what it said is in the log.
pub(crate) type Waiter = oneshot::Sender<Result<(), Error>>;

/// Reports that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// By place: the last word counts.
    targets: BTreeMap<u32, JobTarget>,
    found: Vec<JobTarget>,
    cursor: u64,
    release: Option<String>,
    waiters: Vec<Waiter>,
}

/// One report on its way.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) targets: Vec<JobTarget>,
    pub(crate) found: Vec<JobTarget>,
    pub(crate) cursor: u64,
    pub(crate) release: Option<String>,
    pub(crate) waiters: Vec<Waiter>,
}

impl Pending {
    pub(crate) fn target(&mut self, target: JobTarget) {
        self.targets.insert(target.place, target);
    }

    pub(crate) fn found(&mut self, target: JobTarget) {
        self.found.push(target);
    }

    /// Found targets before it must be in the log no later than it: a batch takes it only with the last of them.
    pub(crate) fn cursor(&mut self, cursor: u64) {
        self.cursor = self.cursor.max(cursor);
    }

    pub(crate) fn release(&mut self, reason: String) {
        self.release = Some(reason);
    }

    pub(crate) fn wait(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && self.cursor == 0 && self.release.is_none() && self.waiters.is_empty()
    }

    /// Targets that wait.
    pub(crate) fn len(&self) -> usize {
        self.targets.len() + self.found.len()
    }

    /// Whether somebody waits, or one report is full.
    pub(crate) fn is_urgent(&self) -> bool {
        self.release.is_some() || !self.waiters.is_empty() || self.len() >= TARGETS_PER_REPORT_MAX
    }

    /// The next report. Whoever waits, the cursor and the release go with the last one only, as they speak of all before it.
    pub(crate) fn take(&mut self) -> Batch {
        let places: Vec<u32> = self
            .targets
            .keys()
            .copied()
            .take(TARGETS_PER_REPORT_MAX)
            .collect();
        let targets = places
            .iter()
            .filter_map(|place| self.targets.remove(place))
            .collect();
        let found = self
            .found
            .drain(..self.found.len().min(TARGETS_PER_REPORT_MAX))
            .collect();
        let mut batch = Batch {
            targets,
            found,
            cursor: 0,
            release: None,
            waiters: Vec::new(),
        };
        if self.targets.is_empty() && self.found.is_empty() {
            batch.cursor = std::mem::take(&mut self.cursor);
            batch.release = self.release.take();
            batch.waiters = std::mem::take(&mut self.waiters);
        }
        batch
    }

    /// A report that did not get through waits again, but for what was said anew in the meantime.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        for target in batch.targets {
            self.targets.entry(target.place).or_insert(target);
        }
        self.found.splice(..0, batch.found);
        self.cursor(batch.cursor);
        if self.release.is_none() {
            self.release = batch.release;
        }
        self.waiters.extend(batch.waiters);
    }
}

impl Batch {
    /// The change of the log that it is.
    pub(crate) fn report(&self, id: &str, fence: u64, lapse_s: u32) -> ReportJob {
        ReportJob {
            id: id.to_owned(),
            fence,
            lapse_s,
            targets: self.targets.clone(),
            new_targets: self.found.clone(),
            cursor: self.cursor,
            release: self.release.is_some(),
            reason: self.release.clone().unwrap_or_default(),
        }
    }

    /// Tells those who wait.
    pub(crate) fn done(self) {
        for waiter in self.waiters {
            // One that does not wait any more needs no answer.
            let _ = waiter.send(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(place: u32, reason: &str) -> JobTarget {
        JobTarget {
            place,
            reason: reason.to_owned(),
            ..JobTarget::default()
        }
    }

    #[test]
    fn the_last_word_about_a_target_counts() {
        let mut pending = Pending::default();
        assert!(pending.is_empty());
        pending.target(target(3, "first"));
        pending.target(target(3, "last"));
        assert!(!pending.is_urgent() && !pending.is_empty());
        let batch = pending.take();
        assert_eq!(batch.targets, [target(3, "last")]);
        assert!(pending.is_empty());
    }

    /// A cursor in the log before what was found below it would lose that with the member.
    #[test]
    fn cursor_and_waiters_go_with_the_last_report() {
        let mut pending = Pending::default();
        let count = TARGETS_PER_REPORT_MAX as u32 + 1;
        (0..count).for_each(|place| pending.found(target(place, "")));
        pending.cursor(9);
        let (waiter, mut waits) = oneshot::channel();
        pending.wait(waiter);
        assert!(pending.is_urgent());
        let first = pending.take();
        assert_eq!((first.found.len(), first.cursor), (TARGETS_PER_REPORT_MAX, 0));
        first.done();
        assert!(waits.try_recv().is_err());
        let last = pending.take();
        assert_eq!((last.found.len(), last.cursor), (1, 9));
        let report = last.report("j", 4, 30);
        assert_eq!((report.fence, report.cursor, report.release), (4, 9, false));
        last.done();
        assert!(matches!(waits.try_recv(), Ok(Ok(()))));
        assert!(pending.is_empty());
    }

    #[test]
    fn what_did_not_get_through_waits_again_in_its_order() {
        let mut pending = Pending::default();
        pending.target(target(1, "old"));
        pending.target(target(2, "old"));
        pending.found(target(0, "a"));
        pending.release("gone".to_owned());
        let batch = pending.take();
        pending.target(target(2, "new"));
        pending.found(target(0, "b"));
        pending.put_back(batch);
        let again = pending.take();
        assert_eq!(again.targets, [target(1, "old"), target(2, "new")]);
        assert_eq!(again.found, [target(0, "a"), target(0, "b")]);
        assert_eq!(again.release.as_deref(), Some("gone"));
    }
}
