//! A pseudo-terminal of a fixed size, with a command on it as a shell starts it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use super::common::CHAMOIS;
use super::screen;

pub(super) const COLUMNS: u16 = 100;
const ROWS: u16 = 40;
/// A scene that is not over by then does not go on.
const SCENE_AT_MOST: Duration = Duration::from_secs(60);

pub(super) struct Terminal {
    child: Child,
    keyboard: File,
    written: Arc<Mutex<Vec<u8>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Terminal {
    /// Starts `chamois …`, as typed, in a folder.
    pub(super) fn start(command: &str, folder: &Path, environment: &[(String, String)]) -> Self {
        let size = Winsize {
            ws_row: ROWS,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        let bin = Path::new(CHAMOIS).parent().unwrap();
        // a session of its own, whose terminal this is: its size counts, and Ctrl-C reaches the command
        let mut starting = Command::new("setsid");
        starting
            .args(["--ctty", "--wait", "bash", "-c", command])
            .current_dir(folder)
            .env_clear();
        starting.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        starting
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1");
        starting.envs(environment.iter().map(|(name, value)| (name, value)));
        let child = starting.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(starting);
        drop(pair.slave);
        let mut screen = File::from(pair.master);
        let keyboard = screen.try_clone().unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            // EIO: nobody has the terminal open any more
            while let Ok(length @ 1..) = screen.read(&mut part) {
                kept.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Self {
            child,
            keyboard,
            written,
            reader: Some(reader),
        }
    }

    /// What is on it now.
    fn screen(&self) -> String {
        screen::shown(&String::from_utf8_lossy(&self.written.lock().unwrap()))
    }

    /// Waits until a text is on it.
    pub(super) fn until(&mut self, text: &str) {
        self.until_any(&[text]);
    }

    /// Waits until one of the texts is on it.
    pub(super) fn until_any(&mut self, texts: &[&str]) {
        let deadline = Instant::now() + SCENE_AT_MOST;
        while !texts.iter().any(|text| self.screen().contains(text)) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{texts:?}: {ended:?}\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ctrl-C.
    pub(super) fn interrupt(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }

    /// The last screen and the exit code.
    pub(super) fn ended(mut self) -> (String, i32) {
        let deadline = Instant::now() + SCENE_AT_MOST;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "it does not end\n{}", self.screen()),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        self.reader.take().unwrap().join().unwrap();
        (self.screen(), status.code().unwrap_or(-1))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
