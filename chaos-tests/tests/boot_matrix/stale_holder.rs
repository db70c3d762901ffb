//! A frozen member's kernel must not go on answering at the service address: its helper takes the address away,
//! and from then on no handshake completes there.

use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use chaos_tests::members::{SERVICE_ADDRESS, wait_at_most};
use lab::machine::{Namespace, Network, member_mac};

/// Bound of the helper's reaction. It promises 1 s; the rest is for a machine that is shared with guests.
const REMOVED_AT_MOST: Duration = Duration::from_secs(5);
/// Handshakes tried after the address is gone.
const TRIES: usize = 3;

/// A host on the bridge that speaks to one member, whatever ARP says.
#[derive(Clone)]
pub(crate) struct Prober(Namespace);

impl Prober {
    /// Plugs it in; one for each network.
    pub(crate) fn plug_in(network: &mut Network) -> Prober {
        let namespace = network.add_namespace("pr").unwrap();
        network
            .plug(
                &namespace,
                "eth0",
                "prober",
                "br0",
                "02:97:00:00:09:08",
                Some("10.97.9.8/16"),
            )
            .unwrap();
        Prober(namespace)
    }

    /// Whether the kernel of member `id` completes a handshake at the service address.
    pub(crate) fn connects_to(&self, id: u64) -> bool {
        let mac = member_mac(id);
        let neighbour = [
            "neigh",
            "replace",
            SERVICE_ADDRESS,
            "lladdr",
            &mac,
            "dev",
            "eth0",
            "nud",
            "permanent",
        ];
        self.0.ip(&neighbour).unwrap();
        let mut curl: Command = self.0.command("curl");
        curl.args([
            "-s",
            "-o",
            "/dev/null",
            "--connect-timeout",
            "2",
            "--max-time",
            "4",
            "-w",
            "%{time_connect}",
        ]);
        let output = curl
            .arg(format!("http://{SERVICE_ADDRESS}:8081/"))
            .output()
            .unwrap();
        // curl writes 0 for a connection that was never made
        String::from_utf8_lossy(&output.stdout)
            .chars()
            .any(|c| ('1'..='9').contains(&c))
    }
}

/// Waits beside the boot until the address of the frozen member is gone, and tries to connect to it then.
pub(crate) fn watch(prober: Prober, frozen: u64, member: Namespace) -> JoinHandle<Result<(), String>> {
    std::thread::spawn(move || {
        let is_gone = || !member.has_address("eth0", SERVICE_ADDRESS).unwrap();
        let removed = wait_at_most(REMOVED_AT_MOST, || is_gone().then_some(()));
        removed.ok_or("the helper did not take the address of the frozen member away")?;
        for _ in 0..TRIES {
            if prober.connects_to(frozen) {
                return Err("the frozen member's kernel completes handshakes without its address".to_owned());
            }
        }
        Ok(())
    })
}
