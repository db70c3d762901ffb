//! The script that iPXE runs before a node's own: it asks for that, and asks again when a member dies meanwhile.
//!
//! iPXE gives up the network when the file that DHCP names breaks off, and a member that freezes between the
//! handshake and the answer breaks it off. So DHCP names this script, one block of TFTP, which any member carries on
//! (`tftp`'s `resume.rs`); within a script a reset is an error that can be handled.

use crate::Network;

/// Its name over TFTP.
pub const FIRST_SCRIPT: &str = "boot.ipxe";
/// How often it asks before the node goes on with its next boot device, as it does when it is refused (a node
/// without boot parameters boots from its disk).
const TRIES: u32 = 8;

impl Network {
    /// The text; `None` where nobody serves boot scripts.
    #[must_use]
    pub fn first_script(&self) -> Option<String> {
        let script = self.script_url("${netX/mac}")?;
        Some(format!(
            "#!ipxe\n\
             set tries:int8 0\n\
             :again\n\
             chain {script} && exit ||\n\
             inc tries\n\
             iseq ${{tries}} {TRIES} && exit 1 ||\n\
             sleep 1\n\
             goto again\n"
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
            service_address: [10, 97, 0, 1].into(),
            http_port,
            relayed_subnets: vec![],
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

    /// One block of the smallest usual size: no transfer of it is ever half done.
    #[test]
    fn it_is_one_block() {
        assert!(network(Some(65_535)).first_script().unwrap().len() < 512);
    }

    #[test]
    fn where_nobody_has_scripts_there_is_none() {
        assert_eq!(network(None).first_script(), None);
    }
}
