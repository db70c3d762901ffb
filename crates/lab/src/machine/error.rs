//! Why a network or a guest could not be made, in words that say what to do.

use std::io;

/// What went wrong with namespaces, guests or the tools behind them.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Namespaces and taps belong to root.
    #[error("real machines need root (network namespaces and taps): run this with sudo")]
    NotRoot,
    /// A program is not installed.
    #[error("{tool} is not installed; on Debian: apt-get install --no-install-recommends {package}")]
    MissingTool {
        /// The program.
        tool: String,
        /// Debian's package that brings it.
        package: &'static str,
    },
    /// A firmware image is not installed.
    #[error("{file} is missing; on Debian: apt-get install --no-install-recommends {package}")]
    MissingFile {
        /// The file.
        file: &'static str,
        /// Debian's package that brings it.
        package: &'static str,
    },
    /// A command ended with an error.
    #[error("{command} failed: {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// A file or a process could not be used.
    #[error("could not {step}")]
    Io {
        /// The step.
        step: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl MachineError {
    /// An I/O error of `step`, which reads on after "could not".
    pub(crate) fn io(step: impl Into<String>) -> impl FnOnce(io::Error) -> MachineError {
        let step = step.into();
        move |source| MachineError::Io { step, source }
    }
}
