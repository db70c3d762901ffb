//! `chamois logout`: the login of `chamois login` ends, on this machine and everywhere.

use proto::auth::v1::RevokeRequest;
use proto::auth::v1::oauth_service_client::OauthServiceClient;

use crate::args::GlobalArgs;
use crate::connect::{self, Target};
use crate::error::CliError;
use crate::login::Kept;
use crate::output;

pub(crate) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let kept = Kept::of(target.ca());
    let Some((kept, login)) = kept.and_then(|kept| kept.read().map(|login| (kept, login))) else {
        return output::print("not logged in");
    };
    let mut client = OauthServiceClient::new(connect::without_repeats(global)?);
    let revoke = RevokeRequest {
        token: login.refresh_token,
        token_type_hint: "refresh_token".to_owned(),
    };
    // first there: a file that is gone could not be tried again
    client.revoke(revoke).await?;
    kept.delete()
        .map_err(|error| CliError::other(&format!("cannot delete {}", kept.path().display()), error))?;
    output::print("logged out")
}
