//! `chamois snapshot save`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use proto::cluster::v1::SaveSnapshotRequest;
use proto::cluster::v1::snapshot_service_client::SnapshotServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output::{self, Format};

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
    if args.file.exists() {
        let text = format!("{} exists already; nothing is overwritten", args.file.display());
        return Err(CliError::new(Kind::Conflict, text));
    }
    let partial = args.file.with_extension("partial");
    let saved = save(global, &partial).await.and_then(|bytes| {
        std::fs::rename(&partial, &args.file).map_err(|error| failed(&args.file, &error))?;
        Ok(bytes)
    });
    if saved.is_err() {
        let _ = std::fs::remove_file(&partial); // best effort: the error that matters is at hand
    }
    let bytes = saved?;
    match global.output {
        Format::Json => output::print(serde_json::json!({ "file": args.file, "bytes": bytes })),
        Format::Table => output::print(format_args!("{}: {bytes} bytes", args.file.display())),
    }
}

async fn save(global: &GlobalArgs, partial: &Path) -> Result<u64, CliError> {
    let mut client = SnapshotServiceClient::new(connect::for_upload(global)?);
    let mut pieces = client.save_snapshot(SaveSnapshotRequest {}).await?.into_inner();
    let mut file = std::fs::File::create(partial).map_err(|error| failed(partial, &error))?;
    let mut bytes = 0;
    while let Some(piece) = pieces.message().await? {
        file.write_all(&piece.data)
            .map_err(|error| failed(partial, &error))?;
        bytes += piece.data.len() as u64;
    }
    file.sync_all().map_err(|error| failed(partial, &error))?;
    Ok(bytes)
}

fn failed(path: &Path, error: &std::io::Error) -> CliError {
    CliError::other(&format!("cannot write {}", path.display()), error)
}
