//! Somebody edits the node while it boots: each change is acknowledged under a higher revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chaos_tests::members::Administrator;

/// How long one edit may take in all, through whichever member: a majority is always there.
const EDIT_AT_MOST: Duration = Duration::from_secs(60);

/// Counts up a word of the node's kernel parameters whenever it is asked to. The guest sees it in its script, and
/// every edit raises the revision that the URLs of its script and its vendor-data carry.
pub(crate) struct Editor {
    asked: Option<Sender<()>>,
    working: Option<JoinHandle<Result<u64, String>>>,
    /// The member to leave alone; 0 for none.
    broken: Arc<AtomicU64>,
}

impl Editor {
    /// Edits what the node with this MAC boots, which is at `count` now.
    pub(crate) fn start(administrator: Administrator, members: Vec<u64>, mac: String, count: u64) -> Editor {
        let (asked, orders) = channel();
        let broken = Arc::new(AtomicU64::new(0));
        let work = Work {
            administrator,
            members,
            mac,
            broken: Arc::clone(&broken),
        };
        let working = std::thread::spawn(move || work.run(&orders, count));
        Editor {
            asked: Some(asked),
            working: Some(working),
            broken,
        }
    }

    /// Asks for one edit, without waiting for it.
    pub(crate) fn edit(&self) {
        if let Some(asked) = &self.asked {
            asked.send(()).ok();
        }
    }

    /// Says which member cannot answer.
    pub(crate) fn avoid(&self, member: u64) {
        self.broken.store(member, Ordering::Relaxed);
    }

    /// Waits for the edits asked for; the count now, or why an edit was not acknowledged.
    pub(crate) fn finish(mut self) -> Result<u64, String> {
        drop(self.asked.take());
        self.working
            .take()
            .expect("taken here only")
            .join()
            .expect("it does not panic")
    }
}

struct Work {
    administrator: Administrator,
    members: Vec<u64>,
    mac: String,
    broken: Arc<AtomicU64>,
}

impl Work {
    fn run(&self, orders: &Receiver<()>, mut count: u64) -> Result<u64, String> {
        while orders.recv().is_ok() {
            // what came meanwhile is one edit
            while orders.try_recv().is_ok() {}
            self.set(count + 1)?;
            count += 1;
        }
        Ok(count)
    }

    fn set(&self, count: u64) -> Result<(), String> {
        let body = parameters(&self.mac, count);
        let started = Instant::now();
        loop {
            let broken = self.broken.load(Ordering::Relaxed);
            let member = self
                .members
                .iter()
                .find(|id| **id != broken)
                .expect("two others are there");
            match self.administrator.request(*member, "PATCH", PARAMETERS, &body) {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > EDIT_AT_MOST => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

/// Where boot parameters are.
pub(crate) const PARAMETERS: &str = "/boot/v1/bootparameters";

/// The node's parameters with this count.
pub(crate) fn parameters(mac: &str, count: u64) -> String {
    format!(r#"{{"macs":["{mac}"],"params":"console=ttyS0 edit={count}"}}"#)
}
