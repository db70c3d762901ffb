//! The same lines for whoever collects them: by syslog, or as JSON lines. Each target has a queue and a thread of its own. What a
//! target does not take in time is counted and left out; nothing waits for it.

mod json_lines;
mod syslog;
mod syslog_target;
mod transport;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

pub use self::json_lines::JsonLinesTarget;
pub use self::syslog_target::SyslogTarget;

use crate::counters::{ExportReading, add, read};
use crate::options::Options;
use crate::record::{Denial, Record};

/// Lines that wait for a target.
const QUEUE_MAX: usize = 8192;
/// Pause before a target that has failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// One line for others.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Record(Arc<Record>),
    Denial(Arc<Denial>),
}

/// What takes lines.
trait Target: Send {
    /// # Errors
    /// What the system says: then the same line is sent again.
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
    /// Starts a thread for each target of `options`.
    ///
    /// # Errors
    /// What the system says of threads.
    pub(crate) fn start(options: &Options) -> io::Result<Exports> {
        let mut exports = Exports(Vec::new());
        if let Some(to) = &options.syslog {
            let target = syslog::Syslog::new(to.clone(), &options.host, options.member_id);
            exports.add("syslog", Box::new(target))?;
        }
        if let Some(to) = &options.json_lines {
            exports.add("json-lines", Box::new(json_lines::JsonLines::new(to.clone())))?;
        }
        Ok(exports)
    }

    fn add(&mut self, name: &'static str, target: Box<dyn Target>) -> io::Result<()> {
        let (queue, lines) = sync_channel(QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        thread::Builder::new()
            .name(format!("audit-{name}"))
            .spawn(move || run(target, &lines, &counted, name))?;
        self.0.push(Export { name, queue, counts });
        Ok(())
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
            target: *target,
            sent: read(&counts.sent),
            dropped: read(&counts.dropped),
        };
        self.0.iter().map(reading).collect()
    }
}

/// Until whoever hands over lines is gone, and what he has handed over is sent or refused.
fn run(mut target: Box<dyn Target>, lines: &Receiver<Line>, counts: &Counts, name: &str) {
    let mut is_failing = false;
    while let Ok(line) = lines.recv() {
        while let Err(error) = target.send(&line) {
            if !std::mem::replace(&mut is_failing, true) {
                tracing::warn!(to = name, %error, "audit lines cannot be sent; they wait, and what does not fit is left out");
            }
            if counts.is_over.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(RETRY_PAUSE);
        }
        if std::mem::take(&mut is_failing) {
            tracing::info!(to = name, "audit lines are sent again");
        }
        add(&counts.sent, 1);
    }
}

impl Drop for Exports {
    fn drop(&mut self) {
        for export in &self.0 {
            export.counts.is_over.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;
    use crate::record::tests::record;

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
        let mut exports = Exports(Vec::new());
        exports.add("syslog", Box::new(Slow { gate, taken })).unwrap();
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
        let mut exports = Exports(Vec::new());
        exports.add("syslog", Box::new(Flaky(2))).unwrap();
        exports.send(&Line::Record(Arc::new(record(7, "user/ada", "gpu"))));
        let end = Instant::now() + Duration::from_secs(20);
        while exports.counts().read()[0].sent == 0 {
            assert!(Instant::now() < end, "it is not sent again");
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(exports.counts().read()[0].dropped, 0);
    }
}
