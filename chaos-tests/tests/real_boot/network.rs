//! A network of namespaces: a bridge, a namespace per member, a tap for the guest; removed when dropped.

use std::process::{Child, Command, Output};

/// Prefix of every namespace of this process.
fn prefix() -> String {
    format!("ch{}", std::process::id())
}

/// The bridge's namespace, where the guest, the watcher of frames and the administrator live.
pub(crate) struct Network {
    pub(crate) members: u64,
}

impl Network {
    /// Members at 10.97.1.<id>/16 on `eth0` of their own namespaces, the administrator at 10.97.9.9 on `br0`.
    pub(crate) fn create(members: u64) -> Network {
        let network = Network { members };
        network.remove();
        let bridge = bridge_namespace();
        ip(&["netns", "add", &bridge]);
        in_bridge(&["link", "set", "lo", "up"]);
        in_bridge(&[
            "link",
            "add",
            "br0",
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
        ]);
        in_bridge(&["addr", "add", "10.97.9.9/16", "dev", "br0"]);
        in_bridge(&["link", "set", "br0", "up"]);
        for id in 1..=members {
            network.add_member(id);
        }
        in_bridge(&["tuntap", "add", "tap0", "mode", "tap"]);
        in_bridge(&["link", "set", "tap0", "master", "br0"]);
        in_bridge(&["link", "set", "tap0", "up"]);
        network
    }

    fn add_member(&self, id: u64) {
        let (bridge, own, port) = (bridge_namespace(), member_namespace(id), format!("m{id}"));
        ip(&["netns", "add", &own]);
        let mac = member_mac(id);
        ip(&[
            "link", "add", &port, "netns", &bridge, "type", "veth", "peer", "name", "eth0", "address", &mac,
            "netns", &own,
        ]);
        in_bridge(&["link", "set", &port, "master", "br0"]);
        in_bridge(&["link", "set", &port, "up"]);
        ip(&["-n", &own, "link", "set", "lo", "up"]);
        ip(&[
            "-n",
            &own,
            "addr",
            "add",
            &format!("10.97.1.{id}/16"),
            "dev",
            "eth0",
        ]);
        ip(&["-n", &own, "link", "set", "eth0", "up"]);
    }

    fn remove(&self) {
        for namespace in (1..=self.members)
            .map(member_namespace)
            .chain([bridge_namespace()])
        {
            Command::new("ip")
                .args(["netns", "delete", &namespace])
                .output()
                .ok();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

pub(crate) fn bridge_namespace() -> String {
    format!("{}br", prefix())
}

pub(crate) fn member_namespace(id: u64) -> String {
    format!("{}m{id}", prefix())
}

/// Source of the frames that member `id` sends.
pub(crate) fn member_mac(id: u64) -> String {
    format!("02:97:00:00:01:{id:02x}")
}

/// A command that runs in a namespace of the network.
pub(crate) fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}")).arg(program);
    command
}

fn in_bridge(arguments: &[&str]) {
    let namespace = bridge_namespace();
    let all: Vec<&str> = ["-n", &namespace]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    ip(&all);
}

fn ip(arguments: &[&str]) {
    succeed(Command::new("ip").args(arguments));
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A child that ends with its owner.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
