//! `chamois login`: a login through the site's OIDC provider, in a browser on any machine (RFC 8628).

pub(crate) mod answer;
mod kept;
mod renewal;

use std::time::Duration;

use clap::Args;
use proto::auth::v1::login_service_client::LoginServiceClient;
use proto::auth::v1::oauth_service_client::OauthServiceClient;
use proto::auth::v1::{BeginDeviceRequest, TokenRequest};
use serde::Deserialize;

use self::answer::{Answer, Tokens};
pub(crate) use self::kept::{Kept, access_token};
pub(crate) use self::renewal::renew;
use crate::args::GlobalArgs;
use crate::connect::{self, Target};
use crate::error::{CliError, Kind, is_passing};
use crate::output;

/// How this program calls itself.
const CLIENT: &str = "chamois-cli";
/// RFC 8628 3.4.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where members have HTTPS unless they say otherwise.
const HTTPS_PORT: u16 = 8443;
/// What a pause grows by when the cluster asks for it, seconds. Source: RFC 8628 3.5.
const SLOWER_S: u64 = 5;

/// `chamois login`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois login                            prints an address to open in a browser, on any machine
  chamois login --scope '*.read'           a login that only reads
  chamois login --url https://admin1:8443  where browsers find the cluster

The login is kept for its user only, below XDG_CACHE_HOME (~/.cache), and renewed by itself; after 12 hours log in again.")]
pub struct LoginArgs {
    /// What the login may do at most, e.g. `smd.read '*.read'`; default: all that policies give
    #[arg(long, value_name = "PERMISSION", num_args = 1..)]
    pub scope: Vec<String>,
    /// Where browsers find a member; default: the first endpoint's host, port 8443
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// What the cluster says to a device that begins.
#[derive(Debug, Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

pub(crate) async fn run(global: &GlobalArgs, args: LoginArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let kept = Kept::of(target.ca()).ok_or_else(|| {
        CliError::new(
            Kind::Usage,
            "set XDG_CACHE_HOME or HOME: the login is kept below it",
        )
    })?;
    let host = host_of(args.url.as_deref(), &target.endpoints)?;
    let mut client = LoginServiceClient::new(connect::without_repeats(global)?);
    let asked = BeginDeviceRequest {
        client_id: CLIENT.to_owned(),
        scope: args.scope.join(" "),
        host,
    };
    let answer = client.begin_device(asked).await?.into_inner();
    let begun = Answer::<Begun>::read(&answer.data)?.given()?;
    eprintln!(
        "Open {} in a browser and log in there.\nIt asks for the code {}; who has no link types it at {}.",
        begun.verification_uri_complete, begun.user_code, begun.verification_uri
    );
    let tokens = poll(global, begun).await?;
    kept.write(&tokens).map_err(|error| {
        CliError::other(
            &format!("cannot keep the login in {}", kept.path().display()),
            error,
        )
    })?;
    output::print(format_args!("logged in; kept in {}", kept.path().display()))
}

/// Asks until somebody has said yes or no, or nobody did in time.
async fn poll(global: &GlobalArgs, begun: Begun) -> Result<Tokens, CliError> {
    let mut client = OauthServiceClient::new(connect::without_repeats(global)?);
    let mut pause = Duration::from_secs(begun.interval);
    let mut left = Duration::from_secs(begun.expires_in);
    while !left.is_zero() {
        tokio::time::sleep(pause).await;
        left = left.saturating_sub(pause);
        let asked = TokenRequest {
            grant_type: DEVICE_CODE.to_owned(),
            client_id: CLIENT.to_owned(),
            device_code: begun.device_code.clone(),
            ..TokenRequest::default()
        };
        let answer = match client.token(asked).await {
            Ok(answer) => Answer::<Tokens>::read(&answer.into_inner().data)?,
            // an election, or a member that stops: somebody may still say yes meanwhile
            Err(status) if is_passing(&status) => continue,
            Err(status) => return Err(status.into()),
        };
        match answer {
            Answer::Given(tokens) => return Ok(tokens),
            Answer::Refused { error, .. } if error == "slow_down" => pause += Duration::from_secs(SLOWER_S),
            Answer::Refused { error, .. }
                if error == "authorization_pending" || error == "temporarily_unavailable" => {}
            Answer::Refused { description, .. } => return Err(CliError::new(Kind::Denied, description)),
        }
    }
    Err(CliError::new(
        Kind::Denied,
        "nobody has logged in within the time; begin again",
    ))
}

/// Host and port where browsers find the cluster.
fn host_of(url: Option<&str>, endpoints: &[String]) -> Result<String, CliError> {
    if let Some(url) = url {
        let host = url.strip_prefix("https://").unwrap_or(url).trim_end_matches('/');
        return match host.is_empty() || host.contains('/') {
            false => Ok(host.to_owned()),
            true => Err(CliError::new(
                Kind::Usage,
                format!("--url {url}: write https://HOST:PORT of a member"),
            )),
        };
    }
    let first = endpoints
        .first()
        .map_or("", String::as_str)
        .trim_start_matches("https://");
    let host = match first.rsplit_once(':') {
        // an IPv6 address without a port ends in a bracket
        Some((host, port)) if !port.ends_with(']') => host,
        _ => first,
    };
    Ok(format!("{host}:{HTTPS_PORT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_finds_the_member_that_is_asked() {
        let of = |endpoint: &str| host_of(None, &[endpoint.to_owned()]).unwrap();
        assert_eq!(of("admin1:7441"), "admin1:8443");
        assert_eq!(of("https://admin1:7441"), "admin1:8443");
        assert_eq!(of("[fd00::1]:7441"), "[fd00::1]:8443");
        assert_eq!(of("[fd00::1]"), "[fd00::1]:8443");
        assert_eq!(of("admin1"), "admin1:8443");
    }

    #[test]
    fn an_address_may_be_named() {
        for url in [
            "https://api.example.org:8443",
            "https://api.example.org:8443/",
            "api.example.org:8443",
        ] {
            assert_eq!(host_of(Some(url), &[]).unwrap(), "api.example.org:8443");
        }
        for wrong in ["", "https://", "http://a", "https://a/b"] {
            assert!(host_of(Some(wrong), &[]).is_err(), "{wrong}");
        }
    }
}
