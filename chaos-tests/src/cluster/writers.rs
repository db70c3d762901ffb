//! Writers that never rest, and the ledger of what they were promised.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ledger::{self, Ledger};
use super::{Caller, Cluster, MEMBERS, Written};
use crate::dice::Dice;

/// Writers at work; each begins at another member and goes on to the next when one does not answer.
const WRITERS: u64 = 4;
/// Registers of one writer.
const REGISTERS: u64 = 16;
/// A writer gives up on an answer after this: the outcome is then open.
const WRITE_AT_MOST: Duration = Duration::from_secs(2);
/// Pause of a writer between two writes: the members need the cores too.
const PACE: Duration = Duration::from_millis(4);
/// Pause of a writer that was refused.
const REFUSED_PACE: Duration = Duration::from_millis(50);
/// Bytes of the large values, which make the log go on to new segments.
const LARGE: usize = 12 << 10;
/// Writes that are large, percent.
const LARGE_PERCENT: u64 = 20;

/// The running writers. They end with this.
pub struct Writers {
    ledger: Arc<Mutex<Ledger>>,
    may_write: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// One permit for each write under way.
    at_work: Arc<tokio::sync::Semaphore>,
}

impl Writers {
    /// Starts them; `name` tells their registers from those of other runs on the same cluster, `seed` chooses sizes.
    pub fn start(cluster: &Cluster, name: u64, seed: u64) -> Writers {
        let (may_write, allowed) = watch::channel(true);
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let at_work = Arc::new(tokio::sync::Semaphore::new(usize::try_from(WRITERS).unwrap_or(1)));
        let tasks = (0..WRITERS).map(|number| {
            let mut ids: Vec<u64> = (1..=MEMBERS).collect();
            ids.rotate_left(usize::try_from(number % MEMBERS).unwrap_or(0));
            let writer = Writer {
                name: 10 * name + number,
                caller: cluster.caller(&ids),
                ledger: Arc::clone(&ledger),
                generations: vec![0; usize::try_from(REGISTERS).unwrap_or(1)],
                dice: Dice::new(seed ^ number),
            };
            cluster
                .runtime()
                .spawn(writer.run(allowed.clone(), Arc::clone(&at_work)))
        });
        let tasks = tasks.collect();
        Writers {
            ledger,
            may_write,
            tasks,
            at_work,
        }
    }

    /// The ledger as it is now.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Lets every writer finish the write it is at, and begin no other.
    ///
    /// # Panics
    /// If a writer has panicked.
    pub fn pause(&self, cluster: &Cluster) {
        self.may_write.send_replace(false);
        let all = u32::try_from(WRITERS).unwrap_or(1);
        let idle = cluster.runtime().block_on(self.at_work.acquire_many(all));
        drop(idle);
        assert!(
            self.tasks.iter().all(|task| !task.is_finished()),
            "a writer has ended"
        );
    }

    /// Goes on.
    pub fn resume(&self) {
        self.may_write.send_replace(true);
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Writer {
    name: u64,
    caller: Caller,
    ledger: Arc<Mutex<Ledger>>,
    /// A register whose last write is open is left alone: another generation takes its place.
    generations: Vec<u64>,
    dice: Dice,
}

impl Writer {
    async fn run(mut self, mut allowed: watch::Receiver<bool>, at_work: Arc<tokio::sync::Semaphore>) {
        while allowed.wait_for(|allowed| *allowed).await.is_ok() {
            let Ok(permit) = at_work.acquire().await else {
                return;
            };
            if !*allowed.borrow() {
                continue; // told to pause while it waited
            }
            let pause = self.write().await;
            drop(permit);
            tokio::time::sleep(pause).await;
        }
    }

    async fn write(&mut self) -> Duration {
        let slot = self.dice.place(self.generations.len());
        let register = format!("x{}c0s{slot}b{}n0", 1000 + self.name, self.generations[slot]);
        let number = lock(&self.ledger).issue(&register);
        let filling = if self.dice.chance(LARGE_PERCENT) { LARGE } else { 0 };
        let written = self
            .caller
            .write(&register, &ledger::value(number, filling), WRITE_AT_MOST)
            .await;
        let mut ledger = lock(&self.ledger);
        match written {
            Written::Yes => ledger.acknowledge(&register),
            Written::No => {
                ledger.refuse(&register);
                return REFUSED_PACE;
            }
            Written::Unknown => {
                ledger.leave_open();
                self.generations[slot] += 1;
            }
        }
        PACE
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
