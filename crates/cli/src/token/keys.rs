//! `chamois token keys`.

use clap::Args;
use proto::auth::v1::signing_key::Stage;
use proto::auth::v1::token_service_client::TokenServiceClient;
use proto::auth::v1::{ListSigningKeysRequest, RotateSigningKeyRequest, SigningKeyInfo};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};
use crate::{connect, utc};

/// `chamois token keys`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois token keys                                  the leader moves them on by itself each 30 days
  chamois token keys --rotate                         the next key signs from now on
  chamois token keys --rotate --urgent --distrust     the key that signs was stolen: all it has signed is refused")]
pub struct KeysArgs {
    /// Let the next key sign from now on
    #[arg(long)]
    pub rotate: bool,
    /// Though it has been published for less than an hour: programs that keep the keys may not know it yet
    #[arg(long, requires = "rotate")]
    pub urgent: bool,
    /// Refuse what the key that signs now has signed
    #[arg(long, requires = "urgent")]
    pub distrust: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: KeysArgs) -> Result<(), CliError> {
    let mut client = TokenServiceClient::new(connect::to_any(global)?);
    if args.rotate {
        let request = RotateSigningKeyRequest {
            urgent: args.urgent,
            distrust_active: args.distrust,
        };
        let answer = client.rotate_signing_key(request).await?.into_inner();
        return output::done(
            global,
            ("chamois.auth.v1.RotateSigningKeyResponse", &answer),
            || {
                format!(
                    "{} signs from now on (revision {})",
                    answer.active_id, answer.revision
                )
            },
        );
    }
    let answer = client
        .list_signing_keys(ListSigningKeysRequest {})
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.auth.v1.ListSigningKeysResponse", &answer),
        &answer.keys,
        &KEYS,
    )
}

/// A row per key.
const KEYS: Shape<SigningKeyInfo> = Shape {
    message: "chamois.auth.v1.SigningKeyInfo",
    key: |key| key.id.clone(),
    columns: &[
        column("ID", |key| key.id.clone()),
        column("STAGE", |key| stage(key.stage()).to_owned()),
        wide("SINCE", |key| utc::timestamp(key.stage_since_ms)),
    ],
};

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Unspecified => "",
        Stage::Next => "next",
        Stage::Active => "active",
        Stage::Retiring => "retiring",
        Stage::Retired => "retired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_key_is_for_now() {
        let key = SigningKeyInfo {
            id: "kid".into(),
            stage: Stage::Retiring.into(),
            stage_since_ms: 0,
        };
        let text = output::plain(&[key], &KEYS);
        for part in ["kid", "retiring", "1970-01-01"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
