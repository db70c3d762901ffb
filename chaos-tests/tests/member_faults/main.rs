//! One member of three has something wrong: its disk, its identity, its data folder. The others go on, nothing that was
//! acknowledged is lost, and a line of its log says what is wrong and what to do.

use std::fs;
use std::time::Duration;

use chaos_tests::cluster::{AT_MOST, Cluster, MEMBERS, Place, Settings, Writers, Written, make_identities};
use chaos_tests::disk::broken_disk::{BrokenDisk, DiskFault};
use chaos_tests::members::{wait, wait_at_most};
use chaos_tests::privileged;

/// For one write.
const WRITE_AT_MOST: Duration = Duration::from_secs(10);
/// A refusal without a majority must come sooner than this.
const REFUSAL_AT_MOST: Duration = Duration::from_secs(5);
/// For all registers from one member.
const READ_AT_MOST: Duration = Duration::from_secs(20);
/// Acknowledgements that show that the others go on.
const SOME_WRITES: u64 = 20;
/// Lives of a cluster whose leader syncs slowly.
const SLOW_LIVES: u32 = 4;

/// Three members on disks that can be broken, and writers.
struct Bench {
    writers: Writers,
    cluster: Cluster,
    disk: BrokenDisk,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = BrokenDisk::compile(folder.path(), &folder.path().join("data-"));
        let settings = Settings {
            environment: disk.environment(),
            ..Settings::default()
        };
        let cluster = Cluster::start(Place::loopback(), folder.path(), settings);
        Bench {
            writers: Writers::start(&cluster, 0, 7),
            cluster,
            disk,
            _folder: folder,
        }
    }

    fn acknowledged(&self) -> u64 {
        self.writers.ledger().acknowledged()
    }

    /// Writes are acknowledged, now.
    fn writes_go_on(&self) {
        let before = self.acknowledged();
        wait("acknowledgements", || {
            (self.acknowledged() >= before + SOME_WRITES).then_some(())
        });
    }

    /// All members agree, and each has every acknowledged write.
    fn nothing_is_lost(&mut self) {
        self.writers.pause(&self.cluster);
        self.cluster.wait_until_agreed();
        for id in 1..=MEMBERS {
            let caller = self.cluster.caller(&[id]);
            let found = self.cluster.runtime().block_on(caller.read_all(READ_AT_MOST));
            let broken = self.writers.ledger().broken_in(&found.expect("it can be read"));
            assert!(broken.is_empty(), "member {id}: {broken:#?}");
        }
        self.writers.resume();
    }

    /// The line of a member's log, behind the first `skip` bytes, that has all these words; waits for it.
    fn line(&self, id: u64, skip: usize, words: &[&str]) -> String {
        let found = wait_at_most(AT_MOST, || {
            let log = self.cluster.log(id);
            let mut lines = log[skip..].lines();
            let found = lines.find(|line| words.iter().all(|word| line.contains(word)))?;
            Some(found.to_owned())
        });
        found.unwrap_or_else(|| {
            let log = self.cluster.log(id);
            let last: Vec<&str> = log[skip..].lines().rev().take(30).collect();
            panic!("member {id} has no line with {words:?}: {last:#?}")
        })
    }
}

/// A storage error ends the member, once and for all: nothing is tried again on a descriptor that has failed.
#[test]
fn a_disk_that_fails_ends_its_member_and_nothing_else() {
    if !privileged::is_wanted("members whose disks fail") {
        return;
    }
    let mut bench = Bench::start();
    for (fault, words, to_do) in [
        (DiskFault::Full, "No space left on device", "make room"),
        (DiskFault::WriteEio, "Input/output error", "check the disk"),
        (DiskFault::SyncEio, "Input/output error", "check the disk"),
    ] {
        for victim in [bench.cluster.leader(), 1] {
            bench.writes_go_on();
            let before = bench.cluster.log(victim).len();
            bench.disk.switch_on(victim, fault);
            let status = bench.cluster.wait_for_end(victim, AT_MOST);
            let status = status.unwrap_or_else(|| panic!("member {victim} goes on with {fault:?}"));
            assert!(!status.success(), "{fault:?}: {status}");
            let line = bench.line(victim, before, &["chamois: ", words, to_do]);
            println!("{fault:?}: {line}");
            bench.writes_go_on();
            bench.disk.switch_off(victim, fault);
            bench.cluster.launch(victim);
            bench.nothing_is_lost();
        }
    }
}

/// A slow leader has sent entries that are not on its own disk. Killed with all others, it may not lead on as if it had
/// them: others would have other entries under the same ids.
#[test]
fn a_leader_with_a_slow_disk_loses_nothing_that_was_acknowledged() {
    if !privileged::is_wanted("a leader whose disk is slow") {
        return;
    }
    let mut bench = Bench::start();
    for _ in 0..SLOW_LIVES {
        let leader = bench.cluster.leader();
        let term = bench.cluster.status(leader).map(|status| status.term);
        bench.disk.switch_on(leader, DiskFault::SlowSync);
        bench.writes_go_on();
        let after = bench.cluster.status(leader).map(|status| status.term);
        assert_eq!(after, term, "a slow disk is no reason for an election");
        (1..=MEMBERS).for_each(|id| bench.cluster.kill(id));
        bench.disk.switch_off(leader, DiskFault::SlowSync);
        (1..=MEMBERS).for_each(|id| bench.cluster.launch(id));
        bench.nothing_is_lost();
    }
}

#[test]
fn a_data_folder_is_only_its_members_and_only_once_in_use() {
    if !privileged::is_wanted("members on others' disks") {
        return;
    }
    let mut bench = Bench::start();
    bench.writes_go_on();
    let refused = |bench: &Bench, id: u64, folder_of: u64, words: &[&str]| {
        let (config, data) = (
            bench.cluster.file("other.toml"),
            bench.cluster.data_dir(folder_of),
        );
        let own = bench.cluster.place().address(id);
        let elsewhere = bench.cluster.place().address(9);
        let text = bench.cluster.configuration(id, &data).replace(&own, &elsewhere);
        fs::write(&config, text).expect("a configuration");
        let mut process = bench.cluster.spawn(id, &config);
        let status = wait("its end", || process.ended().expect("it can be looked at"));
        assert!(!status.success(), "{status}");
        println!("{}", bench.line(id, 0, words));
    };
    refused(&bench, 2, 2, &["chamois: ", "in use by another process", "stop"]);
    bench.cluster.stop(1);
    refused(
        &bench,
        2,
        1,
        &["chamois: ", "belongs to another store", "its own data-dir"],
    );
    bench.cluster.launch(1);
    bench.nothing_is_lost();
}

/// A second member 2, made from the same identity on a new disk, is not member 2: it has promised nothing.
#[test]
fn two_members_with_one_id_are_told_apart() {
    if !privileged::is_wanted("two members with one id") {
        return;
    }
    let mut bench = Bench::start();
    bench.writes_go_on();
    let (config, data) = (bench.cluster.file("twin.toml"), bench.cluster.file("data-twin"));
    let own = bench.cluster.place().address(2);
    let elsewhere = bench.cluster.place().address(9);
    let text = bench.cluster.configuration(2, &data).replace(&own, &elsewhere);
    fs::write(&config, text).expect("a configuration");
    let _twin = bench.cluster.spawn(2, &config);
    let line = bench.line(1, 0, &["member 2 lost its disk", "under a new id"]);
    println!("{line}");
    bench.writes_go_on();
    bench.nothing_is_lost();
}

/// A member with the keys of another cluster is heard by nobody and hears nobody.
#[test]
fn a_member_with_a_wrong_ca_is_refused() {
    if !privileged::is_wanted("a member with a wrong CA") {
        return;
    }
    let mut bench = Bench::start();
    bench.writes_go_on();
    bench.cluster.stop(2);
    make_identities(bench.cluster.place(), &bench.cluster.file(""), "foreign");
    let config = bench.cluster.file("foreign-2.toml");
    let text = bench.cluster.configuration(2, &bench.cluster.data_dir(2));
    fs::write(&config, text.replace("/identities/", "/foreign/")).expect("a configuration");
    let before = bench.cluster.log(2).len();
    let stranger = bench.cluster.spawn(2, &config);
    println!(
        "{}",
        bench.line(
            2,
            before,
            &["connection refused", "CertificateUnknown", "compare `ca.pem`"]
        )
    );
    bench.writes_go_on();
    drop(stranger);
    bench.cluster.launch(2);
    bench.nothing_is_lost();
}

/// The one that is left says no, soon, and what it refused never happens.
#[test]
fn without_a_majority_a_write_is_refused_soon() {
    if !privileged::is_wanted("writes without a majority") {
        return;
    }
    let mut bench = Bench::start();
    bench.writes_go_on();
    bench.writers.pause(&bench.cluster);
    [1, 2].into_iter().for_each(|id| bench.cluster.kill(id));
    let caller = bench.cluster.caller(&[3]);
    let write = |register: &str| {
        let began = std::time::Instant::now();
        let written = bench
            .cluster
            .runtime()
            .block_on(caller.write(register, "never", WRITE_AT_MOST));
        (written, began.elapsed())
    };
    // the first may have been on its way to a leader that died
    wait("a refusal", || {
        (write("x3000c0s0b0n0").0 == Written::No).then_some(())
    });
    let (written, took) = write("x3000c0s1b0n0");
    assert_eq!(written, Written::No);
    assert!(took < REFUSAL_AT_MOST, "{took:?}");
    [1, 2].into_iter().for_each(|id| bench.cluster.launch(id));
    bench.nothing_is_lost();
    let found = bench.cluster.runtime().block_on(caller.read_all(READ_AT_MOST));
    assert!(
        !found.expect("it can be read").contains_key("x3000c0s1b0n0"),
        "refused means not done"
    );
}
