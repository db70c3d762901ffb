//! `chamois certificate renew`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use proto::auth::v1::certificate_service_client::CertificateServiceClient;
use proto::auth::v1::{IssueCertificateRequest, IssueCertificateResponse};
use rpc::tls::host_names;

use super::files::{Files, Read};
use super::issue::told;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;
use crate::utc::{self, unix_ms};

/// How often `--follow` looks: much less than half of the shortest life that can be asked for here, an hour.
const LOOK_PAUSE: Duration = Duration::from_secs(60);
/// Shortest life that the cluster signs.
const VALID_MIN: Duration = Duration::from_secs(300);
/// Longest one.
const VALID_MAX: Duration = Duration::from_secs(24 * 3600);

/// `chamois certificate renew`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois certificate renew /etc/coresmd/chamois.pem              does nothing before half its life: for a timer
  chamois certificate renew /etc/coresmd/chamois.pem --follow     goes on renewing it: for a service
  chamois certificate renew ada.pem --force

It is renewed by itself, for as long as before and under the same names; neither a token nor a policy is needed. The file is replaced
at once and whole, and so is `ca.pem` beside it. One that has ended is not renewed: issue another one.")]
pub struct RenewArgs {
    /// The certificate; its key is beside it
    pub file: PathBuf,
    /// Now, though half of its life is not over
    #[arg(long)]
    pub force: bool,
    /// Go on, and renew it at half of each life
    #[arg(long)]
    pub follow: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: RenewArgs) -> Result<(), CliError> {
    let files = Files::of(&args.file);
    if !args.follow {
        return once(global, &files, args.force).await;
    }
    let mut force = args.force;
    loop {
        match once_if_due(global, &files, force).await {
            Ok(renewed) => {
                if let Some(answer) = renewed {
                    told(global, &files, &answer)?;
                }
                force = false;
            }
            // there is half of its life to try again
            Err(error) => {
                tracing::warn!(%error, file = %args.file.display(), "the certificate was not renewed; it is tried again")
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

async fn once(global: &GlobalArgs, files: &Files, force: bool) -> Result<(), CliError> {
    match once_if_due(global, files, force).await? {
        Some(answer) => told(global, files, &answer),
        None => {
            let due = utc::timestamp(unix_ms(files.read()?.half_life()));
            output::print(format_args!(
                "{} is not due before {due}; --force renews it now",
                files.certificate.display()
            ))
        }
    }
}

/// The new one, if it was due.
async fn once_if_due(
    global: &GlobalArgs,
    files: &Files,
    force: bool,
) -> Result<Option<IssueCertificateResponse>, CliError> {
    let read = files.read()?;
    let now = SystemTime::now();
    require_good(files, &read, now)?;
    if !force && now < read.half_life() {
        return Ok(None);
    }
    let by_itself = GlobalArgs {
        client_certificate: Some(files.certificate.clone()),
        ..global.clone()
    };
    let mut client = CertificateServiceClient::new(connect::to_any(&by_itself)?);
    let answer = client
        .issue_certificate(request(files, &read)?)
        .await?
        .into_inner();
    files.store(&answer)?;
    Ok(Some(answer))
}

/// The same key: certificate and key would not fit each other for a moment otherwise.
fn request(files: &Files, read: &Read) -> Result<IssueCertificateRequest, CliError> {
    let key_file = files.key();
    let refused = |cause: String| {
        let text = format!("cannot read the key {}: {cause}", key_file.display());
        CliError::new(Kind::Usage, text)
    };
    let key_pem = std::fs::read_to_string(&key_file).map_err(|error| refused(error.to_string()))?;
    let public_key = auth::pki::public_key_of(&key_pem).map_err(|error| refused(error.to_string()))?;
    let valid_for = read.ends.duration_since(read.issued).unwrap_or_default();
    let valid_for = valid_for.clamp(VALID_MIN, VALID_MAX);
    Ok(IssueCertificateRequest {
        principal: String::new(),
        public_key,
        valid_for_s: u32::try_from(valid_for.as_secs()).unwrap_or(0),
        names: host_names(&read.certificate),
    })
}

/// One that has ended is refused before anything is asked, so that the reason is plain.
fn require_good(files: &Files, read: &Read, now: SystemTime) -> Result<(), CliError> {
    if now < read.ends {
        return Ok(());
    }
    let text = format!(
        "{} of {} has ended {}",
        files.certificate.display(),
        read.principal,
        utc::timestamp(unix_ms(read.ends))
    );
    let remedy = "Move it away and have another one issued: chamois certificate issue.";
    Err(CliError::new(Kind::Denied, text).with_remedy(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_asks_for_the_same_key_names_and_life() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::of(&dir.path().join("web.pem"));
        let now = SystemTime::now();
        let ca = auth::pki::CertificateAuthority::generate("demo", now).unwrap();
        let (key_pem, public_key) = auth::pki::new_member_key().unwrap();
        let name = rpc::tls::SpiffeId::service("demo", "web");
        let hosts = vec!["web.example".to_owned()];
        let hour = Duration::from_secs(3600);
        let signed = ca.certify(&name, hosts.clone(), &public_key, hour, now).unwrap();
        std::fs::write(files.key(), &key_pem).unwrap();
        std::fs::write(&files.certificate, signed).unwrap();
        let read = files.read().unwrap();
        let asked = request(&files, &read).unwrap();
        assert_eq!((asked.names, asked.public_key), (hosts, public_key));
        assert!(
            (3599..=3600).contains(&asked.valid_for_s),
            "{}",
            asked.valid_for_s
        );
        assert_eq!(asked.principal, "", "whose it is the certificate says");
        require_good(&files, &read, now).unwrap();
        let ended = require_good(&files, &read, now + 2 * hour).unwrap_err();
        assert!(
            ended.kind() == Kind::Denied && ended.to_string().contains("service/web has ended"),
            "{ended}"
        );
        std::fs::remove_file(files.key()).unwrap();
        assert!(
            request(&files, &read)
                .unwrap_err()
                .to_string()
                .contains("web.key")
        );
    }
}
