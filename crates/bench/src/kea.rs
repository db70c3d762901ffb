//! Kea's DHCPv4 server as Debian has it: the peer of our DHCP. Reservations in its configuration; one thread, as it is
//! by default. It keeps a lease for every DHCPACK in its memfile and appends it to a file, as it does by default. Ours
//! keeps none: a reserved address is answered from the replicated state, and nothing is written for it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use crate::tools::{KEA, find};
use crate::udp_port::bound;
use crate::{BenchError, Child};

/// What the server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens: an address of the loopback interface.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// The subnet of relay and clients, CIDR.
    pub subnet: String,
    /// MAC (`02:00:…`) and address of each client.
    pub reservations: Vec<(String, Ipv4Addr)>,
    /// First and last address for clients without a reservation.
    pub pool: Option<(Ipv4Addr, Ipv4Addr)>,
    /// How long a lease lasts, seconds; the same as ours, so that neither has more to do.
    pub lease_time_s: u32,
    /// Whether it appends each lease to a file, as it does by default.
    pub persist: bool,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Kea {
    child: Child,
    version: String,
}

impl Kea {
    /// Starts it with its configuration, leases and log below `dir`, and waits until it listens.
    ///
    /// # Errors
    /// `Missing` without Kea on this host; `Ended` with its log if it refuses its configuration.
    pub async fn start(settings: &Settings, dir: &Path) -> Result<Kea, BenchError> {
        let program = find(KEA)?;
        let version = version_of(&program).await?;
        let file = dir.join("kea.json");
        std::fs::write(&file, configuration(settings, &dir.join("kea-leases.csv")))
            .map_err(BenchError::step("cannot write Kea's configuration"))?;
        let mut command = Command::new(&program);
        command
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(settings.port.to_string());
        command.env("KEA_LOCKFILE_DIR", dir).env("KEA_PIDFILE_DIR", dir);
        let mut child = Child::start("kea-dhcp4", command, dir.join("kea.log"))?;
        bound(&mut child, "Kea", settings.port).await?;
        Ok(Kea { child, version })
    }

    /// `Kea 2.2.0`.
    pub fn name(&self) -> &str {
        &self.version
    }

    /// Its process id.
    ///
    /// # Errors
    /// `Ended` if it runs no more.
    pub fn pid(&mut self) -> Result<u32, BenchError> {
        self.child.running_pid()
    }

    /// Ends it.
    pub async fn stop(self) {
        self.child.stop().await;
    }
}

fn configuration(settings: &Settings, leases: &Path) -> String {
    let reservations: Vec<_> = settings
        .reservations
        .iter()
        .map(|(mac, address)| json!({ "hw-address": mac, "ip-address": address.to_string() }))
        .collect();
    let pools: Vec<_> = settings
        .pool
        .iter()
        .map(|(first, last)| json!({ "pool": format!("{first} - {last}") }))
        .collect();
    json!({ "Dhcp4": {
        "interfaces-config": {
            "interfaces": [format!("lo/{}", settings.address)],
            "dhcp-socket-type": "udp",
        },
        "lease-database": { "type": "memfile", "persist": settings.persist, "name": leases },
        "valid-lifetime": settings.lease_time_s,
        "host-reservation-identifiers": ["hw-address"],
        "subnet4": [{ "subnet": settings.subnet, "reservations": reservations, "pools": pools }],
        "loggers": [{
            "name": "kea-dhcp4",
            "severity": "WARN",
            "output_options": [{ "output": "stderr" }],
        }],
    }})
    .to_string()
}

async fn version_of(program: &PathBuf) -> Result<String, BenchError> {
    let output = Command::new(program).arg("-v").output().await;
    let output = output.map_err(BenchError::step("cannot run kea-dhcp4"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(format!("Kea {}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            address: Ipv4Addr::new(127, 9, 0, 2),
            port: 6768,
            subnet: "127.9.0.0/16".into(),
            reservations: vec![("02:00:00:00:00:07".into(), Ipv4Addr::new(127, 9, 16, 8))],
            pool: None,
            lease_time_s: 3600,
            persist: true,
        }
    }

    #[test]
    fn a_pool_is_a_range_of_the_subnet() {
        let of = |pool| {
            let settings = Settings {
                pool,
                lease_time_s: 30,
                ..settings()
            };
            let text = configuration(&settings, Path::new("/tmp/leases.csv"));
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        };
        let (first, last) = (Ipv4Addr::new(127, 9, 64, 0), Ipv4Addr::new(127, 9, 255, 250));
        let value = of(Some((first, last)));
        let pools = &value["Dhcp4"]["subnet4"][0]["pools"];
        assert_eq!(
            pools,
            &serde_json::json!([{ "pool": "127.9.64.0 - 127.9.255.250" }])
        );
        assert_eq!(value["Dhcp4"]["valid-lifetime"], 30);
        assert_eq!(of(None)["Dhcp4"]["subnet4"][0]["pools"], serde_json::json!([]));
    }

    #[test]
    fn the_configuration_has_the_reservations_and_one_socket() {
        let text = configuration(&settings(), Path::new("/tmp/leases.csv"));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let dhcp = &value["Dhcp4"];
        assert_eq!(dhcp["interfaces-config"]["interfaces"][0], "lo/127.9.0.2");
        assert_eq!(dhcp["interfaces-config"]["dhcp-socket-type"], "udp");
        let reservation = &dhcp["subnet4"][0]["reservations"][0];
        assert_eq!(reservation["hw-address"], "02:00:00:00:00:07");
        assert_eq!(reservation["ip-address"], "127.9.16.8");
    }

    #[test]
    fn leases_are_written_as_by_default_unless_told_otherwise() {
        for persist in [true, false] {
            let settings = Settings {
                persist,
                ..settings()
            };
            let text = configuration(&settings, Path::new("/tmp/leases.csv"));
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["Dhcp4"]["lease-database"]["persist"], persist);
        }
    }
}
