//! `chamois recover`: one member goes on alone after a majority is lost for good.

use std::io;

use cli::RecoverArgs;
use raft::another_cluster::{self, OnlyMember};

use crate::member_node::member_node;
use crate::serve::ServeError;
use crate::serve::config::Config;
use crate::snapshot_files::{run, sources};

/// Rewrites this member's data; says what was done, and what must not be done.
///
/// # Errors
/// As the start of a member would have.
pub fn recover(args: &RecoverArgs) -> Result<(), ServeError> {
    let config = Config::load(&args.config)?;
    let identity = auth::MemberIdentity::load(&config.identity_dir)
        .map_err(|error| ServeError::Store(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))?;
    let own = identity.member(identity.id).cloned();
    let node = own.map(member_node);
    let only = OnlyMember {
        id: identity.id,
        node: node.unwrap_or_default(),
        data_dir: config.data_dir.clone(),
    };
    tracing::warn!(
        member = only.id,
        "RECOVERY WITHOUT A MAJORITY: what only the lost members had is gone for good"
    );
    let found =
        run(another_cluster::recover(&config.cluster, &only, &sources())).map_err(ServeError::Store)?;
    let others: Vec<String> = found
        .members
        .keys()
        .filter(|id| **id != only.id)
        .map(u64::to_string)
        .collect();
    println!(
        "member {id} goes on alone from revision {index}, under a new cluster id. The old data are in {old}.\n\
         Members {others} must NEVER start again with their old data: they would serve the old cluster. Empty their data-dir \
         and identity, then join them anew.\nStart this one:\n  chamois serve --config {config}",
        id = only.id,
        index = found.index,
        old = config.data_dir.with_extension("before-recovery").display(),
        others = others.join(", "),
        config = args.config.display(),
    );
    Ok(())
}
