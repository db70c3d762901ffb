//! Proofs by breaking things: power cuts, crash images, and what must hold after them.

pub mod dice;
pub mod disk;
pub mod members;
pub mod privileged;
