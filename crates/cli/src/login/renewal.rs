//! The login goes on: before a command runs, an access token that is about to end is replaced.

use proto::auth::v1::TokenRequest;
use proto::auth::v1::oauth_service_client::OauthServiceClient;

use super::answer::{Answer, Tokens};
use super::kept::{Kept, Login};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;

/// An access token is replaced when it is good for less than this, seconds: longer than most commands take.
const MARGIN_S: u64 = 60;

/// Replaces the access token of the login that is kept, if there is one that needs it and no other token was given. What goes wrong
/// is told; the command says by itself what it lacks.
pub(crate) async fn renew(global: &GlobalArgs) {
    let has_token = global.token_file.is_some() || global.token_of_environment().is_some();
    let Some(ca) = global
        .ca
        .as_deref()
        .filter(|_| !has_token && !global.endpoints.is_empty())
    else {
        return;
    };
    let kept = connect::read_ca(ca).ok().and_then(|ca| Kept::of(&ca));
    let Some(kept) = kept.filter(|kept| kept.read().is_some_and(|login| !login.lasts(MARGIN_S))) else {
        return;
    };
    if let Err(error) = replace(global, &kept).await {
        eprintln!("chamois: the login could not be renewed: {error}");
    }
}

async fn replace(global: &GlobalArgs, kept: &Kept) -> Result<(), CliError> {
    let lock = kept
        .lock()
        .map_err(|error| CliError::other("its file cannot be locked", error))?;
    // another process may have been faster
    let Some(login) = kept.read().filter(|login: &Login| !login.lasts(MARGIN_S)) else {
        return Ok(());
    };
    // a refresh token is good once, so nothing is repeated
    let mut client = OauthServiceClient::new(connect::without_repeats(global)?);
    let asked = TokenRequest {
        grant_type: "refresh_token".to_owned(),
        refresh_token: login.refresh_token,
        ..TokenRequest::default()
    };
    let answer = client.token(asked).await?.into_inner();
    match Answer::<Tokens>::read(&answer.data)? {
        Answer::Given(tokens) => kept.write(&tokens).map_err(|error| {
            CliError::other(&format!("cannot keep it in {}", kept.path().display()), error)
        })?,
        Answer::Refused { error, description } => {
            if error == "invalid_grant" && !login_lasts(kept) {
                // it will never be good again
                let _ = kept.delete();
            }
            eprintln!("chamois: the login has ended: {description}");
        }
    }
    drop(lock);
    Ok(())
}

/// Whether the access token that is kept is still good for something.
fn login_lasts(kept: &Kept) -> bool {
    kept.read().is_some_and(|login| login.lasts(0))
}
