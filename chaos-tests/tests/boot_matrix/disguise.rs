//! A PXE ROM that does not call itself iPXE, for [`Firmware::BiosPxe`].
//!
//! Debian has no PXE ROM but iPXE's (SeaBIOS has none, and Intel's is not free), and no setting of its ROM hides the
//! name. So the bridge renames the options of its DHCP messages by which iPXE is known (77 user class, 175) to ones
//! that nobody knows, until the ROM asks for its loader by TFTP: from the server's side a plain PXE client, down to
//! the option 60 that every PXE ROM sends. What boots from then on (`undionly.kpxe`) speaks for itself.

use lab::machine::{Firmware, Network};

/// Where Debian's ROM writes the two options: bytes from the start of the UDP header. Its messages begin with the
/// same fixed options, so the place is the same in DISCOVER and REQUEST.
const USER_CLASS_AT: u32 = 8 + 240 + 50;
const IPXE_AT: u32 = 8 + 240 + 81;
/// Codes of the private range (224 to 254) that neither side reads.
const HIDDEN: [u8; 2] = [231, 232];

/// Sets the rule up, without a guest that it is for.
pub(crate) fn prepare(network: &Network) {
    let (user_class, ipxe) = (USER_CLASS_AT * 8, IPXE_AT * 8);
    let [hidden_class, hidden_ipxe] = HIDDEN;
    // The checksum of UDP is optional over IPv4; 0 says that there is none.
    let rules = format!(
        "table bridge disguise {{
           set plain {{ type ether_addr; }}
           set loaded {{ type ether_addr; size 64; flags dynamic; }}
           chain prerouting {{
             type filter hook prerouting priority -300;
             ether saddr @plain udp dport 69 add @loaded {{ ether saddr }}
             ether saddr @plain ether saddr != @loaded udp dport 67 @th,{user_class},8 77 @th,{ipxe},8 175 @th,48,16 set 0 @th,{user_class},8 set {hidden_class} @th,{ipxe},8 set {hidden_ipxe} counter
           }}
         }}"
    );
    network.nft(&rules).unwrap();
}

/// Disguises the ROM of the next guest, or lets it be known.
pub(crate) fn begin(network: &Network, firmware: Firmware, mac: &str) {
    network.nft("flush set bridge disguise plain").unwrap();
    network.nft("flush set bridge disguise loaded").unwrap();
    if firmware == Firmware::BiosPxe {
        network
            .nft(&format!("add element bridge disguise plain {{ {mac} }}"))
            .unwrap();
    }
}
