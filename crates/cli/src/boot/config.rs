//! `chamois boot config …`: boot configurations.

mod delete;
mod get;
mod list;
mod set;

use clap::Subcommand;
use proto::bss::v1::BootConfiguration;
use proto::smd::v1::component::Arch;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::WatchArg;

/// Which of several configurations a node boots.
pub(super) const PRECEDENCE: &str = "\
Which configuration a node boots: the one whose selector names it most closely,
  own name (xname, MAC, NID) > nodeset > group > subrole > role > default
then the higher priority (0 to 100, 50 if none is given), then the name. Boot parameters of BSS v1 (`ochami bss boot
params`) take part with priority 50 and win ties. `chamois boot explain` shows the decision for a node.";

/// Verbs of `boot config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// List the boot configurations
    #[command(after_help = "Example:\n  chamois boot config list")]
    List(WatchArg),
    /// Show one boot configuration whole
    Get(get::GetArgs),
    /// Create or replace a boot configuration
    Set(Box<set::SetArgs>),
    /// Delete a boot configuration
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(global: &GlobalArgs, command: ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::List(args) => list::run(global, args).await,
        ConfigCommand::Get(args) => get::run(global, args).await,
        ConfigCommand::Set(args) => set::run(global, *args).await,
        ConfigCommand::Delete(args) => delete::run(global, args).await,
    }
}

/// What a configuration selects, one kind after the other.
fn selectors(configuration: &BootConfiguration) -> Vec<String> {
    let nids: Vec<String> = configuration.nids.iter().map(u64::to_string).collect();
    let lists = [
        ("host", &configuration.hosts),
        ("MAC", &configuration.macs),
        ("NID", &nids),
        ("group", &configuration.groups),
        ("subrole", &configuration.sub_roles),
        ("role", &configuration.roles),
    ];
    let shown = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let mut shown: Vec<String> = shown
        .map(|(kind, list)| format!("{kind} {}", list.join(", ")))
        .collect();
    if configuration.is_default {
        shown.push("every node".to_owned());
    }
    shown
}

/// SMD's word for an architecture; empty for every one.
fn arch_text(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "X86",
        Arch::Arm => "ARM",
        Arch::Other => "Other",
        Arch::Unknown | Arch::Unspecified => "",
    }
}
