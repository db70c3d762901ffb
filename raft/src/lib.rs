//! The replicated core.
pub mod wal;
pub mod checkpoint;
