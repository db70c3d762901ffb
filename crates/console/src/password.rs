//! A password on its way to OpenSSH's client: through a pipe that only this account can open, never through arguments, the
//! environment or a file's contents.
//!
//! ssh runs `SSH_ASKPASS` for each password that it needs. That is this executable, which finds in its environment where the pipe is,
//! reads one line of it and prints it (ssh(1), `SSH_ASKPASS_REQUIRE`).

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Read as _, Result, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use redfish::Password;
use tempfile::TempDir;

use crate::limits::PASSWORD_BYTES_MAX;

/// Names the pipe to the process that ssh asks.
pub(crate) const PASSWORD_PIPE: &str = "CHAMOIS_SSH_PASSWORD_PIPE";
/// ssh may ask twice: for the method `password`, and for `keyboard-interactive`.
const TIMES: usize = 2;

/// A password that waits in a pipe; it is gone when this drops.
#[derive(Debug)]
pub(crate) struct HandedPassword {
    pipe: PathBuf,
    /// Keeps what was written: a pipe forgets it when nobody has it open.
    _writer: File,
    _folder: TempDir,
}

impl HandedPassword {
    /// Makes the pipe, in a folder of its own below `folder`, and fills it.
    ///
    /// # Errors
    /// `InvalidInput` for a password that is no line of at most 1 KiB; the text does not quote it. Else what the system said.
    pub(crate) fn new(folder: &Path, password: &Password) -> Result<HandedPassword> {
        let line = password.expose();
        if line.len() > PASSWORD_BYTES_MAX || line.contains(['\n', '\r', '\0']) {
            let problem = "the password of the BMC is no line of at most 1,024 bytes: ssh cannot send it";
            return Err(Error::new(ErrorKind::InvalidInput, problem));
        }
        let own = tempfile::Builder::new()
            .prefix("console-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(folder)?;
        let pipe = own.path().join("password");
        nix::unistd::mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
        // opened for both, so that nobody waits for the other end (fifo(7)); what is written is far less than a pipe holds
        let mut writer = OpenOptions::new().read(true).write(true).open(&pipe)?;
        for _ in 0..TIMES {
            writer.write_all(line.as_bytes())?;
            writer.write_all(b"\n")?;
        }
        Ok(HandedPassword {
            pipe,
            _writer: writer,
            _folder: own,
        })
    }

    /// Where it is.
    pub(crate) fn pipe(&self) -> &Path {
        &self.pipe
    }
}

/// Answers ssh, if this process was started by it to ask for a password; `None` if it was not. To be called before arguments are read:
/// ssh passes its question as the only one.
#[must_use]
pub fn answer_for_ssh() -> Option<ExitCode> {
    let pipe = std::env::var_os(PASSWORD_PIPE)?;
    Some(match answer(Path::new(&pipe), &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // ssh takes that for no password, and says so itself
    })
}

/// Reads one line byte by byte, because the next one is for the next question.
fn answer(pipe: &Path, to: &mut impl Write) -> Result<()> {
    let mut pipe = OpenOptions::new()
        .read(true)
        // an empty pipe is an error at once: there is no further password
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(pipe)?;
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() <= PASSWORD_BYTES_MAX {
        pipe.read_exact(&mut byte)?;
        line.push(byte[0]);
        if byte[0] == b'\n' {
            to.write_all(&line)?;
            return to.flush();
        }
    }
    Err(ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(handed: &HandedPassword) -> Result<String> {
        let mut shown = Vec::new();
        answer(handed.pipe(), &mut shown)?;
        Ok(String::from_utf8(shown).unwrap())
    }

    /// ssh asks once for each method; whoever asks once more must not wait for ever.
    #[test]
    fn a_password_is_read_twice_and_not_a_third_time() {
        let dir = tempfile::tempdir().unwrap();
        let handed = HandedPassword::new(dir.path(), &Password::new("c4n4ry \"'$x")).unwrap();
        assert_eq!(read(&handed).unwrap(), "c4n4ry \"'$x\n");
        assert_eq!(read(&handed).unwrap(), "c4n4ry \"'$x\n");
        assert_eq!(read(&handed).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn nobody_else_can_open_the_pipe_and_nothing_is_left_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let handed = HandedPassword::new(dir.path(), &Password::new("c4n4ry")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(handed.pipe()), 0o600);
        assert_eq!(mode(handed.pipe().parent().unwrap()), 0o700);
        assert_eq!(
            std::fs::metadata(handed.pipe()).unwrap().len(),
            0,
            "nothing of it is on the disk"
        );
        let pipe = handed.pipe().to_owned();
        drop(handed);
        assert!(!pipe.exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(answer(&pipe, &mut Vec::new()).is_err());
    }

    #[test]
    fn what_ssh_cannot_send_is_refused_without_quoting_it() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["c4n4ry\nb", "c4n4ry\r", "c4n4ry\0", &"c4n4ry".repeat(200)] {
            let error = HandedPassword::new(dir.path(), &Password::new(bad)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!error.to_string().contains("c4n4ry"), "{error}");
        }
    }

    #[test]
    fn nothing_is_answered_where_ssh_did_not_ask() {
        assert!(answer_for_ssh().is_none());
    }
}
