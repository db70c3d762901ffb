//! The DHCP options that a subnet has here, by number and by the names that configurations have for them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// Smallest number of an option that a site defines itself.
const SITE_OPTIONS_MIN: u8 = 224;
/// Longest label of a name, bytes (RFC 1035).
const LABEL_BYTES_MAX: usize = 63;

/// What a scope tells its clients; `None` and empty: it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Option 1: not stored, but compared with that of the network.
    pub(super) mask: Option<Ipv4Addr>,
    /// Option 3.
    pub(super) routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub(super) dns_servers: Vec<Ipv4Addr>,
    /// Option 15.
    pub(super) domain: Option<String>,
    /// Option 26, bytes.
    pub(super) mtu: Option<u32>,
    /// Option 51, seconds.
    pub(super) lease_time_s: Option<u32>,
    /// Option 42.
    pub(super) ntp_servers: Vec<Ipv4Addr>,
    /// Options without a field of their own, by number.
    pub(super) raw: BTreeMap<u8, Raw>,
}

/// The value of an option that is only passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Addresses(Vec<Ipv4Addr>),
    Text(String),
    /// Bytes in hex.
    Hex(String),
}

/// What became of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is imported.
    Yes,
    /// It is not; why, and what to do.
    No(&'static str),
}

impl Options {
    /// With what an outer scope says where this one says nothing.
    #[must_use]
    pub(super) fn within(&self, outer: &Options) -> Options {
        let list = |own: &Vec<Ipv4Addr>, outer: &Vec<Ipv4Addr>| match own.is_empty() {
            true => outer.clone(),
            false => own.clone(),
        };
        let mut raw = outer.raw.clone();
        raw.extend(self.raw.clone());
        Options {
            mask: self.mask.or(outer.mask),
            ntp_servers: list(&self.ntp_servers, &outer.ntp_servers),
            raw,
            routers: list(&self.routers, &outer.routers),
            dns_servers: list(&self.dns_servers, &outer.dns_servers),
            domain: self.domain.clone().or_else(|| outer.domain.clone()),
            mtu: self.mtu.or(outer.mtu),
            lease_time_s: self.lease_time_s.or(outer.lease_time_s),
        }
    }

    /// Takes an option with its value as text, lists with commas.
    ///
    /// # Errors
    /// What is accepted, for a value that the option cannot have.
    pub(super) fn take(&mut self, code: u8, value: &str) -> Result<Taken, String> {
        match code {
            1 => self.mask = addresses(value)?.first().copied(),
            3 => self.routers = addresses(value)?,
            6 => self.dns_servers = addresses(value)?,
            15 => self.domain = Some(value.trim().trim_end_matches('.').to_owned()),
            26 => self.mtu = Some(number(value)?),
            // follows from the network, as the mask does
            28 => drop(addresses(value)?),
            42 => self.ntp_servers = addresses(value)?,
            51 => self.lease_time_s = Some(number(value)?),
            4 | 7 | 41 | 44 | 45 | 48 | 49 | 69..=76 => {
                self.raw.insert(code, Raw::Addresses(addresses(value)?));
            }
            40 | 64 | 100 | 101 => {
                self.raw.insert(code, Raw::Text(value.trim().to_owned()));
            }
            119 => {
                self.raw.insert(code, Raw::Hex(domain_search(value)?));
            }
            _ => return Ok(Taken::No(why_not(code))),
        }
        Ok(Taken::Yes)
    }
}

/// Why an option is not imported.
fn why_not(code: u8) -> &'static str {
    match code {
        12 => "nodes are called as the cluster calls them; `chamois cloud-init defaults` sets the style",
        17 | 43 | 60 | 66 | 67 | 150 | 208..=211 => {
            "members send their own loader and boot script; `chamois boot config` and `chamois import bss` say what nodes boot"
        }
        2 => "a time zone is not sent by DHCP here; set it in the image or with cloud-init",
        33 | 121 | 249 => "routes are not sent by DHCP here; set them in the image or with cloud-init",
        54 => "members name their service address",
        58 | 59 => "clients renew at half of the lease time and rebind at seven eighths",
        82 | 90 | 118 => "what relays add is echoed, and chooses the subnet, without being configured",
        SITE_OPTIONS_MIN.. => {
            "an option of the site's own is not sent; set what it says in the image or with cloud-init"
        }
        _ => "this option is not sent; set what it says in the image or with cloud-init",
    }
}

/// A search list as it is on the wire (RFC 3397, RFC 1035 section 3.1), without compression.
fn domain_search(text: &str) -> Result<String, String> {
    let mut hex = String::new();
    for name in text.split([',', ' ', '\t']).filter(|name| !name.is_empty()) {
        for label in name.trim_end_matches('.').split('.') {
            if label.is_empty() || label.len() > LABEL_BYTES_MAX {
                let shown = crate::import::diff::quoted(name);
                return Err(format!("`{shown}` is no domain; write e.g. hpc.example"));
            }
            let _infallible = write!(hex, "{:02x}", label.len());
            for byte in label.bytes() {
                let _infallible = write!(hex, "{byte:02x}");
            }
        }
        hex.push_str("00");
    }
    match hex.is_empty() {
        true => Err("there is no domain; write e.g. hpc.example".to_owned()),
        false => Ok(hex),
    }
}

/// IPv4 addresses, separated by commas or blanks.
///
/// # Errors
/// The first that is none.
pub(super) fn addresses(text: &str) -> Result<Vec<Ipv4Addr>, String> {
    let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let parsed: Vec<Ipv4Addr> = words.map(address).collect::<Result<_, _>>()?;
    match parsed.is_empty() {
        true => Err("there is no address; write e.g. 10.97.0.1".to_owned()),
        false => Ok(parsed),
    }
}

/// One IPv4 address.
///
/// # Errors
/// What is accepted.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, String> {
    let shown = || crate::import::diff::quoted(text);
    text.parse()
        .map_err(|_| format!("`{}` is not an IPv4 address, e.g. 10.97.0.1", shown()))
}

/// A number.
///
/// # Errors
/// What is accepted.
pub(super) fn number(text: &str) -> Result<u32, String> {
    let shown = || crate::import::diff::quoted(text);
    text.trim()
        .parse()
        .map_err(|_| format!("`{}` is not a number from 0 to {}", shown(), u32::MAX))
}

/// The number of an option by a name that ISC, Kea or dnsmasq has for it.
pub(super) fn code_of(name: &str) -> Option<u8> {
    let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, code)| *code)
}

/// dhcp-options(5), Kea's ARM table of standard options, `dnsmasq --help dhcp`.
const NAMES: &[(&str, u8)] = &[
    ("subnet-mask", 1),
    ("netmask", 1),
    ("time-offset", 2),
    ("routers", 3),
    ("router", 3),
    ("time-servers", 4),
    ("domain-name-servers", 6),
    ("dns-server", 6),
    ("log-servers", 7),
    ("log-server", 7),
    ("host-name", 12),
    ("hostname", 12),
    ("domain-name", 15),
    ("root-path", 17),
    ("interface-mtu", 26),
    ("mtu", 26),
    ("broadcast-address", 28),
    ("broadcast", 28),
    ("static-routes", 33),
    ("static-route", 33),
    ("netbios-name-servers", 44),
    ("netbios-ns", 44),
    ("netbios-dd-server", 45),
    ("font-servers", 48),
    ("x-display-manager", 49),
    ("nisplus-domain", 64),
    ("nis+-domain", 64),
    ("smtp-server", 69),
    ("pop-server", 70),
    ("nntp-server", 71),
    ("www-server", 72),
    ("pcode", 100),
    ("posix-timezone", 100),
    ("tcode", 101),
    ("tzdb-timezone", 101),
    ("nis-domain", 40),
    ("nis-servers", 41),
    ("ntp-servers", 42),
    ("ntp-server", 42),
    ("vendor-encapsulated-options", 43),
    ("vendor-encap", 43),
    ("dhcp-lease-time", 51),
    ("lease-time", 51),
    ("dhcp-server-identifier", 54),
    ("server-identifier", 54),
    ("dhcp-renewal-time", 58),
    ("T1", 58),
    ("dhcp-rebinding-time", 59),
    ("T2", 59),
    ("vendor-class-identifier", 60),
    ("vendor-class", 60),
    ("tftp-server-name", 66),
    ("tftp-server", 66),
    ("bootfile-name", 67),
    ("boot-file-name", 67),
    ("domain-search", 119),
    ("classless-static-routes", 121),
    ("classless-static-route", 121),
    ("rfc3442-classless-static-routes", 121),
    ("tftp-server-address", 150),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_subnet_are_taken_and_others_say_why_not() {
        let mut options = Options::default();
        for (code, value) in [
            (1, "255.255.0.0"),
            (3, "10.0.0.1, 10.0.0.2"),
            (6, "10.0.0.3 10.0.0.4"),
            (15, "hpc.example."),
            (26, "9000"),
            (28, "10.0.255.255"),
            (51, "600"),
            (42, "10.0.0.5"),
            (7, "10.0.0.6"),
            (101, "Europe/Paris"),
            (119, "hpc.example, a.b"),
        ] {
            assert_eq!(options.take(code, value), Ok(Taken::Yes), "{code}");
        }
        assert_eq!(options.routers.len() + options.dns_servers.len(), 4);
        assert_eq!(options.domain.as_deref(), Some("hpc.example"));
        assert_eq!((options.mtu, options.lease_time_s), (Some(9000), Some(600)));
        let raw = [
            (7, Raw::Addresses(vec![Ipv4Addr::new(10, 0, 0, 6)])),
            (101, Raw::Text("Europe/Paris".to_owned())),
            (119, Raw::Hex("03687063076578616d706c65000161016200".to_owned())),
        ];
        assert_eq!(options.raw, raw.into());
        for code in [2, 12, 43, 67, 121, 54, 58, 82, 224, 77] {
            let Ok(Taken::No(why)) = options.take(code, "x") else {
                panic!("{code} is taken")
            };
            assert!(why.len() > 20, "{code}: {why}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_says_what_can() {
        let mut options = Options::default();
        for (code, value, why) in [
            (3, "gateway", "`gateway` is not an IPv4 address"),
            (6, " , ", "there is no address"),
            (26, "jumbo", "`jumbo` is not a number"),
            (51, "-1", "`-1` is not a number"),
            (119, "a..b", "`a..b` is no domain"),
            (119, " ", "there is no domain"),
        ] {
            let refused = options.take(code, value).unwrap_err();
            assert!(refused.starts_with(why), "{refused}");
        }
        assert_eq!(options, Options::default(), "nothing of it is kept");
    }

    #[test]
    fn the_inner_scope_wins_and_the_outer_fills_in() {
        let of = |router: &str, mtu| Options {
            routers: addresses(router).unwrap_or_default(),
            mtu,
            ..Options::default()
        };
        let both = of("10.0.0.1", None).within(&of("10.0.0.9", Some(9000)));
        assert_eq!(both, of("10.0.0.1", Some(9000)));
        assert_eq!(of("", None).within(&of("10.0.0.9", None)), of("10.0.0.9", None));
    }

    /// Three programs, three names.
    #[test]
    fn names_of_all_three_mean_the_same_number() {
        for names in [["routers", "router", "ROUTERS"], ["interface-mtu", "mtu", "MTU"]] {
            let codes: Vec<_> = names.iter().map(|name| code_of(name)).collect();
            assert!(codes[0].is_some() && codes.iter().all(|code| *code == codes[0]));
        }
        assert_eq!(code_of("gateway"), None);
    }
}
