//! A child process that ends with its owner.

use std::process::{Child, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::MachineError;

/// A child that is killed (SIGKILL) and waited for when it is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Takes care of a child.
    #[must_use]
    pub fn new(child: Child) -> Process {
        Process(child)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its exit status when it has ended.
    ///
    /// # Errors
    /// The system refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, MachineError> {
        self.0
            .try_wait()
            .map_err(MachineError::io("look at a child process"))
    }

    /// Sends a signal: `SIGSTOP` freezes it, `SIGCONT` lets it go on.
    ///
    /// # Errors
    /// It has ended already.
    pub fn signal(&self, signal: Signal) -> Result<(), MachineError> {
        let pid = i32::try_from(self.id()).expect("process ids fit: the kernel's limit is 2^22");
        kill(Pid::from_raw(pid), signal)
            .map_err(|error| MachineError::io(format!("send {signal}"))(error.into()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn sleeper() -> Process {
        Process::new(Command::new("sleep").arg("600").spawn().unwrap())
    }

    #[test]
    fn a_process_ends_with_its_owner() {
        let process = sleeper();
        let id = process.id();
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_signal_reaches_it() {
        let mut process = sleeper();
        assert_eq!(process.ended().unwrap(), None);
        process.signal(Signal::SIGTERM).unwrap();
        let status = process.child().wait().unwrap();
        assert!(!status.success());
    }
}
