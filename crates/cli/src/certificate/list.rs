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
use crate::output::{self, Shape, column, wide};
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
        return show_files(global, &args.files);
    }
    let mut client = CertificateServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_authorities(ListAuthoritiesRequest {})
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.auth.v1.ListAuthoritiesResponse", &answer),
        &answer.authorities,
        &AUTHORITIES,
    )
}

/// A certificate in a file.
struct InFile {
    file: String,
    read: Read,
}

const FILES: Shape<InFile> = Shape {
    message: "",
    key: |row| row.file.clone(),
    columns: &[
        column("FILE", |row| row.file.clone()),
        column("FOR", |row| row.read.principal.clone()),
        column("RENEW FROM", |row| utc::timestamp(unix_ms(row.read.half_life()))),
        column("UNTIL", |row| utc::timestamp(unix_ms(row.read.ends))),
        wide("SHA-256", |row| auth::fingerprint(&row.read.certificate)),
    ],
};

fn show_files(global: &GlobalArgs, files: &[PathBuf]) -> Result<(), CliError> {
    let rows = files.iter().map(|file| {
        let read = Files::of(file).read()?;
        let file = file.display().to_string();
        Ok(InFile { file, read })
    });
    let rows = rows.collect::<Result<Vec<_>, CliError>>()?;
    let whole = rows.iter().map(as_json).collect();
    output::list_of_values(global, &whole, &rows, &FILES, as_json)
}

fn as_json(row: &InFile) -> serde_json::Value {
    serde_json::json!({
        "file": row.file,
        "principal": row.read.principal,
        "sha256": auth::fingerprint(&row.read.certificate),
        "renew_at_ms": unix_ms(row.read.half_life()),
        "expires_at_ms": unix_ms(row.read.ends),
    })
}

/// A row per CA.
const AUTHORITIES: Shape<AuthorityInfo> = Shape {
    message: "chamois.auth.v1.AuthorityInfo",
    key: |authority| authority.id.clone(),
    columns: &[
        column("CA", |authority| authority.id.clone()),
        column("STAGE", |authority| stage(authority.stage()).to_owned()),
        column("SINCE", |authority| utc::timestamp(authority.stage_since_ms)),
        wide("KEY", |authority| {
            if authority.signs {
                "in the cluster"
            } else {
                "elsewhere"
            }
            .to_owned()
        }),
    ],
};

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
        let text = output::plain(&all, &AUTHORITIES);
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
