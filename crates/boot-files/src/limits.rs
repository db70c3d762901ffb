//! Bounds on what administrators and members may ask of this one at once.

use std::time::Duration;

use rpc::Error;
use state::bounds::BOOT_FILE_BYTES_MAX;

/// Bytes that stay free on the disk of the boot files: this member's log may be on it.
pub const FREE_BYTES_MIN: u64 = 1 << 30;
/// What the boot files of a member may take of its disk.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that stay free on the disk.
    pub free_bytes_min: u64,
    /// Bytes of all contents, those that are on their way among them; `None`: as many as the disk has. Files that were put
    /// into the folder by hand do not count.
    pub bytes_max: Option<u64>,
}

impl Room {
    /// As much as leaves so many bytes free on the disk.
    pub fn leaving(free_bytes_min: u64) -> Self {
        Self {
            free_bytes_min,
            bytes_max: None,
        }
    }
}

/// What a member is told of itself.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What its boot files may take.
    pub room: Room,
    /// Whether nodes boot from it: images must be on it.
    pub serves_boot: bool,
}

impl Options {
    /// A member that nodes boot from, with as much room as leaves so many bytes free on its disk.
    pub fn leaving(free_bytes_min: u64) -> Self {
        Self {
            room: Room::leaving(free_bytes_min),
            serves_boot: true,
        }
    }
}

/// Uploads to this member at once.
pub(crate) const UPLOADS_AT_ONCE_MAX: usize = 4;
/// When a repeat makes sense after more uploads than that.
pub(crate) const UPLOAD_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Transfers to other members at once.
pub(crate) const SENDS_AT_ONCE_MAX: usize = 32;
/// When a repeat makes sense after more of what members ask of each other than this member does at once.
pub(crate) const PEER_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Contents that other members want this one to keep at once: four uploads at each of eight.
pub(crate) const KEEPS_AT_ONCE_MAX: usize = 32;
/// Contents that this member reads again at once because another one has got wrong bytes from it.
pub(crate) const CHECKS_AT_ONCE_MAX: usize = 2;
/// Images that this member has the members read again at once: one less than a member reads, so that a copy which is found
/// to be wrong elsewhere is read again meanwhile.
pub(crate) const VERIFIES_AT_ONCE_MAX: usize = 1;
/// An upload that brings nothing for this long is given up.
pub(crate) const UPLOAD_SILENCE_AT_MOST: Duration = Duration::from_secs(30);
/// How long the other members may take to fetch an upload; the whole call has 300 s.
pub(crate) const KEEP_AT_MOST: Duration = Duration::from_secs(240);

/// A size that a file may have.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_size(size: u64) -> Result<(), Error> {
    if size <= BOOT_FILE_BYTES_MAX {
        return Ok(());
    }
    let problem = format!("{size} bytes are given, at most {BOOT_FILE_BYTES_MAX} are accepted");
    Err(rpc::invalid("size", problem))
}
