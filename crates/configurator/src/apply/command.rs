//! Programs of others: found, run with a bound on their time, and ended with all that they have started.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What is kept of what a program says, bytes from its beginning.
const SAID_BYTES_MAX: usize = 4 << 10;
/// First and longest pause between two looks at whether it has ended.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// How long what it said is waited for after its end: something that it has started may hold its output open.
const LAST_WORDS_MAX: Duration = Duration::from_millis(200);
/// Where daemons and their checkers are, beside the PATH of an account that is not root.
const MORE_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// What gives rights on the cluster is not a hook's.
const NOT_INHERITED: [&str; 3] = [
    "CHAMOIS_TOKEN",
    "CHAMOIS_TOKEN_FILE",
    "CHAMOIS_CLIENT_CERTIFICATE",
];

/// A command of the site: words, no shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// How long it may take.
    pub at_most: Duration,
}

impl Command {
    /// Whether a word has this in it.
    pub(crate) fn mentions(&self, placeholder: &str) -> bool {
        self.words.iter().any(|word| word.contains(placeholder))
    }

    /// The program's name.
    pub(crate) fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Runs it with these words in place of their placeholders, and these variables.
    pub(crate) fn run(&self, replaced: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<(), String> {
        let program = find(self.program()).ok_or("there is no such program on this host")?;
        let with = |word: &String| {
            let replace = |word: String, (from, to): &(&str, &str)| word.replace(from, to);
            replaced.iter().fold(word.clone(), replace)
        };
        let arguments: Vec<String> = self.words.iter().skip(1).map(with).collect();
        run(&program, &arguments, environment, self.at_most)
    }
}

/// Where a program is; one with a slash in its name is what it says.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return is_program(Path::new(program)).then(|| program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE_FOLDERS.iter().map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs a program to its end; what it said if that was no success.
pub(crate) fn run(
    program: &Path,
    arguments: &[String],
    environment: &[(&str, &str)],
    at_most: Duration,
) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot run it: {error}");
    let (reader, writer) = std::io::pipe().map_err(cannot)?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(cannot)?)
        .stderr(writer)
        // a group of its own, so that what it starts ends with it
        .process_group(0);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    let child = command.spawn().map_err(cannot)?;
    drop(command); // holds the other end of the pipe open
    let said = listen(reader);
    let status = wait(child, at_most).map_err(cannot)?;
    let said = said.recv_timeout(LAST_WORDS_MAX).unwrap_or_default();
    let said = match said.trim() {
        "" => "it said nothing",
        said => said,
    };
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{status}: {said}")),
        None => Err(format!(
            "it took longer than {} s and was ended: {said}",
            at_most.as_secs_f64()
        )),
    }
}

/// Reads on to the end, so that nobody is held up, and keeps the beginning.
fn listen(mut reader: std::io::PipeReader) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            let room = SAID_BYTES_MAX.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..read.min(room)]);
        }
        // nobody may be interested any more
        let _ = tell.send(String::from_utf8_lossy(&kept).into_owned());
    });
    told
}

/// Its end, or `None` when it had to be ended.
fn wait(mut child: Child, at_most: Duration) -> std::io::Result<Option<ExitStatus>> {
    let (began, mut pause) = (Instant::now(), PAUSE_MIN);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() >= at_most {
            let group = i32::try_from(child.id()).map(Pid::from_raw);
            if let Ok(group) = group {
                // fails only where all have ended meanwhile
                let _ = killpg(group, Signal::SIGKILL);
            }
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = PAUSE_MAX.min(2 * pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, at_most: Duration) -> Result<(), String> {
        let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Command { words, at_most }.run(&[("{file}", "/etc/hosts")], &[("CHAMOIS_FILE_SET", "hosts")])
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_program_that_fails_is_quoted() {
        assert_eq!(shell("exit 0", LONG), Ok(()));
        let problem = shell("echo line 3: no such thing >&2; exit 4", LONG).unwrap_err();
        assert!(
            problem.contains("line 3: no such thing") && problem.contains('4'),
            "{problem}"
        );
        let problem = shell("exit 1", LONG).unwrap_err();
        assert!(problem.contains("said nothing"), "{problem}");
    }

    #[test]
    fn placeholders_and_variables_are_filled_in() {
        assert_eq!(
            shell("test {file} = /etc/hosts && test $CHAMOIS_FILE_SET = hosts", LONG),
            Ok(())
        );
    }

    /// A child of the shell would hold the output open for a minute.
    #[test]
    fn what_takes_too_long_is_ended_with_what_it_started() {
        let began = Instant::now();
        let problem = shell("sleep 60 & sleep 60", Duration::from_millis(100)).unwrap_err();
        assert!(problem.contains("longer than 0.1 s"), "{problem}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    /// Megabytes on a pipe that nobody reads would stop the program.
    #[test]
    fn much_output_holds_nobody_up_and_is_cut() {
        let problem = shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 1", LONG).unwrap_err();
        assert!(problem.len() < 2 * SAID_BYTES_MAX, "{}", problem.len());
    }

    #[test]
    fn programs_are_found_where_daemons_are() {
        assert!(find("sh").is_some() && find("/bin/sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
        assert_eq!(find("/etc/passwd"), None, "it may not be run");
        let missing = Command {
            words: vec!["no-such-program-anywhere".to_owned()],
            at_most: LONG,
        };
        assert!(missing.run(&[], &[]).unwrap_err().contains("no such program"));
    }
}
