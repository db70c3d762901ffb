//! A replicated state that follows from a seed: the same at the same index for writer and judge.

use std::collections::BTreeSet;

use proto::bss::v1::bss_command;
use proto::bss::v1::{BootParametersEntry, BssCommand};
use proto::raft::v1::entry::Command;
use proto::raft::v1::{ClientSession, Entry, Header};
use proto::smd::v1::smd_command;
use proto::smd::v1::{Component, SmdCommand, component};
use raft::checkpoint::Loaded;
use state::{RowKey, State};

use crate::dice::Dice;

/// Nodes there may be; few, so that rows change again and again.
const NODES: u64 = 400;
/// Clients whose outcomes the state keeps.
const CLIENTS: u64 = 5;

/// The state after some entries of the script, and what changed since it was stored.
pub struct ScriptedState {
    seed: u64,
    /// The state.
    pub state: State,
    /// Rows that differ from those stored.
    pub changed: BTreeSet<RowKey>,
}

impl ScriptedState {
    /// The script of `seed` from `state` on, which must be one of its own states.
    pub fn new(seed: u64, state: State) -> ScriptedState {
        ScriptedState {
            seed,
            state,
            changed: BTreeSet::new(),
        }
    }

    /// Applies the next entry.
    pub fn step(&mut self) {
        let index = self.state.applied_index() + 1;
        let mut dice = Dice::new(self.seed ^ index.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let session = ClientSession {
            client_id: vec![1 + dice.below(CLIENTS) as u8; 16],
            seq: index,
            ack_below: index.saturating_sub(20),
            opened_at_ms: 1,
        };
        let header = Header {
            session: Some(session),
            proposed_at_ms: index,
            principal: "user/script".into(),
            random: vec![index as u8; 16],
            ..Default::default()
        };
        let entry = Entry {
            header: Some(header),
            command: Some(choose(&mut dice)),
        };
        let applied = self.state.apply(index, &entry); // a "no" is as good: it changes a session
        self.changed.extend(applied.changed);
    }

    /// Applies entries up to `index`.
    pub fn run_to(&mut self, index: u64) {
        while self.state.applied_index() < index {
            self.step();
        }
    }
}

/// Knows every state of a script, and so whether a loaded one is right.
pub struct StateJudge {
    script: ScriptedState,
    digests: Vec<String>,
}

impl StateJudge {
    /// Judges states of the script of `seed`.
    pub fn new(seed: u64) -> StateJudge {
        let script = ScriptedState::new(seed, State::new());
        StateJudge {
            digests: vec![script.state.digest()],
            script,
        }
    }

    /// The index of a loaded state that is exactly the script's there, in every row and in its place.
    ///
    /// # Errors
    /// What is wrong: something was served that never was.
    pub fn judge(&mut self, loaded: &Loaded) -> Result<u64, String> {
        let index = loaded.state.applied_index();
        while (self.digests.len() as u64) <= index {
            self.script.step();
            self.digests.push(self.script.state.digest());
        }
        // a state rebuilt from its rows has a digest of its own making
        let rebuilt = State::from_rows(loaded.state.rows()).map_err(|error| error.to_string())?;
        if rebuilt.digest() != self.digests[index as usize] {
            return Err(format!(
                "the loaded state at index {index} is not the state at that index"
            ));
        }
        if loaded.place != index.to_string().as_bytes() {
            return Err(format!(
                "the place stored with index {index} is {}",
                loaded.place.escape_ascii()
            ));
        }
        Ok(index)
    }
}

fn node(dice: &mut Dice) -> String {
    let number = dice.below(NODES);
    format!("x{}c0s{}b0n0", number / 64, number % 64)
}

fn choose(dice: &mut Dice) -> Command {
    match dice.below(10) {
        0..=4 => {
            let node = |_| Component {
                id: node(dice),
                state: component::State::On.into(),
                ..Default::default()
            };
            let create = smd_command::CreateComponents {
                components: (0..8).map(node).collect(),
                force: true,
                ..Default::default()
            };
            smd(smd_command::Change::CreateComponents(create))
        }
        5..=6 => {
            let state = if dice.chance(50) {
                component::State::Ready
            } else {
                component::State::Off
            };
            let patch = smd_command::PatchState {
                id: node(dice),
                state: state.into(),
                ..Default::default()
            };
            smd(smd_command::Change::PatchState(patch))
        }
        7 => smd(smd_command::Change::DeleteComponents(
            smd_command::DeleteComponents {
                ids: vec![node(dice)],
                ..Default::default()
            },
        )),
        _ => {
            let params = "quiet ".repeat(dice.place(2500));
            let values = BootParametersEntry {
                params,
                kernel: "http://k".into(),
                ..Default::default()
            };
            let replace = bss_command::Replace {
                keys: vec![node(dice)],
                values: Some(values),
            };
            Command::Bss(BssCommand {
                change: Some(bss_command::Change::Replace(replace)),
            })
        }
    }
}

fn smd(change: smd_command::Change) -> Command {
    Command::Smd(SmdCommand { change: Some(change) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_state_wherever_it_is_continued() {
        let mut whole = ScriptedState::new(3, State::new());
        whole.run_to(60);
        let halfway = whole.state.clone();
        whole.run_to(120);
        let mut continued = ScriptedState::new(3, halfway);
        continued.run_to(120);
        assert_eq!(continued.state.digest(), whole.state.digest());
        assert!(whole.state.rows().count() > 100, "the script does too little");
        let mut other = ScriptedState::new(4, State::new());
        other.run_to(120);
        assert_ne!(other.state.digest(), whole.state.digest());
    }

    /// The judge must see a row too few, another history, and a place of another index.
    #[test]
    fn the_judge_accepts_the_very_state_and_nothing_else() {
        let mut judge = StateJudge::new(3);
        let mut script = ScriptedState::new(3, State::new());
        script.run_to(60);
        let loaded = |state: &State, place: &str| Loaded {
            state: state.clone(),
            place: place.into(),
        };
        assert_eq!(judge.judge(&loaded(&script.state, "60")), Ok(60));
        assert!(judge.judge(&loaded(&script.state, "59")).is_err());
        let mut other = ScriptedState::new(4, State::new());
        other.run_to(60);
        assert!(judge.judge(&loaded(&other.state, "60")).is_err());
        let component = |row: &proto::raft::v1::SnapshotRow| {
            RowKey::of(row).is_ok_and(|key| key.kind() == state::RowKind::Component)
        };
        let missing = script.state.rows().position(|row| component(&row)).unwrap();
        let rows = script
            .state
            .rows()
            .enumerate()
            .filter(|(at, _)| *at != missing)
            .map(|(_, row)| row);
        let fewer = State::from_rows(rows).unwrap();
        assert!(judge.judge(&loaded(&fewer, "60")).is_err());
    }
}
