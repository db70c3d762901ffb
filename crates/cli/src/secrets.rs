//! `chamois secrets …`: the keys that open what is sealed in the state.

mod kek_file;
mod make_kek;
mod rotate_kek;
mod status;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `secrets`.
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Show which key seals, what is still sealed for another one, and which member lacks a key
    #[command(after_help = "Examples:\n  chamois secrets status\n  chamois secrets status -o json")]
    Status,
    /// Seal with another key from now on, and everything that there is anew
    RotateKek(rotate_kek::RotateKekArgs),
    /// Make a key for members that have theirs from a systemd credential or a command
    MakeKek(make_kek::MakeKekArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: SecretsCommand) -> Result<(), CliError> {
    match command {
        SecretsCommand::Status => status::run(global).await,
        SecretsCommand::RotateKek(args) => rotate_kek::run(global, args).await,
        SecretsCommand::MakeKek(args) => make_kek::run(global, &args),
    }
}
