//! Random commands of locks, reservations, partitions, maps and subscriptions, for the properties in `determinism`.

use proptest::prelude::*;
use proto::raft::v1::entry::Command;
use proto::smd::v1::ScnSubscription;
use proto::smd::v1::smd_command::{
    AddPartitionMember, ComponentNid, DeleteNodeMaps, DeletePartition, DeletePowerMaps,
    DeleteScnSubscriptions, HeldReservation, PatchComponents, PatchPartition, PatchScnSubscription,
    ReleaseReservations, RemovePartitionMember, RemoveReservations, RenewReservations, Reserve, SetLocks,
    SetNids,
};
use state::smd::key_sha256;

use crate::support::IntoCommand;
use crate::{node_maps, partitions, power_maps, subscriptions};

pub fn commands(xname: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = Command> {
    prop_oneof![
        7 => locks(xname.clone()),
        2 => patches(xname.clone()),
        2 => partitions(xname.clone()),
        1 => maps(xname),
        1 => subscriptions(),
    ]
}

fn locks(xname: impl Strategy<Value = String>) -> impl Strategy<Value = Command> {
    let ids = proptest::collection::vec(xname, 0..3);
    let minutes = prop_oneof![1 => Just(0), 3 => 1..17_u32];
    (0..10_u8, ids, any::<bool>(), minutes, 0..5_i32).prop_map(|(kind, ids, flexible, minutes, action)| {
        let held = || {
            let one = |id: &String| HeldReservation {
                id: id.clone(),
                reservation_key_sha256: key_sha256(id),
            };
            ids.iter().map(one).collect()
        };
        match kind {
            0 | 9 => SetLocks {
                action,
                ids,
                flexible,
            }
            .into_command(),
            1..=5 => Reserve {
                ids,
                flexible,
                minutes,
            }
            .into_command(),
            6 => RemoveReservations { ids, flexible }.into_command(),
            7 => ReleaseReservations {
                held: held(),
                flexible,
            }
            .into_command(),
            _ => RenewReservations {
                held: held(),
                flexible,
                minutes,
            }
            .into_command(),
        }
    })
}

fn patches(xname: impl Strategy<Value = String>) -> impl Strategy<Value = Command> {
    let ids = proptest::collection::vec(xname, 0..3);
    (0..4_u8, ids, 0..10_i32, any::<bool>(), 0..6_u64).prop_map(|(kind, ids, number, force, nid)| {
        if kind == 0 {
            let one = |(id, nid): (String, u64)| ComponentNid { id, nid };
            let components = ids.into_iter().zip(nid..).map(one).collect();
            return SetNids {
                components,
                if_revision: None,
            }
            .into_command();
        }
        PatchComponents {
            ids,
            state: if kind == 1 { number } else { 0 },
            flag: if kind == 2 { number % 7 } else { 0 },
            force,
            enabled: (kind == 3).then_some(force),
            role: (kind == 3).then(|| "service".to_owned()),
            ..PatchComponents::default()
        }
        .into_command()
    })
}

fn partitions(xname: impl Strategy<Value = String>) -> impl Strategy<Value = Command> {
    let name = prop_oneof![Just("p1"), Just("p2"), Just("P01"), Just("blue")];
    let ids = proptest::collection::vec(xname, 0..3);
    (0..6_u8, name, ids).prop_map(|(kind, name, ids)| {
        let name = name.to_owned();
        match kind {
            0 | 1 => {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                partitions::create(partitions::partition(&name, &ids)).into_command()
            }
            2 => PatchPartition {
                description: ids.first().cloned(),
                name,
                tags: None,
                ..Default::default()
            }
            .into_command(),
            3 => DeletePartition {
                name,
                ..Default::default()
            }
            .into_command(),
            4 => AddPartitionMember {
                name,
                ids,
                ..Default::default()
            }
            .into_command(),
            _ => RemovePartitionMember {
                name,
                ids,
                ..Default::default()
            }
            .into_command(),
        }
    })
}

fn maps(xname: impl Strategy<Value = String>) -> impl Strategy<Value = Command> {
    (0..6_u8, xname, 0..6_u64, any::<bool>()).prop_map(|(kind, id, nid, all)| {
        let ids = if all { Vec::new() } else { vec![id.clone()] };
        match kind {
            0..=2 => node_maps::put(vec![node_maps::map(&id, nid)]).into_command(),
            3 => DeleteNodeMaps {
                ids,
                all,
                ..Default::default()
            }
            .into_command(),
            4 => power_maps::put(vec![power_maps::map(&id, &["x0m0p0v1"])]).into_command(),
            _ => DeletePowerMaps {
                ids,
                all,
                ..Default::default()
            }
            .into_command(),
        }
    })
}

fn subscriptions() -> impl Strategy<Value = Command> {
    let state = prop_oneof![Just("Off"), Just("ready"), Just("Warm")];
    (0..6_u8, 0..30_u64, state, 0..4_i32).prop_map(|(kind, id, state, op)| match kind {
        0..=2 => {
            subscriptions::put(subscriptions::subscription(&format!("s{}", id % 3), &[state])).into_command()
        }
        3 => PatchScnSubscription {
            id,
            op,
            triggers: Some(ScnSubscription {
                states: vec![state.into()],
                ..Default::default()
            }),
        }
        .into_command(),
        4 => DeleteScnSubscriptions {
            ids: if id < 3 { Vec::new() } else { vec![id] },
            all: id < 3,
        }
        .into_command(),
        _ => subscriptions::advance(id, id + 1).into_command(),
    })
}
