//! `chamois bmc …`: BMCs that were found, and how they are logged in to.

mod assign;
pub(crate) mod credential;
mod delete;
mod list;
mod show;
mod trust;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `bmc`.
#[derive(Debug, Subcommand)]
pub enum BmcCommand {
    /// List what was found, sorted by address
    List(list::ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  chamois bmc show 10.1.0.7:443")]
    Show(AddressArgs),
    /// Say which place of the machine a BMC is, whatever the rules say
    Assign(assign::AssignArgs),
    /// Believe the key that a BMC shows now, after it was replaced or got another certificate
    Trust(trust::TrustArgs),
    /// Forget what was found, with its key; the inventory stays
    #[command(after_help = "Example:\n  chamois bmc delete 10.1.0.7:443")]
    Delete(AddressArgs),
    /// Users and passwords of BMCs: sealed, and shown to nobody
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
}

/// One BMC.
#[derive(Clone, Debug, Args)]
pub struct AddressArgs {
    /// Its address and port, as `chamois bmc list` shows them; without a port: 443
    #[arg(value_parser = address, value_name = "ADDRESS")]
    pub address: String,
}

pub(crate) async fn run(global: &GlobalArgs, command: BmcCommand) -> Result<(), CliError> {
    match command {
        BmcCommand::List(args) => list::run(global, args).await,
        BmcCommand::Show(args) => show::run(global, args).await,
        BmcCommand::Assign(args) => assign::run(global, args).await,
        BmcCommand::Trust(args) => trust::run(global, args).await,
        BmcCommand::Delete(args) => delete::run(global, args).await,
        BmcCommand::Credential(command) => credential::run(global, command).await,
    }
}

/// `address:port`, the form that BMCs are kept by.
fn address(text: &str) -> Result<String, String> {
    let address: redfish::Address = text
        .parse()
        .map_err(|_| format!("`{text}`: write an address and a port, e.g. 10.1.0.7:443 or [fd00::7]:443"))?;
    Ok(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_as_it_is_kept() {
        for (typed, kept) in [
            ("10.1.0.7", "10.1.0.7:443"),
            ("10.1.0.7:8443", "10.1.0.7:8443"),
            ("[fd00::7]", "[fd00::7]:443"),
        ] {
            assert_eq!(address(typed).as_deref(), Ok(kept));
        }
        assert!(address("").unwrap_err().contains("10.1.0.7:443"));
    }
}
