//! The state machine without a member: for tools that measure or look at a state where there is no cluster. It applies
//! entries and writes and reads snapshots by the code that a member does it by.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rpc::Error;
use state::State;

use crate::apply_chunk::{ApplyChunk, Touched};
use crate::published::Published;
use crate::snapshot_file;
use crate::state_machine::APPLY_CHUNK_MAX;
use crate::type_config::{LeaderId, LogId, SnapshotMeta};
use crate::watch::Watch;

/// A state and what readers would see of it.
#[derive(Debug)]
pub struct StandAlone {
    state: State,
    published: Arc<Published>,
}

impl Default for StandAlone {
    fn default() -> StandAlone {
        StandAlone::of(State::new())
    }
}

impl StandAlone {
    fn of(state: State) -> StandAlone {
        StandAlone {
            published: Published::new(state.clone()),
            state,
        }
    }

    /// Applies encoded entries one after the other, in chunks that are published as a member publishes them.
    ///
    /// # Errors
    /// `InvalidData` for bytes that are no entry, and for the first entry that is rejected, with the reason.
    pub fn apply(&mut self, entries: impl IntoIterator<Item = Vec<u8>>) -> io::Result<u64> {
        let mut entries = entries.into_iter().peekable();
        let mut applied = 0;
        while entries.peek().is_some() {
            let mut chunk = ApplyChunk::new(&self.state);
            let mut touched = Touched::default();
            for entry in entries.by_ref().take(APPLY_CHUNK_MAX) {
                let entry = state::decode_exact(&entry).map_err(|error| invalid(&error))?;
                let index = self.state.applied_index() + 1;
                let outcome = chunk.apply(&mut self.state, index, entry, &mut touched);
                if let Some(rejection) = state::rejection(&outcome) {
                    return Err(invalid(&format!("entry {index} was rejected: {rejection}")));
                }
                applied += 1;
            }
            self.published.publish(self.state.clone(), touched.revisions);
        }
        Ok(applied)
    }

    /// The state as readers see it.
    pub fn state(&self) -> Arc<State> {
        self.published.load()
    }

    /// A watch of what is applied from here on. Needs a tokio runtime.
    ///
    /// # Errors
    /// None of a state that was just read.
    pub fn watch(&self) -> Result<Watch, Error> {
        Watch::after(self.state.applied_index(), Arc::clone(&self.published))
    }

    /// Writes a snapshot file into `folder`, as durable as a member's; gives its path.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_snapshot(&self, folder: &Path) -> io::Result<PathBuf> {
        let leader_id = LeaderId { term: 1, node_id: 1 };
        let meta = SnapshotMeta {
            last_log_id: Some(LogId::new(leader_id, self.state.applied_index())),
            ..SnapshotMeta::default()
        };
        Ok(snapshot_file::write(folder, &meta, &self.state)?.path)
    }

    /// Reads and checks a snapshot file, as a member does at its start.
    ///
    /// # Errors
    /// `InvalidData` for a file that is damaged or of a newer version; what the file system says.
    pub fn read_snapshot(path: &Path) -> io::Result<StandAlone> {
        let (_, state) = snapshot_file::read(path)?;
        Ok(StandAlone::of(state))
    }
}

fn invalid(error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use proto::raft::v1 as pb;
    use proto::smd::v1::{Component, SmdCommand, component, smd_command};

    use super::*;

    fn entry(seq: u64, xname: &str) -> Vec<u8> {
        let component = Component {
            id: xname.to_owned(),
            r#type: "Node".to_owned(),
            state: component::State::On.into(),
            ..Component::default()
        };
        let create = smd_command::CreateComponents {
            components: vec![component],
            force: false,
            ..Default::default()
        };
        let change = Some(smd_command::Change::CreateComponents(create));
        let session = pb::ClientSession {
            client_id: vec![7; 16],
            seq,
            ..pb::ClientSession::default()
        };
        let entry = pb::Entry {
            header: Some(pb::Header {
                session: Some(session),
                ..pb::Header::default()
            }),
            command: Some(pb::entry::Command::Smd(SmdCommand { change })),
        };
        state::encode_exact(&entry).unwrap()
    }

    /// What is measured must be what a member would hold, before and after a start from the snapshot.
    #[test]
    fn entries_snapshot_and_state_agree() {
        let mut machine = StandAlone::default();
        let entries = (0..600).map(|number| entry(number + 1, &format!("x{number}c0s0b0n0")));
        // more than one chunk
        assert_eq!(machine.apply(entries.take(500)).unwrap(), 500);
        let folder = tempfile::tempdir().unwrap();
        let path = machine.write_snapshot(folder.path()).unwrap();
        let again = StandAlone::read_snapshot(&path).unwrap();
        assert_eq!(again.state().digest(), machine.state().digest());
        assert_eq!(again.state().applied_index(), 500);
    }

    /// A benchmark of refusals would be quick.
    #[test]
    fn an_entry_that_is_rejected_ends_it() {
        let mut machine = StandAlone::default();
        let error = machine
            .apply([entry(1, "x0c0s0b0n0"), entry(2, "not an xname")])
            .unwrap_err();
        assert!(error.to_string().starts_with("entry 2 was rejected"), "{error}");
        assert_eq!(
            machine.apply([b"\xff".to_vec()]).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
