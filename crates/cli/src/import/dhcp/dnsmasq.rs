//! dnsmasq.conf, by dnsmasq(8) of 2.90: ranges, hosts, options, domains. Pure.

use model::Ipv4Net;
use proto::dhcp::v1::subnet::UnknownClients;

use super::dnsmasq_host as host;
use super::dnsmasq_option::{self as option, GivenOption};
use super::dnsmasq_range::{self as range, GivenRange};
use super::files::{Files, Source};
use super::found::{DhcpImport, Place, network_of_prefix};
use super::left_out;
use super::options::Taken;

/// Reads configurations, one after the other as dnsmasq does.
pub(super) fn read(sources: &[Source], files: &mut Files) -> DhcpImport {
    let mut reading = Reading {
        import: DhcpImport::default(),
        files,
        ranges: Vec::new(),
        options: Vec::new(),
        domains: Vec::new(),
        ignores_unknown: false,
    };
    for source in sources {
        reading.file(source, Kind::Configuration);
    }
    reading.finish()
}

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `name=value`.
    Configuration,
    /// Values of `dhcp-host`.
    Hosts,
    /// Values of `dhcp-option`.
    Options,
}

struct Reading<'a> {
    import: DhcpImport,
    files: &'a mut Files,
    ranges: Vec<GivenRange>,
    /// Each with whether a range has it.
    options: Vec<(GivenOption, bool)>,
    /// A domain, and the network that it is for: none for all.
    domains: Vec<(Option<Ipv4Net>, String)>,
    ignores_unknown: bool,
}

impl Reading<'_> {
    fn file(&mut self, source: &Source, kind: Kind) {
        for (place, line) in source.text.lines().enumerate() {
            let line = without_comment(line);
            if line.is_empty() {
                continue;
            }
            let at = source.start().at_line(place + 1);
            match kind {
                Kind::Configuration => self.line(source, &at, &line),
                Kind::Hosts => self.set(source, &at, "dhcp-host", &line),
                Kind::Options => self.set(source, &at, "dhcp-option", &line),
            }
        }
    }

    fn line(&mut self, source: &Source, at: &Place, line: &str) {
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim_end(), value.trim_start()),
            None => (line, ""),
        };
        self.set(source, at, name, value);
    }

    fn set(&mut self, source: &Source, at: &Place, name: &str, value: &str) {
        let what = format!("{name}={value}");
        let taken = match name {
            "dhcp-range" => range::read(at, value).map(|given| match given {
                Some(given) => {
                    self.ranges.push(given);
                    Taken::Yes
                }
                None => Taken::No(left_out::IPV6),
            }),
            "dhcp-host" => host::read(at, value, &mut self.import.reservations),
            "dhcp-option" | "dhcp-option-force" => option::read(at, value).map(|given| match given {
                Ok(given) => {
                    self.options.push((given, false));
                    Taken::Yes
                }
                Err(why) => Taken::No(why),
            }),
            "domain" => self.domain(value),
            "dhcp-ignore" if matches!(value, "tag:!known" | "#known" | "net:!known" | "!known") => {
                self.ignores_unknown = true;
                Ok(Taken::Yes)
            }
            "dhcp-ignore" => Ok(Taken::No(
                "every known MAC is answered; `dhcp-ignore=tag:!known` is imported, other tags are not",
            )),
            "conf-file" => self.include(source, value, Kind::Configuration),
            "dhcp-hostsfile" => self.include(source, value, Kind::Hosts),
            "dhcp-optsfile" => self.include(source, value, Kind::Options),
            "conf-dir" => self.folder(source, value, Kind::Configuration),
            "dhcp-hostsdir" => self.folder(source, value, Kind::Hosts),
            "dhcp-optsdir" => self.folder(source, value, Kind::Options),
            name => Ok(Taken::No(left_out::dnsmasq(name))),
        };
        let what = if value.is_empty() { name } else { &what };
        match taken {
            Ok(Taken::Yes) => {}
            Ok(Taken::No(why)) => self.import.tell(at, what, why),
            Err(why) => self.import.refuse(at, what, why),
        }
    }

    /// `domain=hpc.example[,10.0.0.0/24[,local]]`, or a range of addresses.
    fn domain(&mut self, value: &str) -> Result<Taken, String> {
        let mut parts = value.split(',').map(str::trim);
        let domain = parts.next().unwrap_or_default();
        if domain.is_empty() || domain == "#" {
            return Ok(Taken::No(
                "the domain of /etc/resolv.conf is not looked up; write domain=NAME",
            ));
        }
        let network = match parts.next().filter(|part| !part.is_empty()) {
            None => None,
            Some(part) => match part.parse() {
                Ok(network) => Some(network),
                Err(_) => {
                    return Ok(Taken::No(
                        "a domain is that of a whole subnet here; write domain=NAME,ADDRESS/LENGTH",
                    ));
                }
            },
        };
        self.domains.push((network, domain.to_owned()));
        Ok(Taken::Yes)
    }

    fn include(&mut self, from: &Source, named: &str, kind: Kind) -> Result<Taken, String> {
        let source = self.files.include(from, named)?;
        self.file(&source, kind);
        Ok(Taken::Yes)
    }

    /// `conf-dir=DIR[,.suffix left out][,*.suffix taken]…`
    fn folder(&mut self, from: &Source, value: &str, kind: Kind) -> Result<Taken, String> {
        let mut parts = value.split(',').map(str::trim);
        let folder = parts.next().unwrap_or_default();
        let (taken, omitted): (Vec<&str>, Vec<&str>) = parts
            .filter(|part| !part.is_empty())
            .partition(|part| part.starts_with('*'));
        for name in Files::list(from, folder)? {
            let ends = |suffix: &&str| name.ends_with(suffix.trim_start_matches('*'));
            if omitted.iter().any(ends) || !(taken.is_empty() || taken.iter().any(ends)) {
                continue;
            }
            let source = self.files.include(from, &name)?;
            self.file(&source, kind);
        }
        Ok(Taken::Yes)
    }

    /// Puts ranges, options and domains together, which may stand in any order.
    fn finish(mut self) -> DhcpImport {
        for range in std::mem::take(&mut self.ranges) {
            self.range(&range);
        }
        for (network, domain) in std::mem::take(&mut self.domains) {
            for subnet in &mut self.import.subnets {
                let is_meant = network.is_none_or(|network| network.contains(subnet.network.network()));
                if is_meant && (network.is_some() || subnet.options.domain.is_none()) {
                    subnet.options.domain = Some(domain.clone());
                }
            }
        }
        self.tell_defaults();
        self.import.finish()
    }

    fn range(&mut self, given: &GivenRange) {
        let Some(prefix_length) = given.prefix_length else {
            let why = "it has no netmask, and that of the interface is not known here; write dhcp-range=FIRST,LAST,NETMASK";
            return self.import.refuse(&given.at, &given.what, why);
        };
        let network = match network_of_prefix(given.first, prefix_length) {
            Ok(network) => network,
            Err(why) => return self.import.refuse(&given.at, &given.what, why),
        };
        let subnet = self.import.subnet(&given.at, network);
        subnet.options.lease_time_s = subnet.options.lease_time_s.or(given.lease_time_s);
        let mut problems = Vec::new();
        let options = self.options.iter_mut();
        for (option, is_used) in options.filter(|(option, _)| option.is_for(&given.tags, &network)) {
            *is_used = true;
            if let Err(why) = subnet.options.take(option.code, &option.value) {
                problems.push((option.at.clone(), option.what.clone(), why));
            }
        }
        let mut pool = given.pool();
        match &mut pool {
            Some(pool) if self.ignores_unknown => pool.unknown = UnknownClients::Ignore,
            Some(_) => {}
            None => subnet.unknown = subnet.unknown.or(Some(UnknownClients::Ignore)),
        }
        if let Some(pool) = pool {
            self.import.add_pool(&given.at, &given.what, &pool);
        }
        for (at, what, why) in problems {
            self.import.refuse(&at, &what, why);
        }
        self.tell_lease(given);
    }

    fn tell_lease(&mut self, given: &GivenRange) {
        if given.is_infinite {
            let why = "addresses are not leased for ever here: the subnet has the usual hour, and a node keeps its address anyway";
            self.import.tell(&given.at, &given.what, why);
        }
    }

    /// dnsmasq fills in its own address, which no file has; and options for which there is no range.
    fn tell_defaults(&mut self) {
        for (option, _) in self.options.iter().filter(|(_, is_used)| !is_used) {
            let why =
                "no range has its tags and a network that it could be for; add the range, or correct it";
            self.import.tell(&option.at, &option.what, why);
        }
        let mut missing = Vec::new();
        for subnet in &self.import.subnets {
            for (is_there, what, name) in [
                (!subnet.options.routers.is_empty(), "router", "option:router"),
                (
                    !subnet.options.dns_servers.is_empty(),
                    "DNS server",
                    "option:dns-server",
                ),
            ] {
                if !is_there {
                    let why = format!(
                        "dnsmasq names itself as {what} of {} where nothing else is said, and its address is not in the file: \
                         write dhcp-option={name},ADDRESS, or leave the subnet without",
                        subnet.network
                    );
                    missing.push((subnet.at.clone(), what, why));
                }
            }
        }
        for (at, what, why) in missing {
            self.import.tell(&at, what, why);
        }
    }
}

/// A `#` begins a comment at the start of a line or behind a blank, unless it is quoted; quotes are taken off.
fn without_comment(line: &str) -> String {
    let (mut text, mut is_quoted, mut before) = (String::with_capacity(line.len()), false, ' ');
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted && before.is_whitespace() => break,
            c => text.push(c),
        }
        before = c;
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
