//! File descriptors: each BMC has one for its port and some for its clients, and the usual limit is 1,024.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// A BMC's port and the connections to it, at this process's end and, in tests, at the client's.
const PER_BMC: rlim_t = 16;
/// Whatever else the process has open.
const OTHERS: rlim_t = 1024;

/// Raises this process's limit for so many BMCs, as far as it may by itself; never lowers it. Where that is not enough, the port that
/// cannot be opened is the error.
pub(crate) fn allow(bmcs: usize) {
    let wanted = OTHERS + PER_BMC * rlim_t::try_from(bmcs).unwrap_or(rlim_t::MAX / 32);
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let limit = wanted.min(hard).max(soft);
        if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, limit, hard) {
            tracing::warn!(%error, "could not raise the limit of file descriptors");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_wanted_or_allowed() {
        let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        allow(100);
        let (after, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(after >= before && after >= hard.min(OTHERS + 100 * PER_BMC));
        allow(0);
        assert_eq!(
            getrlimit(Resource::RLIMIT_NOFILE).unwrap().0,
            after,
            "never lowered"
        );
    }
}
