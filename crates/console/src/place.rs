//! Where a node's console is: what the BMC says of it, or what is known of its maker.

use proto::console::v1::Console;
use redfish::Address;
use rpc::Error;
use serde_json::Value;

use crate::limits::ENTRY_COMMAND_BYTES_MAX;

/// Port of SSH where nobody says another one.
const SSH_PORT: u16 = 22;
/// Port of IPMI (RMCP+).
const IPMI_PORT: u16 = 623;
/// Name of the protocol that can be connected to here.
const SSH: &str = "ssh";
/// Where the package puts this executable; conman wants a path.
const EXECUTABLE: &str = "/usr/bin/chamois";
/// What is typed at BMCs that do not say it themselves, by `Vendor` of the service root in lower case.
///
/// Source: HPE iLO user guide, "Using the iLO virtual serial port" (`VSP`); iDRAC9 user's guide, "Communicating with iDRAC
/// through serial connection over SSH" (`console com2`).
const ENTRY_COMMANDS: &[(&str, &str)] = &[
    ("hpe", "vsp"),
    ("hp", "vsp"),
    ("dell", "console com2"),
    ("dell inc.", "console com2"),
];

/// How a console is reached at its BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `ssh` or `ipmi`.
    protocol: &'static str,
    /// TCP port; UDP of IPMI.
    pub(crate) port: u16,
    /// What is typed once logged in; empty: nothing.
    pub(crate) entry_command: String,
}

impl Default for Place {
    /// Of a BMC that was not asked.
    fn default() -> Self {
        Place {
            protocol: SSH,
            port: SSH_PORT,
            entry_command: String::new(),
        }
    }
}

impl Place {
    /// By a ComputerSystem of Redfish and the vendor that the service root names. What does not fit counts as not said.
    ///
    /// Source: DSP0266, ComputerSystem `SerialConsole` (from v1.13 on).
    pub(crate) fn of(system: &Value, vendor: &str) -> Place {
        let console = &system["SerialConsole"];
        let (ssh, ipmi) = (&console["SSH"], &console["IPMI"]);
        let enabled = |way: &Value| way["ServiceEnabled"].as_bool();
        if enabled(ssh) == Some(false) && enabled(ipmi) == Some(true) {
            return Place {
                protocol: "ipmi",
                port: port(ipmi).unwrap_or(IPMI_PORT),
                entry_command: String::new(),
            };
        }
        let is_described = port(ssh).is_some() || enabled(ssh).is_some();
        Place {
            protocol: SSH,
            port: port(ssh).unwrap_or(SSH_PORT),
            entry_command: match entry_command(ssh) {
                Some(command) => command,
                // a port of its own is the line itself
                None if is_described && port(ssh).is_some_and(|port| port != SSH_PORT) => String::new(),
                None => usual_command(vendor),
            },
        }
    }

    /// # Errors
    /// `Conflict` for a console that SSH does not reach.
    pub(crate) fn check_can_be_connected(&self, node: &str) -> Result<(), Error> {
        if self.protocol == SSH {
            return Ok(());
        }
        let detail = format!(
            "the BMC of {node} offers its console over IPMI only, which is not connected to here: enable SSH at the BMC, or use \
             `ipmitool -I lanplus … sol activate`"
        );
        Err(Error::Conflict { detail })
    }

    /// As the API tells it.
    pub(crate) fn told(&self, node: &str, address: &Address) -> Console {
        Console {
            node: node.to_owned(),
            protocol: self.protocol.to_owned(),
            address: address.host().to_owned(),
            port: self.port.into(),
            entry_command: self.entry_command.clone(),
            conman: conman(node),
        }
    }
}

/// conman.conf(5): a device that is an absolute path is a program, whose input and output are the console.
fn conman(node: &str) -> String {
    format!("console name=\"{node}\" dev=\"{EXECUTABLE} console {node}\"")
}

fn port(way: &Value) -> Option<u16> {
    let port = u16::try_from(way["Port"].as_u64()?).ok()?;
    (port > 0).then_some(port)
}

/// A line of printable characters, or none.
fn entry_command(way: &Value) -> Option<String> {
    let command = way["ConsoleEntryCommand"].as_str()?.trim();
    let is_line = command.len() <= ENTRY_COMMAND_BYTES_MAX && !command.contains(char::is_control);
    (is_line && !command.is_empty()).then(|| command.to_owned())
}

fn usual_command(vendor: &str) -> String {
    let vendor = vendor.trim().to_lowercase();
    let known = ENTRY_COMMANDS.iter().find(|(name, _)| *name == vendor);
    known.map_or_else(String::new, |(_, command)| (*command).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ssh(port: u16, command: &str) -> Place {
        Place {
            protocol: SSH,
            port,
            entry_command: command.to_owned(),
        }
    }

    /// As OpenBMC writes it.
    #[test]
    fn what_the_bmc_says_counts() {
        let openbmc = json!({ "SerialConsole": {
            "MaxConcurrentSessions": 15,
            "IPMI": { "ServiceEnabled": true },
            "SSH": { "ServiceEnabled": true, "Port": 2200, "HotKeySequenceDisplay": "Press ~. to exit console" },
        } });
        assert_eq!(Place::of(&openbmc, "OpenBMC"), ssh(2200, ""));
        let with_command = json!({ "SerialConsole": { "SSH": {
            "ServiceEnabled": true, "Port": 22, "ConsoleEntryCommand": "start /system1/sol1",
        } } });
        assert_eq!(Place::of(&with_command, "HPE"), ssh(22, "start /system1/sol1"));
    }

    #[test]
    fn where_the_bmc_says_nothing_its_makers_habit_counts() {
        for (vendor, command) in [
            ("HPE", "vsp"),
            ("Dell", "console com2"),
            ("Contoso", ""),
            ("", ""),
        ] {
            assert_eq!(Place::of(&json!({}), vendor), ssh(22, command), "{vendor}");
            assert_eq!(
                Place::of(&json!({ "SerialConsole": null }), vendor),
                ssh(22, command)
            );
        }
    }

    /// Whatever a BMC writes there, a port is a port and a command is one line.
    #[test]
    fn nonsense_counts_as_not_said() {
        for nonsense in [
            json!({ "SerialConsole": "yes" }),
            json!({ "SerialConsole": { "SSH": [1] } }),
            json!({ "SerialConsole": { "SSH": { "Port": 0 } } }),
            json!({ "SerialConsole": { "SSH": { "Port": 70_000 } } }),
            json!({ "SerialConsole": { "SSH": { "Port": "22", "ConsoleEntryCommand": 7 } } }),
            json!({ "SerialConsole": { "SSH": { "ConsoleEntryCommand": "vsp\rreset" } } }),
            json!({ "SerialConsole": { "SSH": { "ConsoleEntryCommand": "v".repeat(300) } } }),
            json!([]),
        ] {
            assert_eq!(Place::of(&nonsense, "Contoso"), ssh(22, ""), "{nonsense}");
        }
    }

    #[test]
    fn a_console_over_ipmi_alone_is_told_and_not_connected_to() {
        let system = json!({ "SerialConsole": {
            "SSH": { "ServiceEnabled": false }, "IPMI": { "ServiceEnabled": true },
        } });
        let place = Place::of(&system, "Contoso");
        assert_eq!((place.protocol, place.port), ("ipmi", 623));
        let error = place
            .check_can_be_connected("x0c0s0b0n0")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("x0c0s0b0n0") && error.contains("ipmitool"),
            "{error}"
        );
        ssh(22, "").check_can_be_connected("x0c0s0b0n0").unwrap();
    }

    #[test]
    fn a_console_is_told_with_a_line_for_conman() {
        let address: Address = "https://[fd00::7]".parse().unwrap();
        let told = ssh(22, "vsp").told("x0c0s0b0n0", &address);
        assert_eq!(
            (told.address.as_str(), told.port, told.entry_command.as_str()),
            ("fd00::7", 22, "vsp")
        );
        assert_eq!(
            told.conman,
            r#"console name="x0c0s0b0n0" dev="/usr/bin/chamois console x0c0s0b0n0""#
        );
    }
}
