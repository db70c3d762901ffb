//! `chamois recover`: one member goes on alone after a majority is lost for good.

use std::path::Path;
use std::{fs, io};

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
    let identity = auth::MemberIdentity::load_with(&config.identity_dir, &config.secrets.kek_source())
        .map_err(|error| ServeError::Store(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))?;
    let own = identity.member(identity.id).cloned();
    let node = own.map(member_node);
    let only = OnlyMember {
        id: identity.id,
        node: node.unwrap_or_default(),
        data_dir: config.data_dir.clone(),
    };
    give_way(&config.data_dir).map_err(ServeError::Store)?;
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

/// A service manager makes the folder of a member's data anew where it is gone, which must not hide that a recovery was cut off.
fn give_way(data_dir: &Path) -> io::Result<()> {
    if !fs::exists(data_dir.with_extension("before-recovery"))? {
        return Ok(());
    }
    match fs::remove_dir(data_dir) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_beside_old_data_gives_way() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        give_way(&data).unwrap();
        assert!(data.exists(), "there are no old data");
        fs::create_dir(dir.path().join("data.before-recovery")).unwrap();
        fs::write(data.join("x"), "").unwrap();
        give_way(&data).unwrap();
        assert!(data.join("x").exists());
        fs::remove_file(data.join("x")).unwrap();
        give_way(&data).unwrap();
        assert!(!data.exists());
        give_way(&data).unwrap();
    }
}
