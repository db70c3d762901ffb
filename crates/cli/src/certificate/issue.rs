//! `chamois certificate issue`.

use std::path::PathBuf;

use clap::Args;
use proto::auth::v1::certificate_service_client::CertificateServiceClient;
use proto::auth::v1::{IssueCertificateRequest, IssueCertificateResponse};

use super::files::{Files, write};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;
use crate::{connect, utc};

/// Seconds of an hour.
const HOUR_S: u32 = 3600;

/// `chamois certificate issue`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois certificate issue service/coresmd --out /etc/coresmd/chamois.pem
  chamois certificate issue user/ada                            24 hours: ada.pem and ada.key
  chamois certificate issue service/web --name web.example --hours 12

An administrator issues the first one (auth.admin, and for others every permission); from then on its holder renews it. The key
is made here and never leaves this host. Beside the certificate the CAs to trust are written, to `ca.pem`. It is shown
with --client-certificate FILE or CHAMOIS_CLIENT_CERTIFICATE, and renewed with `chamois certificate renew FILE`.")]
pub struct IssueArgs {
    /// Whom it is for: `user/NAME`, `service/NAME` or `node/XNAME`; default: yourself
    pub principal: Option<String>,
    /// Where to put it; default: NAME.pem. Its key goes beside it, to NAME.key
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A host name or address that a service serves under; may be repeated
    #[arg(long = "name", value_name = "HOST")]
    pub names: Vec<String>,
    /// How long it is good
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=24))]
    pub hours: u32,
}

pub(super) async fn run(global: &GlobalArgs, args: IssueArgs) -> Result<(), CliError> {
    let principal = args.principal.unwrap_or_default();
    let files = Files::of(&args.out.unwrap_or_else(|| default_file(&principal)));
    files.require_none()?;
    let mut client = CertificateServiceClient::new(connect::to_any(global)?);
    let (key_pem, public_key) =
        auth::pki::new_member_key().map_err(|error| CliError::other("cannot make a key", error))?;
    let request = IssueCertificateRequest {
        principal,
        public_key,
        valid_for_s: args.hours * HOUR_S,
        names: args.names,
    };
    let answer = client.issue_certificate(request).await?.into_inner();
    write(&files.key(), &key_pem)?;
    files.store(&answer)?;
    told(global, &files, &answer)
}

/// What was written; the key is not shown.
pub(super) fn told(
    global: &GlobalArgs,
    files: &Files,
    answer: &IssueCertificateResponse,
) -> Result<(), CliError> {
    let file = files.certificate.display();
    let value = serde_json::json!({
        "certificate": files.certificate, "key": files.key(), "ca": files.ca(), "expires_at_ms": answer.expires_at_ms,
    });
    output::done_value(global, &value, || {
        let until = utc::timestamp(answer.expires_at_ms);
        format!("{file} until {until}; renew it from half of that on:\n  chamois certificate renew {file}")
    })
}

fn default_file(principal: &str) -> PathBuf {
    let name = principal.rsplit('/').next().filter(|name| !name.is_empty());
    PathBuf::from(format!("{}.pem", name.unwrap_or("client")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_after_whom_it_is_for() {
        for (principal, file) in [
            ("", "client.pem"),
            ("service/coresmd", "coresmd.pem"),
            ("node/x0c0s0b0n0", "x0c0s0b0n0.pem"),
            ("user/", "client.pem"),
        ] {
            assert_eq!(default_file(principal), PathBuf::from(file), "{principal}");
        }
    }
}
