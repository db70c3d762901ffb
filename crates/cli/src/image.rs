//! `chamois image …`: a kernel and what boots with it, under one name.

mod add;
mod download;
mod expected;
mod folder;
mod layers;
mod list;
mod oci;
mod parts;
mod pin;
mod remove;
mod scratch;
mod verify;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::WatchArg;

/// Verbs of `image`.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Make an image of a folder, of URLs or of an OCI archive
    Add(Box<add::AddArgs>),
    /// List the images, where they are and which can be booted
    #[command(after_help = "Example:\n  chamois image list")]
    List(WatchArg),
    /// Have every member read its copies again
    Verify(verify::VerifyArgs),
    /// Keep an image from being removed
    Pin(pin::PinArgs),
    /// Let an image be removed again
    Unpin(pin::UnpinArgs),
    /// Remove an image and its boot files
    Remove(remove::RemoveArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: ImageCommand) -> Result<(), CliError> {
    match command {
        ImageCommand::Add(args) => add::run(global, *args).await,
        ImageCommand::List(args) => list::run(global, args).await,
        ImageCommand::Verify(args) => verify::run(global, args).await,
        ImageCommand::Pin(args) => pin::run(global, args.name, true).await,
        ImageCommand::Unpin(args) => pin::run(global, args.name, false).await,
        ImageCommand::Remove(args) => remove::run(global, args).await,
    }
}
