//! What a server knows of the network it answers on.

use std::net::Ipv4Addr;

/// One `[[network]]` of the configuration, as DNS sees it.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Where the name servers of all zones (`ns.<domain>`) are reached: the service address, or in address mode `list`
    /// every member's own. The same on all members.
    pub name_servers: Vec<Ipv4Addr>,
}
