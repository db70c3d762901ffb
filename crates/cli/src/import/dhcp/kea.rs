//! Kea's DHCPv4 server, by the ARM of 2.2 to 2.6. Pure.

use std::net::IpAddr;

use model::Ipv4Net;
use proto::dhcp::v1::subnet::UnknownClients;

use super::files::{Files, Source};
use super::found::{DhcpImport, FoundPool, Reservation, network_of_prefix};
use super::kea_json::{self, Node, Value};
use super::left_out;
use super::options::{Options, Taken, address, code_of, number};

/// Keys that are for people only.
const COMMENTS: &[&str] = &["comment", "user-context"];

/// Reads a configuration.
///
/// # Errors
/// The place where it is no JSON, or that it is none of this server.
pub(super) fn read(source: &Source, files: &mut Files) -> Result<DhcpImport, String> {
    let document = kea_json::read(source, files)?;
    let mut reading = Reading::default();
    let mut found = false;
    for (name, node) in document.members() {
        match name.as_str() {
            "Dhcp4" => {
                found = true;
                reading.server(node);
            }
            "Dhcp6" => reading.import.tell(&node.at, name, left_out::IPV6),
            name if COMMENTS.contains(&name) => {}
            name => reading.leave(name, node),
        }
    }
    match found {
        true => Ok(reading.import.finish()),
        false => Err(format!(
            "{}: there is no `Dhcp4` in it; name the configuration of kea-dhcp4",
            document.at
        )),
    }
}

#[derive(Default)]
struct Reading {
    import: DhcpImport,
}

/// What an object passes on to those in it.
#[derive(Clone, Default)]
struct Scope {
    options: Options,
    /// Inside of a subnet.
    network: Option<Ipv4Net>,
}

impl Reading {
    fn server(&mut self, node: &Node) {
        let scope = self.scope(node, &Scope::default());
        for (name, node) in node.members() {
            match name.as_str() {
                "subnet4" => self.each(node, |reading, subnet| reading.subnet(subnet, &scope)),
                "shared-networks" => self.each(node, |reading, shared| reading.shared(shared, &scope)),
                "reservations" => self.each(node, |reading, host| reading.host(host)),
                name => self.other(name, node),
            }
        }
    }

    fn shared(&mut self, node: &Node, outer: &Scope) {
        let scope = self.scope(node, outer);
        for (name, node) in node.members() {
            match name.as_str() {
                "subnet4" => self.each(node, |reading, subnet| reading.subnet(subnet, &scope)),
                "name" => {}
                name => self.other(name, node),
            }
        }
    }

    fn subnet(&mut self, node: &Node, outer: &Scope) {
        let text = node.get("subnet").and_then(Node::text).unwrap_or_default();
        let network = match prefix(&text) {
            Ok(network) => network,
            Err(why) => return self.import.refuse(&node.at, &format!("subnet {text}"), why),
        };
        let scope = Scope {
            network: Some(network),
            ..self.scope(node, outer)
        };
        self.import.subnet(&node.at, network).options = scope.options.clone();
        for (name, node) in node.members() {
            match name.as_str() {
                "subnet" | "id" => {}
                "pools" => self.each(node, |reading, pool| reading.pool(pool, &scope)),
                "reservations" => self.each(node, |reading, host| reading.host(host)),
                name => self.other(name, node),
            }
        }
        // a client class of the whole subnet keeps strangers out of it
        if node.get("client-class").is_some() {
            self.import.subnet(&node.at, network).unknown = Some(UnknownClients::Ignore);
        }
    }

    fn pool(&mut self, node: &Node, scope: &Scope) {
        let text = node.get("pool").and_then(Node::text).unwrap_or_default();
        let what = format!("pool {text}");
        for (name, below) in node.members() {
            match name.as_str() {
                "pool" | "pool-id" | "client-class" => {}
                "option-data" => {
                    self.each(below, |reading, option| {
                        reading
                            .import
                            .tell(&option.at, &what, "options are those of the whole subnet here");
                    });
                }
                name => self.other(name, below),
            }
        }
        let class = node.get("client-class").and_then(Node::text);
        let unknown = match class.as_deref() {
            None | Some("UNKNOWN" | "ALL") => UnknownClients::Address,
            Some("KNOWN") => UnknownClients::Ignore,
            Some(class) => {
                let what = format!("{what} for {class}");
                let why = "it is for some clients only; leave it out, or let the whole subnet have it: `chamois subnet put --pool`";
                return self.import.tell(&node.at, &what, why);
            }
        };
        match ends(&text, scope.network) {
            Err(why) => self.import.refuse(&node.at, &what, why),
            Ok((first, last)) => {
                let pool = FoundPool {
                    range: first..=last,
                    lease_time_s: scope.options.lease_time_s,
                    unknown,
                };
                self.import.add_pool(&node.at, &what, &pool);
            }
        }
    }

    fn host(&mut self, node: &Node) {
        let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default();
        let what = format!("reservation {}", text("hw-address"));
        let mut addresses: Vec<IpAddr> = Vec::new();
        for (name, below) in node.members() {
            match name.as_str() {
                "hw-address" | "hostname" => {}
                "ip-address" => match address(&text("ip-address")) {
                    Ok(address) => addresses.push(address.into()),
                    Err(why) => return self.import.refuse(&below.at, &what, why),
                },
                "duid" | "client-id" | "circuit-id" | "flex-id" => {}
                "option-data" | "client-classes" if below.elements().is_empty() => {}
                "option-data" => {
                    let why = "options of single hosts are not sent; give them with cloud-init, or to the whole subnet";
                    self.import.tell(&below.at, &what, why);
                }
                name => self.other(name, below),
            }
        }
        if node.get("hw-address").is_none() {
            let why = "here a reservation is by MAC, not by an id that the client or a relay says; write `hw-address`";
            return self.import.refuse(&node.at, "reservation", why);
        }
        match text("hw-address").parse() {
            Err(problem) => {
                let problem: model::InvalidValue = problem;
                self.import.refuse(&node.at, &what, problem.to_string());
            }
            Ok(mac) => self.import.reservations.push(Reservation {
                at: node.at.clone(),
                mac,
                addresses,
                hostname: text("hostname").trim_end_matches('.').to_owned(),
            }),
        }
    }

    /// Options and lease time of an object, within those of the one around it.
    fn scope(&mut self, node: &Node, outer: &Scope) -> Scope {
        let mut options = Options::default();
        if let Some(given) = node.get("option-data") {
            self.each(given, |reading, option| reading.option(option, &mut options));
        }
        if let Some(lifetime) = node.get("valid-lifetime") {
            match number(&lifetime.text().unwrap_or_default()) {
                Ok(seconds) => options.lease_time_s = Some(seconds),
                Err(why) => self.import.refuse(&lifetime.at, "valid-lifetime", why),
            }
        }
        Scope {
            options: options.within(&outer.options),
            network: outer.network,
        }
    }

    fn option(&mut self, node: &Node, options: &mut Options) {
        let text = |name: &str| node.get(name).and_then(Node::text);
        let name = text("name");
        let shown = name.clone().or_else(|| text("code")).unwrap_or_default();
        let what = format!("option {shown}");
        let is_dhcp4 = text("space").is_none_or(|space| space == "dhcp4");
        let is_text = node.get("csv-format").is_none_or(Node::is_true);
        let code = text("code").and_then(|code| code.parse().ok());
        let code = code.or_else(|| code_of(name.as_deref().unwrap_or_default()));
        let taken = match (is_dhcp4, code, text("data")) {
            (false, ..) => Ok(Taken::No(
                "options of vendors are not sent; loaders are chosen by architecture",
            )),
            (true, None, _) => Ok(Taken::No(left_out::ISC_OPTION)),
            (true, Some(code), Some(data)) if is_text => options.take(code, &data),
            (true, Some(_), Some(_)) => {
                Err("it is written in hex; write the text and leave csv-format out".to_owned())
            }
            (true, Some(_), None) => Ok(Taken::No("it has no data")),
        };
        match taken {
            Ok(Taken::Yes) => {}
            Ok(Taken::No(why)) => self.import.tell(&node.at, &what, why),
            Err(why) => self.import.refuse(&node.at, &what, why),
        }
    }

    fn each(&mut self, list: &Node, mut read: impl FnMut(&mut Self, &Node)) {
        if !matches!(list.value, Value::List(_)) {
            self.import.refuse(&list.at, "value", "write a list: [ … ]");
        }
        for element in list.elements() {
            read(self, element);
        }
    }

    /// A key that is read elsewhere, for people only, or left out.
    fn other(&mut self, name: &str, node: &Node) {
        let is_read = matches!(name, "option-data" | "valid-lifetime");
        if !is_read && !COMMENTS.contains(&name) {
            self.leave(name, node);
        }
    }

    fn leave(&mut self, name: &str, node: &Node) {
        let is_empty = matches!(&node.value, Value::List(list) if list.is_empty())
            || matches!(&node.value, Value::Object(members) if members.is_empty())
            || node
                .text()
                .is_some_and(|text| text.is_empty() || text == "0.0.0.0")
            || node.value == Value::Scalar(serde_json::Value::Bool(false))
            || node.value == Value::Scalar(serde_json::Value::Null);
        // Kea writes its defaults out, and they say nothing
        if !is_empty {
            self.import.tell(&node.at, name, left_out::kea(name));
        }
    }
}

/// `10.0.0.0/16`; bits behind the prefix are zero for Kea, too.
fn prefix(text: &str) -> Result<Ipv4Net, String> {
    text.trim()
        .parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

/// `10.0.0.1 - 10.0.0.9`, or `10.0.0.0/28`.
fn ends(text: &str, network: Option<Ipv4Net>) -> Result<(std::net::Ipv4Addr, std::net::Ipv4Addr), String> {
    if let Some((first, last)) = text.split_once('-') {
        return Ok((address(first.trim())?, address(last.trim())?));
    }
    let Some((base, length)) = text.split_once('/') else {
        let of = network
            .map(|network| format!(" of {network}"))
            .unwrap_or_default();
        return Err(format!(
            "write the first and the last address{of}, with a dash between them"
        ));
    };
    let pool = network_of_prefix(address(base.trim())?, number(length)?)?;
    Ok((pool.network(), pool.broadcast()))
}

#[cfg(test)]
mod tests;
