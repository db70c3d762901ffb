//! SIGSTOP of a member: it holds its sockets, says nothing, and does not know how long when it goes on.

use super::{Fault, World, victim};
use crate::dice::Dice;

/// The frozen.
#[derive(Debug, Default)]
pub struct Freeze(Option<u64>);

impl Fault for Freeze {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        let id = victim(world, dice);
        world.cluster.freeze(id);
        self.0 = Some(id);
        format!("freeze {id}")
    }

    fn end(&mut self, world: &mut World) {
        if let Some(id) = self.0.take() {
            world.cluster.thaw(id);
        }
    }
}
