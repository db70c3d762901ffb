//! What was verified becomes the state of components: off is Off; on is On for what was Off. The rest (Ready, and what happens
//! without us) is the events'.

use model::{NodeState, Xname};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{Change, PatchComponents};
use proto::smd::v1::{SmdCommand, component};
use raft::Store;
use rpc::Author;
use tokio::sync::mpsc;

use crate::plan::Power;

/// Components of one change.
const BATCH_MAX: usize = 1000;

/// A node and what it was verified to be.
pub(crate) type Verified = (Xname, Power);

/// Writes what comes in as long as somebody sends, by the author of the transition; what comes in meanwhile is one change.
pub(crate) async fn write(store: Store, author: Author, mut verified: mpsc::UnboundedReceiver<Verified>) {
    let mut batch = Vec::new();
    while verified.recv_many(&mut batch, BATCH_MAX).await > 0 {
        for (state, ids) in changes(&store, batch.drain(..)) {
            patch(&store, &author, state, ids).await;
        }
    }
}

/// What differs from what SMD has: first what is off, so that a node that was off and is on again ends as On.
fn changes(store: &Store, verified: impl Iterator<Item = Verified>) -> Vec<(NodeState, Vec<String>)> {
    let state = store.state();
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for (id, power) in verified {
        let Some(component) = state.smd.component(&id) else {
            continue;
        };
        let is_off = component.state() == component::State::Off;
        match power {
            Power::Off if may_go_off(component.state()) => off.push(component.id.clone()),
            Power::On if is_off || off.contains(&component.id) => on.push(component.id.clone()),
            _ => {}
        }
    }
    [(NodeState::Off, off), (NodeState::On, on)]
        .into_iter()
        .filter(|(_, ids)| !ids.is_empty())
        .collect()
}

/// Others need `force`, which is for administrators.
fn may_go_off(state: component::State) -> bool {
    use component::State;
    matches!(state, State::On | State::Standby | State::Halt | State::Ready)
}

async fn patch(store: &Store, author: &Author, state: NodeState, ids: Vec<String>) {
    let patch = PatchComponents {
        ids,
        state: state as i32,
        ..PatchComponents::default()
    };
    let command = Command::Smd(SmdCommand {
        change: Some(Change::PatchComponents(patch)),
    });
    if let Err(error) = store.propose_by(author, command).await {
        tracing::warn!(%error, %state, "verified power states were not written to components; events will");
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::Component;
    use proto::smd::v1::smd_command::CreateComponents;

    use super::*;

    async fn store(components: &[(&str, NodeState)]) -> Store {
        let store = Store::in_memory();
        let components = components.iter().map(|(id, state)| Component {
            id: (*id).to_owned(),
            state: *state as i32,
            ..Component::default()
        });
        let create = CreateComponents {
            components: components.collect(),
            ..CreateComponents::default()
        };
        let command = Command::Smd(SmdCommand {
            change: Some(Change::CreateComponents(create)),
        });
        store.propose("user/ada", command, None).await.unwrap();
        store
    }

    async fn after(store: &Store, verified: &[(&str, Power)]) -> Vec<component::State> {
        let (tell, told) = mpsc::unbounded_channel();
        for (id, power) in verified {
            tell.send((id.parse().unwrap(), *power)).unwrap();
        }
        drop(tell);
        write(store.clone(), Author::of("user/ada", None), told).await;
        let state = store.state();
        state
            .smd
            .components()
            .map(|component| component.state())
            .collect()
    }

    #[tokio::test]
    async fn off_is_off_and_on_is_on_for_what_was_off() {
        let store = store(&[
            ("x0c0s0b0n0", NodeState::Ready),
            ("x0c0s1b0n0", NodeState::Off),
            ("x0c0s2b0n0", NodeState::Ready),
        ])
        .await;
        let verified = [
            ("x0c0s0b0n0", Power::Off),
            ("x0c0s1b0n0", Power::On),
            ("x0c0s2b0n0", Power::On),
        ];
        let states = after(&store, &verified).await;
        let expected = [
            component::State::Off,
            component::State::On,
            component::State::Ready,
        ];
        assert_eq!(states, expected);
    }

    /// What a node was before it was off says nothing of what it is now.
    #[tokio::test]
    async fn what_was_off_and_is_on_again_is_on() {
        let store = store(&[("x0c0s0b0n0", NodeState::Ready)]).await;
        let verified = [("x0c0s0b0n0", Power::Off), ("x0c0s0b0n0", Power::On)];
        assert_eq!(after(&store, &verified).await, [component::State::On]);
    }

    #[tokio::test]
    async fn nothing_is_written_that_is_so_already_or_takes_force() {
        let store = store(&[
            ("x0c0s0b0n0", NodeState::Off),
            ("x0c0s1b0n0", NodeState::Populated),
        ])
        .await;
        let before = store.state().applied_index();
        let verified = [
            ("x0c0s0b0n0", Power::Off),
            ("x0c0s1b0n0", Power::Off),
            ("x0c0s9b0n0", Power::Off),
        ];
        after(&store, &verified).await;
        assert_eq!(store.state().applied_index(), before);
    }

    #[tokio::test]
    async fn what_comes_together_is_one_change() {
        let store = store(&[("x0c0s0b0n0", NodeState::On), ("x0c0s1b0n0", NodeState::On)]).await;
        let before = store.state().applied_index();
        let verified = [("x0c0s0b0n0", Power::Off), ("x0c0s1b0n0", Power::Off)];
        assert_eq!(after(&store, &verified).await, [component::State::Off; 2]);
        assert_eq!(store.state().applied_index(), before + 1);
    }

    /// A power transition is not held up by a majority that is away.
    #[tokio::test]
    async fn a_write_that_fails_is_left_to_the_events() {
        let state = store(&[("x0c0s0b0n0", NodeState::On)]).await.state();
        let cut_off = Store::in_memory_without_majority(state.as_ref().clone());
        let states = after(&cut_off, &[("x0c0s0b0n0", Power::Off)]).await;
        assert_eq!(states, [component::State::On]);
    }
}
