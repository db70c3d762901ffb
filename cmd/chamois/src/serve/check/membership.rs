//! The configuration against `cluster.toml`: the members as they were when `chamois init` or `chamois join` wrote it. Who
//! they are now stands in the store.

use std::path::Path;

use super::Problems;
use crate::serve::config::Config;

/// What `cluster.toml` says, as far as the checks need it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Name of the cluster.
    pub cluster: String,
    /// Ids of the members.
    pub ids: Vec<u64>,
    /// Port part of this member's peer address, if the id is listed.
    pub peer_port: Option<u16>,
}

pub(super) fn check(config: &Config, listed: &Listed, problems: &mut Problems) {
    if config.cluster != listed.cluster {
        problems.add(
            "cluster",
            format_args!(
                "`{}`, but {} was made for `{}`; name the cluster that this member belongs to",
                config.cluster,
                config.identity_dir.join("cluster.toml").display(),
                listed.cluster
            ),
        );
    }
    let id = config.member.id;
    if !listed.ids.contains(&id) {
        let known: Vec<String> = listed.ids.iter().map(u64::to_string).collect();
        problems.add(
            "member.id",
            format_args!(
                "{id} is not listed in cluster.toml, which has {}",
                known.join(", ")
            ),
        );
    }
    let port = config.raft.peer_listen.port();
    // later it may be another: `chamois member set-address`
    if is_new(&config.data_dir) && listed.peer_port.is_some_and(|expected| expected != port) {
        problems.add(
            "raft.peer-listen",
            format_args!(
                "port {port}, but the other members will call port {} (`address` in cluster.toml)",
                listed.peer_port.unwrap_or_default()
            ),
        );
    }
}

/// Whether this member has never run.
fn is_new(data_dir: &Path) -> bool {
    data_dir
        .read_dir()
        .map_or(true, |mut entries| entries.next().is_none())
}
