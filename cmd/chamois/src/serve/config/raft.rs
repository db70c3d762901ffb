//! `[raft]`: timers and the peer port.

use std::net::SocketAddr;

use ::raft::Snapshots;
use serde::Deserialize;

use super::value;

/// `[raft]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RaftConfig {
    /// Heartbeat and election timers, the same on every member. Booting nodes do not wait for
    /// elections, so the default prefers calm to speed.
    #[serde(default)]
    pub profile: Profile,
    /// Address and port for the other members (mTLS with pinned keys; default port 7440). They reach
    /// it at the address that `chamois member list` shows; `chamois member set-address` changes that.
    #[serde(deserialize_with = "value::listen_address")]
    pub peer_listen: SocketAddr,
    /// Log entries after which a snapshot file is written, at least 100; twice as many stay in the log below it. Fewer
    /// make a start quicker and the disk busier.
    #[serde(default = "snapshot_entries", deserialize_with = "value::snapshot_entries")]
    pub snapshot_entries: u64,
    /// How a leader makes sure that a linearizable read is fresh. The same on every member.
    #[serde(default)]
    pub reads: Reads,
}

fn snapshot_entries() -> u64 {
    Snapshots::default().entries
}

impl RaftConfig {
    /// When snapshot files are written, and what stays in the log below them.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots {
            entries: self.snapshot_entries,
            entries_kept: 2 * self.snapshot_entries,
            ..Snapshots::default()
        }
    }
}

/// How a leader makes sure that a linearizable read is fresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// It asks a majority, for all reads that wait at once. Assumes nothing about clocks.
    #[default]
    ReadIndex,
    /// It asks nobody as long as a majority has answered within the longest election time-out. Quicker, and wrong where a
    /// host's monotonic clock stands still while others run: a virtual machine that is paused or moved, a host that is
    /// suspended.
    LeaseTrustsClocks,
}

/// A set of timers. Detection of a dead leader takes election-max plus one election time-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Heartbeat 100 ms, election 300–600 ms: members in one room.
    #[default]
    Lan,
    /// Heartbeat 50 ms, election 150–300 ms: idle machines and fast disks only.
    Fast,
    /// Heartbeat 100 ms, election 500–1,000 ms: machines with much other work.
    Steady,
    /// For members in different buildings.
    Wan,
}

impl Profile {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Fast => "fast",
            Self::Steady => "steady",
            Self::Wan => "wan",
        }
    }
}
