//! `chamois token create`.

use std::path::PathBuf;

use auth::write_token;
use clap::Args;
use proto::auth::v1::token_service_client::TokenServiceClient;
use proto::auth::v1::{CreateApiTokenRequest, CreateApiTokenResponse};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;
use crate::{connect, utc};

/// Seconds of a day.
const DAY_S: u32 = 24 * 3600;

/// `chamois token create`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois token create smd.read                                   for yourself, 30 days
  chamois token create cluster.read --for service/prometheus --out /etc/prometheus/chamois.token
  chamois token create 'bss.*' smd.read --for service/ansible --days 7

A token may do what policies give its owner, and of that only what is named here. It is shown once.")]
pub struct CreateArgs {
    /// What it may do at most: `smd.read`, `bss.*`, `*.read`
    #[arg(required = true, value_name = "PERMISSION")]
    pub permissions: Vec<String>,
    /// Whom it speaks for, `user/NAME` or `service/NAME`; default: yourself
    #[arg(long = "for", value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// What it is for, shown in lists
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub description: String,
    /// How long it is good, days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=90))]
    pub days: u32,
    /// Where to put it, for its owner only; default: standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

pub(super) async fn run(global: &GlobalArgs, args: CreateArgs) -> Result<(), CliError> {
    // a repeat could not show the token again
    let mut client = TokenServiceClient::new(connect::without_repeats(global)?);
    let request = CreateApiTokenRequest {
        principal: args.principal.unwrap_or_default(),
        description: args.description,
        permissions: args.permissions,
        valid_for_s: args.days * DAY_S,
    };
    let answer = client.create_api_token(request).await?.into_inner();
    if let Some(out) = &args.out {
        write_token(out, &answer.token)
            .map_err(|error| CliError::other(&format!("cannot write {}", out.display()), error))?;
        return output::print(told(&answer, &out.display().to_string()));
    }
    let whole = ("chamois.auth.v1.CreateApiTokenResponse", &answer);
    output::object(global, whole, &answer.id, || {
        format!("{}\n{}", told(&answer, "shown once"), answer.token)
    })
}

fn told(answer: &CreateApiTokenResponse, place: &str) -> String {
    let until = utc::timestamp(answer.expires_at_ms);
    format!("API token {} until {until}: {place}", answer.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line ends up in terminals' histories; the token does only where it was asked for.
    #[test]
    fn what_is_told_names_the_token_and_does_not_show_it() {
        let answer = CreateApiTokenResponse {
            id: "0123456789abcdef".into(),
            token: "cht_secret".into(),
            expires_at_ms: 0,
        };
        assert_eq!(
            told(&answer, "cron.token"),
            "API token 0123456789abcdef until 1970-01-01T00:00:00Z: cron.token"
        );
    }
}
