//! What must hold of a cluster after its faults have ended: one invariant a file.

mod leader_exists;
mod linearizable;
mod nothing_lost;
mod one_digest;

use crate::checker::History;
use crate::cluster::{Cluster, Ledger};

/// What is judged.
pub struct Evidence<'a> {
    /// The members, all running, nothing between them cut, no writers at work.
    pub cluster: &'a mut Cluster,
    /// What callers saw.
    pub history: &'a History,
    /// What writers were promised.
    pub ledger: &'a Ledger,
}

/// An invariant; its error says how it is broken.
type Invariant = fn(&mut Evidence<'_>) -> Result<(), String>;

/// All of them, by name.
const ALL: &[(&str, Invariant)] = &[
    ("a leader exists", leader_exists::check),
    ("all members have one digest", one_digest::check),
    ("no acknowledged write is lost", nothing_lost::check),
    ("every register is linearizable", linearizable::check),
];

/// What is broken; empty if all holds.
pub fn broken(evidence: &mut Evidence<'_>) -> Vec<String> {
    let broken = |(name, check): &(&str, Invariant)| {
        let problem = check(evidence).err()?;
        Some(format!("{name}: NO. {problem}"))
    };
    ALL.iter().filter_map(broken).collect()
}
