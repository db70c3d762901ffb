//! `chamois snapshot save`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use proto::cluster::v1::SaveSnapshotRequest;
use proto::cluster::v1::snapshot_service_client::SnapshotServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois snapshot save`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois snapshot save prod.snap
  chamois snapshot save /backup/$(date +%F).snap -o json

The file holds every acknowledged write; secrets in it are sealed, and open only with the recovery kit. The bytes of boot
files are not in it, their catalogue is.")]
pub struct SaveArgs {
    /// File to make; it must not exist
    pub file: PathBuf,
}

pub(super) async fn run(global: &GlobalArgs, args: SaveArgs) -> Result<(), CliError> {
    require_none(&args.file)?;
    let partial = partial_of(&args.file);
    let bytes = save(global, &partial).await?;
    std::fs::rename(&partial, &args.file).map_err(|error| failed(&args.file, &error))?;
    output::done_value(
        global,
        &serde_json::json!({ "file": args.file, "bytes": bytes }),
        || format!("{}: {bytes} bytes", args.file.display()),
    )
}

fn require_none(file: &Path) -> Result<(), CliError> {
    if !file.exists() {
        return Ok(());
    }
    let text = format!("{} exists already; nothing is overwritten", file.display());
    Err(CliError::new(Kind::Conflict, text).with_remedy("Name another file, or move it away."))
}

async fn save(global: &GlobalArgs, partial: &Path) -> Result<u64, CliError> {
    let mut client = SnapshotServiceClient::new(connect::for_upload(global)?);
    let mut pieces = client.save_snapshot(SaveSnapshotRequest {}).await?.into_inner();
    let mut file = std::fs::File::create_new(partial).map_err(|error| failed(partial, &error))?;
    let saved = async {
        let mut bytes = 0;
        while let Some(piece) = pieces.message().await? {
            file.write_all(&piece.data)
                .map_err(|error| failed(partial, &error))?;
            bytes += piece.data.len() as u64;
        }
        file.sync_all().map_err(|error| failed(partial, &error))?;
        Ok(bytes)
    };
    let saved = saved.await;
    if saved.is_err() {
        let _ = std::fs::remove_file(partial); // made above; best effort: the error that matters is at hand
    }
    saved
}

/// `FILE.PID.partial` beside `file`: two that save at once, to files that differ in the last part of their names only, do
/// not write into one another's.
pub fn partial_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    file.with_file_name(name)
}

fn failed(path: &Path, error: &std::io::Error) -> CliError {
    CliError::other(&format!("cannot write {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_partial_file_of_its_own() {
        let [snap, partial] = ["/b/2026.snap", "/b/2026.partial"].map(|file| partial_of(Path::new(file)));
        assert_ne!(snap, partial);
        assert_eq!(
            snap,
            PathBuf::from(format!("/b/2026.snap.{}.partial", std::process::id()))
        );
    }

    #[test]
    fn a_file_that_is_there_is_left_and_the_refusal_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("prod.snap");
        std::fs::write(&file, "precious").unwrap();
        let refused = require_none(&file).unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict);
        assert!(refused.to_string().contains("Name another file"), "{refused}");
        require_none(&dir.path().join("other.snap")).unwrap();
    }
}
