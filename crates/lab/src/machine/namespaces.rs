//! Networks of namespaces: bridges in one, a namespace per member or client, taps for guests; removed when dropped.

use std::process::Command;

use super::MachineError;
use super::command::{ip, require_root, run};

/// The bridge that every network has, on which the members and guests are.
const BRIDGE: &str = "br0";

/// A network namespace, by its name under `/run/netns`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(String);

impl Namespace {
    /// Its name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// A command that runs inside; its process id is that of `program`.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.0)).arg(program);
        command
    }

    /// Runs `ip` inside.
    ///
    /// # Errors
    /// As [`run`].
    pub fn ip(&self, arguments: &[&str]) -> Result<std::process::Output, MachineError> {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments);
        ip(&all)
    }

    /// Whether interface `interface` has the IPv4 address `address`.
    ///
    /// # Errors
    /// No such interface.
    pub fn has_address(&self, interface: &str, address: &str) -> Result<bool, MachineError> {
        let shown = self.ip(&["addr", "show", "dev", interface])?;
        Ok(String::from_utf8_lossy(&shown.stdout).contains(&format!("inet {address}/")))
    }
}

/// Member `id`'s own address on the bridge.
#[must_use]
pub fn member_address(id: u64) -> String {
    format!("10.97.1.{id}")
}

/// Source of the frames that member `id` sends.
#[must_use]
pub fn member_mac(id: u64) -> String {
    format!("02:97:00:00:01:{id:02x}")
}

/// Bridge `br0` (10.97.0.0/16) in a namespace of its own, where the guests, the watcher of frames and the
/// administrator (10.97.9.9) are, and a namespace with `eth0` for each member at 10.97.1.`id`.
///
/// Names carry the process id and the tag, so that several networks with the same addresses live side by side.
#[derive(Debug)]
pub struct Network {
    tag: String,
    members: u64,
    made: Vec<Namespace>,
}

impl Network {
    /// Makes the network. `tag` tells it from others of this process: one or two letters.
    ///
    /// # Errors
    /// Not root, or `ip` (iproute2) is missing or refuses.
    pub fn create(tag: &str, members: u64) -> Result<Network, MachineError> {
        require_root()?;
        let mut network = Network {
            tag: tag.to_owned(),
            members,
            made: Vec::new(),
        };
        network.add_namespace("br")?;
        network.add_bridge(BRIDGE, "10.97.9.9/16")?;
        for id in 1..=members {
            let namespace = network.add_namespace(&format!("m{id}"))?;
            let address = format!("{}/16", member_address(id));
            network.plug(
                &namespace,
                "eth0",
                &format!("m{id}"),
                BRIDGE,
                &member_mac(id),
                Some(&address),
            )?;
        }
        Ok(network)
    }

    /// How many members' namespaces there are; their ids are 1 to this.
    #[must_use]
    pub fn members(&self) -> u64 {
        self.members
    }

    /// The namespace of the bridges, the taps and the administrator.
    #[must_use]
    pub fn bridge(&self) -> Namespace {
        self.namespace("br")
    }

    /// The namespace of member `id`.
    #[must_use]
    pub fn member(&self, id: u64) -> Namespace {
        self.namespace(&format!("m{id}"))
    }

    fn namespace(&self, name: &str) -> Namespace {
        Namespace(format!("ch{}{}{name}", std::process::id(), self.tag))
    }

    /// A further namespace, with `lo` up and nothing else.
    ///
    /// # Errors
    /// As [`run`]; the name is taken.
    pub fn add_namespace(&mut self, name: &str) -> Result<Namespace, MachineError> {
        let namespace = self.namespace(name);
        ip(&["netns", "add", namespace.name()])?;
        self.made.push(namespace.clone());
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// A further bridge (STP off, no delay) with the administrator's address on it.
    ///
    /// # Errors
    /// As [`run`].
    pub fn add_bridge(&self, name: &str, address: &str) -> Result<(), MachineError> {
        let inside = self.bridge();
        inside.ip(&[
            "link",
            "add",
            name,
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
        ])?;
        inside.ip(&["addr", "add", address, "dev", name])?;
        inside.ip(&["link", "set", name, "up"]).map(drop)
    }

    /// Gives `namespace` an interface that is plugged into `bridge`; `port` is the cable's other end there.
    ///
    /// # Errors
    /// As [`run`].
    pub fn plug(
        &self,
        namespace: &Namespace,
        interface: &str,
        port: &str,
        bridge: &str,
        mac: &str,
        address: Option<&str>,
    ) -> Result<(), MachineError> {
        let (outside, inside) = (self.bridge(), namespace.name());
        ip(&[
            "link",
            "add",
            port,
            "netns",
            outside.name(),
            "type",
            "veth",
            "peer",
            "name",
            interface,
            "address",
            mac,
            "netns",
            inside,
        ])?;
        outside.ip(&["link", "set", port, "master", bridge])?;
        outside.ip(&["link", "set", port, "up"])?;
        if let Some(address) = address {
            namespace.ip(&["addr", "add", address, "dev", interface])?;
        }
        namespace.ip(&["link", "set", interface, "up"]).map(drop)
    }

    /// A tap in `br0` for a guest.
    ///
    /// # Errors
    /// As [`run`].
    pub fn add_tap(&self, name: &str) -> Result<(), MachineError> {
        let inside = self.bridge();
        inside.ip(&["tuntap", "add", name, "mode", "tap"])?;
        inside.ip(&["link", "set", name, "master", BRIDGE])?;
        inside.ip(&["link", "set", name, "up"]).map(drop)
    }

    /// Pulls the cable of member `id`: nothing passes, nobody is told by a packet.
    ///
    /// # Errors
    /// As [`run`].
    pub fn link_down(&self, id: u64) -> Result<(), MachineError> {
        self.bridge()
            .ip(&["link", "set", &format!("m{id}"), "down"])
            .map(drop)
    }

    /// Puts the cable of member `id` back.
    ///
    /// # Errors
    /// As [`run`].
    pub fn link_up(&self, id: u64) -> Result<(), MachineError> {
        self.bridge()
            .ip(&["link", "set", &format!("m{id}"), "up"])
            .map(drop)
    }

    /// Applies nftables rules (`table bridge …`) in the bridges' namespace: losses, partitions.
    ///
    /// # Errors
    /// As [`run`]; `nft` (nftables) is missing.
    pub fn nft(&self, rules: &str) -> Result<(), MachineError> {
        super::require_tool("nft")?;
        run(self.bridge().command("nft").arg(rules)).map(drop)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in &self.made {
            Command::new("ip")
                .args(["netns", "delete", namespace.name()])
                .output()
                .ok();
        }
    }
}
