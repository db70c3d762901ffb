//! Packets between members are lost, whoever sends them.

use super::{Fault, World};
use crate::dice::Dice;

/// Percent of the packets, at least and at most.
const PERCENT: (u64, u64) = (5, 30);

/// A bad network.
#[derive(Debug, Default)]
pub struct Loss(Option<u8>);

impl Loss {
    /// So many percent of the packets.
    pub fn of(percent: u8) -> Loss {
        Loss(Some(percent))
    }
}

impl Fault for Loss {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        let by_chance = PERCENT.0 + dice.below(PERCENT.1 - PERCENT.0 + 1);
        let percent = self.0.unwrap_or(u8::try_from(by_chance).unwrap());
        world.filter.lose(percent);
        format!("loss of {percent} %")
    }

    fn end(&mut self, world: &mut World) {
        world.filter.clear();
    }
}
