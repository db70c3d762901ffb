//! The write-ahead log on thousands of disks that a power cut may have left.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use chaos_tests::dice::Dice;
use chaos_tests::disk::crash_image::{Image, Loss, after_power_cut};
use chaos_tests::disk::log_script::{LogCommand, LogModel, judge};
use chaos_tests::disk::memory_disk::MemoryDisk;
use chaos_tests::disk::operation::Operation;
use chaos_tests::privileged::count_from;
use raft::wal::{OpenError, Options, Recovered, Wal};

const DIR: &str = "/log";
/// Small segments: many are begun, sealed and removed in one life.
const OPTIONS: Options = Options {
    segment_bytes: 40 << 10,
    new_log_id: 4711,
};

fn open(disk: &MemoryDisk) -> Result<(Wal, Recovered), OpenError> {
    Wal::open(Path::new(DIR), Arc::new(disk.clone()), OPTIONS)
}

/// A log from one start to its stop, with everything it did to the disk.
struct Life {
    start: Image,
    model: LogModel,
    commands: Vec<LogCommand>,
    recorded: Vec<Operation>,
}

impl Life {
    /// Opens the log on `disk`, which holds `start`, and gives it commands in bursts.
    fn lead(start: Image, disk: &MemoryDisk, dice: &mut Dice) -> Life {
        let (wal, recovered) = open(disk).expect("the disk was found good");
        let model = LogModel::from(&recovered);
        let mut latest = model.clone();
        let mut commands = Vec::new();
        for _ in 0..4 + dice.below(12) {
            let (send, receive) = channel();
            let first = commands.len();
            for _ in 0..1 + dice.below(6) {
                let command = latest.choose(dice);
                latest.apply(&command);
                commands.push(command);
                let count = commands.len() as u64;
                disk.remark(Operation::Issued(count));
                let (send, disk) = (send.clone(), disk.clone());
                let done = Box::new(move |result: std::io::Result<()>| {
                    result.expect("this disk has no errors");
                    disk.remark(Operation::Acknowledged(count));
                    let _ = send.send(());
                });
                commands[commands.len() - 1].give_to(&wal, done);
            }
            for command in &commands[first..] {
                if command.is_acknowledged() {
                    receive
                        .recv_timeout(Duration::from_secs(20))
                        .expect("the log answers");
                }
            }
        }
        drop(wal);
        Life {
            start,
            model,
            commands,
            recorded: disk.recorded(),
        }
    }

    /// The operations up to some moment of this life, and how many commands were acknowledged and
    /// issued by then.
    fn stop(&self, dice: &mut Dice) -> (&[Operation], u64, u64) {
        let until = cut_point(&self.recorded, dice);
        let done = &self.recorded[..until];
        let last = |pick: fn(&Operation) -> Option<u64>| done.iter().rev().find_map(pick).unwrap_or(0);
        let acknowledged = last(|operation| match operation {
            Operation::Acknowledged(count) => Some(*count),
            _ => None,
        });
        let issued = last(|operation| match operation {
            Operation::Issued(count) => Some(*count),
            _ => None,
        });
        (done, acknowledged, issued)
    }
}

/// Anywhere, but mostly where something is still unsynced: that is where images differ.
fn cut_point(recorded: &[Operation], dice: &mut Dice) -> usize {
    let anywhere = dice.place(recorded.len() + 1);
    if dice.chance(25) {
        return anywhere;
    }
    let settled = |operation: &Operation| {
        use Operation::{Acknowledged, Issued, SyncDir, SyncFile};
        matches!(
            operation,
            SyncFile { .. } | SyncDir { .. } | Issued(_) | Acknowledged(_)
        )
    };
    let unsynced = recorded[anywhere..]
        .iter()
        .position(|operation| !settled(operation));
    unsynced.map_or(recorded.len(), |ahead| anywhere + ahead + 1)
}

/// What a run of many lives saw.
#[derive(Debug, Default)]
struct Tally {
    images: u32,
    in_recovery: u32,
    after_kill: u32,
    torn_tails: u32,
    failures: Vec<String>,
}

/// Starts the log on `image` and judges it; then cuts the power again during that very start.
fn start_and_judge(life: &Life, dice: &mut Dice, tally: &mut Tally) -> Option<Image> {
    let (done, acknowledged, issued) = life.stop(dice);
    let image = after_power_cut(&life.start, done, Loss::choose(dice), dice);
    let disk = MemoryDisk::new(&image);
    tally.images += 1;
    let found = match check(life, &disk, acknowledged, issued) {
        Ok(found) => found,
        Err(failure) => {
            tally.failures.push(failure);
            return None;
        }
    };
    tally.torn_tails += u32::from(found.cut_off_bytes > 0);
    let recovery = disk.recorded();
    for _ in 0..2 {
        let until = cut_point(&recovery, dice);
        let again = after_power_cut(&image, &recovery[..until], Loss::choose(dice), dice);
        tally.images += 1;
        tally.in_recovery += 1;
        let result = check(life, &MemoryDisk::new(&again), acknowledged, issued).and_then(|second| {
            // what the first start has reported, it has promised
            let promised = until == recovery.len();
            let same = LogModel::from(&second) == LogModel::from(&found);
            if promised && !same {
                Err("a second start found another log".into())
            } else {
                Ok(())
            }
        });
        tally.failures.extend(result.err());
    }
    Some(image)
}

/// Kills the process, starts the log on what the page cache shows, and only then cuts the power:
/// what that start reported must be there for good.
fn kill_start_and_cut(life: &Life, dice: &mut Dice, tally: &mut Tally) {
    let (done, acknowledged, issued) = life.stop(dice);
    let disk = MemoryDisk::after_kill(&life.start, done);
    tally.images += 1;
    tally.after_kill += 1;
    let result = check(life, &disk, acknowledged, issued).and_then(|found| {
        let image = after_power_cut(&life.start, &disk.recorded(), Loss::choose(dice), dice);
        let again = check(life, &MemoryDisk::new(&image), acknowledged, issued)?;
        let same = LogModel::from(&again) == LogModel::from(&found);
        if same {
            Ok(())
        } else {
            Err("what a start after a kill reported was lost in a power cut".into())
        }
    });
    tally.failures.extend(result.err());
}

fn check(life: &Life, disk: &MemoryDisk, acknowledged: u64, issued: u64) -> Result<Recovered, String> {
    let (wal, found) = open(disk).map_err(|error| error.to_string())?;
    judge(&life.model, &life.commands, acknowledged, issued, &found)?;
    let (first, count) = (
        found.entries.first().map_or(0, |record| record.index),
        found.entries.len() as u64,
    );
    let read = wal
        .read(first..first + count)
        .map_err(|error| error.to_string())?;
    if read != found.entries {
        Err("entries read back differ".into())
    } else {
        Ok(found)
    }
}

/// Chains of lives: each begins on a crash image of the one before.
fn run(seed: u64, images: u32, disk_of: fn(&Image) -> MemoryDisk) -> Tally {
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    while tally.images < images {
        let mut start = Image::default();
        for _ in 0..6 {
            let disk = disk_of(&start);
            let life = Life::lead(start, &disk, &mut dice);
            (0..4).for_each(|_| kill_start_and_cut(&life, &mut dice, &mut tally));
            let survivors: Vec<Image> = (0..4)
                .filter_map(|_| start_and_judge(&life, &mut dice, &mut tally))
                .collect();
            match survivors.into_iter().next_back() {
                Some(image) => start = image,
                None => break,
            }
        }
    }
    tally
}

/// Every acknowledged append, vote, truncation and purge is there, exactly, perhaps with the batch
/// in flight; and every start succeeds by itself.
#[test]
fn nothing_acknowledged_is_lost_and_every_start_succeeds() {
    let tally = run(1, count_from("CHAMOIS_LOG_IMAGES", 6000), MemoryDisk::new);
    println!(
        "{} crash images, {} of them cut during recovery, {} after a kill, {} with a torn tail: {} failures",
        tally.images,
        tally.in_recovery,
        tally.after_kill,
        tally.torn_tails,
        tally.failures.len()
    );
    assert!(
        tally.failures.is_empty(),
        "{:#?}",
        &tally.failures[..tally.failures.len().min(5)]
    );
    assert!(
        tally.images >= 2000 && tally.in_recovery >= 1000 && tally.torn_tails >= 80,
        "{tally:?}"
    );
}

/// The method's own test: a disk whose sync does nothing must not pass.
#[test]
fn a_disk_whose_sync_does_nothing_is_caught() {
    let tally = run(2, 300, MemoryDisk::without_syncs);
    println!(
        "sync does nothing: {} of {} images caught",
        tally.failures.len(),
        tally.images
    );
    assert!(
        tally.failures.len() > 30,
        "{} of {}",
        tally.failures.len(),
        tally.images
    );
}

/// Refused, or the very same content: for one flipped bit anywhere in a stopped log.
#[test]
fn a_flipped_bit_is_noticed_or_harmless() {
    let (mut refused, mut harmless) = (0, 0);
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let disk = MemoryDisk::new(&Image::default());
        let life = Life::lead(Image::default(), &disk, &mut dice);
        let whole = disk.image();
        for _ in 0..100 {
            let mut damaged = whole.clone();
            let place = dice.place(damaged.files.len());
            let bytes = damaged
                .files
                .values_mut()
                .nth(place)
                .expect("the place is below the length");
            let used = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(1, |last| last + 1);
            let bit = dice.place(used * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            match open(&MemoryDisk::new(&damaged)) {
                Err(OpenError::Damaged { .. }) => refused += 1,
                Err(error) => panic!("seed {seed}: {error}"),
                Ok((_, found)) => {
                    let all = life.commands.len() as u64;
                    judge(&life.model, &life.commands, all, all, &found)
                        .unwrap_or_else(|error| panic!("{error}"));
                    harmless += 1;
                }
            }
        }
    }
    println!("flipped bits: {refused} refused, {harmless} harmless");
    assert!(
        refused > 500,
        "the flips miss the log: {refused} refused, {harmless} harmless"
    );
}

/// A sync that failed may never be believed later: the pages look clean and are not on disk. The
/// start after it must write the batch in question again.
#[test]
fn bytes_of_a_failed_sync_are_written_again_before_they_count() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let disk = MemoryDisk::new(&Image::default());
        let (wal, _) = open(&disk).expect("a new log");
        let mut model = LogModel::default();
        let mut give = |wal: &Wal| {
            let command = model.choose_append(&mut dice);
            model.apply(&command);
            let (send, receive) = channel();
            command.give_to(
                wal,
                Box::new(move |result| send.send(result.is_ok()).unwrap_or(())),
            );
            receive
                .recv_timeout(Duration::from_secs(20))
                .expect("the log answers")
        };
        assert!(give(&wal) && give(&wal));
        disk.fail_next_sync();
        assert!(!give(&wal), "seed {seed}: acknowledged without a sync");
        drop(wal);
        let (wal, found) = open(&disk).expect("the page cache shows a whole log");
        assert!(give(&wal), "the log goes on behind what it found");
        drop(wal);
        let image = after_power_cut(&Image::default(), &disk.recorded(), Loss::Everything, &mut dice);
        let (_wal, again) =
            open(&MemoryDisk::new(&image)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(again.entries[..found.entries.len()], found.entries, "seed {seed}");
        assert_eq!(LogModel::from(&again), model, "seed {seed}");
    }
}
