//! The wall clock of a member goes forward or back by minutes or by an hour, and returns when it ends.

use super::{Fault, World, victim};
use crate::dice::Dice;

/// Seconds by which clocks step.
const STEPS_S: [i64; 4] = [-3600, -90, 90, 3600];

/// A clock that is wrong.
#[derive(Debug, Default)]
pub struct ClockStep(Option<u64>);

impl Fault for ClockStep {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        let (id, step) = (victim(world, dice), STEPS_S[dice.place(STEPS_S.len())]);
        world.clock.step(id, step);
        self.0 = Some(id);
        format!("clock of {id} steps by {step} s")
    }

    fn end(&mut self, world: &mut World) {
        if let Some(id) = self.0.take() {
            world.clock.step(id, 0);
        }
    }
}
