//! A machine room: three members, each with its disk, and writers that never rest.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chaos_tests::cluster::{AT_MOST, Cluster, MEMBERS, Place, Settings, Writers};
use chaos_tests::dice::Dice;
use chaos_tests::disk::broken_disk::{BrokenDisk, DiskFault};
use chaos_tests::disk::power_cut::{FileSystem, LoopDisk, cut_power_of};
use chaos_tests::members::wait_at_most;
use lab::machine::Process;
use tokio::task::JoinHandle;

use crate::plan::{Cut, Moment};

/// A snapshot file every few hundred writes, so that snapshots and purges are always near.
const SNAPSHOT_ENTRIES: u64 = 200;
/// Longest wait for a snapshot or a purge to come by; a cut without is a cut as well.
const MOMENT_AT_MOST: Duration = Duration::from_secs(6);
/// Longest wait for one look at what a member is about.
const LOOK: Duration = Duration::from_micros(300);
/// For one change of the membership.
const CHANGE_AT_MOST: Duration = Duration::from_secs(5);
/// Changes of the membership before a cut, at most.
const CHANGES_MAX: u64 = 6;
/// For all registers from one member.
const READ_AT_MOST: Duration = Duration::from_secs(20);

/// The room.
pub(crate) struct Room {
    writers: Writers,
    cluster: Cluster,
    disks: BTreeMap<u64, LoopDisk>,
    broken: BrokenDisk,
    dice: Dice,
    counts: Counts,
    _dir: tempfile::TempDir,
}

/// What the cuts met.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    cuts: u32,
    cuts_of_all: u32,
    cuts_of_a_majority: u32,
    in_a_snapshot: u32,
    behind_a_purge: u32,
    in_a_membership_change: u32,
    during_a_start: u32,
}

impl Room {
    /// Disks, members and writers, all at work.
    pub(crate) fn new(file_system: FileSystem, seed: u64) -> Room {
        let dir = tempfile::tempdir().expect("a directory for the loop files");
        let mut disks = BTreeMap::new();
        for id in 1..=MEMBERS {
            let home = dir.path().join(format!("disk-{id}"));
            fs::create_dir(&home).expect("a directory for a disk");
            let bytes = match file_system {
                FileSystem::Ext4 => 256 << 20,
                FileSystem::Xfs => 512 << 20,
            };
            let disk = LoopDisk::with(file_system, &home, bytes).expect("a file system on a loop file");
            disks.insert(id, disk);
        }
        let broken = BrokenDisk::compile(dir.path(), &dir.path().join("disk-"));
        let settings = Settings {
            snapshot_entries: Some(SNAPSHOT_ENTRIES),
            data_dirs: disks
                .iter()
                .map(|(id, disk)| (*id, disk.path().join("data")))
                .collect(),
            environment: broken.environment(),
            ..Settings::default()
        };
        let cluster = Cluster::start(Place::loopback(), dir.path(), settings);
        Room {
            writers: Writers::start(&cluster, 0, seed),
            cluster,
            disks,
            broken,
            dice: Dice::new(seed),
            counts: Counts::default(),
            _dir: dir,
        }
    }

    /// From now on every member's disk does this wrong.
    pub(crate) fn switch_on(&mut self, fault: DiskFault) {
        (1..=MEMBERS).for_each(|id| self.broken.switch_on(id, fault));
    }

    /// Cuts the power, starts what lost it, and judges what is there then.
    pub(crate) fn lose_power(&mut self, cut: &Cut) -> Result<(), String> {
        self.writers.resume();
        if cut.moment == Moment::Membership {
            self.lose_power_while_the_membership_changes(cut)?;
        } else {
            self.wait_for(cut)?;
            self.cut(cut)?;
        }
        while self.dice.chance(cut.again) {
            self.launch(cut);
            std::thread::sleep(Duration::from_millis(self.dice.below(400)));
            self.cut(cut)?;
            self.counts.during_a_start += 1;
        }
        self.launch(cut);
        self.judge()
    }

    fn lose_power_while_the_membership_changes(&mut self, cut: &Cut) -> Result<(), String> {
        let (task, changes) = self.change_membership();
        let wanted = 1 + u32::try_from(self.dice.below(CHANGES_MAX)).unwrap_or(0);
        let changed = wait_at_most(AT_MOST, || {
            (changes.load(Ordering::Relaxed) >= wanted).then_some(())
        });
        let done = self.cut(cut);
        task.abort();
        self.counts.in_a_membership_change += 1;
        changed.ok_or("the membership cannot be changed any more")?;
        done
    }

    fn wait_for(&mut self, cut: &Cut) -> Result<(), String> {
        let acknowledged = |writers: &Writers| writers.ledger().acknowledged();
        let start = acknowledged(&self.writers);
        let wanted = match cut.moment {
            Moment::Acknowledged(count) => start + count,
            Moment::Snapshot | Moment::Purge | Moment::Membership => start + 1,
        };
        wait_at_most(AT_MOST, || (acknowledged(&self.writers) >= wanted).then_some(()))
            .ok_or_else(|| format!("nothing is acknowledged any more: {}", self.cluster.describe()))?;
        let logs: Vec<_> = cut.victims.iter().map(|id| self.cluster.data_dir(*id)).collect();
        let deadline = std::time::Instant::now() + MOMENT_AT_MOST;
        let purged = |cluster: &Cluster, id| cluster.status(id).map(|status| status.purged_index);
        let first = *cut.victims.first().expect("every cut has a victim");
        let before = purged(&self.cluster, first);
        while std::time::Instant::now() < deadline {
            let reached = match cut.moment {
                Moment::Acknowledged(_) | Moment::Membership => true,
                Moment::Snapshot => logs.iter().any(|data| snapshot_is_being_written(data)),
                Moment::Purge => purged(&self.cluster, first) > before,
            };
            if reached {
                self.counts.behind_a_purge += u32::from(cut.moment == Moment::Purge);
                break;
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Changes the membership and hands leadership over, again and again, until the task is ended.
    fn change_membership(&mut self) -> (JoinHandle<()>, Arc<AtomicU32>) {
        let changes = Arc::new(AtomicU32::new(0));
        let (caller, done) = (self.cluster.caller(&[1, 2, 3]), Arc::clone(&changes));
        let addresses: Vec<String> = (1..=MEMBERS).map(|id| self.cluster.place().address(id)).collect();
        let mut dice = Dice::new(self.dice.bits());
        let task = self.cluster.runtime().spawn(async move {
            for port in (7441..=7443).cycle() {
                let id = 1 + dice.below(MEMBERS);
                let own = &addresses[usize::try_from(id - 1).unwrap_or(0)];
                let changed = caller
                    .set_api_address(id, &format!("{own}:{port}"), CHANGE_AT_MOST)
                    .await;
                done.fetch_add(u32::from(changed), Ordering::Relaxed);
                if dice.chance(30) {
                    caller
                        .transfer_leader(1 + dice.below(MEMBERS), CHANGE_AT_MOST)
                        .await;
                }
            }
        });
        (task, changes)
    }

    fn cut(&mut self, cut: &Cut) -> Result<(), String> {
        let mut processes: Vec<(u64, Process)> = cut
            .victims
            .iter()
            .map(|id| (*id, self.cluster.take(*id)))
            .collect();
        let data: Vec<_> = cut.victims.iter().map(|id| self.cluster.data_dir(*id)).collect();
        let mut in_a_snapshot = false;
        let mut victims: Vec<_> = processes
            .iter_mut()
            .map(|(id, process)| (&self.disks[id], process.child()))
            .collect();
        let done = cut_power_of(&mut victims, || {
            in_a_snapshot = data.iter().any(|data| snapshot_is_being_written(data));
        });
        done.map_err(|error| format!("the power could not be cut: {error}"))?;
        self.counts.cuts += 1;
        self.counts.cuts_of_all += u32::from(cut.victims.len() == 3);
        self.counts.cuts_of_a_majority += u32::from(cut.victims.len() == 2);
        self.counts.in_a_snapshot += u32::from(in_a_snapshot);
        Ok(())
    }

    fn launch(&mut self, cut: &Cut) {
        cut.victims.iter().for_each(|id| self.cluster.launch(*id));
    }

    /// All members run, agree, and have what was promised; the one that is asked is chosen by dice.
    fn judge(&mut self) -> Result<(), String> {
        self.writers.pause(&self.cluster);
        self.cluster.agree()?;
        let asked = 1 + self.dice.below(MEMBERS);
        let caller = self.cluster.caller(&[asked]);
        let found = self.cluster.runtime().block_on(caller.read_all(READ_AT_MOST));
        let found = found.map_err(|status| format!("member {asked} cannot be read: {status}"))?;
        let broken = self.writers.ledger().broken_in(&found);
        if broken.is_empty() {
            return Ok(());
        }
        Err(format!("member {asked} lost what was acknowledged: {broken:#?}"))
    }

    /// The counts of the run, for the report.
    pub(crate) fn report(&self) -> String {
        let Counts {
            cuts,
            cuts_of_all,
            cuts_of_a_majority,
            in_a_snapshot,
            behind_a_purge,
            in_a_membership_change,
            during_a_start,
        } = self.counts;
        let ledger = self.writers.ledger();
        format!(
            "{cuts} power cuts ({cuts_of_all} of all members, {cuts_of_a_majority} of a majority; {in_a_snapshot} in a \
             snapshot, {behind_a_purge} behind a purge, {in_a_membership_change} in membership changes, {during_a_start} during a start), {} writes acknowledged, {} \
             left open, 0 lost",
            ledger.acknowledged(),
            ledger.open()
        )
    }

    /// A run in which nothing was written, or nothing purged, would prove nothing.
    pub(crate) fn check_what_was_exercised(&mut self) {
        let status = self.cluster.wait_until_agreed();
        assert!(status.purged_index > 0 && status.snapshot_index > 0, "{status:?}");
        let acknowledged = self.writers.ledger().acknowledged();
        assert!(
            acknowledged > 10 * u64::from(self.counts.cuts),
            "only {acknowledged} writes"
        );
    }
}

/// Whether a snapshot file in `data` is not finished.
fn snapshot_is_being_written(data: &Path) -> bool {
    let Ok(names) = fs::read_dir(data.join("snapshots")) else {
        return false;
    };
    let mut names = names.filter_map(|name| name.ok()?.file_name().into_string().ok());
    names.any(|name| name.ends_with(".tmp") || name.ends_with(".incoming"))
}
