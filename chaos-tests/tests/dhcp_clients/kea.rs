//! Kea, the server whose network the members come to, on a host of its own.

use std::path::Path;
use std::process::Stdio;

use lab::machine::{Network, Process};
use serde_json::json;

/// Its address, and so its server identifier.
pub(crate) const ADDRESS: &str = "10.97.9.7";
/// Its port on the bridge.
pub(crate) const PORT: &str = "kea";
/// The router that it names.
pub(crate) const ROUTER: &str = "10.97.0.254";
/// The lease that it gives.
pub(crate) const LEASE_S: u32 = 600;

/// Starts it with reservations: MAC and address. It answers nobody else.
pub(crate) fn start(network: &mut Network, folder: &Path, reservations: &[(String, &str)]) -> Process {
    let host = network.add_namespace("kea").unwrap();
    let address = format!("{ADDRESS}/16");
    network
        .plug(&host, "eth0", PORT, "br0", "02:97:00:00:09:07", Some(&address))
        .unwrap();
    let reservations: Vec<_> = reservations
        .iter()
        .map(|(mac, address)| json!({ "hw-address": mac, "ip-address": address }))
        .collect();
    let config = json!({ "Dhcp4": {
        "interfaces-config": { "interfaces": ["eth0"] },
        "lease-database": { "type": "memfile", "persist": false },
        "valid-lifetime": LEASE_S,
        // firmware sends no client identifier, iPXE and the system do: one node all the same
        "match-client-id": false,
        "option-data": [{ "name": "routers", "data": ROUTER }],
        "subnet4": [{ "subnet": "10.97.0.0/16", "reservations": reservations }],
        "loggers": [{
            "name": "kea-dhcp4",
            "severity": "WARN",
            "output_options": [{ "output": "stderr" }],
        }],
    }});
    let file = folder.join("kea.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let log = std::fs::File::create(folder.join("kea.log")).unwrap();
    let mut kea = host.command("kea-dhcp4");
    kea.arg("-c").arg(&file);
    kea.env("KEA_LOCKFILE_DIR", folder).env("KEA_PIDFILE_DIR", folder);
    kea.stdout(Stdio::null()).stderr(log);
    Process::new(kea.spawn().unwrap())
}
