//! The ioctl that takes a mounted file system away as a power cut does.
#![allow(unsafe_code)] // one ioctl that nix does not know

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

mod request {
    // FS_IOC_SHUTDOWN of linux/fs.h, shared by ext4, xfs and f2fs
    nix::ioctl_read!(fs_ioc_shutdown, b'X', 125, u32);
}

/// FS_SHUTDOWN_FLAGS_NOLOGFLUSH: neither data nor journal reach the disk any more.
const NO_LOG_FLUSH: u32 = 2;

/// Stops all writing to the file system that holds `mount_point`, at once. Needs root.
///
/// # Errors
/// Those of the ioctl; `EPERM` without privilege.
pub(super) fn shut_down(mount_point: &Path) -> io::Result<()> {
    let root = File::open(mount_point)?;
    let mut flags = NO_LOG_FLUSH;
    // SAFETY: the descriptor is open, and the kernel reads one u32 that lives across the call.
    unsafe { request::fs_ioc_shutdown(root.as_raw_fd(), &raw mut flags) }?;
    Ok(())
}
