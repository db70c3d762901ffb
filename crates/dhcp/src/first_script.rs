//! The script that iPXE runs before a node's own: it asks for that, and asks again when a member dies meanwhile.
//!
//! iPXE gives up the network when the file that DHCP names breaks off, and a member that freezes between the
//! handshake and the answer breaks it off. So DHCP names this script, one block of TFTP, which any member carries on
//! (`tftp`'s `resume.rs`); within a script a reset is an error that can be handled.

use std::net::Ipv4Addr;

use crate::Network;

/// Its name over TFTP.
pub const FIRST_SCRIPT: &str = "boot.ipxe";
/// How often it asks before the node goes on with its next boot device, as it does when it is refused (a node
/// without boot parameters boots from its disk).
const TRIES: u32 = 8;
/// Longest text, bytes: one block of the smallest usual size, so that no transfer of it is ever half done.
const TEXT_BYTES_MAX: usize = 511;

impl Network {
    /// The text; `None` where nobody serves boot scripts. Where no service address moves each try asks one member after
    /// the other: this one first, then as many as one block of TFTP has room for, which is five.
    #[must_use]
    pub fn first_script(&self) -> Option<String> {
        let mut members = vec![self.service_address];
        members.extend(&self.alternatives);
        let mut script = self.asking(&members)?;
        while script.len() > TEXT_BYTES_MAX && members.len() > 1 {
            members.pop();
            script = self.asking(&members)?;
        }
        Some(script)
    }

    fn asking(&self, members: &[Ipv4Addr]) -> Option<String> {
        let chain =
            |member: &Ipv4Addr| Some(format!("chain {}", self.script_url_at(*member, "${netX/mac}")?));
        let chains = members.iter().map(chain).collect::<Option<Vec<_>>>()?;
        Some(format!(
            "#!ipxe\n\
             set tries:int8 0\n\
             :again\n\
             {} && exit ||\n\
             inc tries\n\
             iseq ${{tries}} {TRIES} && exit 1 ||\n\
             sleep 1\n\
             goto again\n",
            chains.join(" || ")
        ))
    }

    pub(crate) fn first_script_url(&self) -> String {
        format!("tftp://{}/{FIRST_SCRIPT}", self.service_address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(http_port: Option<u16>) -> Network {
        Network {
            http_port,
            ..crate::testing::network()
        }
    }

    #[test]
    fn it_asks_the_service_address_a_few_times() {
        assert_eq!(
            network(Some(8081)).first_script().unwrap(),
            "#!ipxe\n\
             set tries:int8 0\n\
             :again\n\
             chain http://10.97.0.1:8081/boot/v1/bootscript?mac=${netX/mac} && exit ||\n\
             inc tries\n\
             iseq ${tries} 8 && exit 1 ||\n\
             sleep 1\n\
             goto again\n"
        );
    }

    /// A member that nobody stands in for must not cost the node its boot path.
    #[test]
    fn without_a_service_address_each_try_asks_every_member() {
        let list = Network {
            alternatives: vec![[10, 97, 1, 2].into(), [10, 97, 1, 3].into()],
            ..network(Some(8081))
        };
        let script = list.first_script().unwrap();
        let tries = script.lines().find(|line| line.starts_with("chain ")).unwrap();
        assert_eq!(
            tries,
            "chain http://10.97.0.1:8081/boot/v1/bootscript?mac=${netX/mac} \
             || chain http://10.97.1.2:8081/boot/v1/bootscript?mac=${netX/mac} \
             || chain http://10.97.1.3:8081/boot/v1/bootscript?mac=${netX/mac} && exit ||"
        );
    }

    /// One block of TFTP, whatever the addresses and however many members.
    #[test]
    fn it_is_one_block() {
        let widest = |count| Network {
            service_address: [255; 4].into(),
            alternatives: vec![[255; 4].into(); count],
            ..network(Some(65_535))
        };
        for others in [0, 4, 9] {
            let script = widest(others).first_script().unwrap();
            assert!(script.len() < 512, "{others}: {}", script.len());
            let members = script.matches("chain ").count();
            assert_eq!(members, (others + 1).min(5), "five members fit");
        }
    }

    #[test]
    fn where_nobody_has_scripts_there_is_none() {
        assert_eq!(network(None).first_script(), None);
    }
}
