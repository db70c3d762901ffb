//! Packets between members are lost, whoever sends them.

use super::{Fault, World};
use crate::dice::Dice;

/// Percent of the packets, at least and at most.
const PERCENT: (u64, u64) = (5, 30);

/// A bad network.
#[derive(Debug, Default)]
pub struct Loss;

impl Fault for Loss {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        let percent = PERCENT.0 + dice.below(PERCENT.1 - PERCENT.0 + 1);
        world.filter.lose(u8::try_from(percent).unwrap());
        format!("loss of {percent} %")
    }

    fn end(&mut self, world: &mut World) {
        world.filter.clear();
    }
}
