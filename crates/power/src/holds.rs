//! Locks and reservations: what a transition leaves alone. PCS honours them whether anything else does or not, so this does, too.

use std::collections::BTreeSet;

use model::Xname;
use proto::power::v1::PowerTransition;
use proto::smd::v1::ComponentReservation;
use state::State;

/// What to do about it.
pub(crate) const REMEDY: &str =
    "unlock it, wait until its reservation has ended, or start again with the deputy key of its reservation";

/// The digests of keys that came with a transition.
pub(crate) fn keys(asked: &PowerTransition) -> BTreeSet<&[u8]> {
    asked.reservation_key_sha256.iter().map(Vec::as_slice).collect()
}

/// Why a component may not be switched now; `None`: it may. A reservation whose key came opens it, also if it is locked.
pub(crate) fn hold(state: &State, id: &Xname, keys: &BTreeSet<&[u8]>, time_ms: u64) -> Option<String> {
    let is_locked = state.smd.component(id).is_some_and(|component| component.locked);
    match state.smd.reservation(id, time_ms) {
        Some(reservation) if has_key(keys, &reservation) => None,
        Some(reservation) => {
            let created = reservation.meta.as_ref().and_then(|meta| meta.created.as_ref());
            let holder = created.map_or("somebody", |change| change.principal.as_str());
            let locked = if is_locked { "locked and " } else { "" };
            let until = match reservation.expires_at_ms {
                0 => String::new(),
                end => format!(" until {}", state::time_text(end)),
            };
            Some(format!("it is {locked}reserved by {holder}{until}"))
        }
        None => is_locked.then(|| "it is locked".to_owned()),
    }
}

/// A deputy acts for the holder, so either key will do.
fn has_key(keys: &BTreeSet<&[u8]>, reservation: &ComponentReservation) -> bool {
    keys.contains(reservation.reservation_key_sha256.as_slice())
        || keys.contains(reservation.deputy_key_sha256.as_slice())
}

#[cfg(test)]
mod tests {
    use proto::raft::v1::entry::Command;
    use proto::smd::v1::smd_command::set_locks::Action;
    use proto::smd::v1::smd_command::{Change, CreateComponents, Reserve, SetLocks};
    use proto::smd::v1::{Component, SmdCommand};
    use raft::{Committed, Store};
    use state::smd::{Grant, key_sha256};

    use super::*;

    const NODE: &str = "x0c0s0b0n0";

    async fn change(store: &Store, change: Change) -> Committed {
        let command = Command::Smd(SmdCommand { change: Some(change) });
        store.propose("user/ada", command, None).await.unwrap()
    }

    async fn store() -> Store {
        let store = Store::in_memory();
        let components = vec![Component {
            id: NODE.to_owned(),
            ..Component::default()
        }];
        let create = CreateComponents {
            components,
            as_given: true,
            ..CreateComponents::default()
        };
        change(&store, Change::CreateComponents(create)).await;
        store
    }

    async fn lock(store: &Store) {
        let set = SetLocks {
            action: Action::Lock.into(),
            ids: vec![NODE.to_owned()],
            ..SetLocks::default()
        };
        change(store, Change::SetLocks(set)).await;
    }

    async fn reserve(store: &Store, minutes: u32) -> Grant {
        let reserve = Reserve {
            ids: vec![NODE.to_owned()],
            minutes,
            ..Reserve::default()
        };
        let committed = change(store, Change::Reserve(reserve)).await;
        committed.applied.value.parse().unwrap()
    }

    fn held(store: &Store, key: &str) -> Option<String> {
        let asked = PowerTransition {
            reservation_key_sha256: vec![key_sha256(key)],
            ..PowerTransition::default()
        };
        let id = NODE.parse().unwrap();
        hold(&store.state(), &id, &keys(&asked), store.cluster_time_ms())
    }

    #[tokio::test]
    async fn what_is_free_or_unknown_is_not_held() {
        assert_eq!(held(&store().await, ""), None);
        assert_eq!(held(&Store::in_memory(), ""), None);
    }

    #[tokio::test]
    async fn what_is_locked_opens_to_nobody_without_a_reservation() {
        let store = store().await;
        lock(&store).await;
        assert_eq!(held(&store, "x0c0s0b0n0:dk:1").unwrap(), "it is locked");
    }

    #[tokio::test]
    async fn what_is_reserved_opens_to_either_of_its_keys_in_any_case() {
        let store = store().await;
        let grant = reserve(&store, 5).await;
        let told = held(&store, "x0c0s0b0n0:dk:another").unwrap();
        assert!(told.starts_with("it is reserved by user/ada until 20"), "{told}");
        let keys = grant.keys(&NODE.parse().unwrap());
        for key in [
            &keys.deputy_key,
            &keys.reservation_key,
            &keys.deputy_key.to_uppercase(),
        ] {
            assert_eq!(held(&store, key), None);
        }
    }

    #[tokio::test]
    async fn the_administrators_reservation_opens_what_is_locked() {
        let store = store().await;
        lock(&store).await;
        let grant = reserve(&store, 0).await;
        let told = held(&store, "").unwrap();
        assert_eq!(told, "it is locked and reserved by user/ada");
        let keys = grant.keys(&NODE.parse().unwrap());
        assert_eq!(held(&store, &keys.deputy_key), None);
    }

    /// Time that has passed frees it, though nobody has written since.
    #[tokio::test]
    async fn a_reservation_that_has_ended_holds_nothing() {
        let store = store().await;
        reserve(&store, 1).await;
        let id = NODE.parse().unwrap();
        let later = store.cluster_time_ms() + 61_000;
        assert_eq!(hold(&store.state(), &id, &BTreeSet::new(), later), None);
    }
}
