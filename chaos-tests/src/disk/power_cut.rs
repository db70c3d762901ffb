//! A real file system on a loop file, and the power cut that takes it from a running process.
//!
//! The order matters: stop the process (all threads), shut the file system down, kill, unmount,
//! mount. Shutting down under a running process lets a racing fdatasync answer "done" for bytes
//! that are lost, which would look like the process's fault.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fs_shutdown;

/// Longest wait for a process to stop or a mount to come free.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives the calling thread, and the processes it starts, mounts of their own: another process that
/// copied ours would keep a shut-down file system alive behind an unmount that seemed to succeed.
///
/// # Errors
/// `EPERM` without root.
pub fn enter_private_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )?;
    Ok(())
}

/// What a loop file is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Its journal commits on its own only every 300 s here: what survives was synced.
    Ext4,
    /// Its log is written on its own every 30 s, far longer than a life here. Needs 512 MiB, of which few are used.
    Xfs,
}

impl FileSystem {
    /// Both.
    pub const ALL: [FileSystem; 2] = [FileSystem::Ext4, FileSystem::Xfs];

    fn mkfs(self) -> Command {
        let (program, quiet, force) = match self {
            FileSystem::Ext4 => ("mkfs.ext4", "-q", "-F"),
            FileSystem::Xfs => ("mkfs.xfs", "-q", "-f"),
        };
        let mut command = Command::new(program);
        command.args([quiet, force]);
        command
    }

    fn mount_options(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "loop,commit=300",
            FileSystem::Xfs => "loop",
        }
    }
}

/// A file system on a loop file, mounted while this lives.
#[derive(Debug)]
pub struct LoopDisk {
    image: PathBuf,
    mount_point: PathBuf,
    file_system: FileSystem,
}

impl LoopDisk {
    /// Makes and mounts an ext4 file system of `bytes` below `dir`.
    ///
    /// # Errors
    /// A missing tool or privilege, named.
    pub fn create(dir: &Path, bytes: u64) -> io::Result<LoopDisk> {
        LoopDisk::with(FileSystem::Ext4, dir, bytes)
    }

    /// Makes and mounts a file system of `bytes` below `dir`.
    ///
    /// # Errors
    /// A missing tool or privilege, named.
    pub fn with(file_system: FileSystem, dir: &Path, bytes: u64) -> io::Result<LoopDisk> {
        let disk = LoopDisk {
            image: dir.join("disk.img"),
            mount_point: dir.join("mount"),
            file_system,
        };
        fs::File::create(&disk.image)?.set_len(bytes)?;
        fs::create_dir(&disk.mount_point)?;
        run(file_system.mkfs().arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where the file system is mounted.
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    fn mount(&self) -> io::Result<()> {
        run(Command::new("mount")
            .args(["-o", self.file_system.mount_options()])
            .arg(&self.image)
            .arg(&self.mount_point))?;
        let mounts = fs::read_to_string("/proc/thread-self/mounts")?;
        let place = self.mount_point.to_string_lossy().into_owned();
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(&place));
        match line {
            Some(line) if !line.contains("shutdown") => Ok(()),
            Some(line) => Err(io::Error::other(format!(
                "this is still the file system that was shut down: {line}"
            ))),
            None => Err(io::Error::other(format!("{place} is not mounted"))),
        }
    }

    fn unmount(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match run(Command::new("umount").arg(&self.mount_point)) {
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                other => return other,
            }
        }
    }

    /// Cuts the power under `process` and mounts again. What the process said before is all it
    /// ever said: nothing runs between its last word and the cut.
    ///
    /// # Errors
    /// Those of the system; the caller's test has then not run.
    pub fn cut_power(&self, process: &mut Child) -> io::Result<()> {
        cut_power_of(&mut [(self, process)], || ())
    }
}

/// Cuts the power under several processes, each on its disk, at one moment: all stand still before the first disk is
/// taken away, and all are gone before the first comes back. `look` sees what they were about, standing still.
///
/// # Errors
/// As [`LoopDisk::cut_power`].
pub fn cut_power_of(victims: &mut [(&LoopDisk, &mut Child)], look: impl FnOnce()) -> io::Result<()> {
    let pid = |process: &Child| {
        i32::try_from(process.id())
            .map(Pid::from_raw)
            .map_err(io::Error::other)
    };
    for (_, process) in victims.iter() {
        kill(pid(process)?, Signal::SIGSTOP)?;
    }
    for (_, process) in victims.iter() {
        wait_until_stopped(pid(process)?)?;
    }
    look();
    for (disk, _) in victims.iter() {
        fs_shutdown::shut_down(&disk.mount_point)?;
    }
    for (_, process) in victims.iter_mut() {
        process.kill()?;
        process.wait()?;
    }
    for (disk, _) in victims.iter() {
        disk.unmount()?;
        disk.mount()?;
    }
    Ok(())
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(&self.mount_point)) {
            eprintln!("{error}"); // the private mounts end with the thread in any case
        }
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| io::Error::other(format!("cannot run {name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!(
        "{name} failed ({}): {}",
        output.status,
        text.trim()
    )))
}

/// A stopped thread cannot answer any more; one inside a system call finishes that call first.
fn wait_until_stopped(pid: Pid) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut all = true;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let stat = fs::read_to_string(task?.path().join("stat"))?;
            // "pid (name) state …", and the name may hold anything
            all &= stat
                .rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with(['T', 'Z']));
        }
        if all {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("process {pid} does not stop")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
