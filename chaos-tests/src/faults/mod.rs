//! What is done to a cluster that works: one fault a file.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

mod clock_step;
mod freeze;
mod kill;
mod loss;
mod one_way;
mod partition;
mod split;

pub use clock_step::ClockStep;
pub use freeze::Freeze;
pub use kill::Kill;
pub use loss::Loss;
pub use one_way::OneWay;
pub use partition::Partition;
pub use split::Split;

use std::collections::BTreeSet;

use crate::bridge_filter::BridgeFilter;
use crate::cluster::{Cluster, MEMBERS};
use crate::dice::Dice;
use crate::stepped_clock::SteppedClock;

/// What faults act on.
pub struct World {
    /// The members.
    pub cluster: Cluster,
    /// What passes between them.
    pub filter: BridgeFilter,
    /// Their clocks.
    pub clock: SteppedClock,
}

/// A fault: begins, lasts, ends. After its end the cluster heals by itself.
pub trait Fault {
    /// Begins; says what was done, for the run's record.
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String;
    /// Ends what began.
    fn end(&mut self, world: &mut World);
}

/// What happens to processes and clocks.
pub fn of_processes() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(Kill::some(1)),
        Box::<Freeze>::default(),
        Box::<ClockStep>::default(),
        Box::new(Kill::some(2)),
        Box::new(Kill::some(3)),
    ]
}

/// What happens to the network. `None` stands for a network that works.
pub fn of_the_network() -> Vec<Option<Box<dyn Fault>>> {
    vec![
        None,
        Some(Box::<Partition>::default()),
        Some(Box::<OneWay>::default()),
        Some(Box::<Loss>::default()),
    ]
}

/// The leader in half of the throws, else anyone.
fn victim(world: &World, dice: &mut Dice) -> u64 {
    match leader(world) {
        Some(leader) if dice.chance(50) => leader,
        _ => 1 + dice.below(MEMBERS),
    }
}

/// The leader; anyone where nobody names one.
fn leader_or_anyone(world: &World, dice: &mut Dice) -> u64 {
    leader(world).unwrap_or_else(|| 1 + dice.below(MEMBERS))
}

fn leader(world: &World) -> Option<u64> {
    world.cluster.running().into_iter().find_map(|id| {
        let named = world.cluster.status(id)?.leader_id;
        (named != 0).then_some(named)
    })
}

/// So many members, the victim first.
fn victims(count: usize, world: &World, dice: &mut Dice) -> BTreeSet<u64> {
    let mut chosen = BTreeSet::from([victim(world, dice)]);
    while chosen.len() < count {
        chosen.insert(1 + dice.below(MEMBERS));
    }
    chosen
}

/// The port of a member in the bridge.
fn port(id: u64) -> String {
    format!("m{id}")
}
