//! `chamois certificate …`: certificates of users, services and nodes, and the CAs that sign them.

mod files;
mod issue;
mod list;
mod renew;
mod revoke;
mod rotate_ca;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `certificate`.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Make a key here and have it certified, for a day at most
    Issue(issue::IssueArgs),
    /// Replace a certificate at half its life, by itself
    Renew(renew::RenewArgs),
    /// List the CAs to trust, and what is in certificate files
    List(list::ListArgs),
    /// Refuse a certificate from now on, everywhere
    Revoke(revoke::RevokeArgs),
    /// Let another CA sign, in steps, while both are trusted
    RotateCa(rotate_ca::RotateCaArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: CertificateCommand) -> Result<(), CliError> {
    match command {
        CertificateCommand::Issue(args) => issue::run(global, args).await,
        CertificateCommand::Renew(args) => renew::run(global, args).await,
        CertificateCommand::List(args) => list::run(global, args).await,
        CertificateCommand::Revoke(args) => revoke::run(global, args).await,
        CertificateCommand::RotateCa(args) => rotate_ca::run(global, args).await,
    }
}
