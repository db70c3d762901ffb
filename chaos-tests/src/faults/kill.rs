//! SIGKILL of one member, of a majority, or of all; they start again when it ends.

use std::collections::BTreeSet;

use super::{Fault, World, victims};
use crate::dice::Dice;

/// The killed.
#[derive(Debug)]
pub struct Kill {
    count: usize,
    killed: BTreeSet<u64>,
}

impl Kill {
    /// Of so many members.
    pub fn some(count: usize) -> Kill {
        Kill {
            count,
            killed: BTreeSet::new(),
        }
    }
}

impl Fault for Kill {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        self.killed = victims(self.count, world, dice);
        self.killed.iter().for_each(|id| world.cluster.kill(*id));
        format!("kill {:?}", self.killed)
    }

    fn end(&mut self, world: &mut World) {
        std::mem::take(&mut self.killed)
            .into_iter()
            .for_each(|id| world.cluster.launch(id));
    }
}
