//! A member that is heard and does not hear, or hears and is not heard: by one other member or by both.

use super::{Fault, World, port, victim};
use crate::cluster::MEMBERS;
use crate::dice::Dice;

/// A cut in one direction.
#[derive(Debug, Default)]
pub struct OneWay;

impl Fault for OneWay {
    fn begin(&mut self, world: &mut World, dice: &mut Dice) -> String {
        let one = victim(world, dice);
        let mut others: Vec<u64> = (1..=MEMBERS).filter(|id| *id != one).collect();
        if dice.chance(50) {
            others.remove(dice.place(others.len()));
        }
        let is_deaf = dice.chance(50);
        let names: Vec<String> = others.iter().map(|id| port(*id)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let own = port(one);
        let (from, to): (&[&str], &[&str]) = if is_deaf {
            (&names, &[&own])
        } else {
            (&[&own], &names)
        };
        world.filter.cut_one_way(from, to);
        format!("nothing passes from {from:?} to {to:?}")
    }

    fn end(&mut self, world: &mut World) {
        world.filter.clear();
    }
}
