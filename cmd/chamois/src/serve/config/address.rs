//! `[address]`: how the members share service addresses.

use std::path::PathBuf;

use serde::Deserialize;

/// `[address]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddressConfig {
    /// How nodes find a living member.
    pub mode: AddressMode,
    /// Unix socket of `chamois address-helper`; used with mode `helper`.
    pub helper_socket: PathBuf,
    /// UDP port on which the members tell each other who holds what, and which clients are connected there; the same on
    /// all members. Used with `helper` and `external`; with `loopback` it is the lock.
    pub advert_port: u16,
}

impl Default for AddressConfig {
    fn default() -> Self {
        Self {
            mode: AddressMode::Helper,
            helper_socket: PathBuf::from("/run/chamois/address.sock"),
            advert_port: 7442,
        }
    }
}

/// How nodes find a living member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressMode {
    /// The address helper, a small process of its own with CAP_NET_ADMIN, takes the address of the
    /// interface when this member no longer renews its claim.
    Helper,
    /// Binding the address is holding it: for members on 127.0.0.0/8 of one host, without root.
    Loopback,
    /// Something else brings the service address to a living member: keepalived, anycast, a load balancer. It asks
    /// `/readyz?role=boot`; this member never touches the address and only looks whether it has it.
    External,
    /// No address moves. Nodes are told every member's own (`peers`) and try one after the other; what holds a single
    /// URL, such as cloud-init's `ds=`, names the member that was asked.
    List,
}
