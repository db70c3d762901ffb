//! `chamois member add`: a token for one more member.

use clap::Args;
use proto::cluster::v1::{CreateJoinTokenRequest, CreateJoinTokenResponse, member_kind};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;
use crate::utc;

/// `chamois member add`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois member add                       one more voter, as soon as the number of voters stays odd
  chamois member add --uses 2              two of them
  chamois member add --learner             serves nodes and API, never votes
  chamois member add --witness             votes, hands leadership on: for sites with two admin nodes

Run what it prints on the new host. The token ends by itself.")]
pub struct AddArgs {
    /// It holds the state and serves, but never votes
    #[arg(long, conflicts_with = "witness")]
    pub learner: bool,
    /// It votes and hands leadership on; give it no [[network]]
    #[arg(long)]
    pub witness: bool,
    /// Minutes that the token is good for, to 7 days
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_080), value_name = "MINUTES")]
    pub valid: u64,
    /// Members that it lets in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), value_name = "COUNT")]
    pub uses: u32,
}

pub(super) async fn run(global: &GlobalArgs, args: AddArgs) -> Result<(), CliError> {
    let kind = match args {
        AddArgs { learner: true, .. } => member_kind::Kind::Learner,
        AddArgs { witness: true, .. } => member_kind::Kind::Witness,
        AddArgs { .. } => member_kind::Kind::Voter,
    };
    let request = CreateJoinTokenRequest {
        kind: kind.into(),
        valid_s: args.valid * 60,
        uses: args.uses,
    };
    let created = super::client(global)?
        .create_join_token(request)
        .await
        .map_err(super::refused)?;
    let answer = created.into_inner();
    let whole = ("chamois.cluster.v1.CreateJoinTokenResponse", &answer);
    output::object(global, whole, &answer.token, || describe(&answer))
}

fn describe(answer: &CreateJoinTokenResponse) -> String {
    format!(
        "On the new host, until {}:\n  chamois join {} --token {} --address <its address>",
        utc::timestamp(answer.expires_at_ms),
        answer.address,
        answer.token
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_run_is_printed_whole() {
        let answer = CreateJoinTokenResponse {
            token: "chamois-join-1.abc".into(),
            expires_at_ms: 0,
            address: "10.97.1.1:7441".into(),
        };
        let text = describe(&answer);
        assert!(
            text.contains("chamois join 10.97.1.1:7441 --token chamois-join-1.abc --address"),
            "{text}"
        );
    }
}
