//! A rule of coresmd: which clients, and what they are told. Source: coresmd's examples/coredhcp/rules.md.

use std::net::Ipv4Addr;

use model::Ipv4Net;

use super::found::{Place, network_of, network_of_prefix};
use super::options::address;

/// A rule as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) at: Place,
    /// Empty: it has none.
    pub(super) name: String,
    pub(super) types: Vec<String>,
    pub(super) subnets: Vec<Ipv4Net>,
    pub(super) ids: Vec<String>,
    pub(super) hostname: String,
    pub(super) routers: Vec<Ipv4Addr>,
    /// Of the mask that clients are sent; that of the first of `subnets` where nothing else is said.
    pub(super) prefix_length: Option<u8>,
    pub(super) domain: String,
    pub(super) append: Append,
    pub(super) continues: bool,
    pub(super) ignore: bool,
    /// A key that is about coresmd's log.
    pub(super) has_log: bool,
}

/// What follows the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Append {
    /// The rule's domain, else the global one.
    #[default]
    Either,
    Global,
    Rule,
    GlobalRule,
    RuleGlobal,
    None,
}

impl Rule {
    /// Clients of one SMD type, or all for an empty one, and their name.
    pub(super) fn named(at: &Place, r#type: &str, hostname: &str) -> Rule {
        Rule {
            types: Some(r#type)
                .filter(|of| !of.is_empty())
                .map(str::to_owned)
                .into_iter()
                .collect(),
            hostname: hostname.to_owned(),
            ..Rule::empty(at)
        }
    }

    /// Reads `key:value,key:value…`.
    ///
    /// # Errors
    /// The key, and what is accepted.
    pub(super) fn read(at: &Place, text: &str) -> Result<Rule, String> {
        let mut rule = Rule::empty(at);
        let mut seen: Vec<String> = Vec::new();
        for part in parts(text) {
            let (key, value) = part
                .split_once(':')
                .ok_or_else(|| format!("`{}` has no value; write key:value", shown(&part)))?;
            let key = key.trim().to_ascii_lowercase();
            if seen.contains(&key) {
                return Err(format!("`{key}` stands in it twice"));
            }
            rule.take(&key, value.trim())?;
            seen.push(key);
        }
        let has = |key: &str| seen.iter().any(|seen| seen == key);
        if has("netmask") && has("cidr") {
            return Err("it has `netmask` and `cidr`; write one of them".to_owned());
        }
        let has_action = [
            "hostname",
            "routers",
            "netmask",
            "cidr",
            "domain",
            "domain_append",
            "ignore",
            "subnet",
        ];
        if !has_action.iter().any(|key| has(key)) {
            return Err(
                "it does nothing; write hostname, routers, netmask, cidr, domain or ignore".to_owned(),
            );
        }
        let implied = rule.subnets.first().map(Ipv4Net::prefix_len);
        rule.prefix_length = rule.prefix_length.or(implied.filter(|_| !rule.ignore));
        Ok(rule)
    }

    fn empty(at: &Place) -> Rule {
        Rule {
            at: at.clone(),
            name: String::new(),
            types: Vec::new(),
            subnets: Vec::new(),
            ids: Vec::new(),
            hostname: String::new(),
            routers: Vec::new(),
            prefix_length: None,
            domain: String::new(),
            append: Append::Either,
            continues: false,
            ignore: false,
            has_log: false,
        }
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        let of = |problem: String| format!("{key}: {problem}");
        match key {
            "name" => value.clone_into(&mut self.name),
            "type" => self.types = list(value),
            "id" => self.ids = list(value),
            "subnet" => {
                self.subnets = list(value)
                    .iter()
                    .map(|text| cidr(text))
                    .collect::<Result<_, _>>()
                    .map_err(of)?
            }
            "hostname" => value.clone_into(&mut self.hostname),
            "routers" => {
                self.routers = list(value)
                    .iter()
                    .map(|text| address(text))
                    .collect::<Result<_, _>>()
                    .map_err(of)?
            }
            "netmask" => {
                let mask = address(value).map_err(of)?;
                let network = network_of(Ipv4Addr::UNSPECIFIED, mask).map_err(of)?;
                self.prefix_length = Some(network.prefix_len());
            }
            "cidr" => {
                let bits = value.parse::<u8>().ok().filter(|bits| (1..=32).contains(bits));
                self.prefix_length =
                    Some(bits.ok_or_else(|| format!("cidr: `{}` is not 1 to 32", shown(value)))?);
            }
            "domain" => value.trim_start_matches('.').clone_into(&mut self.domain),
            "domain_append" => self.append = append(value)?,
            "continue" => self.continues = truth(key, value)?,
            "ignore" => self.ignore = truth(key, value)?,
            "log" => self.has_log = true,
            "id_set" => {
                return Err("coresmd itself does not read id_set yet; write the xnames as id:A|B".to_owned());
            }
            key => {
                return Err(format!(
                    "`{}` is no key of a rule; type, subnet and id say for whom, hostname, routers, netmask, cidr, domain, \
                     domain_append, continue, ignore, name and log what",
                    shown(key)
                ));
            }
        }
        Ok(())
    }
}

/// Cut at commas that are not quoted; quotes are taken off.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut quote) = (vec![String::new()], None);
    for c in text.chars() {
        match (c, quote) {
            (',', None) => parts.push(String::new()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn list(value: &str) -> Vec<String> {
    let parts = value.split('|').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The bits behind the prefix are not looked at, as Go does.
fn cidr(text: &str) -> Result<Ipv4Net, String> {
    let parts = text
        .split_once('/')
        .and_then(|(base, length)| Some((base, length.parse::<u32>().ok()?)));
    let (base, length) =
        parts.ok_or_else(|| format!("`{}` is no network, e.g. 10.97.0.0/16", shown(text)))?;
    network_of_prefix(address(base)?, length)
}

fn append(value: &str) -> Result<Append, String> {
    let parts: Vec<&str> = value.split('|').map(str::trim).collect();
    Ok(match parts[..] {
        ["global"] => Append::Global,
        ["rule"] => Append::Rule,
        ["global", "rule"] => Append::GlobalRule,
        ["rule", "global"] => Append::RuleGlobal,
        ["none"] => Append::None,
        _ => return Err("domain_append: write global, rule, global|rule, rule|global or none".to_owned()),
    })
}

fn truth(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{key}: write true or false")),
    }
}

fn shown(text: &str) -> String {
    crate::import::diff::quoted(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rule, String> {
        Rule::read(&Place::new("c", 1), text)
    }

    #[test]
    fn every_key_is_read() {
        let rule = read(
            "name:bmcs, type:NodeBMC | RouterBMC,subnet:172.16.10.7/24|172.16.11.0/24,id:x0c0s0b0|x0c0s1b0,\
             hostname:\"bmc,{04d}\",routers:172.16.10.1|172.16.10.2,cidr:16,domain:.lab.example,domain_append:rule|global,\
             continue:true,log:none",
        )
        .unwrap();
        assert_eq!(rule.types, ["NodeBMC", "RouterBMC"]);
        assert_eq!(rule.subnets[0].to_string(), "172.16.10.0/24");
        assert_eq!(
            (rule.ids.len(), rule.routers.len(), rule.subnets.len()),
            (2, 2, 2)
        );
        assert_eq!(
            (rule.hostname.as_str(), rule.domain.as_str()),
            ("bmc,{04d}", "lab.example")
        );
        assert_eq!((rule.prefix_length, rule.append), (Some(16), Append::RuleGlobal));
        assert!(rule.continues && !rule.ignore && rule.has_log);
    }

    /// Without it clients would get the mask of their subnet, which may be a larger one.
    #[test]
    fn a_subnet_implies_the_mask_of_its_first_network() {
        let mask = |text: &str| read(text).unwrap().prefix_length;
        assert_eq!(
            mask("subnet:172.16.0.0/21|172.16.8.0/22,hostname:a{04d}"),
            Some(21)
        );
        assert_eq!(mask("subnet:172.16.0.0/21,netmask:255.255.0.0"), Some(16));
        assert_eq!(
            mask("subnet:172.16.0.0/21,ignore:true"),
            None,
            "nothing goes with ignore"
        );
        assert_eq!(mask("type:Node,hostname:a{04d}"), None);
    }

    #[test]
    fn what_cannot_be_says_what_can() {
        for (text, why) in [
            ("type:Node", "it does nothing"),
            ("", "it does nothing"),
            ("hostname", "`hostname` has no value"),
            ("hostname:a,hostname:b", "`hostname` stands in it twice"),
            ("host:a", "`host` is no key of a rule"),
            ("id_set:x[0-9],hostname:a", "coresmd itself does not read id_set"),
            (
                "subnet:172.16.0.0,hostname:a",
                "subnet: `172.16.0.0` is no network",
            ),
            (
                "subnet:172.16.0.0/33,hostname:a",
                "subnet: /33 is no prefix length",
            ),
            ("routers:gateway", "routers: `gateway` is not an IPv4 address"),
            ("netmask:255.0.255.0", "netmask: 255.0.255.0 is no netmask"),
            ("cidr:0", "cidr: `0` is not 1 to 32"),
            ("netmask:255.0.0.0,cidr:8", "it has `netmask` and `cidr`"),
            ("domain_append:both", "domain_append: write"),
            ("ignore:yes", "ignore: write true or false"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with(why), "{text}: {refused}");
        }
    }
}
