//! File descriptors: every node's connection is one, and the usual limit of 1,024 is that of a desktop.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// The node port admits 16,384 connections, the API ports 4,096 each; the rest is for files and peers.
const DESCRIPTORS_WANTED: rlim_t = 32_768;

/// Raises this process's limit as far as it may by itself, and says so when that is not enough.
pub(super) fn raise_limit() {
    match raised() {
        Ok(limit) if limit >= DESCRIPTORS_WANTED => {}
        Ok(limit) => tracing::warn!(
            limit,
            wanted = DESCRIPTORS_WANTED,
            "few file descriptors: a boot storm will be refused connections; set LimitNOFILE= in the unit or `ulimit -Hn`"
        ),
        Err(error) => tracing::warn!(%error, "could not raise the limit of file descriptors"),
    }
}

/// The limit after raising it; never lowers it.
fn raised() -> Result<rlim_t, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = DESCRIPTORS_WANTED.min(hard).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_wanted_or_allowed() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let limit = raised().unwrap();
        assert!(
            limit >= soft && limit >= DESCRIPTORS_WANTED.min(hard),
            "{soft} {hard} {limit}"
        );
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, limit);
    }
}
