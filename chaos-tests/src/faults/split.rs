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
        let own = port(alone);
        let majority: Vec<String> = (1..=MEMBERS).filter(|id| *id != alone).map(port).collect();
        let side = |members: &[String], clients: &[String]| [members, clients].concat();
        let (one, other) = (
            side(&[own], &self.with_leader),
            side(&majority, &self.with_majority),
        );
        world.filter.cut(&names(&one), &names(&other));
    }
}

fn names(ports: &[String]) -> Vec<&str> {
    ports.iter().map(String::as_str).collect()
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
