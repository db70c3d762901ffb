//! `chamois secrets rotate-kek`.

use std::path::PathBuf;

use clap::Args;
use proto::cluster::v1::secret_service_client::SecretServiceClient;
use proto::cluster::v1::{GetSecretsStatusRequest, RotateKekRequest, RotateKekResponse};

use super::kek_file;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois secrets rotate-kek`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois secrets rotate-kek --recovery-kit kit.toml --out kit-2.toml   writes the next recovery kit first
  chamois secrets rotate-kek --out kek-2.key                            a cluster of `chamois init --static` has no kit
  chamois secrets rotate-kek --to 5f0c1d2e3a4b5c6d                      members that have their keys from elsewhere

The new key is kept in --out before any member has it, is handed to all members that can be reached (a majority), and then seals.
Everything is sealed anew meanwhile, each secret with another data key; `chamois secrets status` shows what is left. Then members
forget the old key. Keep the older kit as long as you keep snapshots from before: they open with nothing else. Safe to repeat.")]
pub struct RotateKekArgs {
    /// File for the new key, or with --recovery-kit for the next kit; one that is there is used as it is
    #[arg(long, value_name = "FILE", required_unless_present = "to")]
    pub out: Option<PathBuf>,
    /// The recovery kit so far
    #[arg(long, value_name = "FILE", requires = "out")]
    pub recovery_kit: Option<PathBuf>,
    /// The key of this id, which was put on every member by hand
    #[arg(long, value_name = "ID", conflicts_with_all = ["out", "recovery_kit"])]
    pub to: Option<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: RotateKekArgs) -> Result<(), CliError> {
    let mut client = SecretServiceClient::new(connect::for_upload(global)?);
    let status = client
        .get_secrets_status(GetSecretsStatusRequest {})
        .await?
        .into_inner();
    let request = request(&args, status.active_id.clone())?;
    let Some(request) = request else {
        return output::print(format_args!("key {} seals already", status.active_id));
    };
    let answer = client.rotate_kek(request).await?.into_inner();
    output::done(global, ("chamois.cluster.v1.RotateKekResponse", &answer), || {
        describe(&args, &answer)
    })
}

/// `None`: the key seals already, as a repeat finds it.
fn request(args: &RotateKekArgs, active_id: String) -> Result<Option<RotateKekRequest>, CliError> {
    let (kek, id) = match (&args.to, &args.out) {
        (Some(id), _) => (String::new(), id.clone()),
        (None, Some(out)) => {
            let new = kek_file::kept(out, args.recovery_kit.as_deref())?;
            (new.pem, new.id)
        }
        (None, None) => return Err(CliError::new(Kind::Usage, "name --out or --to")),
    };
    if id == active_id {
        return Ok(None);
    }
    Ok(Some(RotateKekRequest {
        kek,
        to_id: args.to.clone().unwrap_or_default(),
        if_active: active_id,
    }))
}

fn describe(args: &RotateKekArgs, answer: &RotateKekResponse) -> String {
    let mut text = format!(
        "key {} seals from now on (revision {}); what is sealed for {} is sealed anew: chamois secrets status",
        answer.active_id, answer.revision, answer.retiring_id
    );
    if !answer.absent.is_empty() {
        let absent: Vec<String> = answer.absent.iter().map(u64::to_string).collect();
        text += &format!(
            "\nmember {} could not be reached and is given the key when it is back",
            absent.join(", ")
        );
    }
    if let Some(out) = &args.out {
        let out = out.display();
        text += &match args.recovery_kit {
            Some(_) => format!(
                "\n{out} is the recovery kit from now on: move it away from here. Snapshots that were saved before the last rotation \
                 need the kit of their time: keep that as long as you keep them."
            ),
            None => format!(
                "\n{out} holds the key: move it away from here. A snapshot that is saved from now on cannot be restored without it: put \
                 it as `kek` into a recovery kit, if there is one."
            ),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(out: Option<PathBuf>, to: Option<&str>) -> RotateKekArgs {
        RotateKekArgs {
            out,
            recovery_kit: None,
            to: to.map(str::to_owned),
        }
    }

    /// The answer to the first attempt may be lost.
    #[test]
    fn a_repeat_asks_for_the_same_key_and_for_none_that_seals() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let args = args(Some(dir.path().join("kek.key")), None);
        let first = request(&args, "old".into()).unwrap().unwrap();
        let again = request(&args, "old".into()).unwrap().unwrap();
        assert_eq!((&first.kek, first.if_active), (&again.kek, "old".to_owned()));
        let id = kek_file::kept(args.out.as_deref().unwrap(), None).unwrap().id;
        assert!(request(&args, id).unwrap().is_none());
    }

    #[test]
    fn a_key_that_members_have_is_named_and_not_sent() {
        let request = request(&args(None, Some("new")), "old".into()).unwrap().unwrap();
        assert_eq!((request.kek.as_str(), request.to_id.as_str()), ("", "new"));
    }

    #[test]
    fn who_was_away_and_which_kit_is_needed_is_said() {
        let answer = RotateKekResponse {
            active_id: "new".into(),
            retiring_id: "old".into(),
            absent: vec![3],
            ..RotateKekResponse::default()
        };
        let with_kit = RotateKekArgs {
            recovery_kit: Some("kit.toml".into()),
            ..args(Some("kit-2.toml".into()), None)
        };
        let text = describe(&with_kit, &answer);
        for part in [
            "key new seals",
            "member 3 could not",
            "kit-2.toml is the recovery kit",
            "kit of their time",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
