//! sled's checkpoint on disks that a power cut may have left: right, or noticed and rebuilt, never wrong.

use std::path::{Path, PathBuf};
use std::process::Command;

use chaos_tests::dice::Dice;
use chaos_tests::disk::crash_image::{Image, Loss, after_power_cut};
use chaos_tests::disk::operation::Operation;
use chaos_tests::disk::recorder::Recorder;
use chaos_tests::disk::state_script::StateJudge;
use chaos_tests::privileged::count_from;
use raft::checkpoint::Checkpoint;

const WRITER: &str = env!("CARGO_BIN_EXE_checkpoint-writer");

/// Images of one run, unless `CHAMOIS_CHECKPOINT_IMAGES` says otherwise: some 20 s on two cores.
const IMAGES: u32 = 2000;

/// What the starts found.
#[derive(Debug, Default)]
struct Tally {
    images: u32,
    in_recovery: u32,
    /// The state acknowledged last, or the one in flight.
    newest: u32,
    /// A state stored before that.
    older: u32,
    /// Nothing, though something was acknowledged: the state is rebuilt from snapshot and log.
    rebuilt: u32,
    /// Nothing, and nothing was acknowledged.
    empty: u32,
    failures: Vec<String>,
}

struct Bench {
    dir: tempfile::TempDir,
    recorder: Recorder,
    judge: StateJudge,
    seed: u64,
    /// Makes images as if no sync had been asked for.
    forget_syncs: bool,
    tally: Tally,
}

impl Bench {
    fn new(seed: u64, forget_syncs: bool) -> Bench {
        // in memory where there is such a place: the images make their own durability
        let shared_memory = Path::new("/dev/shm");
        let dir = if shared_memory.is_dir() {
            tempfile::tempdir_in(shared_memory)
        } else {
            tempfile::tempdir()
        };
        let dir = dir.expect("a directory for the images");
        let recorder = Recorder::compile(dir.path()).expect("the recorder compiles");
        Bench {
            dir,
            recorder,
            judge: StateJudge::new(seed),
            seed,
            forget_syncs,
            tally: Tally::default(),
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// Puts `image` on the disk.
    fn lay_out(&self, image: &Image) {
        let root = self.root();
        if root.exists() {
            std::fs::remove_dir_all(&root).expect("the old image goes");
        }
        std::fs::create_dir(&root).expect("a new disk");
        image.write_below(&root).expect("the image is written");
    }

    /// Runs the writer on `image`: it opens, goes on to entry `from` and stores `count` times.
    fn record(&self, image: &Image, from: u64, count: u32) -> Vec<Operation> {
        self.lay_out(image);
        let mut writer = Command::new(WRITER);
        writer.arg(self.root().join("checkpoint"));
        writer.args([self.seed.to_string(), from.to_string(), count.to_string()]);
        let mut recorded = self
            .recorder
            .run(&mut writer, &self.root(), image)
            .expect("the writer does its work");
        if self.forget_syncs {
            let sync = |operation: &Operation| {
                matches!(operation, Operation::SyncFile { .. } | Operation::SyncDir { .. })
            };
            recorded.retain(|operation| !sync(operation));
        }
        recorded
    }

    /// Opens what is on `image` and judges it.
    fn check(&mut self, image: &Image, acknowledged: u64) {
        self.lay_out(image);
        self.tally.images += 1;
        let (_, loaded) = Checkpoint::open(&self.root().join("checkpoint")).expect("every start succeeds");
        match loaded.map(|loaded| self.judge.judge(&loaded)) {
            None if acknowledged == 0 => self.tally.empty += 1,
            None => self.tally.rebuilt += 1,
            Some(Ok(index)) if index >= acknowledged => self.tally.newest += 1,
            Some(Ok(_)) => self.tally.older += 1,
            Some(Err(failure)) => self.tally.failures.push(failure),
        }
    }

    /// One life of a writer and images of its end, some cut again during the next start.
    fn live(&mut self, start: &Image, from: u64, images: u32, dice: &mut Dice) -> (Image, u64) {
        let recorded = self.record(start, from, 12);
        let mut last = (start.clone(), from);
        for number in 0..images {
            let until = dice.place(recorded.len() + 1);
            let done = &recorded[..until];
            let image = after_power_cut(start, done, Loss::choose(dice), dice);
            let acknowledged = said(done).unwrap_or(0);
            self.check(&image, acknowledged);
            if number % 3 == 0 {
                let recovery = self.record(&image, 0, 0);
                let until = dice.place(recovery.len() + 1);
                let again = after_power_cut(&image, &recovery[..until], Loss::choose(dice), dice);
                self.tally.in_recovery += 1;
                self.check(&again, acknowledged);
            }
            last = (image, said(done).unwrap_or(from));
        }
        last
    }
}

fn said(done: &[Operation]) -> Option<u64> {
    done.iter().rev().find_map(|operation| match operation {
        Operation::Acknowledged(index) => Some(*index),
        _ => None,
    })
}

/// sled's own panics are part of the plan, and too many to print.
fn silence_sled() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic
            .location()
            .is_some_and(|place| place.file().contains("/sled-"))
        {
            report(panic);
        }
    }));
}

fn run(seed: u64, images: u32, forget_syncs: bool) -> Tally {
    silence_sled();
    let mut bench = Bench::new(seed, forget_syncs);
    let mut dice = Dice::new(seed);
    while bench.tally.images < images {
        let (mut start, mut from) = (Image::default(), 0);
        for _ in 0..4 {
            (start, from) = bench.live(&start, from, 20, &mut dice);
        }
    }
    bench.tally
}

/// A recorder that misses a call would make images that cannot be: played back in full, the record must give
/// the very files that the process left.
#[test]
fn the_record_is_complete() {
    let bench = Bench::new(3, false);
    let mut start = Image::default();
    for from in [0, 100] {
        let mut recorded = bench.record(&start, from, 15);
        assert!(recorded.len() > 100, "{} operations", recorded.len());
        let left = Image::read_below(&bench.root()).expect("the files are readable");
        let sync = |name: &Path| Operation::SyncDir {
            dir: name.parent().unwrap_or(Path::new("")).to_path_buf(),
        };
        let everything: Vec<Operation> = left
            .files
            .keys()
            .map(|name| sync(name))
            .chain((0..100).map(|file| Operation::SyncFile { file }))
            .collect();
        recorded.extend(everything);
        let played = after_power_cut(&start, &recorded, Loss::Everything, &mut Dice::new(0));
        assert!(
            played == left,
            "{:?} instead of {:?}",
            played.files.keys(),
            left.files.keys()
        );
        start = left;
    }
}

#[test]
fn whatever_is_broken_is_noticed_and_rebuilt() {
    let images = count_from("CHAMOIS_CHECKPOINT_IMAGES", IMAGES);
    let tally = run(1, images, false);
    println!("{tally:?}");
    assert!(tally.images >= images, "{tally:?}");
    assert!(
        tally.in_recovery * 5 > images,
        "too few starts were cut: {tally:?}"
    );
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert!(
        tally.newest * 2 > tally.images,
        "hardly a checkpoint survives: it is of no use"
    );
}

/// A drive that loses what it was told to keep does its worst to sled. The images are then seen to break it,
/// and still nothing wrong is served.
#[test]
fn even_a_drive_that_ignores_syncs_gets_nothing_wrong_served() {
    let tally = run(2, 200, true);
    println!("syncs ignored: {tally:?}");
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert!(
        tally.rebuilt + tally.older > 50,
        "the images break nothing: {tally:?}"
    );
}
