//! ISC's dhcpd.conf, by dhcpd.conf(5), dhcp-options(5) and dhcp-eval(5) of 4.4. Pure.

use std::net::IpAddr;

use model::MacAddr;
use proto::dhcp::v1::subnet::UnknownClients;

use super::files::{Files, Source};
use super::found::{DhcpImport, FoundPool, Place, Reservation, network_of};
use super::isc_statements::{self, Statement};
use super::left_out;
use super::options::{Options, Taken, address, addresses, code_of, number};

/// Reads a configuration.
///
/// # Errors
/// The place where its syntax breaks, and what is expected there.
pub(super) fn read(source: &Source, files: &mut Files) -> Result<DhcpImport, String> {
    let mut import = DhcpImport::default();
    let statements = isc_statements::read(source, files, &mut import)?;
    let mut reading = Reading {
        import,
        pools: Vec::new(),
    };
    reading.scope(&statements, &Scope::default());
    let Reading { mut import, pools } = reading;
    // a pool may stand in a shared network, before the subnet that it is of
    for (at, what, pool) in pools {
        import.add_pool(&at, &what, &pool);
    }
    Ok(import.finish())
}

/// What statements pass on to the blocks below them.
#[derive(Clone, Default)]
struct Scope {
    options: Options,
    /// Of the pools below.
    unknown: Option<UnknownClients>,
    /// A pool that is for some clients only.
    is_selective: bool,
}

struct Reading {
    import: DhcpImport,
    pools: Vec<(Place, String, FoundPool)>,
}

impl Reading {
    /// Parameters count for the whole of their block, wherever they stand in it.
    fn scope(&mut self, statements: &[Statement], outer: &Scope) -> Scope {
        let own = self.parameters(statements);
        let scope = Scope {
            options: own.options.within(&outer.options),
            unknown: own.unknown.or(outer.unknown),
            is_selective: own.is_selective || outer.is_selective,
        };
        for statement in statements {
            match &statement.block {
                Some(block) => self.block(statement, block, &scope),
                None if statement.keyword() == "range" => self.range(statement, &scope),
                None => {}
            }
        }
        scope
    }

    fn block(&mut self, statement: &Statement, block: &[Statement], scope: &Scope) {
        match statement.keyword().as_str() {
            "subnet" => self.subnet(statement, block, scope),
            "shared-network" | "pool" => drop(self.scope(block, scope)),
            "group" => {
                self.tell_of_options_of_hosts(block);
                self.scope(block, scope);
            }
            "host" => self.host(statement, block),
            _ => {
                let why = left_out::isc_block(&statement.keyword());
                self.import.tell(&statement.at, &statement.text(), why);
                let has_host = block.iter().any(|below| below.keyword() == "host");
                if has_host {
                    self.scope(block, scope);
                }
            }
        }
    }

    /// A group without networks speaks of its hosts.
    fn tell_of_options_of_hosts(&mut self, group: &[Statement]) {
        let is_network =
            |below: &Statement| matches!(below.keyword().as_str(), "subnet" | "shared-network" | "group");
        if group.iter().any(is_network) {
            return;
        }
        for below in group.iter().filter(|below| below.block.is_none()) {
            if below.keyword() == "option" {
                self.import
                    .tell(&below.at, &below.text(), left_out::isc_in_host("option"));
            }
        }
    }

    fn subnet(&mut self, statement: &Statement, block: &[Statement], scope: &Scope) {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        let network = match words[..] {
            [_, network, netmask, mask] if netmask.eq_ignore_ascii_case("netmask") => {
                address(network).and_then(|network| network_of(network, address(mask)?))
            }
            _ => Err("write subnet ADDRESS netmask MASK".to_owned()),
        };
        match network {
            Err(why) => self.import.refuse(&statement.at, &statement.text(), why),
            Ok(network) => {
                let inside = self.scope(block, scope);
                let subnet = self.import.subnet(&statement.at, network);
                subnet.options = inside.options;
                subnet.unknown = inside.unknown;
            }
        }
    }

    fn range(&mut self, statement: &Statement, scope: &Scope) {
        let text = statement.text();
        let words = statement.words.iter().skip(1);
        let words: Vec<&String> = words
            .filter(|word| !word.eq_ignore_ascii_case("dynamic-bootp"))
            .collect();
        let ends = match words[..] {
            [one] => address(one).map(|one| (one, one)),
            [first, last] => address(first).and_then(|first| Ok((first, address(last)?))),
            _ => Err("write range FIRST LAST".to_owned()),
        };
        if scope.is_selective {
            let why = "it is for some clients only; leave it out, or let the whole subnet have it: `chamois subnet put --pool`";
            return self.import.tell(&statement.at, &text, why);
        }
        match ends {
            Err(why) => self.import.refuse(&statement.at, &text, why),
            Ok((first, last)) => {
                let pool = FoundPool {
                    range: first..=last,
                    lease_time_s: scope.options.lease_time_s,
                    unknown: scope.unknown.unwrap_or(UnknownClients::Address),
                };
                self.pools.push((statement.at.clone(), text, pool));
            }
        }
    }

    /// The statements of a block that have no block themselves, apart from ranges.
    fn parameters(&mut self, statements: &[Statement]) -> Scope {
        let mut scope = Scope::default();
        for statement in statements.iter().filter(|statement| statement.block.is_none()) {
            let taken = match statement.keyword().as_str() {
                "range" => Ok(Taken::Yes),
                "option" => option(statement, &mut scope.options),
                "default-lease-time" => number(&statement.rest(1)).map(|seconds| {
                    scope.options.lease_time_s = Some(seconds);
                    Taken::Yes
                }),
                "allow" | "deny" | "ignore" => Ok(permission(statement, &mut scope)),
                keyword => Ok(Taken::No(left_out::isc(keyword))),
            };
            self.note(statement, taken);
        }
        scope
    }

    fn note(&mut self, statement: &Statement, taken: Result<Taken, String>) {
        match taken {
            Ok(Taken::Yes) => {}
            Ok(Taken::No(why)) => self.import.tell(&statement.at, &statement.text(), why),
            Err(why) => self.import.refuse(&statement.at, &statement.text(), why),
        }
    }

    fn host(&mut self, statement: &Statement, block: &[Statement]) {
        let name = statement.words.get(1).cloned().unwrap_or_default();
        let mut host = Host::default();
        for below in block {
            let taken = host.take(below);
            self.note(below, taken);
        }
        let what = statement.text();
        match host.mac {
            Some(mac) => self.import.reservations.push(Reservation {
                at: statement.at.clone(),
                mac,
                addresses: host.addresses,
                hostname: host.name.unwrap_or(name),
            }),
            // what is wrong with the MAC has been told
            None if host.has_hardware => {}
            None => {
                let why = "it has no `hardware ethernet`: here a reservation is by MAC; add the MAC";
                self.import.refuse(&statement.at, &what, why);
            }
        }
    }
}

/// What a `host` block says.
#[derive(Default)]
struct Host {
    has_hardware: bool,
    mac: Option<MacAddr>,
    addresses: Vec<IpAddr>,
    name: Option<String>,
}

impl Host {
    fn take(&mut self, statement: &Statement) -> Result<Taken, String> {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        match words[..] {
            [hardware, kind, mac] if hardware.eq_ignore_ascii_case("hardware") => {
                self.has_hardware = true;
                if !kind.eq_ignore_ascii_case("ethernet") {
                    return Err("only `hardware ethernet` is imported".to_owned());
                }
                self.mac = Some(mac_address(mac)?);
            }
            [keyword, ..] if keyword.eq_ignore_ascii_case("fixed-address") => {
                let given = addresses(&statement.rest(1));
                let named = |why| format!("{why}; a name is not looked up, write its address");
                self.addresses = given.map_err(named)?.into_iter().map(IpAddr::from).collect();
            }
            [option, name, value] if option.eq_ignore_ascii_case("option") && code_of(name) == Some(12) => {
                self.name = Some(value.to_owned());
            }
            [keyword, name] if keyword.eq_ignore_ascii_case("ddns-hostname") => {
                self.name.get_or_insert_with(|| name.to_owned());
            }
            [] => {}
            [keyword, ..] => return Ok(Taken::No(left_out::isc_in_host(&keyword.to_ascii_lowercase()))),
        }
        Ok(Taken::Yes)
    }
}

/// dhcpd takes `2:0:0:0:0:1`, too.
fn mac_address(text: &str) -> Result<MacAddr, String> {
    let pairs: Vec<String> = text.split(':').map(|byte| format!("{byte:0>2}")).collect();
    pairs
        .join(":")
        .parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

fn option(statement: &Statement, options: &mut Options) -> Result<Taken, String> {
    let name = statement.words.get(1).map(String::as_str).unwrap_or_default();
    let code = match code_of(name) {
        Some(code) => code,
        None => match name.strip_prefix("option-").and_then(|code| code.parse().ok()) {
            Some(code) => code,
            None => return Ok(Taken::No(left_out::ISC_OPTION)),
        },
    };
    options.take(code, &statement.rest(2))
}

/// `allow`, `deny` and `ignore`, of a pool or of a scope.
fn permission(statement: &Statement, scope: &mut Scope) -> Taken {
    let is_allowed = statement.keyword() == "allow";
    let whom = statement.rest(1).to_ascii_lowercase();
    match whom.as_str() {
        "unknown-clients" | "unknown clients" => {
            scope.unknown = Some(match is_allowed {
                true => UnknownClients::Address,
                false => UnknownClients::Ignore,
            });
            Taken::Yes
        }
        // a pool for hosts that are declared: strangers get nothing of it
        "known-clients" | "known clients" if is_allowed => {
            scope.unknown = Some(UnknownClients::Ignore);
            Taken::Yes
        }
        // dhcpd's defaults, which are ours
        "booting" | "all clients" if is_allowed => Taken::Yes,
        whom if whom.starts_with("members of") => {
            scope.is_selective = true;
            Taken::No("classes of clients are not imported, nor is a pool that is for one")
        }
        "known-clients" | "known clients" | "all clients" => {
            scope.is_selective = true;
            Taken::No("a pool that some clients are kept out of is not imported")
        }
        _ => Taken::No(left_out::ISC_PERMISSION),
    }
}

#[cfg(test)]
mod tests;
