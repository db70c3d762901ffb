//! `chamois support-bundle`: one file for whoever is to help, with what a cluster and this host say of themselves, and no secret.

mod archive;
mod configuration;
mod contents;
mod scrub;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;

use self::contents::Piece;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;
use crate::utc;

/// `chamois support-bundle`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois support-bundle --list                 what would be in it, and nothing is written
  chamois support-bundle                        chamois-support-<time>.tar.zst in this folder
  chamois support-bundle --out /root/case-17.tar.zst
  tar --zstd -tvf case-17.tar.zst               look before you send it

It holds what `chamois doctor` finds, what each member says of itself, its metrics, this host's configuration and the end of its
journal. It holds no inventory, and no secret: of the configuration only keys that are known to hold none, and whatever looks like
a token, a key or a password is taken out of everything. Host names, addresses and names of files are in it.")]
pub struct SupportBundleArgs {
    /// File to write, which must not exist
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show what would be in it, with sizes, and write nothing
    #[arg(long)]
    pub list: bool,
    /// A member's configuration, where this host has one
    #[arg(long, value_name = "FILE", default_value = "/etc/chamois/chamois.toml")]
    pub config: PathBuf,
    /// Lines of this host's journal, of each of the two units
    #[arg(long, value_name = "LINES", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub journal_lines: u32,
}

pub(crate) async fn run(global: &GlobalArgs, args: SupportBundleArgs) -> Result<(), CliError> {
    let pieces = Box::pin(contents::gather(global, &args.config, args.journal_lines)).await;
    output::print(table(&pieces))?;
    if args.list {
        return Ok(());
    }
    let now = SystemTime::now();
    let out = args.out.unwrap_or_else(|| default_name(now));
    archive::write(&out, &pieces, utc::unix_ms(now) / 1000).map_err(|error| refused(&out, &error))?;
    output::print(format_args!(
        "written to {}; look through it before you send it",
        out.display()
    ))
}

fn default_name(now: SystemTime) -> PathBuf {
    let time = utc::timestamp(utc::unix_ms(now)).replace([':', '-'], "");
    PathBuf::from(format!("chamois-support-{time}.tar.zst"))
}

fn refused(out: &Path, error: &std::io::Error) -> CliError {
    let kind = match error.kind() {
        std::io::ErrorKind::AlreadyExists => Kind::Conflict,
        _ => Kind::Other,
    };
    let error = CliError::new(kind, format!("cannot write {}: {error}", out.display()));
    error.with_remedy("Name a file that does not exist, in a folder of yours, with --out.")
}

fn table(pieces: &[Piece]) -> comfy_table::Table {
    let mut table = output::table(["FILE", "BYTES", "WHAT"]);
    for piece in pieces {
        table.add_row([
            piece.name.clone(),
            piece.text.len().to_string(),
            piece.what.to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_says_when_it_was_made() {
        let name = default_name(SystemTime::UNIX_EPOCH);
        assert_eq!(name, Path::new("chamois-support-19700101T000000Z.tar.zst"));
    }

    #[test]
    fn what_is_in_it_is_shown_with_its_size() {
        let piece = Piece {
            name: "doctor.txt".into(),
            what: "what `chamois doctor` finds",
            text: "1234".into(),
        };
        let shown = table(&[piece]).to_string();
        assert!(
            shown.contains("doctor.txt") && shown.contains("│ doctor.txt   4"),
            "{shown}"
        );
    }

    #[test]
    fn a_file_that_exists_is_a_conflict() {
        let error = refused(Path::new("a"), &std::io::ErrorKind::AlreadyExists.into());
        assert_eq!(error.kind(), Kind::Conflict);
    }
}
