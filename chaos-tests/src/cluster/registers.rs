//! Callers that read and write a few registers through the members, and the history of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Caller, Cluster, MEMBERS, Read, Written};
use crate::checker::{History, Kind, Operation};
use crate::dice::Dice;

/// Callers; each asks one member only, and every member has as many.
const CALLERS: u64 = 2 * MEMBERS;
/// Registers: few, so that callers meet.
const REGISTERS: u64 = 5;
/// A caller gives up on an answer after this; a write is then open.
const ANSWER_AT_MOST: Duration = Duration::from_millis(1500);
/// Longest pause of a caller between two operations, milliseconds.
const PAUSE_MS_MAX: u64 = 16;
/// Pause of a caller that got no answer of use.
const FAILED_PAUSE: Duration = Duration::from_millis(60);

/// The callers at work. They end with this.
pub struct Registers {
    history: Arc<History>,
    go_on: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Registers {
    /// Starts the callers. `name` tells these registers from those of other runs on the same cluster.
    pub fn start(cluster: &Cluster, name: u64, seed: u64) -> Registers {
        let (go_on, goes_on) = watch::channel(true);
        let history = Arc::new(History::default());
        let values = Arc::new(AtomicU64::new(1));
        let tasks = (0..CALLERS).map(|number| {
            let one = RegisterCaller {
                name,
                caller: cluster.caller(&[1 + number % MEMBERS]),
                history: Arc::clone(&history),
                values: Arc::clone(&values),
                dice: Dice::new(seed ^ (number << 32)),
            };
            cluster.runtime().spawn(one.run(goes_on.clone()))
        });
        let tasks = tasks.collect();
        Registers {
            history,
            go_on,
            tasks,
        }
    }

    /// Lets every caller finish what it is at, reads each register once more through every member, and gives the history.
    ///
    /// # Panics
    /// If a caller has panicked, or a member does not answer a last read.
    pub fn finish(mut self, cluster: &Cluster) -> Arc<History> {
        self.go_on.send_replace(false);
        for task in std::mem::take(&mut self.tasks) {
            let ended = cluster.runtime().block_on(task);
            assert!(ended.is_ok(), "a caller has ended: {ended:?}");
        }
        for register in self.history.registers().into_keys() {
            for id in 1..=MEMBERS {
                let caller = cluster.caller(&[id]);
                let reading = read(&self.history, &caller, &register);
                assert!(cluster.runtime().block_on(reading), "member {id} does not answer");
            }
        }
        Arc::clone(&self.history)
    }

    /// The history so far.
    pub fn history(&self) -> &History {
        &self.history
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Reads a register into the history; whether there was an answer.
pub async fn read(history: &History, caller: &Caller, register: &str) -> bool {
    let called = history.now();
    let answer = caller.read(register, ANSWER_AT_MOST).await;
    note_read(history, register, called, &answer)
}

/// The same, whatever the member has, however old.
pub async fn read_local(history: &History, caller: &Caller, register: &str) -> bool {
    let called = history.now();
    let answer = caller.read_local(register, ANSWER_AT_MOST).await;
    note_read(history, register, called, &answer)
}

fn note_read(history: &History, register: &str, called: u64, answer: &Read) -> bool {
    let Read::Value(value) = answer else { return false };
    let value = value
        .as_ref()
        .map_or(0, |text| text.parse().expect("only numbers are written"));
    history.add(
        register,
        Operation {
            kind: Kind::Read(value),
            called,
            returned: Some(history.now()),
        },
    );
    true
}

/// Writes a register into the history; whether it was acknowledged.
pub async fn write(history: &History, caller: &Caller, register: &str, value: u64) -> bool {
    let called = history.now();
    let written = caller.write(register, &value.to_string(), ANSWER_AT_MOST).await;
    let returned = match written {
        Written::Yes => Some(history.now()),
        Written::Unknown => None,
        // the promise is held to: a read of this value would have no write
        Written::No => return false,
    };
    let kind = Kind::Write(value);
    history.add(
        register,
        Operation {
            kind,
            called,
            returned,
        },
    );
    returned.is_some()
}

struct RegisterCaller {
    name: u64,
    caller: Caller,
    history: Arc<History>,
    values: Arc<AtomicU64>,
    dice: Dice,
}

impl RegisterCaller {
    async fn run(mut self, goes_on: watch::Receiver<bool>) {
        while *goes_on.borrow() {
            let register = format!("x{}c1s{}b0n0", 1000 + self.name, self.dice.below(REGISTERS));
            let answered = if self.dice.chance(50) {
                let value = self.values.fetch_add(1, Ordering::Relaxed);
                write(&self.history, &self.caller, &register, value).await
            } else {
                read(&self.history, &self.caller, &register).await
            };
            let pause = Duration::from_millis(self.dice.below(PAUSE_MS_MAX));
            tokio::time::sleep(if answered { pause } else { FAILED_PAUSE }).await;
        }
    }
}
