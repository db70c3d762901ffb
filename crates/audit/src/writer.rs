//! The thread that writes: what was applied into the journal, what was refused into the log of denials, both to whoever collects
//! them. Nobody waits for it but a checkpoint, for a moment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use raft::{Ledger, Taken};
use tokio::sync::watch;

use crate::counters::{Counters, CountersReading, add, read};
use crate::denials::{DenialLog, NowMs};
use crate::export::{ExportCounts, Exports, Line};
use crate::journal::Journal;
use crate::names::Names;
use crate::options::Options;
use crate::record::{self, Denial};
use crate::segments::{Place, Segments};

/// Denials wait for so long at most.
const TURN: Duration = Duration::from_millis(200);
/// Entries that come soon after each other are written together.
const GATHER: Duration = Duration::from_millis(5);
/// Lines that nobody waits for are brought to the disk after this.
const SYNC_PAUSE: Duration = Duration::from_secs(2);
/// Pause before a disk that has failed is written to again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How often old files are looked for.
const SHRINK_PAUSE: Duration = Duration::from_secs(60);
/// Collectors take what waits in less when the member stops.
const EXPORTS_END: Duration = Duration::from_secs(2);
/// The log of denials may take this part of what the journal may.
const DENIALS_PART: u64 = 4;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The journals of a running member.
#[derive(Debug)]
pub struct Audit {
    handle: Handle,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What readers of the journals need; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) journal: Place,
    pub(crate) denials: Place,
    pub(crate) member_id: u64,
    /// The journal says something of every entry up to here.
    pub(crate) written: watch::Receiver<u64>,
    counters: Arc<Counters>,
    exports: ExportCounts,
    log: DenialLog,
}

impl Audit {
    /// Goes on with the journals of a folder, from what `ledger` has on. `now_ms` is cluster time.
    ///
    /// # Errors
    /// What the file system says; a descriptor that does not decode.
    pub fn start(
        options: &Options,
        ledger: Arc<Ledger>,
        now_ms: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> io::Result<Audit> {
        let now_ms: NowMs = Arc::new(now_ms);
        let names = Names::load().map_err(io::Error::other)?;
        let journal_place = Place::new(&options.folder, "audit");
        let denials_place = Place::new(&options.folder, "denials");
        let journal = Journal::open(journal_place.clone(), names)?;
        let (denials, last_denial) = Segments::open(denials_place.clone(), number)?;
        let exports = Exports::start(options, &journal_place, journal.upto())?;
        let (log, waiting) = DenialLog::new(Arc::clone(&now_ms));
        let (written, readers) = watch::channel(journal.upto());
        let handle = Handle {
            journal: journal_place,
            denials: denials_place,
            member_id: options.member_id,
            written: readers,
            counters: Arc::default(),
            exports: exports.counts(),
            log: log.clone(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            ledger: Arc::clone(&ledger),
            journal,
            denials,
            last_denial,
            log,
            waiting,
            exports,
            counters: Arc::clone(&handle.counters),
            written,
            now_ms,
            options: options.clone(),
            stop: Arc::clone(&stop),
            backlog: None,
            synced: Instant::now(),
            shrunk: None,
        };
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())?;
        Ok(Audit {
            handle,
            ledger,
            stop,
            thread: Some(thread),
        })
    }

    /// For the guard: what it refuses.
    pub fn denials(&self) -> DenialLog {
        self.handle.log.clone()
    }

    /// Reads the counters, for as long as the process runs.
    pub fn counters(&self) -> impl Fn() -> CountersReading + Clone + Send + Sync + 'static + use<> {
        let handle = self.handle.clone();
        move || handle.counters()
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes what waits and ends the thread. To be called when nothing is applied any more, and the checkpoint is stored.
    pub async fn stop(mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the audit thread panicked");
            }
        }
    }

    fn tell_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ledger.wake();
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

impl Handle {
    fn counters(&self) -> CountersReading {
        let (denials, denials_left_out) = self.log.counts();
        CountersReading {
            revision: *self.written.borrow(),
            bytes: read(&self.counters.bytes),
            gaps: read(&self.counters.gaps),
            write_errors: read(&self.counters.write_errors),
            denials,
            denials_left_out,
            exports: self.exports.read(),
        }
    }
}

struct Writer {
    ledger: Arc<Ledger>,
    journal: Journal,
    denials: Segments,
    last_denial: u64,
    log: DenialLog,
    waiting: Receiver<Denial>,
    exports: Exports,
    counters: Arc<Counters>,
    written: watch::Sender<u64>,
    now_ms: NowMs,
    options: Options,
    stop: Arc<AtomicBool>,
    /// Taken from the ledger and not written yet, because the disk has refused it.
    backlog: Option<Taken>,
    synced: Instant,
    shrunk: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        self.turns();
        self.exports.finish(EXPORTS_END);
    }

    fn turns(&mut self) {
        let mut is_failing = false;
        loop {
            let is_last = self.stop.load(Ordering::Relaxed);
            match self.turn(is_last) {
                Ok(()) if is_last => return,
                Ok(()) => is_failing = false,
                Err(error) => {
                    add(&self.counters.write_errors, 1);
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "the audit journal cannot be written; what does not fit meanwhile is a gap");
                    }
                    if is_last {
                        return; // the next start writes it from the log
                    }
                    self.after_an_error();
                }
            }
        }
    }

    fn turn(&mut self, is_last: bool) -> io::Result<()> {
        let taken = match self.backlog.take() {
            Some(backlog) => backlog,
            None => {
                let taken = self.ledger.take(TURN);
                if !taken.items.is_empty() && !is_last && !self.ledger.is_awaited() {
                    thread::sleep(GATHER);
                }
                taken
            }
        };
        if let Err(error) = self.write(&taken) {
            self.backlog = Some(taken);
            return Err(error);
        }
        self.log.tick(Instant::now());
        self.write_denials()?;
        if is_last || self.ledger.is_awaited() || self.synced.elapsed() >= SYNC_PAUSE {
            self.sync()?;
        }
        self.shrink()
    }

    fn write(&mut self, taken: &Taken) -> io::Result<()> {
        let written = self.journal.write(taken, (self.now_ms)())?;
        add(&self.counters.gaps, written.gaps);
        let upto = self.journal.upto();
        self.written
            .send_if_modified(|told| std::mem::replace(told, upto) != upto);
        if !self.exports.is_empty() {
            let lines = written
                .records
                .into_iter()
                .map(|record| Line::Record(Arc::new(record)));
            lines.for_each(|line| self.exports.send(&line));
        }
        Ok(())
    }

    fn write_denials(&mut self) -> io::Result<()> {
        while let Ok(denial) = self.waiting.try_recv() {
            let number = self.last_denial + 1;
            let denial = Denial { number, ..denial };
            let appended = self.denials.append(number, &record::line(&denial));
            appended.inspect_err(|_| self.log.leave_out())?;
            self.last_denial = number;
            if !self.exports.is_empty() {
                self.exports.send(&Line::Denial(Arc::new(denial)));
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.journal.sync()?;
        self.denials.sync()?;
        self.ledger.keep(self.journal.upto());
        self.synced = Instant::now();
        Ok(())
    }

    fn shrink(&mut self) -> io::Result<()> {
        if self.shrunk.is_some_and(|shrunk| shrunk.elapsed() < SHRINK_PAUSE) {
            return Ok(());
        }
        self.shrunk = Some(Instant::now());
        let (bytes_max, keep) = (self.options.size_mib_max << 20, DAY * self.options.keep_days);
        let now = SystemTime::now();
        let journal = self.journal.segments().shrink(bytes_max, keep, now)?;
        let denials = self.denials.shrink(bytes_max / DENIALS_PART, keep, now)?;
        self.counters.bytes.store(journal + denials, Ordering::Relaxed);
        Ok(())
    }

    /// What the disk has is looked at anew: part of a line may be there.
    fn after_an_error(&mut self) {
        thread::sleep(RETRY_PAUSE);
        let denials = Place::new(&self.options.folder, "denials");
        if let Ok((denials, last)) = Segments::open(denials, number) {
            (self.denials, self.last_denial) = (denials, last);
        }
    }
}

fn number(line: &[u8]) -> Option<u64> {
    let denial: Denial = serde_json::from_slice(line).ok()?;
    Some(denial.number)
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
