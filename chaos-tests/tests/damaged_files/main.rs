//! The files of a stopped member are damaged, and it is started beside the others, which run: either it refuses to
//! start and says in one line what to do, or it comes to the very state of the others. It never serves another.

mod files;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chaos_tests::cluster::{AT_MOST, Cluster, Place, Settings};
use chaos_tests::dice::Dice;
use chaos_tests::disk::damage::Damage;
use chaos_tests::members::wait_at_most;
use chaos_tests::privileged;

use files::Part;

/// The member whose files are damaged.
const VICTIM: u64 = 2;
/// Few entries between snapshots, so that every kind of file is there.
const SNAPSHOT_ENTRIES: u64 = 100;
/// Writes before the first damage, so that two snapshots are there and the log is purged.
const WRITES: u64 = 450;
/// Writes between two damages: the member must catch up each time.
const WRITES_BETWEEN: u64 = 20;
/// For one write.
const WRITE_AT_MOST: Duration = Duration::from_secs(10);

/// How a start on damaged files ended.
#[derive(Debug)]
enum Outcome {
    /// It ended with this last line.
    Refused(String),
    /// It runs and has the state of the others.
    Agrees,
}

#[test]
fn damage_is_refused_or_repaired_and_never_served() {
    if !privileged::is_wanted("damage of a stopped member's files") {
        return;
    }
    let rounds = privileged::count_from("CHAMOIS_DAMAGE_ROUNDS", 1);
    let seed = u64::from(privileged::count_from("CHAMOIS_SEED", 7));
    let mut bench = Bench::new(seed);
    let (mut refused, mut repaired) = (0, 0);
    for _ in 0..rounds {
        for part in Part::ALL {
            for damage in Damage::ALL {
                match bench.damage_and_start(part, damage) {
                    Outcome::Refused(line) => {
                        refused += 1;
                        assert!(part.may_be_refused(), "{part:?}, {damage:?}: {line}");
                    }
                    Outcome::Agrees => repaired += 1,
                }
            }
        }
    }
    println!("seed {seed}: {refused} damages refused, {repaired} repaired or harmless, 0 served");
    assert!(refused > 0 && repaired > 0, "both kinds were met");
}

/// The members, and the copy of the victim's files from before the damage.
struct Bench {
    cluster: Cluster,
    dice: Dice,
    written: u64,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            snapshot_entries: Some(SNAPSHOT_ENTRIES),
            ..Settings::default()
        };
        let cluster = Cluster::start(Place::loopback(), folder.path(), settings);
        let mut bench = Bench {
            cluster,
            dice: Dice::new(seed),
            written: 0,
            folder,
        };
        bench.write(WRITES);
        let status = bench.cluster.wait_until_agreed();
        assert!(status.purged_index > 0, "{status:?}");
        bench
    }

    fn write(&mut self, count: u64) {
        let caller = self.cluster.caller(&[1, 3]);
        for _ in 0..count {
            self.written += 1;
            let register = format!("x1000c0s{}b0n0", self.written % 64);
            let value = format!("{} {}", self.written, "x".repeat(500));
            let written = caller.write(&register, &value, WRITE_AT_MOST);
            self.cluster.runtime().block_on(written);
        }
    }

    /// The member is stopped in order, so that nothing but the damage is wrong with its files. What it has promised
    /// since is nothing: a copy taken now may stand in for its files after a refusal.
    fn damage_and_start(&mut self, part: Part, damage: Damage) -> Outcome {
        self.cluster.stop(VICTIM);
        let (data, aside) = (self.cluster.data_dir(VICTIM), self.folder.path().join("aside"));
        copy(&data, &aside);
        let path = part.choose(&data, &mut self.dice);
        let what = damage.inflict(&path, &mut self.dice);
        self.write(WRITES_BETWEEN);
        let before = self.cluster.log(VICTIM).len();
        self.cluster.launch(VICTIM);
        let outcome = wait_at_most(AT_MOST, || self.outcome(before));
        let said = self.cluster.log(VICTIM)[before..].to_owned();
        println!("{part:?}, {damage:?}: {what}: {outcome:?}");
        let outcome = outcome.unwrap_or_else(|| panic!("{what}: neither refused nor repaired\n{said}"));
        if let Outcome::Refused(line) = &outcome {
            assert!(part.says_what_to_do(line), "{what}: {line}");
            fs::remove_dir_all(&data).expect("the damaged files go");
            copy(&aside, &data);
            self.cluster.launch(VICTIM);
        }
        self.cluster.wait_until_agreed();
        outcome
    }

    fn outcome(&mut self, log_before: usize) -> Option<Outcome> {
        if self.cluster.wait_for_end(VICTIM, Duration::ZERO).is_some() {
            let log = self.cluster.log(VICTIM);
            let last = log[log_before..].lines().last().unwrap_or_default();
            return Some(Outcome::Refused(last.to_owned()));
        }
        let statuses = self.cluster.statuses()?;
        let first = statuses.first()?;
        let equal = |status: &proto::cluster::v1::ClusterStatus| {
            (status.applied_index, &status.digest) == (first.applied_index, &first.digest)
                && status.leader_id != 0
        };
        // the others have written meanwhile: their place is ahead of all that the damaged files held
        (statuses.len() == 3 && statuses.iter().all(equal)).then_some(Outcome::Agrees)
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let status = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .expect("cp");
    assert!(status.success(), "cp failed");
}
