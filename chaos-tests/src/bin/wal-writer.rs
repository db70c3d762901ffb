//! Works on a write-ahead log until its power is cut: `wal-writer DIR SEED sync|no-sync|open-only`.
//!
//! The commands follow from the seed and from what the log held, so that the test knows them too.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use chaos_tests::dice::Dice;
use chaos_tests::disk::log_script::LogModel;
use chaos_tests::disk::no_sync_disk::NoSyncDisk;
use chaos_tests::disk::writer_process::{ACKNOWLEDGED, ISSUED};
use raft::wal::{Disk, Options, RealDisk, Wal};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, seed, mode] = &arguments[..] else {
        return Err("usage: wal-writer DIR SEED sync|no-sync|open-only".into());
    };
    let disk: Arc<dyn Disk> = match mode.as_str() {
        "no-sync" => Arc::new(NoSyncDisk),
        _ => Arc::new(RealDisk),
    };
    let options = Options {
        segment_bytes: 256 << 10,
        new_log_id: 99,
    };
    let (wal, recovered) = Wal::open(Path::new(dir), disk, options)?;
    if mode == "open-only" {
        std::thread::park();
        return Ok(());
    }
    work(&wal, LogModel::from(&recovered), Dice::new(seed.parse()?))
}

/// Bursts of commands; each burst is awaited.
fn work(wal: &Wal, mut model: LogModel, mut dice: Dice) -> Result<(), Box<dyn Error>> {
    let mut count = 0u64;
    loop {
        let (send, receive) = channel();
        let mut awaited = 0;
        for _ in 0..1 + dice.below(6) {
            let command = model.choose(&mut dice);
            model.apply(&command);
            count += 1;
            say(ISSUED, count)?;
            let (send, number) = (send.clone(), count);
            let done = move |result: std::io::Result<()>| {
                let said = result.and_then(|()| say(ACKNOWLEDGED, number));
                let _ = send.send(said); // the receiver lives until the burst is done
            };
            awaited += u32::from(command.is_acknowledged());
            command.give_to(wal, Box::new(done));
        }
        for _ in 0..awaited {
            receive.recv()??;
        }
    }
}

/// One line in one write: it is said, or it is not.
fn say(word: &str, number: u64) -> std::io::Result<()> {
    std::io::stdout()
        .lock()
        .write_all(format!("{word} {number}\n").as_bytes())
}
