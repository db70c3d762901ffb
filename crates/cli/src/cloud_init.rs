//! `chamois cloud-init …`: what cloud-init tells the nodes.

mod defaults;
mod group;
mod node;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Nouns of `cloud-init`.
#[derive(Debug, Subcommand)]
pub enum CloudInitCommand {
    /// What every node is told
    #[command(subcommand)]
    Defaults(defaults::DefaultsCommand),
    /// What the members of an SMD group are told and given
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// What one node is told, and the documents that it gets
    #[command(subcommand)]
    Node(node::NodeCommand),
}

pub(crate) async fn run(global: &GlobalArgs, command: CloudInitCommand) -> Result<(), CliError> {
    match command {
        CloudInitCommand::Defaults(command) => defaults::run(global, command).await,
        CloudInitCommand::Group(command) => group::run(global, command).await,
        CloudInitCommand::Node(command) => node::run(global, command).await,
    }
}

/// One row per field that is set.
fn fields(rows: &[(&str, String)]) -> comfy_table::Table {
    let mut table = crate::output::table(["FIELD", "VALUE"]);
    for (field, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([*field, value]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_shown() {
        let rows = [("region", "west".to_owned()), ("short-name", String::new())];
        let text = fields(&rows).to_string();
        assert!(text.contains("west") && !text.contains("short-name"), "{text}");
    }
}
