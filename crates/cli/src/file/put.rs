//! `chamois file put`: creates or replaces.

use std::path::PathBuf;

use clap::Args;
use model::BootFileName;

use super::upload::{self, LocalFile};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois file put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois file put debian-12/vmlinuz /boot/vmlinuz-6.1.0-28-amd64

Nodes fetch it as http://<service address>:8081/files/debian-12/vmlinuz. It is stored when a majority of the members
has it on disk, which must be within 300 s; the others fetch it by themselves. A file may have 16 GiB: three members and
the client on 10 Gbit/s take well under 300 s for that, on 1 Gbit/s some 10 GiB fit. What takes longer is refused, and
nothing is changed.")]
pub struct PutArgs {
    /// Name under /files/
    #[arg(value_parser = name)]
    pub name: BootFileName,
    /// The file to send
    pub path: PathBuf,
}

fn name(text: &str) -> Result<BootFileName, String> {
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let connection = connect::for_upload(global)?;
    let file = LocalFile::read(args.path).await?;
    let stored = upload::upload(connection, &args.name, file).await?;
    output::done(global, ("chamois.boot_file.v1.BootFile", &stored), || {
        format!("{}  {}", stored.sha256, stored.name)
    })
}
