//! Messages as JSON and YAML, by reflection: the key names are those of the HTTP API.

use std::sync::OnceLock;

use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, SerializeOptions,
};

use crate::error::CliError;

fn unknown(problem: impl std::fmt::Display) -> CliError {
    CliError::other("cannot write the answer as a document", problem)
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

/// Numbers are numbers, and zero does not vanish.
fn whole() -> SerializeOptions {
    SerializeOptions::new()
        .skip_default_fields(false)
        .stringify_64_bit_integers(false)
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

/// A message as one JSON document, for people to read too.
pub(crate) fn to_json(name: &str, message: &impl prost::Message) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::pretty(&mut bytes);
    dynamic(name, message)?
        .serialize_with_options(&mut serializer, &whole())
        .map_err(unknown)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same in one line.
pub(crate) fn to_json_line(name: &str, message: &impl prost::Message) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    dynamic(name, message)?
        .serialize_with_options(&mut serializer, &whole())
        .map_err(unknown)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same as YAML, without a newline at its end.
pub(crate) fn to_yaml(name: &str, message: &impl prost::Message) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let mut serializer = serde_yaml_ng::Serializer::new(&mut bytes);
    dynamic(name, message)?
        .serialize_with_options(&mut serializer, &whole())
        .map_err(unknown)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_end().to_owned())
}

/// A value that is no message, as YAML, without a newline at its end.
pub(crate) fn value_to_yaml(value: &serde_json::Value) -> Result<String, CliError> {
    let text = serde_yaml_ng::to_string(value).map_err(unknown)?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "chamois.cluster.v1.ClusterStatus";

    fn status() -> proto::cluster::v1::ClusterStatus {
        proto::cluster::v1::ClusterStatus {
            cluster_name: "prod".into(),
            member_id: 2,
            applied_index: 1 << 40,
            ..Default::default()
        }
    }

    /// Scripts read these keys; numbers must be numbers, and zero must not vanish.
    #[test]
    fn json_has_the_api_key_names_and_plain_numbers() {
        let text = to_json(STATUS, &status()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["clusterName"], "prod");
        assert_eq!(value["appliedIndex"], 1_u64 << 40);
        assert_eq!(value["leaderId"], 0, "zero is a fact, not an absence: {text}");
    }

    /// Who changes from one form to another finds the same keys and values.
    #[test]
    fn every_form_of_a_document_says_the_same() {
        let json: serde_json::Value = serde_json::from_str(&to_json(STATUS, &status()).unwrap()).unwrap();
        let line = to_json_line(STATUS, &status()).unwrap();
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), json);
        let yaml = to_yaml(STATUS, &status()).unwrap();
        assert_eq!(serde_yaml_ng::from_str::<serde_json::Value>(&yaml).unwrap(), json);
        let yaml = value_to_yaml(&json).unwrap();
        assert_eq!(serde_yaml_ng::from_str::<serde_json::Value>(&yaml).unwrap(), json);
    }

    #[test]
    fn a_message_that_is_not_ours_is_an_error_and_no_panic() {
        assert!(to_yaml("no.such.Message", &status()).is_err());
    }
}
