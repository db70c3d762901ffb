//! The same lines for whoever collects them: by syslog, or as JSON lines. Each target has a queue and a thread of its own. What a
//! target does not take in time is counted and left out; nothing waits for it. What waits when the member stops is sent after the next
//! start: each record once at least.

mod json_lines;
mod position;
mod syslog;
mod syslog_target;
mod transport;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use self::json_lines::JsonLinesTarget;
pub use self::syslog_target::SyslogTarget;

use self::position::Position;
use crate::counters::{ExportReading, add, read};
use crate::options::Options;
use crate::record::{Denial, Record};
use crate::segments::Place;

/// Lines that wait for a target.
const QUEUE_MAX: usize = 8192;
/// Pause before a target that has failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How often is looked whether the threads have ended.
const END_LOOK: Duration = Duration::from_millis(10);

/// One line for others.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Record(Arc<Record>),
    Denial(Arc<Denial>),
}

/// What takes lines.
trait Target: Send {
    /// # Errors
    /// `InvalidInput`: it will never take this line, which is left out then. Else what the system says: then the same line is sent again.
    fn send(&mut self, line: &Line) -> io::Result<()>;
}

/// Where lines are handed over.
#[derive(Debug)]
pub(crate) struct Exports(Vec<Export>);

#[derive(Debug)]
struct Export {
    name: &'static str,
    queue: SyncSender<Line>,
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
    /// Nobody hands over lines any more: a target that fails is not waited for.
    is_over: AtomicBool,
}

/// Reads the counters of all targets, beside the thread that writes.
#[derive(Clone, Debug)]
pub(crate) struct ExportCounts(Vec<(&'static str, Arc<Counts>)>);

impl Exports {
    /// Starts a thread for each target of `options`. Each begins with what it was not sent of the journal, which ends at `upto`.
    ///
    /// # Errors
    /// What the system says of threads.
    pub(crate) fn start(options: &Options, journal: &Place, upto: u64) -> io::Result<Exports> {
        let mut exports = Exports(Vec::new());
        let position = |name: &str| Position::open(&options.folder, name, journal.clone(), upto);
        if let Some(to) = &options.syslog {
            let target = syslog::Syslog::new(to.clone(), &options.host, options.member_id);
            exports.add("syslog", Box::new(target), position("syslog"))?;
        }
        if let Some(to) = &options.json_lines {
            let target = json_lines::JsonLines::new(to.clone());
            exports.add("json-lines", Box::new(target), position("json-lines"))?;
        }
        Ok(exports)
    }

    fn add(&mut self, name: &'static str, target: Box<dyn Target>, position: Position) -> io::Result<()> {
        let (queue, lines) = sync_channel(QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let sending = Sending {
            target,
            name,
            counts: Arc::clone(&counts),
            position,
            is_failing: false,
        };
        let thread = thread::Builder::new()
            .name(format!("audit-{name}"))
            .spawn(move || sending.run(&lines))?;
        self.0.push(Export {
            name,
            queue,
            counts,
            thread,
        });
        Ok(())
    }

    /// No line is handed over any more. Waits until those that wait are sent, `at_most` so long, and not for a target that fails: the
    /// next start goes on.
    pub(crate) fn finish(&mut self, at_most: Duration) {
        let end = Instant::now() + at_most;
        self.say_it_is_over();
        // with the queues gone the threads come to their end
        let threads: Vec<JoinHandle<()>> = self.0.drain(..).map(|export| export.thread).collect();
        while !threads.iter().all(JoinHandle::is_finished) && Instant::now() < end {
            thread::sleep(END_LOOK);
        }
    }

    fn say_it_is_over(&self) {
        for export in &self.0 {
            export.counts.is_over.store(true, Ordering::Relaxed);
        }
    }

    /// Hands a line to every target that has room for it.
    pub(crate) fn send(&self, line: &Line) {
        for export in &self.0 {
            if export.queue.try_send(line.clone()).is_err() {
                add(&export.counts.dropped, 1);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn counts(&self) -> ExportCounts {
        let all = self
            .0
            .iter()
            .map(|export| (export.name, Arc::clone(&export.counts)));
        ExportCounts(all.collect())
    }
}

impl ExportCounts {
    pub(crate) fn read(&self) -> Vec<ExportReading> {
        let reading = |(target, counts): &(&'static str, Arc<Counts>)| ExportReading {
            target,
            sent: read(&counts.sent),
            dropped: read(&counts.dropped),
        };
        self.0.iter().map(reading).collect()
    }
}

/// The thread of a target.
struct Sending {
    target: Box<dyn Target>,
    name: &'static str,
    counts: Arc<Counts>,
    position: Position,
    is_failing: bool,
}

/// It is over, and the target fails: what is left waits for the next start.
struct GivenUp;

impl Sending {
    /// Until whoever hands over lines is gone, and what he has handed over is sent or refused.
    fn run(mut self, lines: &Receiver<Line>) {
        let went = self.catch_up().and_then(|()| self.send_all(lines));
        self.position.save();
        if let Err(GivenUp) = went {
            tracing::warn!(
                to = self.name,
                "audit lines that wait are sent after the next start"
            );
        }
    }

    /// What was written into the journal and not sent before the start.
    fn catch_up(&mut self) -> Result<(), GivenUp> {
        let Some((mut tail, upto)) = self.position.missed() else {
            return Ok(());
        };
        loop {
            let records = tail.read().unwrap_or_else(|error| {
                tracing::warn!(to = self.name, %error, "what was not sent of the audit journal cannot be read");
                Vec::new()
            });
            let is_over = records.last().is_none_or(|record| record.revision >= upto);
            for record in records {
                // what is later was handed over as well
                if record.revision <= upto {
                    self.send(&Line::Record(Arc::new(record)))?;
                }
            }
            if is_over {
                return Ok(());
            }
        }
    }

    fn send_all(&mut self, lines: &Receiver<Line>) -> Result<(), GivenUp> {
        loop {
            let line = match lines.try_recv() {
                Ok(line) => line,
                Err(TryRecvError::Empty) => {
                    self.position.save();
                    match lines.recv() {
                        Ok(line) => line,
                        Err(_) => return Ok(()),
                    }
                }
                Err(TryRecvError::Disconnected) => return Ok(()),
            };
            self.send(&line)?;
        }
    }

    /// Again and again, until the target has taken it.
    fn send(&mut self, line: &Line) -> Result<(), GivenUp> {
        while let Err(error) = self.target.send(line) {
            if error.kind() == io::ErrorKind::InvalidInput {
                add(&self.counts.dropped, 1);
                return Ok(());
            }
            if !std::mem::replace(&mut self.is_failing, true) {
                tracing::warn!(to = self.name, %error, "audit lines cannot be sent; they wait, and what does not fit is left out");
            }
            if self.counts.is_over.load(Ordering::Relaxed) {
                return Err(GivenUp);
            }
            thread::sleep(RETRY_PAUSE);
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!(to = self.name, "audit lines are sent again");
        }
        add(&self.counts.sent, 1);
        if let Line::Record(record) = line {
            self.position.took(record.revision);
        }
        Ok(())
    }
}

impl Drop for Exports {
    fn drop(&mut self) {
        self.say_it_is_over();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;
    use crate::record::line;
    use crate::record::tests::record;
    use crate::segments::Segments;

    /// Of a target without a past, in a folder of its own.
    fn position(folder: &tempfile::TempDir) -> Position {
        let journal = Place::new(folder.path(), "audit");
        Position::open(folder.path(), "syslog", journal, 0)
    }

    /// Takes lines once it is let to.
    struct Slow {
        gate: Receiver<()>,
        taken: SyncSender<u64>,
    }

    impl Target for Slow {
        fn send(&mut self, line: &Line) -> io::Result<()> {
            self.gate.recv().ok();
            if let Line::Record(record) = line {
                self.taken.send(record.revision).ok();
            }
            Ok(())
        }
    }

    /// A collector that hangs must hold up no write and take no memory.
    #[test]
    fn a_target_that_hangs_loses_lines_and_they_are_counted() {
        let (open, gate) = mpsc::sync_channel(0);
        let (taken, sent) = mpsc::sync_channel(QUEUE_MAX * 2);
        let (mut exports, folder) = (Exports(Vec::new()), tempfile::tempdir().unwrap());
        let target = Box::new(Slow { gate, taken });
        exports.add("syslog", target, position(&folder)).unwrap();
        let line = Line::Record(Arc::new(record(7, "user/ada", "gpu")));
        let began = Instant::now();
        for _ in 0..QUEUE_MAX + 100 {
            exports.send(&line);
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        let counts = exports.counts();
        // one line may have been taken out of the queue already
        let dropped = counts.read()[0].dropped;
        assert!(dropped == 100 || dropped == 99, "{dropped}");
        drop(open);
        assert_eq!(sent.recv_timeout(Duration::from_secs(20)), Ok(7));
    }

    struct Flaky(u32);

    impl Target for Flaky {
        fn send(&mut self, _: &Line) -> io::Result<()> {
            self.0 = self.0.saturating_sub(1);
            match self.0 {
                0 => Ok(()),
                _ => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }
    }

    #[test]
    fn a_line_that_was_refused_is_sent_again() {
        let (mut exports, folder) = (Exports(Vec::new()), tempfile::tempdir().unwrap());
        exports
            .add("syslog", Box::new(Flaky(2)), position(&folder))
            .unwrap();
        exports.send(&Line::Record(Arc::new(record(7, "user/ada", "gpu"))));
        let end = Instant::now() + Duration::from_secs(20);
        while exports.counts().read()[0].sent == 0 {
            assert!(Instant::now() < end, "it is not sent again");
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(exports.counts().read()[0].dropped, 0);
    }

    /// Tells which revisions it has taken, slowly.
    struct Telling(mpsc::Sender<u64>, Duration);

    impl Target for Telling {
        fn send(&mut self, line: &Line) -> io::Result<()> {
            thread::sleep(self.1);
            if let Line::Record(record) = line {
                self.0.send(record.revision).ok();
            }
            Ok(())
        }
    }

    fn send(exports: &Exports, revisions: std::ops::RangeInclusive<u64>) {
        for revision in revisions {
            exports.send(&Line::Record(Arc::new(record(revision, "user/ada", "gpu"))));
        }
    }

    /// A member that is stopped in order has told everything, if the collector takes it.
    #[test]
    fn what_waits_is_sent_before_the_end() {
        let (mut exports, folder) = (Exports(Vec::new()), tempfile::tempdir().unwrap());
        let (told, taken) = mpsc::channel();
        let slow = Box::new(Telling(told, Duration::from_millis(10)));
        exports.add("syslog", slow, position(&folder)).unwrap();
        send(&exports, 1..=20);
        exports.finish(Duration::from_secs(20));
        assert_eq!(taken.try_iter().count(), 20);
    }

    #[test]
    fn a_target_that_hangs_does_not_hold_up_the_end() {
        let (mut exports, folder) = (Exports(Vec::new()), tempfile::tempdir().unwrap());
        let (told, _taken) = mpsc::channel();
        let hangs = Box::new(Telling(told, Duration::from_secs(600)));
        exports.add("syslog", hangs, position(&folder)).unwrap();
        send(&exports, 1..=2);
        let began = Instant::now();
        exports.finish(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    struct Gone;

    impl Target for Gone {
        fn send(&mut self, _: &Line) -> io::Result<()> {
            Err(io::ErrorKind::ConnectionRefused.into())
        }
    }

    /// The collector was away when the member stopped, or the member was killed: the journal has what it missed.
    #[test]
    fn what_was_not_sent_is_sent_after_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Place::new(folder.path(), "audit");
        let open = |upto| Position::open(folder.path(), "syslog", journal.clone(), upto);
        let mut exports = Exports(Vec::new());
        exports.add("syslog", Box::new(Gone), open(0)).unwrap();
        let (mut segments, _) = Segments::open(journal.clone(), |_| None).unwrap();
        for revision in 1..=9 {
            let written = line(&record(revision, "user/ada", "gpu"));
            segments.append(revision, &written).unwrap();
        }
        send(&exports, 1..=9);
        exports.finish(Duration::from_secs(20));
        let (told, taken) = mpsc::channel();
        let (mut exports, at_once) = (Exports(Vec::new()), Duration::ZERO);
        exports
            .add("syslog", Box::new(Telling(told, at_once)), open(8))
            .unwrap();
        send(&exports, 9..=9);
        exports.finish(Duration::from_secs(20));
        assert_eq!(
            taken.try_iter().collect::<Vec<u64>>(),
            (1..=9).collect::<Vec<u64>>()
        );
        assert!(open(9).missed().is_none(), "nothing is sent a third time");
    }

    struct Never;

    impl Target for Never {
        fn send(&mut self, line: &Line) -> io::Result<()> {
            match line {
                Line::Record(record) if record.revision == 1 => Err(io::ErrorKind::InvalidInput.into()),
                _ => Ok(()),
            }
        }
    }

    /// Or it would be sent for ever, and nothing after it.
    #[test]
    fn a_line_that_is_never_taken_is_left_out_and_counted() {
        let (mut exports, folder) = (Exports(Vec::new()), tempfile::tempdir().unwrap());
        exports.add("syslog", Box::new(Never), position(&folder)).unwrap();
        let counts = exports.counts();
        send(&exports, 1..=3);
        exports.finish(Duration::from_secs(20));
        assert_eq!((counts.read()[0].sent, counts.read()[0].dropped), (2, 1));
    }
}
