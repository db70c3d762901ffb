//! Why a benchmark could not be run, and what to do about it.

use std::io;

/// Why a benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A program that is not on this host.
    #[error("{program} is not on this host: install it with `apt-get install {package}`")]
    Missing {
        /// What was looked for.
        program: &'static str,
        /// Debian's package that has it.
        package: &'static str,
    },
    /// A step that the system refused.
    #[error("{step}: {source}")]
    Step {
        /// What was tried.
        step: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A server that ended by itself.
    #[error("{name} ended by itself; the end of its log:\n{log}")]
    Ended {
        /// Which one.
        name: String,
        /// Its last lines.
        log: String,
    },
    /// Output that is not what the program's known versions print.
    #[error("cannot read the output of {program}: {problem}")]
    Output {
        /// Whose output it is.
        program: &'static str,
        /// What was looked for in vain.
        problem: String,
    },
    /// A condition that did not come true in time.
    #[error("waited {seconds} s for {what}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// A load of which nothing was answered.
    #[error("no request of the load was answered: {first}")]
    NothingAnswered {
        /// The first failure.
        first: String,
    },
    /// A server that cannot be spoken to.
    #[error("{0}")]
    Connect(String),
}

impl BenchError {
    /// For `map_err`: the step that an I/O error belongs to.
    pub fn step(step: impl Into<String>) -> impl FnOnce(io::Error) -> BenchError {
        move |source| BenchError::Step {
            step: step.into(),
            source,
        }
    }
}
