//! Keeps a checkpoint until its power is cut: `checkpoint-writer DIR SEED FROM COUNT`.
//!
//! It opens the checkpoint, goes on to the entry FROM as a member would by its log, and then stores COUNT times.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use chaos_tests::dice::Dice;
use chaos_tests::disk::state_script::ScriptedState;
use chaos_tests::disk::writer_process::{ACKNOWLEDGED, ISSUED};
use raft::checkpoint::Checkpoint;
use state::State;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, seed, from, count] = &arguments[..] else {
        return Err("usage: checkpoint-writer DIR SEED FROM COUNT".into());
    };
    let (seed, from): (u64, u64) = (seed.parse()?, from.parse()?);
    let (mut checkpoint, loaded) = Checkpoint::open(Path::new(dir))?;
    let mut script = ScriptedState::new(seed, loaded.map_or_else(State::new, |loaded| loaded.state));
    script.run_to(from);
    let mut dice = Dice::new(seed ^ from);
    for _ in 0..count.parse::<u64>()? {
        let steps = if dice.chance(10) { 80 } else { dice.below(12) };
        script.run_to(script.state.applied_index() + 1 + steps);
        let index = script.state.applied_index();
        say(ISSUED, index)?;
        checkpoint.update(
            &script.state,
            &std::mem::take(&mut script.changed),
            index.to_string().as_bytes(),
        )?;
        say(ACKNOWLEDGED, index)?;
    }
    Ok(())
}

/// One line in one write: it is said, or it is not.
fn say(word: &str, number: u64) -> std::io::Result<()> {
    std::io::stdout()
        .lock()
        .write_all(format!("{word} {number}\n").as_bytes())
}
