//! `chamois certificate list`.

use std::path::PathBuf;

use clap::Args;
use proto::auth::v1::certificate_authority::Stage;
use proto::auth::v1::certificate_service_client::CertificateServiceClient;
use proto::auth::v1::{AuthorityInfo, ListAuthoritiesRequest};

use super::files::{Files, Read};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc::{self, unix_ms};

/// `chamois certificate list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois certificate list                       the CAs that members trust, and which one signs
  chamois certificate list ada.pem web.pem       what is in these files; nobody is asked

The cluster keeps no list of what it has signed: each ends after a day.")]
pub struct ListArgs {
    /// Certificate files to show instead
    pub files: Vec<PathBuf>,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    if !args.files.is_empty() {
        return show_files(global.output, &args.files);
    }
    let mut client = CertificateServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_authorities(ListAuthoritiesRequest {})
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.auth.v1.ListAuthoritiesResponse", &answer),
        Format::Table => output::print(render(&answer.authorities)),
    }
}

fn show_files(format: Format, files: &[PathBuf]) -> Result<(), CliError> {
    let read: Result<Vec<Read>, CliError> = files.iter().map(|file| Files::of(file).read()).collect();
    let read = read?;
    if format == Format::Json {
        let all = files.iter().zip(&read).map(|(file, read)| {
            serde_json::json!({
                "file": file,
                "principal": read.principal,
                "sha256": auth::fingerprint(&read.certificate),
                "renew_at_ms": unix_ms(read.half_life()),
                "expires_at_ms": unix_ms(read.ends),
            })
        });
        return output::print(serde_json::Value::from(all.collect::<Vec<_>>()));
    }
    let mut table = output::table(["FILE", "FOR", "RENEW FROM", "UNTIL", "SHA-256"]);
    for (file, read) in files.iter().zip(&read) {
        table.add_row([
            file.display().to_string(),
            read.principal.clone(),
            utc::timestamp(unix_ms(read.half_life())),
            utc::timestamp(unix_ms(read.ends)),
            auth::fingerprint(&read.certificate),
        ]);
    }
    output::print(table)
}

fn render(authorities: &[AuthorityInfo]) -> comfy_table::Table {
    let mut table = output::table(["CA", "STAGE", "SINCE", "KEY"]);
    for authority in authorities {
        table.add_row([
            authority.id.clone(),
            stage(authority.stage()).to_owned(),
            utc::timestamp(authority.stage_since_ms),
            if authority.signs {
                "in the cluster"
            } else {
                "elsewhere"
            }
            .to_owned(),
        ]);
    }
    table
}

pub(super) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Unspecified => "",
        Stage::Next => "next",
        Stage::Active => "active",
        Stage::Retiring => "retiring",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_which_ca_signs_and_where_its_key_is() {
        let authority = |id: &str, stage: Stage, signs| AuthorityInfo {
            id: id.into(),
            stage: stage.into(),
            signs,
            ..AuthorityInfo::default()
        };
        let all = [
            authority("aa", Stage::Active, true),
            authority("bb", Stage::Retiring, false),
            authority("cc", Stage::Next, false),
        ];
        let text = render(&all).to_string();
        for part in [
            "aa",
            "active",
            "in the cluster",
            "bb",
            "retiring",
            "cc",
            "next",
            "elsewhere",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
