//! `chamois member …`: who votes, who learns, who is to join or to leave.

mod add;
mod list;
mod promote;
mod remove;
mod replace;
mod set_address;
mod transfer_leader;

use clap::{Args, Subcommand};
use proto::cluster::v1::member_service_client::MemberServiceClient;
use tonic::{Code, Status};

use crate::args::GlobalArgs;
use crate::connect::{self, Connection};
use crate::error::CliError;
use crate::output::WatchArg;

/// Verbs of `member`.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List members as the leader sees them: kind, lag, when they last answered
    #[command(
        after_help = "Examples:\n  chamois member list\n  chamois member list -w\n  chamois member list -o json"
    )]
    List(WatchArg),
    /// Print the command that joins one more member
    Add(add::AddArgs),
    /// Make a learner a voter now, whatever the number of voters
    #[command(
        after_help = "Example:\n  chamois member promote 4\n\nLearners that are to vote are promoted by themselves, two at a time."
    )]
    Promote(IdArgs),
    /// Take a member out for good; its id is never used again
    #[command(
        after_help = "Example:\n  chamois member remove 4\n\nRefused if the voters left had no majority that answers."
    )]
    Remove(IdArgs),
    /// Let a learner vote in place of a voter, which leaves for good, in one step
    Replace(replace::ReplaceArgs),
    /// Tell the others where a member is now
    SetAddress(set_address::SetAddressArgs),
    /// Let another voter lead
    TransferLeader(transfer_leader::TransferLeaderArgs),
}

/// Which member.
#[derive(Clone, Copy, Debug, Args)]
pub struct IdArgs {
    /// Its id, as `chamois member list` shows it
    pub id: u64,
}

pub(crate) async fn run(global: &GlobalArgs, command: MemberCommand) -> Result<(), CliError> {
    match command {
        MemberCommand::List(args) => list::run(global, args).await,
        MemberCommand::Add(args) => add::run(global, args).await,
        MemberCommand::Promote(args) => promote::run(global, args).await,
        MemberCommand::Remove(args) => remove::run(global, args).await,
        MemberCommand::Replace(args) => replace::run(global, args).await,
        MemberCommand::SetAddress(args) => set_address::run(global, args).await,
        MemberCommand::TransferLeader(args) => transfer_leader::run(global, args).await,
    }
}

fn client(global: &GlobalArgs) -> Result<MemberServiceClient<Connection>, CliError> {
    Ok(MemberServiceClient::new(connect::without_repeats(global)?))
}

/// What the cluster said, and where to look.
fn refused(status: Status) -> CliError {
    match status.code() {
        Code::NotFound | Code::FailedPrecondition | Code::Aborted => CliError::from(status)
            .with_remedy("`chamois member list` shows the members as the leader sees them."),
        _ => status.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_where_to_look() {
        for (status, code) in [(Status::not_found("x"), 3), (Status::failed_precondition("x"), 4)] {
            let error = refused(status);
            assert_eq!(error.exit_code(), code);
            assert!(error.to_string().contains("chamois member list"), "{error}");
        }
    }
}
