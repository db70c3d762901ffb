//! Nothing passes between one member and the two others, in either direction; callers reach all.

use super::{Fault, World, port, victim};
use crate::cluster::MEMBERS;
use crate::dice::Dice;

/// A member alone.
#[derive(Debug, Default)]
pub struct Partition;

impl Fault for Partition {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        let alone = victim(world, dice);
        let others: Vec<String> = (1..=MEMBERS).filter(|id| *id != alone).map(port).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        world.filter.cut(&[&port(alone)], &others);
        format!("partition {alone} from the others")
    }

    fn end(&mut self, world: &mut World) {
        world.filter.clear();
    }
}
