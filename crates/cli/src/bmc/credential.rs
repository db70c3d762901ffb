//! `chamois bmc credential …`: how BMCs are logged in to.

mod delete;
mod list;
mod password;
mod put;
mod rotate;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::CliError;

pub(crate) use password::Source as PasswordSource;

/// Verbs of `bmc credential`.
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// List for which BMCs there are users; no password is shown
    #[command(after_help = "Example:\n  chamois bmc credential list")]
    List,
    /// Set user and password for a BMC, a group of BMCs, or all others
    Put(put::PutArgs),
    /// Delete one; what it was for falls to the next wider one
    #[command(after_help = "Example:\n  chamois bmc credential delete group:compute")]
    Delete(ScopeArgs),
    /// Give BMCs new random passwords, each its own
    Rotate(rotate::RotateArgs),
}

/// Which BMCs a credential is for.
#[derive(Clone, Debug, Args)]
pub struct ScopeArgs {
    /// bmc:XNAME, address:ADDRESS, group:LABEL or default; the first of this order that there is counts
    #[arg(value_parser = scope)]
    pub scope: String,
}

pub(crate) async fn run(global: &GlobalArgs, command: CredentialCommand) -> Result<(), CliError> {
    match command {
        CredentialCommand::List => list::run(global).await,
        CredentialCommand::Put(args) => put::run(global, args).await,
        CredentialCommand::Delete(args) => delete::run(global, args).await,
        CredentialCommand::Rotate(args) => rotate::run(global, args).await,
    }
}

/// Checked here, so that a slip is seen before a password is typed.
pub(crate) fn scope(text: &str) -> Result<String, String> {
    let accepted =
        || format!("`{text}`: accepted are bmc:x1000c0s0b0, address:10.1.0.7, group:compute and default");
    let checked = match text.split_once(':') {
        None if text == "default" => Some(text.to_owned()),
        Some(("bmc", xname)) => crate::group::xname(xname)
            .ok()
            .map(|xname| format!("bmc:{xname}")),
        Some(("group", label)) => crate::group::label(label)
            .ok()
            .map(|label| format!("group:{label}")),
        Some(("address", address)) if !address.is_empty() => Some(text.to_owned()),
        _ => None,
    };
    checked.ok_or_else(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_one_of_four() {
        for (typed, sent) in [
            ("default", "default"),
            ("bmc:X1000c0s00b0", "bmc:x1000c0s0b0"),
            ("group:Compute", "group:compute"),
            ("address:fd00::7", "address:fd00::7"),
        ] {
            assert_eq!(scope(typed).as_deref(), Ok(sent));
        }
        for wrong in [
            "",
            "x1000c0s0b0",
            "bmc:",
            "bmc:node-1",
            "group:a b",
            "address:",
            "all",
            "default:x",
        ] {
            assert!(scope(wrong).unwrap_err().contains("group:compute"), "{wrong}");
        }
    }
}
