//! The checkpoint gives back a state that was stored, or nothing.

use std::collections::BTreeMap;
use std::fs;

use proto::raft::v1::entry::Command;
use proto::raft::v1::{ClientSession, Entry, Header};
use proto::smd::v1::smd_command::{Change, CreateComponents, DeleteComponents};
use proto::smd::v1::{Component, SmdCommand, component};

use super::*;

/// A state that grows by entries, and the rows that changed since they were stored.
#[derive(Default)]
struct Applied {
    state: State,
    changed: BTreeSet<RowKey>,
    /// Digest by index, of every state that was stored.
    stored: BTreeMap<u64, String>,
}

impl Applied {
    fn apply(&mut self, change: Change) {
        let index = self.state.applied_index() + 1;
        let session = ClientSession {
            client_id: vec![1; 16],
            seq: index,
            ack_below: index,
            opened_at_ms: 1,
        };
        let header = Header {
            session: Some(session),
            proposed_at_ms: index,
            principal: "test".into(),
            random: vec![3; 16],
            ..Default::default()
        };
        let command = Command::Smd(SmdCommand { change: Some(change) });
        let applied = self.state.apply(
            index,
            &Entry {
                header: Some(header),
                command: Some(command),
            },
        );
        assert_eq!(state::rejection(&applied.outcome), None);
        self.changed.extend(applied.changed);
    }

    fn create(&mut self, blades: std::ops::Range<u32>) {
        let component = |blade: u32| Component {
            id: format!("x{}c0s{}b0n0", blade / 64, blade % 64),
            state: component::State::On.into(),
            ..Default::default()
        };
        self.apply(Change::CreateComponents(CreateComponents {
            components: blades.map(component).collect(),
            force: false,
            ..Default::default()
        }));
    }

    fn store(&mut self, checkpoint: &mut Checkpoint) {
        let place = format!("place {}", self.state.applied_index());
        self.stored
            .insert(self.state.applied_index(), self.state.digest());
        checkpoint
            .update(&self.state, &std::mem::take(&mut self.changed), place.as_bytes())
            .unwrap();
    }

    fn assert_loaded(&self, loaded: Option<Loaded>) {
        let loaded = loaded.expect("a checkpoint");
        assert_eq!(loaded.state.digest(), self.state.digest());
        assert!(loaded.state.rows().eq(self.state.rows()));
        assert_eq!(
            loaded.place,
            format!("place {}", self.state.applied_index()).as_bytes()
        );
    }
}

fn reopen(dir: &Path) -> (Checkpoint, Option<Loaded>) {
    Checkpoint::open(dir).unwrap()
}

#[test]
fn a_new_checkpoint_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        assert!(reopen(&dir.path().join("checkpoint")).1.is_none());
    }
}

#[test]
fn the_stored_state_comes_back_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = reopen(dir.path());
    let mut applied = Applied::default();
    for round in 0..6 {
        applied.create(round * 7..round * 7 + 7);
        applied.store(&mut checkpoint);
        if round % 2 == 1 {
            drop(checkpoint);
            let (reopened, loaded) = reopen(dir.path());
            applied.assert_loaded(loaded);
            checkpoint = reopened;
        }
    }
}

/// A state that was stored must not be thrown away because its last owner has not quite gone.
#[test]
fn a_checkpoint_that_somebody_has_open_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = reopen(dir.path());
    let mut applied = Applied::default();
    applied.create(0..10);
    applied.store(&mut checkpoint);
    let (sender, receiver) = std::sync::mpsc::channel();
    let owner = std::thread::spawn(move || {
        receiver.recv().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50)); // it is asked for meanwhile
        drop(checkpoint);
    });
    sender.send(()).unwrap();
    applied.assert_loaded(reopen(dir.path()).1);
    owner.join().unwrap();
}

#[test]
fn a_removed_object_is_removed_from_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = reopen(dir.path());
    let mut applied = Applied::default();
    applied.create(0..10);
    applied.store(&mut checkpoint);
    let ids = vec!["x0c0s3b0n0".to_owned()];
    applied.apply(Change::DeleteComponents(DeleteComponents {
        ids,
        ..Default::default()
    }));
    applied.store(&mut checkpoint);
    drop(checkpoint);
    applied.assert_loaded(reopen(dir.path()).1);
}

/// More rows than one batch takes.
#[test]
fn a_large_change_and_a_replaced_state_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = reopen(dir.path());
    let mut applied = Applied::default();
    applied.create(0..10);
    applied.store(&mut checkpoint);
    applied.create(10..300);
    applied.store(&mut checkpoint);
    drop(checkpoint);
    let (mut checkpoint, loaded) = reopen(dir.path());
    applied.assert_loaded(loaded);
    let mut other = Applied::default();
    other.create(500..700);
    let place = format!("place {}", other.state.applied_index());
    checkpoint.replace(&other.state, place.as_bytes()).unwrap();
    drop(checkpoint);
    other.assert_loaded(reopen(dir.path()).1);
}

/// The owner forgot a row: the digest notices, and nothing wrong is served.
#[test]
fn a_state_that_does_not_fit_its_digest_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = reopen(dir.path());
    let mut applied = Applied::default();
    applied.create(0..10);
    applied.store(&mut checkpoint);
    applied.create(10..12);
    let forgotten = applied
        .changed
        .iter()
        .find(|key| key.kind() == state::RowKind::Component)
        .cloned()
        .unwrap();
    applied.changed.remove(&forgotten);
    applied.store(&mut checkpoint);
    drop(checkpoint);
    let (mut checkpoint, loaded) = reopen(dir.path());
    assert!(loaded.is_none());
    applied.store(&mut checkpoint);
    drop(checkpoint);
    applied.assert_loaded(reopen(dir.path()).1);
}

#[test]
fn sleds_unfinished_snapshot_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = reopen(dir.path());
    let mut applied = Applied::default();
    applied.create(0..10);
    applied.store(&mut checkpoint);
    drop(checkpoint);
    fs::write(
        dir.path().join("snap.FFFFFFFFFFFFFFF0.generating"),
        b"half a snapsh",
    )
    .unwrap();
    applied.assert_loaded(reopen(dir.path()).1);
}

/// For every file and many places: the very state that was stored, or nothing.
#[test]
fn damaged_files_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    let (mut checkpoint, _) = reopen(&good);
    let mut applied = Applied::default();
    for round in 0..8 {
        applied.create(round * 20..round * 20 + 20);
        applied.store(&mut checkpoint);
    }
    drop(checkpoint);
    let mut rebuilt = 0;
    for file in fs::read_dir(&good)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
    {
        let whole = fs::read(file.path()).unwrap();
        for step in 0..30 {
            let copy = dir.path().join("copy");
            fs::create_dir_all(&copy).unwrap();
            for entry in fs::read_dir(&good).unwrap().map(|entry| entry.unwrap()) {
                if entry.path().is_file() {
                    fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
                }
            }
            let mut bad = whole.clone();
            let used = bad.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
            let bit = (step * 104_729) % (used * 8);
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(copy.join(file.file_name()), &bad).unwrap();
            match reopen(&copy).1 {
                Some(loaded) if loaded.state.applied_index() == applied.state.applied_index() => {
                    applied.assert_loaded(Some(loaded));
                }
                // an older state that was stored whole: the log brings it up to date
                Some(older) => {
                    let digest = applied.stored.get(&older.state.applied_index());
                    assert_eq!(
                        digest,
                        Some(&older.state.digest()),
                        "index {}",
                        older.state.applied_index()
                    );
                }
                None => rebuilt += 1,
            }
            sled_files::remove(&copy).unwrap();
        }
    }
    assert!(
        rebuilt > 10,
        "only {rebuilt} noticed: the damage misses the store"
    );
}
