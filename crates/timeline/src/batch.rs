//! One entry of the log, and whether it is worth proposing again.

use proto::bss::v1::BssCommand;
use proto::bss::v1::bss_command::{BootSeen, Change, RecordBootPhases};
use proto::raft::v1::entry::Command;
use rpc::Error;

/// The command that tells of `boots`.
pub(crate) fn command(boots: Vec<BootSeen>) -> Command {
    let change = Change::RecordBootPhases(RecordBootPhases { boots });
    Command::Bss(BssCommand { change: Some(change) })
}

/// Whether a repeat would be refused as well: the cluster has members that do not know the command, it is wrong, or applying
/// it met a bug.
pub(crate) fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::FeatureLevel { .. } | Error::Invalid { .. } | Error::TooLarge { .. } | Error::Internal(_)
    )
}
