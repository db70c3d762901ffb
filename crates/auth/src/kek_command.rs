//! Runs the command that prints a member's key encryption keys: without a shell, for a bounded time, with a bounded output that is
//! never shown. What it has started itself is ended with it.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::kek_source::KekCommand;

/// Eight keys in PEM have a thousand bytes.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;
/// So much of what it says on standard error is shown.
const PROBLEM_BYTES_MAX: u64 = 1024;
/// How often the process is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// A process that ended may have left its pipe to another one.
const PIPE_WAIT: Duration = Duration::from_secs(1);

/// What the command prints.
///
/// # Errors
/// It cannot be started, does not end in time, fails, or prints too much: with what it said on standard error.
pub(crate) fn output_of(command: &KekCommand) -> Result<Vec<u8>, String> {
    let (program, arguments) = command.argv.split_first().ok_or("no program is named")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("it could not be started: {error}"))?;
    let group = Pid::from_raw(child.id().cast_signed());
    let output = reading(child.stdout.take(), OUTPUT_BYTES_MAX);
    let problem = reading(child.stderr.take(), PROBLEM_BYTES_MAX);
    let ended = wait(&mut child, group, command.timeout);
    let said = problem.recv_timeout(PIPE_WAIT).unwrap_or_default();
    ended.map_err(|ended| format!("{ended}{}", quoted(&said)))?;
    let output = output.recv_timeout(PIPE_WAIT).map_err(|_| {
        end_all(group);
        "its output does not end: it has left a process behind".to_owned()
    })?;
    match output.len() as u64 > OUTPUT_BYTES_MAX {
        true => Err(format!("it prints more than {OUTPUT_BYTES_MAX} bytes")),
        false => Ok(output),
    }
}

/// Reads to one byte beyond `bytes_max`, and closes the pipe then: who writes on is ended by that.
fn reading(pipe: Option<impl Read + Send + 'static>, bytes_max: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut read = Vec::new();
        if let Some(pipe) = pipe {
            // what was read before an error is all there is to say
            let _ = pipe.take(bytes_max + 1).read_to_end(&mut read);
        }
        let _ = sender.send(read); // nobody waits any more
    });
    receiver
}

/// A shell's child would go on, with a key on its way to nobody.
fn end_all(group: Pid) {
    let _ = killpg(group, Signal::SIGKILL); // they may have ended just now
}

fn wait(child: &mut Child, group: Pid, at_most: Duration) -> Result<(), String> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) if began.elapsed() < at_most => thread::sleep(LOOK),
            Ok(None) => {
                end_all(group); // the child is of it, and its number not free before it was waited for
                let _ = child.wait();
                return Err(format!("it did not end within {} s", at_most.as_secs()));
            }
            Err(error) => return Err(format!("it cannot be waited for: {error}")),
        }
    }
}

/// What it said, on one line.
fn quoted(said: &[u8]) -> String {
    let said = said.get(..PROBLEM_BYTES_MAX as usize).unwrap_or(said);
    let text = String::from_utf8_lossy(said);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    match line.is_empty() {
        true => String::new(),
        false => format!(", and said: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(argv: &[&str]) -> Result<Vec<u8>, String> {
        output_of(&KekCommand {
            argv: argv.iter().map(ToString::to_string).collect(),
            timeout: Duration::from_secs(1),
        })
    }

    #[test]
    fn what_it_prints_is_given_back_as_it_is() {
        assert_eq!(
            run(&["/bin/echo", "-n", "$HOME; *"]).unwrap(),
            b"$HOME; *",
            "there is no shell"
        );
    }

    #[test]
    fn a_failure_says_what_the_command_said_and_nothing_of_its_output() {
        let failed = run(&[
            "/bin/sh",
            "-c",
            "echo s3cret; echo 'no\n such\x1b key' >&2; exit 3",
        ]);
        let failed = failed.unwrap_err();
        assert!(
            failed.contains("exit status: 3") && failed.contains("no such"),
            "{failed}"
        );
        assert!(!failed.contains("s3cret") && !failed.contains('\x1b'), "{failed}");
    }

    fn is_gone(pid: i32) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        // of one that ended and that nobody has waited for, the state is Z
        let ended = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        while !ended() && Instant::now() < end {
            thread::sleep(LOOK);
        }
        ended()
    }

    /// A script is ended by ending what it waits for, too.
    #[test]
    fn what_a_command_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let path = file.to_str().unwrap();
        let late = format!("sleep 300 & echo $! > {path}; wait");
        let left = format!("sleep 300 & echo $! > {path}; exit 0");
        for (script, says) in [(late, "within 1 s"), (left, "left a process behind")] {
            let refused = run(&["/bin/sh", "-c", &script]).unwrap_err();
            assert!(refused.contains(says), "{refused}");
            let pid = std::fs::read_to_string(&file).unwrap();
            assert!(is_gone(pid.trim().parse().unwrap()), "{says}");
        }
    }

    #[test]
    fn what_does_not_end_or_prints_without_end_is_ended() {
        let slow = run(&["/bin/sleep", "30"]).unwrap_err();
        assert!(slow.contains("within 1 s"), "{slow}");
        let much = run(&["/bin/sh", "-c", "head -c 70000 /dev/zero; exit 0"]).unwrap_err();
        assert!(
            much.contains("more than 65536 bytes") || much.contains("signal"),
            "{much}"
        );
        let none = run(&["/no/such/program"]).unwrap_err();
        assert!(none.contains("could not be started"), "{none}");
        assert!(run(&[]).unwrap_err().contains("no program"));
    }
}
