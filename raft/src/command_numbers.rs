//! Which change an entry asks for, read from its first bytes: no list of commands has to be kept beside the protos, and a large
//! command is not looked at.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The numbers of the fields that say what an entry asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandNumbers {
    /// Field of `chamois.raft.v1.Entry.command`, e.g. 10 for SMD; 0: there is none.
    pub family: u32,
    /// Field of the `change` of that command; 0: there is none.
    pub change: u32,
}

/// Fields of an entry below this are none of `command`.
const COMMANDS_FROM: u32 = 10;

impl CommandNumbers {
    /// Those of an encoded entry; zeros where it has none, or is no entry.
    pub(crate) fn of(entry: &[u8]) -> CommandNumbers {
        let mut rest = entry;
        while let Some((family, value)) = field(&mut rest) {
            if family >= COMMANDS_FROM {
                let change = field(&mut &*value).map_or(0, |(change, _)| change);
                return CommandNumbers { family, change };
            }
        }
        CommandNumbers::default()
    }
}

/// The next field and the bytes of its value; `None` at the end, and for what is no message.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (number, wire_type) = decode_key(rest).ok()?;
    let length = match wire_type {
        WireType::Varint => {
            decode_varint(rest).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(rest).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some((number, value))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::cluster::v1::{ClusterCommand, cluster_command};
    use proto::raft::v1 as pb;
    use proto::smd::v1::{Component, SmdCommand, smd_command};

    use super::*;

    fn entry(command: pb::entry::Command) -> Vec<u8> {
        let header = pb::Header {
            principal: "user/ada".into(),
            proposed_at_ms: u64::MAX,
            ..pb::Header::default()
        };
        let entry = pb::Entry {
            header: Some(header),
            command: Some(command),
        };
        entry.encode_to_vec()
    }

    #[test]
    fn an_entry_says_what_it_asks_for() {
        let create = smd_command::CreateComponents {
            components: vec![Component {
                id: "x".repeat(300),
                ..Component::default()
            }],
            ..Default::default()
        };
        let change = Some(smd_command::Change::CreateComponents(create));
        let found = CommandNumbers::of(&entry(pb::entry::Command::Smd(SmdCommand { change })));
        assert_eq!(found.family, 10);
        assert!(found.change > 0);
        let level = cluster_command::SetFeatureLevel::default();
        let change = Some(cluster_command::Change::SetFeatureLevel(level));
        let found = CommandNumbers::of(&entry(pb::entry::Command::Cluster(ClusterCommand { change })));
        assert_eq!(found.family, 15);
        assert!(found.change > 0, "a change without fields is one, too");
    }

    /// Whatever the bytes are, they are read to their end at most.
    #[test]
    fn bytes_that_are_no_entry_have_no_numbers() {
        let none = CommandNumbers::default();
        for bytes in [
            &b""[..],
            &[0xff; 40],
            &[0x52],
            &[0x52, 0xff],
            &[0x0a, 0x7f],
            &[0x53, 0],
        ] {
            assert_eq!(CommandNumbers::of(bytes), none, "{bytes:?}");
        }
        let without = entry(pb::entry::Command::Smd(SmdCommand::default()));
        assert_eq!(
            CommandNumbers::of(&without),
            CommandNumbers {
                family: 10,
                change: 0
            }
        );
    }
}
