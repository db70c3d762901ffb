//! The write-ahead log under real power cuts: a file system taken away from a running process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chaos_tests::dice::Dice;
use chaos_tests::disk::log_script::{LogCommand, LogModel, judge};
use chaos_tests::disk::power_cut::{LoopDisk, enter_private_mounts};
use chaos_tests::disk::writer_process::WriterProcess;
use chaos_tests::privileged;
use raft::wal::{Options, RealDisk, Recovered, Wal};

const WRITER: &str = env!("CARGO_BIN_EXE_wal-writer");
const OPTIONS: Options = Options {
    segment_bytes: 256 << 10,
    new_log_id: 99,
};

/// A disk that loses its power again and again.
struct Room {
    disk: LoopDisk,
    log: PathBuf,
    dice: Dice,
    model: LogModel,
    /// Commands acknowledged in all lives.
    acknowledged: u64,
    torn_tails: u32,
    _dir: tempfile::TempDir,
}

impl Room {
    fn new(seed: u64) -> Room {
        enter_private_mounts().expect("own mounts need root");
        let dir = tempfile::tempdir().expect("a directory for the loop file");
        let disk = LoopDisk::create(dir.path(), 96 << 20).expect("an ext4 file system on a loop file");
        let log = disk.path().join("log");
        let model = LogModel::default();
        Room {
            disk,
            log,
            dice: Dice::new(seed),
            model,
            acknowledged: 0,
            torn_tails: 0,
            _dir: dir,
        }
    }

    /// One life of a writer and its end; judges what the next start finds.
    fn live_and_lose_power(&mut self, mode: &str) -> Result<(), String> {
        let seed = self.dice.bits();
        let mut writer = start(&self.log, seed, mode);
        writer.wait_for_acknowledged(1 + self.dice.below(120));
        self.disk.cut_power(&mut writer.child).expect("the power is cut");
        let said = writer.last_words();
        assert!(said.acknowledged > 0, "the writer did not work: {said:?}");
        self.acknowledged += said.acknowledged;
        if self.dice.chance(30) {
            self.lose_power_during_start();
        }
        let found = read(&self.log)?;
        self.torn_tails += u32::from(found.cut_off_bytes > 0);
        let commands = commands_of(&self.model, seed, said.issued);
        judge(&self.model, &commands, said.acknowledged, said.issued, &found)?;
        self.model = LogModel::from(&found);
        Ok(())
    }

    /// Cuts the power while a process is opening the log.
    fn lose_power_during_start(&mut self) {
        let mut opener = start(&self.log, 0, "open-only");
        let moment = Instant::now() + Duration::from_micros(self.dice.below(6000));
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        self.disk.cut_power(&mut opener.child).expect("the power is cut");
    }
}

fn start(log: &Path, seed: u64, mode: &str) -> WriterProcess {
    WriterProcess::start(WRITER, log, &[seed.to_string(), mode.to_string()]).expect("the writer starts")
}

fn read(log: &Path) -> Result<Recovered, String> {
    let (_wal, found) = Wal::open(log, Arc::new(RealDisk), OPTIONS).map_err(|error| error.to_string())?;
    Ok(found)
}

/// The commands a writer with this seed gave to a log that held `model`. Bursts take one throw each.
fn commands_of(model: &LogModel, seed: u64, count: u64) -> Vec<LogCommand> {
    let (mut model, mut dice) = (model.clone(), Dice::new(seed));
    let mut commands = Vec::new();
    while (commands.len() as u64) < count {
        for _ in 0..1 + dice.below(6) {
            let command = model.choose(&mut dice);
            model.apply(&command);
            commands.push(command);
        }
    }
    commands
}

/// Every acknowledged command is there, exactly, perhaps with those in flight; every start succeeds
/// by itself.
#[test]
fn the_log_survives_power_cuts() {
    if !privileged::is_wanted("power cuts of the write-ahead log") {
        return;
    }
    let cuts = privileged::count_from("CHAMOIS_POWER_CUTS", 50);
    let mut room = Room::new(7);
    let mut failures = Vec::new();
    for cut in 0..cuts {
        failures.extend(
            room.live_and_lose_power("sync")
                .err()
                .map(|failure| format!("cut {cut}: {failure}")),
        );
        if !failures.is_empty() {
            break; // the model is of no use any more
        }
    }
    let (acknowledged, torn) = (room.acknowledged, room.torn_tails);
    println!(
        "{cuts} power cuts, {acknowledged} commands acknowledged, {torn} torn tails, {} failures",
        failures.len()
    );
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The method's own test, with the same binary: a sync that does nothing is caught within a few cuts.
#[test]
fn a_sync_that_does_nothing_is_caught() {
    if !privileged::is_wanted("power cuts of a log that does not sync") {
        return;
    }
    let mut room = Room::new(8);
    for cut in 1..=10 {
        if let Err(failure) = room.live_and_lose_power("no-sync") {
            println!("caught at cut {cut}: {failure}");
            return;
        }
    }
    panic!("a log that never syncs survived 10 power cuts");
}
