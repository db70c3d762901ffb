//! `chamois cloud-init …`: what cloud-init tells the nodes.

mod defaults;
mod group;
mod node;
mod profile;

use clap::Subcommand;
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};

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
    /// What some nodes boot with for a while, for a test
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
}

pub(crate) async fn run(global: &GlobalArgs, command: CloudInitCommand) -> Result<(), CliError> {
    match command {
        CloudInitCommand::Defaults(command) => defaults::run(global, command).await,
        CloudInitCommand::Group(command) => group::run(global, command).await,
        CloudInitCommand::Node(command) => node::run(global, command).await,
        CloudInitCommand::Profile(command) => profile::run(global, command).await,
    }
}

/// A message as its JSON says; `option` is where that comes from.
fn from_json<M: prost::Message + Default>(option: &str, name: &str, text: &str) -> Result<M, CliError> {
    let refuse = |problem: String| {
        let error = CliError::new(Kind::Usage, format!("{option}: {problem}"));
        error.with_remedy("Write a JSON object, e.g. '{\"syslog\":\"10.97.0.2\"}'.")
    };
    let pool =
        DescriptorPool::decode(proto::DESCRIPTOR).map_err(|error| CliError::other("descriptor", error))?;
    let object = pool
        .get_message_by_name(name)
        .ok_or_else(|| CliError::other("descriptor", name))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let message =
        DynamicMessage::deserialize(object, &mut json).map_err(|error| refuse(error.to_string()))?;
    json.end().map_err(|error| refuse(error.to_string()))?;
    message
        .transcode_to()
        .map_err(|error| CliError::other(option, error))
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
