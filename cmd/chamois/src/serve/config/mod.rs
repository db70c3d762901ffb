//! The configuration file of `chamois serve`: what each key means stands at its field, the example
//! `deploy/examples/member-1.toml` shows every one of them.
//!
//! The file holds only what is this host's own. Subnets, boot parameters and everything else that
//! the members share are replicated resources, changed through the API.

mod acme;
mod address;
mod api;
mod audit;
mod boot;
mod bss;
mod dhcp;
mod discovery;
mod dns;
mod error;
mod log;
mod member;
mod network;
mod raft;
mod secrets;
mod tftp;
mod value;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use model::IpNet;
use serde::Deserialize;

pub use self::acme::AcmeConfig;
pub use self::address::{AddressConfig, AddressMode};
pub use self::api::ApiConfig;
pub use self::audit::AuditConfig;
pub use self::boot::BootConfig;
pub use self::bss::{BssConfig, S3Config};
pub use self::dhcp::DhcpConfig;
pub use self::discovery::DiscoveryConfig;
pub use self::dns::DnsConfig;
pub use self::error::ConfigError;
pub use self::log::{LogConfig, LogFormat};
pub use self::member::MemberConfig;
pub use self::network::{DhcpMode, NetworkConfig, NetworkKind, Role};
pub use self::raft::{Profile, RaftConfig, Reads};
pub use self::secrets::SecretsConfig;
pub use self::tftp::TftpConfig;

/// A configuration file may have this many bytes; a larger one is not one of ours.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The whole file. An unknown key anywhere is an error that names the keys accepted there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Name of the cluster; must equal the one in `cluster.toml` of the identity directory, so that
    /// a member never joins the wrong cluster.
    pub cluster: String,
    /// Directory of this member's log, snapshots and checkpoint. On a disk of its own, never shared.
    pub data_dir: PathBuf,
    /// Directory that `chamois init` or `chamois join` wrote for this member: certificates, keys, member list.
    pub identity_dir: PathBuf,
    /// Which member this is.
    pub member: MemberConfig,
    /// The Raft group: timers and the peer port.
    pub raft: RaftConfig,
    /// The ports for administrators and services.
    pub api: ApiConfig,
    /// The plain HTTP port for compute nodes.
    #[serde(default)]
    pub boot: BootConfig,
    /// Boot scripts.
    #[serde(default)]
    pub bss: BssConfig,
    /// The DHCP server.
    #[serde(default)]
    pub dhcp: DhcpConfig,
    /// The TFTP server.
    #[serde(default)]
    pub tftp: TftpConfig,
    /// The DNS server.
    #[serde(default)]
    pub dns: DnsConfig,
    /// Work on BMCs.
    #[serde(default)]
    pub discovery: DiscoveryConfig,
    /// The log on standard error.
    #[serde(default)]
    pub log: LogConfig,
    /// The journal of who did what.
    #[serde(default)]
    pub audit: AuditConfig,
    /// The keys that open sealed secrets.
    #[serde(default)]
    pub secrets: SecretsConfig,
    /// How the members share service addresses.
    #[serde(default)]
    pub address: AddressConfig,
    /// The networks that this host is on. Nothing is answered on an interface that is not named here.
    #[serde(default, rename = "network")]
    pub networks: Vec<NetworkConfig>,
}

impl Config {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// `Read` when it cannot be read or is larger than 1 MiB, `Syntax` when it does not parse: both
    /// name the file, the second the line, the key and the remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > CONFIG_BYTES_MAX {
            let text = format!("{length} bytes; a configuration has at most {CONFIG_BYTES_MAX}");
            return Err(unreadable(std::io::Error::other(text)));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path)
    }

    /// Parses the text of a file; `path` only serves for messages.
    ///
    /// # Errors
    /// `Syntax`, as `load`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::syntax(path, text, &error))
    }

    /// The address that this member tells the nodes of a network: the service address, or in mode `list` its own.
    pub fn node_address(&self, network: &NetworkConfig) -> Option<Ipv4Addr> {
        match self.address.mode {
            AddressMode::List => Some(network.member_address),
            AddressMode::Helper | AddressMode::Loopback | AddressMode::External => network.service_address,
        }
    }

    /// The other members' own addresses on a network, where nodes are told them: in mode `list`.
    pub fn alternatives(&self, network: &NetworkConfig) -> Vec<Ipv4Addr> {
        if self.address.mode != AddressMode::List {
            return Vec::new();
        }
        let others = network.peers.iter().filter(|(id, _)| **id != self.member.id);
        others.map(|(_, address)| *address).collect()
    }

    /// Service addresses on which the API's ports answer: those of management networks, where no node is answered.
    pub fn api_addresses(&self) -> impl Iterator<Item = (&NetworkConfig, Ipv4Addr)> {
        let without_nodes = self.networks.iter().filter(|network| !network.answers_nodes());
        without_nodes.filter_map(|network| Some((network, network.service_address?)))
    }

    /// Whether any network has this mode of DHCP.
    pub fn has_dhcp_mode(&self, mode: DhcpMode) -> bool {
        let mut with_dhcp = self.networks.iter().filter(|n| n.roles.contains(&Role::Dhcp));
        with_dhcp.any(|network| network.dhcp_mode == mode)
    }

    /// Networks of the BMCs that this member reaches.
    pub fn bmc_subnets(&self) -> impl Iterator<Item = IpNet> + '_ {
        let networks = self.networks.iter();
        let with_role = networks.filter(|network| network.roles.contains(&Role::Discovery));
        with_role.flat_map(|network| network.bmc_subnets.iter().copied())
    }

    /// Whether any network has this role here.
    pub fn serves(&self, role: Role) -> bool {
        self.networks.iter().any(|network| network.roles.contains(&role))
    }
}
