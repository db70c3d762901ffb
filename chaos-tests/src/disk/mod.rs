//! Disks that lose what they may lose.
//!
//! Two methods, because each sees what the other cannot. *Crash images* ([`crash_image`]) rebuild
//! every disk content that a power cut could have left, from recorded writes and syncs: they show
//! reordering and torn sectors, and need no privilege. *Power cuts* take a real file system away
//! under a running process: they show that the kernel really was asked to sync.

pub mod broken_disk;
pub mod crash_image;
pub mod damage;
mod fs_shutdown;
pub mod log_script;
pub mod memory_disk;
pub mod no_sync_disk;
pub mod operation;
pub mod power_cut;
pub mod recorder;
pub mod state_script;
pub mod writer_process;
