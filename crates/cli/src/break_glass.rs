//! `chamois break-glass …`: what can be typed. `cmd/chamois` asks the member on its socket.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Verbs of `break-glass`.
#[derive(Clone, Debug, Subcommand)]
pub enum BreakGlassCommand {
    /// How the member on this host stands, whatever it knows of the others
    #[command(after_help = "Examples:\n  chamois break-glass status\n  chamois break-glass status -o json")]
    Status(GlassArgs),
    /// Save all that the member on this host holds into one file
    Export(GlassExportArgs),
    /// Let the member on this host go on alone after a majority is lost for good
    Recover(GlassRecoverArgs),
    /// Make an administrator's token, good for 15 minutes on this member alone
    #[command(after_help = "\
Example:
  chamois break-glass token

Needs no majority, no provider and no key of the cluster. Every use of this command, and every change made with the token
(`token/break-glass-UID`), is recorded.")]
    Token(GlassArgs),
}

/// Which member.
#[derive(Clone, Debug, Args)]
pub struct GlassArgs {
    /// Configuration of the member on this host: its data directory has the socket
    #[arg(long, value_name = "FILE", default_value = "/etc/chamois/chamois.toml")]
    pub config: PathBuf,
}

/// `chamois break-glass export`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois break-glass export /root/prod.snap

Without a majority it may lack what other members have acknowledged; `chamois snapshot save` never does. Secrets in it are
sealed, and `chamois snapshot restore` takes it with the recovery kit.")]
pub struct GlassExportArgs {
    /// File to make, for its owner only; it must not exist
    pub file: PathBuf,
    /// Which member.
    #[command(flatten)]
    pub member: GlassArgs,
}

/// `chamois break-glass recover`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois break-glass recover --accept-lost-writes

The member stops, as by SIGTERM, so that no service manager starts it again: do that (systemctl start chamois)
within 15 minutes and before the host starts anew, and it goes on alone, as after `chamois recover` on a stopped member. It refuses
while there is a majority, and waits ten seconds for one. Choose the member that is furthest (`last_log_index` of
`chamois break-glass status`); the others must never start again with their old data.")]
pub struct GlassRecoverArgs {
    /// Yes: writes that were acknowledged by members that are lost may be lost with them
    #[arg(long, required = true)]
    pub accept_lost_writes: bool,
    /// Which member.
    #[command(flatten)]
    pub member: GlassArgs,
}
