//! The replicated core: openraft over a write-ahead log of our own, the applied state in memory, sled's
//! checkpoint of it, and gRPC between members. Services see only [`Store`]; no other crate names openraft or sled.

pub mod another_cluster;
mod append_stream;
mod apply_chunk;
mod autopilot;
mod background;
pub mod checkpoint;
mod checkpointer;
mod cluster_clock;
mod fan_out;
mod farewell;
mod founded;
mod fresh_since;
mod history;
mod in_memory;
mod introduction;
mod known_stores;
mod leader_gone;
mod log_store;
#[cfg(test)]
mod log_store_suite_test;
mod log_tail;
mod majority;
mod member;
mod member_session;
mod member_tasks;
mod membership;
mod membership_view;
mod metrics;
mod network;
mod newest_state;
mod peer_service;
mod peers;
mod pinned_members;
mod profile;
mod published;
mod read_index;
mod removed;
mod replicated;
mod row_pipeline;
mod small_file;
mod snapshot_file;
#[cfg(test)]
mod snapshot_file_test;
mod snapshot_folder;
mod snapshot_pieces;
mod snapshot_stream;
mod sources;
mod stand_alone;
mod state_machine;
#[cfg(test)]
mod state_machine_test;
mod status;
mod store;
mod store_header;
mod type_config;
pub mod wal;
mod watch;
mod wire;

pub use founded::FoundingMembers;
pub use history::Revision;
pub use member::{Member, MemberOptions};
pub use metrics::{Metrics, MetricsReading};
pub use peer_service::PeerPort;
pub use peers::Dial;
pub use profile::{Profile, Snapshots};
pub use snapshot_file::SnapshotFile;
pub use snapshot_pieces::SnapshotPieces;
pub use sources::{NowMs, Random, Sources};
pub use stand_alone::StandAlone;
pub use store::{Committed, Store};
pub use type_config::MemberNode;
pub use watch::Watch;
