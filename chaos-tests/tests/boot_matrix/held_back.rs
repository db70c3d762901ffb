//! Holds back what would end a phase before the member is broken. Between DHCP's first script and the node's own it is the
//! guest's connections, so that a member freezes for certain before it answers: its kernel then completes the handshake
//! and takes the request, and nobody reads it. In cloud-init it is the member's answers, so that its cable is pulled when
//! it has acknowledged a request and the guest waits, with nothing to send again.

use lab::machine::Network;

/// "boot.ipxe", behind the two bytes that say "read request" and the eight of UDP's header.
const FIRST_SCRIPT_IN_HEX: &str = "626f6f742e69707865";
const NAME_AT: usize = (8 + 2) * 8;
const NAME_BITS: usize = FIRST_SCRIPT_IN_HEX.len() * 4;

/// Sets the rules up, without a guest that they are for. iPXE sends its SYN again a quarter of a second later; an answer
/// ends with PSH, an acknowledgement has none.
pub(crate) fn prepare(network: &Network) {
    let rules = format!(
        "table bridge held-back {{
           set chosen {{ type ether_addr; }}
           set waiting {{ type ether_addr; }}
           set loaded {{ type ether_addr; size 64; flags dynamic; }}
           chain prerouting {{
             type filter hook prerouting priority -290;
             ether saddr @chosen udp dport 69 @th,{NAME_AT},{NAME_BITS} 0x{FIRST_SCRIPT_IN_HEX} add @loaded {{ ether saddr }}
             ether saddr @loaded tcp dport 8081 tcp flags syn drop
             ether daddr @waiting tcp sport 8081 tcp flags & psh == psh drop
           }}
         }}"
    );
    network.nft(&rules).unwrap();
}

/// Holds this guest's connections back from the moment that it asks for the first script.
pub(crate) fn hold_connections(network: &Network, mac: &str) {
    add(network, "chosen", mac);
}

/// Holds the answers to this guest back.
pub(crate) fn hold_answers(network: &Network, mac: &str) {
    add(network, "waiting", mac);
}

fn add(network: &Network, set: &str, mac: &str) {
    network
        .nft(&format!("add element bridge held-back {set} {{ {mac} }}"))
        .unwrap();
}

/// Lets everything pass.
pub(crate) fn end(network: &Network) {
    for set in ["chosen", "loaded", "waiting"] {
        network.nft(&format!("flush set bridge held-back {set}")).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::FIRST_SCRIPT;

    #[test]
    fn the_name_is_that_of_the_first_script() {
        let hex: String = FIRST_SCRIPT.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, FIRST_SCRIPT_IN_HEX);
    }
}
