//! Entries as bytes: nothing that this member does not know may be dropped silently.

use model::Rejection;
use prost::Message;
use proto::raft::v1::Entry;

/// Why bytes are not an entry that this member may apply. It must stop: it would diverge from the others.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not an entry at all.
    #[error("the log entry cannot be decoded")]
    Malformed(#[source] prost::DecodeError),
    /// Decoding and encoding again does not give the same bytes.
    #[error(
        "the log entry holds something that this version does not know ({given} bytes, {understood} understood); \
         upgrade this member before the cluster's feature level is raised"
    )]
    NotUnderstood {
        /// Bytes of the entry.
        given: usize,
        /// Bytes of the part that was understood.
        understood: usize,
    },
}

/// Decodes an entry and compares it, encoded again, byte for byte.
///
/// # Errors
/// See `WireError`.
pub fn decode_exact(bytes: &[u8]) -> Result<Entry, WireError> {
    let entry = Entry::decode(bytes).map_err(WireError::Malformed)?;
    let again = entry.encode_to_vec();
    if again != bytes {
        return Err(WireError::NotUnderstood {
            given: bytes.len(),
            understood: again.len(),
        });
    }
    Ok(entry)
}

/// Encodes an entry for the log, after making sure that every member can decode it: data that nests too deeply
/// encodes well but stops each member that reads it. A proposer calls this before it appends.
///
/// # Errors
/// `Invalid` for an entry that would not be read back.
pub fn encode_exact(entry: &Entry) -> Result<Vec<u8>, Rejection> {
    let bytes = entry.encode_to_vec();
    match decode_exact(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let problem = format!("{error}; nested data has too many levels, or a number is out of range");
            Err(Rejection::invalid("command", problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{Struct, Value, value::Kind};
    use proto::bss::v1::{BootParametersEntry, BssCommand, CloudInit, bss_command};
    use proto::raft::v1::{Header, entry::Command};

    use super::*;

    fn entry(meta_data: Struct) -> Entry {
        let cloud_init = Some(CloudInit {
            meta_data: Some(meta_data),
            ..Default::default()
        });
        let values = Some(BootParametersEntry {
            cloud_init,
            ..Default::default()
        });
        let change = bss_command::Change::Create(bss_command::Create {
            keys: vec!["Default".into()],
            values,
        });
        Entry {
            header: Some(Header {
                proposed_at_ms: 5,
                principal: "user/admin".into(),
                ..Default::default()
            }),
            command: Some(Command::Bss(BssCommand { change: Some(change) })),
        }
    }

    fn nested(levels: usize) -> Struct {
        (0..levels).fold(Struct::default(), |inner, _| {
            let value = Value {
                kind: Some(Kind::StructValue(inner)),
            };
            Struct {
                fields: [("a".to_owned(), value)].into(),
            }
        })
    }

    #[test]
    fn an_entry_is_read_back_as_it_was() {
        let fields = ["b", "a", "c"].map(|key| {
            (
                key.to_owned(),
                Value {
                    kind: Some(Kind::BoolValue(true)),
                },
            )
        });
        let entry = entry(Struct {
            fields: fields.into(),
        });
        assert_eq!(decode_exact(&encode_exact(&entry).unwrap()).unwrap(), entry);
    }

    /// prost drops fields it does not know; the member that did so would diverge without noticing.
    #[test]
    fn an_unknown_field_is_noticed() {
        let mut bytes = entry(Struct::default()).encode_to_vec();
        bytes.extend_from_slice(&[0xf8, 0x01, 0x07]); // field 31, varint 7
        assert!(matches!(
            decode_exact(&bytes),
            Err(WireError::NotUnderstood { .. })
        ));
        bytes.truncate(bytes.len() - 3);
        assert!(decode_exact(&bytes).is_ok());
    }

    #[test]
    fn an_unknown_command_is_noticed() {
        let bytes = [0xa2, 0x01, 0x02, 0x08, 0x01]; // field 20: no command of this version
        assert!(matches!(
            decode_exact(&bytes),
            Err(WireError::NotUnderstood { .. })
        ));
    }

    #[test]
    fn bytes_that_are_no_entry_are_refused() {
        assert!(matches!(
            decode_exact(&[0x0a, 0xff]),
            Err(WireError::Malformed(_))
        ));
    }

    /// Such an entry, once in the log, would stop every member.
    #[test]
    fn data_that_nests_too_deeply_never_reaches_the_log() {
        assert!(encode_exact(&entry(nested(crate::bounds::CLOUD_INIT_DEPTH_MAX))).is_ok());
        let error = encode_exact(&entry(nested(60))).unwrap_err();
        assert!(
            matches!(&error, Rejection::Invalid { field, .. } if field == "command"),
            "{error}"
        );
    }
}
