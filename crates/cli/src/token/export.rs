//! `chamois token --export`: the line that scripts around `gen_access_token` and `ochami` expect.

use proto::auth::v1::ExchangeRequest;
use proto::auth::v1::oauth_service_client::OauthServiceClient;
use serde::Deserialize;

use crate::args::GlobalArgs;
use crate::connect::{self, Target};
use crate::error::CliError;
use crate::login::answer::Answer;
use crate::output;

/// Longest name of a cluster.
const NAME_LENGTH_MAX: usize = 64;

/// What whoever takes the line must know: it opens more, and for longer, than the help promises of others.
const OWN_TOKEN: &str = "this is the administrator's own token: it is signed with the cluster's key, needs no policy, and is good until it \
                         ends by itself. `chamois token create` makes one that is for less and can be taken back";

/// What an exchange gives.
#[derive(Deserialize)]
struct Given {
    access_token: String,
}

pub(super) async fn run(global: &GlobalArgs, variable: &str) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let mut client = OauthServiceClient::new(connect::to_any(global)?);
    let answer = client.exchange(ExchangeRequest::default()).await?.into_inner();
    let own = target.token();
    let token = token_of(&answer.data, own)?;
    if own == Some(token.as_str()) {
        eprintln!("chamois: {OWN_TOKEN}");
    }
    output::print(format_args!("export {variable}={token}"))
}

/// An access token, or the administrator's own token of the cluster's key, which is exchanged for nothing and good by itself.
fn token_of(answer: &[u8], own: Option<&str>) -> Result<String, CliError> {
    match (Answer::<Given>::read(answer)?, own) {
        (Answer::Refused { error, .. }, Some(own)) if error == "access_denied" => Ok(own.to_owned()),
        (answer, _) => answer.given().map(|given| given.access_token),
    }
}

/// The variable that `ochami` reads for a cluster of this name: in capitals, and `_` for `-`.
pub(super) fn variable(name: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || name.len() > NAME_LENGTH_MAX || !name.chars().all(is_part) {
        return Err(format!(
            "accepted are 1 to {NAME_LENGTH_MAX} letters, digits, - and _, of which the first is a letter"
        ));
    }
    Ok(format!(
        "{}_ACCESS_TOKEN",
        name.replace('-', "_").to_ascii_uppercase()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    /// The line is given to a shell.
    #[test]
    fn the_variable_is_the_one_that_ochami_reads() {
        assert_eq!(variable("demo").unwrap(), "DEMO_ACCESS_TOKEN");
        assert_eq!(variable("my-site_2").unwrap(), "MY_SITE_2_ACCESS_TOKEN");
        for wrong in ["", "2a", "a b", "a;rm", "$(x)", "ä", &"a".repeat(65)] {
            assert!(variable(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_administrators_own_token_is_good_as_it_is() {
        let given = br#"{"access_token":"a.b.c","token_type":"Bearer","expires_in":600}"#;
        assert_eq!(token_of(given, Some("own")).unwrap(), "a.b.c");
        let denied = br#"{"error":"access_denied","error_description":"nothing"}"#;
        assert_eq!(token_of(denied, Some("own")).unwrap(), "own");
        assert_eq!(token_of(denied, None).unwrap_err().kind(), Kind::Denied);
        let later = br#"{"error":"temporarily_unavailable","error_description":"no key"}"#;
        assert_eq!(token_of(later, Some("own")).unwrap_err().to_string(), "no key");
        token_of(b"<html>", None).unwrap_err();
    }
}
