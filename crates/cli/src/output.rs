//! Tables for people, JSON for programs.

use std::io::Write as _;
use std::sync::OnceLock;

use comfy_table::{ContentArrangement, Table, presets};
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, SerializeOptions,
};

use crate::error::CliError;

/// Form of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document, with the key names of the HTTP API.
    Json,
}

/// A table in the project's style.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

/// Prints a line or a table. A closed pipe (`chamois … | head`) is not an error of ours.
pub(crate) fn print(text: impl std::fmt::Display) -> Result<(), CliError> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::other("cannot write the answer", error))
        }
        _ => Ok(()),
    }
}

/// Prints a message as JSON; `name` is its full proto name.
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn print_json(name: &str, message: &impl prost::Message) -> Result<(), CliError> {
    print(to_json(name, message)?)
}

/// Prints a line if there is one. False when nobody reads any more.
pub(crate) fn print_line(line: Option<String>) -> Result<bool, CliError> {
    let Some(line) = line else {
        return Ok(true);
    };
    match writeln!(std::io::stdout().lock(), "{line}") {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::other("cannot write the answer", error)),
    }
}

fn unknown(problem: impl std::fmt::Display) -> CliError {
    CliError::other("cannot write the answer as JSON", problem)
}

/// What our protos say of the message with this full name.
fn descriptor(name: &str) -> Result<MessageDescriptor, CliError> {
    // Decoding the descriptor takes milliseconds, which a stream of messages would pay for each.
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = match POOL.get() {
        Some(pool) => pool,
        None => {
            let pool = DescriptorPool::decode(proto::DESCRIPTOR).map_err(unknown)?;
            POOL.get_or_init(|| pool)
        }
    };
    pool.get_message_by_name(name)
        .ok_or_else(|| unknown(format!("no message {name}")))
}

/// A message by reflection; `name` is its full proto name.
fn dynamic(name: &str, message: &impl prost::Message) -> Result<DynamicMessage, CliError> {
    let bytes = message.encode_to_vec();
    let dynamic = DynamicMessage::decode(descriptor(name)?, bytes.as_slice()).map_err(unknown)?;
    debug_assert_eq!(dynamic.descriptor().full_name(), name);
    Ok(dynamic)
}

/// A message as a JSON value; fields that are not set are left out.
pub(crate) fn to_value(name: &str, message: &impl prost::Message) -> Result<serde_json::Value, CliError> {
    let options = SerializeOptions::new().stringify_64_bit_integers(false);
    dynamic(name, message)?
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(unknown)
}

/// The message that [`to_value`] writes so.
///
/// # Errors
/// What does not fit; a key that the message does not have, too.
pub(crate) fn from_value<M: prost::Message + Default>(
    name: &str,
    json: &serde_json::Value,
) -> Result<M, String> {
    let descriptor = descriptor(name).map_err(|error| error.to_string())?;
    let read = DynamicMessage::deserialize(descriptor, json).map_err(|error| error.to_string())?;
    read.transcode_to().map_err(|error| error.to_string())
}

pub(crate) fn to_json(name: &str, message: &impl prost::Message) -> Result<String, CliError> {
    let dynamic = dynamic(name, message)?;
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::pretty(&mut bytes);
    dynamic
        .serialize_with_options(&mut serializer, &options)
        .map_err(unknown)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts read these keys; numbers must be numbers, and zero must not vanish.
    #[test]
    fn json_has_the_api_key_names_and_plain_numbers() {
        let status = proto::cluster::v1::ClusterStatus {
            cluster_name: "prod".into(),
            member_id: 2,
            applied_index: 1 << 40,
            ..Default::default()
        };
        let text = to_json("chamois.cluster.v1.ClusterStatus", &status).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["clusterName"], "prod");
        assert_eq!(value["appliedIndex"], 1_u64 << 40);
        assert_eq!(value["leaderId"], 0, "zero is a fact, not an absence: {text}");
    }

    #[test]
    fn a_table_shows_its_header_and_rows() {
        let mut table = table(["ID", "STATE"]);
        table.add_row(["x0c0s0b0n0", "Ready"]);
        let text = table.to_string();
        for word in ["ID", "STATE", "x0c0s0b0n0", "Ready"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
