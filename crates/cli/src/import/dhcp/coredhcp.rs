//! coredhcp's YAML with the plugins coresmd and bootloop. Source: coresmd's examples/coredhcp. Pure.

use std::net::{IpAddr, Ipv4Addr};

use model::MacAddr;
use proto::dhcp::v1::subnet::UnknownClients;
use serde_yaml_ng::Value;

use super::coresmd::{self, Settings};
use super::files::{Files, Source};
use super::found::{DhcpImport, FoundPool, Place, Reservation, network_of};
use super::left_out;
use super::options::{Options, Taken, address};
use super::yaml_lines::Lines;

/// Lease time of coresmd where nothing is said, seconds.
const CORESMD_LEASE_S: u32 = 3600;

/// Reads a configuration.
///
/// # Errors
/// The place where it is no YAML, or that it is none of this server.
pub(super) fn read(source: &Source, files: &mut Files) -> Result<DhcpImport, String> {
    let document: Value = serde_yaml_ng::from_str(&source.text).map_err(|problem| {
        let line = problem.location().map_or(1, |location| location.line());
        format!("{}: it is no YAML: {problem}", source.start().at_line(line))
    })?;
    let plugins = document.get("server4").and_then(|server| server.get("plugins"));
    let Some(Value::Sequence(plugins)) = plugins else {
        let problem = "there is no list `plugins` in `server4`; name the configuration of coredhcp";
        return Err(format!("{}: {problem}", source.start()));
    };
    let mut lines = Lines::new(source);
    let mut reading = Reading {
        source,
        files,
        import: DhcpImport::default(),
        server: Server::default(),
    };
    if let Value::Mapping(servers) = &document {
        for name in servers
            .keys()
            .filter_map(Value::as_str)
            .filter(|name| *name != "server4")
        {
            let at = lines.find_key(name);
            reading.import.tell(&at, name, left_out::IPV6);
        }
    }
    lines.enter("server4");
    if let Some(listen) = document.get("server4").and_then(|server| server.get("listen")) {
        let what = format!("listen: {}", plain(listen));
        let why = "members answer on the networks of their chamois.toml";
        reading.import.tell(&lines.find_key("listen"), &what, why);
    }
    lines.enter("plugins");
    for plugin in plugins {
        reading.plugin(plugin, &mut lines);
    }
    Ok(reading.finish())
}

/// What holds for all clients.
#[derive(Default)]
struct Server {
    at: Option<Place>,
    id: Option<Ipv4Addr>,
    mask: Option<Ipv4Addr>,
    options: Options,
    pools: Vec<(Place, String, FoundPool)>,
    has_coresmd: bool,
}

struct Reading<'a> {
    source: &'a Source,
    files: &'a mut Files,
    import: DhcpImport,
    server: Server,
}

impl Reading<'_> {
    /// `- name: arguments`, of which there is one; or a name alone.
    fn plugin(&mut self, plugin: &Value, lines: &mut Lines<'_>) {
        let (name, arguments) = match plugin {
            Value::Mapping(of) => match of.iter().next() {
                Some((name, arguments)) => (plain(name), plain(arguments)),
                None => return,
            },
            name => (plain(name), String::new()),
        };
        let at = lines.next_item(&name);
        let what = format!("{name}: {}", arguments.lines().next().unwrap_or_default());
        let taken = match name.as_str() {
            "coresmd" => {
                self.coresmd(&at, &arguments, lines);
                Ok(Taken::Yes)
            }
            "bootloop" => {
                self.bootloop(&at, &arguments, lines);
                Ok(Taken::Yes)
            }
            "range" => self.range(&at, &what, &arguments),
            "file" => self.file(&at, &what, &arguments),
            name => self.server.take(&at, name, &arguments),
        };
        match taken {
            Ok(Taken::Yes) => {}
            Ok(Taken::No(why)) => self.import.tell(&at, &what, why),
            Err(why) => self.import.refuse(&at, &what, why),
        }
    }

    fn coresmd(&mut self, at: &Place, arguments: &str, lines: &mut Lines<'_>) {
        self.server.has_coresmd = true;
        let settings = Settings::read(at, arguments, lines);
        let found = coresmd::coresmd(&settings, &mut self.import);
        self.server.options.lease_time_s = Some(found.lease_time_s.unwrap_or(CORESMD_LEASE_S));
        self.server.options.domain = found.domain.or(self.server.options.domain.take());
    }

    fn bootloop(&mut self, at: &Place, arguments: &str, lines: &mut Lines<'_>) {
        let settings = Settings::read(at, arguments, lines);
        let pools = coresmd::bootloop(at, &settings, &mut self.import);
        self.server.pools.extend(pools);
    }

    /// `range: leases.sqlite3 FIRST LAST 60s`
    fn range(&mut self, at: &Place, what: &str, arguments: &str) -> Result<Taken, String> {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let [_, first, last, lease] = words[..] else {
            return Err("write range: FILE FIRST LAST LEASE-TIME".to_owned());
        };
        let pool = FoundPool {
            range: address(first)?..=address(last)?,
            lease_time_s: Some(coresmd::seconds(lease)?),
            unknown: UnknownClients::Address,
        };
        self.server.pools.push((at.clone(), what.to_owned(), pool));
        Ok(Taken::Yes)
    }

    /// `file: static-leases.txt [autorefresh]`: a MAC and an address a line.
    fn file(&mut self, at: &Place, what: &str, arguments: &str) -> Result<Taken, String> {
        let name = arguments.split_whitespace().next();
        let name = name.ok_or("write file: FILE")?;
        let hosts = self.files.include(self.source, name)?;
        for (place, line) in hosts.text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let line_at = hosts.start().at_line(place + 1);
            match host(line) {
                Ok((mac, address)) => self.import.reservations.push(Reservation {
                    at: line_at,
                    mac,
                    addresses: vec![address],
                    hostname: String::new(),
                }),
                Err(why) => self.import.refuse(&line_at, line, why),
            }
        }
        if arguments.contains("autorefresh") {
            let why = "the file is read once, now; from then on SMD has what is in it";
            self.import.tell(at, what, why);
        }
        Ok(Taken::Yes)
    }

    /// The network of the server itself, then those of pools and rules.
    fn finish(mut self) -> DhcpImport {
        let server = self.server;
        let router = server.options.routers.first().copied();
        let at = server.at.clone().unwrap_or_else(|| self.source.start());
        match (router.or(server.id), server.mask) {
            (Some(address), Some(mask)) => match network_of(address, mask) {
                Ok(network) => self.import.subnet(&at, network).options = server.options.clone(),
                Err(why) => self.import.refuse(&at, "netmask", why),
            },
            _ if self.import.subnets.is_empty()
                && self.import.rules.iter().all(|rule| rule.subnets.is_empty()) =>
            {
                let why = "there is no netmask with a router or server_id, so no subnet; add `netmask`";
                self.import.tell(&at, "server4", why);
            }
            _ => {}
        }
        coresmd::subnets_of_rules(&mut self.import);
        for subnet in &mut self.import.subnets {
            let routers = server.options.routers.iter().copied();
            let routers = routers
                .filter(|router| subnet.network.contains(*router))
                .collect();
            let for_all = Options {
                routers,
                ..server.options.clone()
            };
            subnet.options = subnet.options.within(&for_all);
        }
        for (at, what, pool) in server.pools {
            self.import.add_pool(&at, &what, &pool);
        }
        self.import.finish()
    }
}

impl Server {
    fn take(&mut self, at: &Place, name: &str, arguments: &str) -> Result<Taken, String> {
        let code = match name {
            "server_id" => {
                self.id = Some(address(arguments.trim())?);
                return Ok(Taken::No(
                    "members name their service address; the network is taken from it and the netmask",
                ));
            }
            "netmask" => {
                self.mask = Some(address(arguments.trim())?);
                self.at = Some(at.clone());
                return Ok(Taken::Yes);
            }
            "lease_time" if self.has_coresmd => {
                return Ok(Taken::No(
                    "reservations have the lease_time of coresmd, pools their own",
                ));
            }
            "lease_time" => {
                self.options.lease_time_s = Some(coresmd::seconds(arguments.trim())?);
                return Ok(Taken::Yes);
            }
            "router" => 3,
            "dns" => 6,
            "mtu" => 26,
            "searchdomains" => 119,
            name => return Ok(Taken::No(left_out::coredhcp(name))),
        };
        self.options.take(code, arguments)
    }
}

fn host(line: &str) -> Result<(MacAddr, IpAddr), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [mac, address] = words[..] else {
        return Err("write a MAC and an address".to_owned());
    };
    let mac: MacAddr = mac
        .parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())?;
    let shown = || crate::import::diff::quoted(address);
    let address: IpAddr = address
        .parse()
        .map_err(|_| format!("`{}` is not an IP address", shown()))?;
    Ok((mac, address))
}

/// A scalar as it is written, a list with blanks.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Sequence(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Mapping(_) | Value::Tagged(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
