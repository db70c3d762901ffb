//! What commands and kinds of objects are called: read from the descriptor, so that what is added to the protos has a name here.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorError, DescriptorPool, Kind, MessageDescriptor};
use raft::CommandNumbers;

/// Full name of the message that has a field for each family of commands.
const ENTRY: &str = "chamois.raft.v1.Entry";
/// The choice in it that the commands are in.
const COMMAND: &str = "command";

/// Every command by its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Names(BTreeMap<(u32, u32), String>);

impl Names {
    /// # Errors
    /// A descriptor that does not decode.
    pub(crate) fn load() -> Result<Names, DescriptorError> {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR)?;
        let mut names = BTreeMap::new();
        let entry = pool.get_message_by_name(ENTRY);
        for family in entry.iter().flat_map(MessageDescriptor::fields) {
            let is_command = family
                .containing_oneof()
                .is_some_and(|choice| choice.name() == COMMAND);
            let Kind::Message(command) = family.kind() else {
                continue;
            };
            if !is_command {
                continue;
            }
            let area = kebab(family.name());
            names.insert((family.number(), 0), area.clone());
            for change in command.fields() {
                let name = format!("{area}.{}", kebab(change.name()));
                names.insert((family.number(), change.number()), name);
            }
        }
        Ok(Names(names))
    }

    /// `<area>.<change>`, e.g. `smd.create-components`.
    pub(crate) fn command(&self, numbers: CommandNumbers) -> String {
        let CommandNumbers { family, change } = numbers;
        match self.0.get(&(family, change)) {
            Some(name) => name.clone(),
            None => format!("unknown.{family}.{change}"),
        }
    }
}

/// Words as they are typed: parted by `-`.
pub(crate) fn kebab(name: &str) -> String {
    name.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_called_as_the_protos_call_them() {
        let names = Names::load().unwrap();
        let all: Vec<&str> = names.0.values().map(String::as_str).collect();
        for name in [
            "smd.create-components",
            "smd.create-group",
            "bss.replace",
            "cluster.set-feature-level",
            "auth.put-policy",
        ] {
            assert!(all.contains(&name), "{name}: {all:?}");
        }
        assert!(all.len() > 60, "{} names", all.len());
    }

    /// A member that is older than its log stops before this; a name that is no name would hide that.
    #[test]
    fn what_is_not_known_shows_its_numbers() {
        let numbers = CommandNumbers {
            family: 999,
            change: 7,
        };
        assert_eq!(Names::load().unwrap().command(numbers), "unknown.999.7");
    }
}
