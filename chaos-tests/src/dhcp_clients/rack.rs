//! A rack on a bridge of its own behind isc-dhcp-relay, whose host is the rack's router too.

use std::process::Stdio;

use lab::machine::{Network, Process, run};

/// A running relay. Upstream it is at 10.97.3.`number` on the members' bridge, port `r<number>`; the rack is
/// 10.10`number`.0.0/16 on the bridge `rack<number>`.
#[derive(Debug)]
pub struct Rack {
    _relay: Process,
}

impl Rack {
    /// Builds rack `number` (1 to 9) and starts `dhcrelay` with these further arguments: options, then servers. Members
    /// get a route to the rack.
    pub fn add(network: &mut Network, number: u8, arguments: &[&str]) -> Rack {
        let (bridge, own) = (format!("rack{number}"), format!("r{number}"));
        let (up, down) = (format!("10.97.3.{number}"), format!("10.10{number}.0.1/16"));
        let administrator = format!("10.10{number}.9.9/16");
        network.add_bridge(&bridge, &administrator).unwrap();
        let relay = network.add_namespace(&own).unwrap();
        let mac = |side: u8| format!("02:97:00:0{side}:03:0{number}");
        let address = format!("{up}/16");
        network
            .plug(&relay, "up0", &own, "br0", &mac(0), Some(&address))
            .unwrap();
        network
            .plug(&relay, "dn0", &format!("{own}d"), &bridge, &mac(1), Some(&down))
            .unwrap();
        let forward = ["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"];
        run(relay.command("sh").args(forward)).unwrap();
        for id in 1..=network.members() {
            let route = ["route", "add", &format!("10.10{number}.0.0/16"), "via", &up];
            network.member(id).ip(&route).unwrap();
        }
        let mut dhcrelay = relay.command("dhcrelay");
        dhcrelay.args(["-4", "-d", "--no-pid", "-iu", "up0", "-id", "dn0"]);
        dhcrelay
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Rack {
            _relay: Process::new(dhcrelay.spawn().unwrap()),
        }
    }
}
