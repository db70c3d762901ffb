//! The leader is alone with some of the clients; the majority keeps the others. Nothing passes between the sides.

use super::{Fault, World, port};
use crate::cluster::MEMBERS;
use crate::dice::Dice;

/// A cut through members and clients.
#[derive(Debug)]
pub struct Split {
    with_leader: Vec<String>,
    with_majority: Vec<String>,
}

impl Split {
    /// Between clients behind these ports and those.
    pub fn between(with_leader: &[&str], with_majority: &[&str]) -> Split {
        let owned = |ports: &[&str]| ports.iter().map(|port| (*port).to_owned()).collect();
        Split {
            with_leader: owned(with_leader),
            with_majority: owned(with_majority),
        }
    }

    /// Cuts this member off.
    pub fn alone(&self, world: &World, alone: u64) {
        let one = [&[port(alone)], &self.with_leader[..]].concat();
        let majority = (1..=MEMBERS).filter(|id| *id != alone).map(port);
        let other: Vec<String> = majority.chain(self.with_majority.iter().cloned()).collect();
        let names = |ports: &'_ [String]| ports.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let (one, other) = (names(&one), names(&other));
        world.filter.cut(
            &one.split(' ').collect::<Vec<_>>(),
            &other.split(' ').collect::<Vec<_>>(),
        );
    }
}

impl Fault for Split {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        let leader = super::leader_or_anyone(world, dice);
        self.alone(world, leader);
        format!("{leader} alone with the clients of {:?}", self.with_leader)
    }

    fn end(&mut self, world: &mut World) {
        world.filter.clear();
    }
}
