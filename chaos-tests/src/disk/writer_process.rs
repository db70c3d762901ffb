//! A child process that works on a disk and says on its output what it has done.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The word for a command that is about to be given.
pub const ISSUED: &str = "issued";
/// The word for a command that is durable.
pub const ACKNOWLEDGED: &str = "acknowledged";
/// Longest wait for a word.
const PATIENCE: Duration = Duration::from_secs(60);

/// The numbers a writer has said last, and whether it has said its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Commands given.
    pub issued: u64,
    /// Commands known to be durable.
    pub acknowledged: u64,
    /// It will say no more.
    pub ended: bool,
}

/// The process and what it said so far.
pub struct WriterProcess {
    /// The process, to stop it.
    pub child: Child,
    said: Arc<(Mutex<Said>, Condvar)>,
    reader: JoinHandle<()>,
}

impl WriterProcess {
    /// Starts `program` with `dir` and `arguments`.
    ///
    /// # Errors
    /// Those of starting a process.
    pub fn start(program: &str, dir: &Path, arguments: &[String]) -> io::Result<WriterProcess> {
        let mut child = Command::new(program)
            .arg(dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let said = Arc::new((Mutex::new(Said::default()), Condvar::new()));
        let shared = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                note(&shared, |said| take(said, &line));
            }
            note(&shared, |said| said.ended = true);
        });
        Ok(WriterProcess { child, said, reader })
    }

    /// Waits until it has acknowledged `count` commands (or ended, or a minute has passed).
    pub fn wait_for_acknowledged(&self, count: u64) -> Said {
        let (said, changed) = &*self.said;
        let guard = said.lock().unwrap_or_else(PoisonError::into_inner);
        let waited =
            changed.wait_timeout_while(guard, PATIENCE, |said| said.acknowledged < count && !said.ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Everything it ever said. The process must have been killed.
    pub fn last_words(self) -> Said {
        let _ = self.reader.join(); // it ends with the pipe
        *self.said.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(shared: &(Mutex<Said>, Condvar), change: impl FnOnce(&mut Said)) {
    change(&mut shared.0.lock().unwrap_or_else(PoisonError::into_inner));
    shared.1.notify_all();
}

fn take(said: &mut Said, line: &str) {
    let Some((word, number)) = line.split_once(' ') else {
        return;
    };
    let Ok(number) = number.parse() else { return };
    match word {
        ISSUED => said.issued = number,
        ACKNOWLEDGED => said.acknowledged = number,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_count_and_other_lines_do_not() {
        let mut said = Said::default();
        for line in [
            "issued 1",
            "issued 2",
            "acknowledged 1",
            "hello",
            "issued many",
            "lost 7",
        ] {
            take(&mut said, line);
        }
        assert_eq!(
            said,
            Said {
                issued: 2,
                acknowledged: 1,
                ended: false
            }
        );
    }

    #[test]
    fn a_process_is_heard_to_its_end() {
        let arguments = ["-c".into(), "echo issued 3; echo acknowledged 2".into()];
        let process = WriterProcess::start("sh", Path::new("-e"), &arguments).unwrap();
        assert_eq!(process.wait_for_acknowledged(2).acknowledged, 2);
        let mut process = process;
        process.child.wait().unwrap();
        assert_eq!(
            process.last_words(),
            Said {
                issued: 3,
                acknowledged: 2,
                ended: true
            }
        );
    }
}
