//! How a Redfish endpoint is reached: host name, domain, FQDN and address, given in part and made to agree.

use std::net::{IpAddr, SocketAddr};

use model::Rejection;

use crate::bounds::{NAME_BYTES_MAX, check_text};

/// The four as they are stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndpointAddress {
    pub(super) hostname: String,
    pub(super) domain: String,
    pub(super) fqdn: String,
    pub(super) ip_address: String,
}

impl EndpointAddress {
    /// Host name and domain come from the FQDN where they are not given, and the FQDN from them; without either, `id` is the
    /// name. An address as host name is the address of the endpoint. A port may follow an address.
    ///
    /// # Errors
    /// `Invalid` when they contradict each other.
    ///
    /// Source: SMD's NewRedfishEPDescription (pkg/redfish).
    pub(super) fn resolve(
        id: &str,
        hostname: &str,
        domain: &str,
        fqdn: &str,
        ip_address: &str,
    ) -> Result<EndpointAddress, Rejection> {
        let texts = [("Hostname", hostname), ("Domain", domain), ("FQDN", fqdn)];
        for (field, text) in texts {
            check_host(field, text)?;
        }
        check_text("IPAddress", ip_address, NAME_BYTES_MAX)?;
        let fqdn = trimmed(fqdn);
        let named_ip = numeric(fqdn);
        let mut host = trimmed(hostname).to_owned();
        let mut domain = trimmed(domain).to_owned();
        if numeric(&host).is_none() && host.contains('.') {
            return Err(Rejection::invalid(
                "Hostname",
                "Hostname is not a basename or IP address.",
            ));
        }
        if host.is_empty() && named_ip.is_some() {
            fqdn.clone_into(&mut host);
        } else if !fqdn.is_empty() {
            let (first, rest) = fqdn.split_once('.').unwrap_or((fqdn, ""));
            if host.is_empty() {
                first.clone_into(&mut host);
            }
            if domain.is_empty() && host == first {
                trimmed(rest).clone_into(&mut domain);
            }
        }
        let (ip, host) = match numeric(&host) {
            Some((ip, text)) => (Some(ip), text),
            None => (None, host),
        };
        let name = if host.is_empty() { id } else { host.as_str() };
        let full = match (domain.as_str(), ip) {
            ("", _) | (_, Some(_)) => name.to_owned(),
            (domain, None) => format!("{name}.{domain}"),
        };
        let said = named_ip.map_or_else(|| fqdn.to_owned(), |(_, text)| text);
        if !said.is_empty() && said != full {
            let problem = format!("host/domain conflicts with FQDN: '{full}' != '{said}'");
            return Err(Rejection::invalid("FQDN", problem));
        }
        Ok(EndpointAddress {
            ip_address: own_address(ip_address, ip)?,
            hostname: host,
            domain,
            fqdn: full,
        })
    }
}

/// The address of the endpoint: the one given, or the one that its name is. They must not differ.
fn own_address(given: &str, named: Option<IpAddr>) -> Result<String, Rejection> {
    let given = given.trim();
    if given.is_empty() {
        return Ok(named.map(|ip| ip.to_string()).unwrap_or_default());
    }
    let ip: IpAddr = given.parse().map_err(|_| {
        let shown = given.escape_default();
        Rejection::invalid(
            "IPAddress",
            format!("IPAddress is not a valid IP address: '{shown}'"),
        )
    })?;
    let ip = ip.to_canonical();
    match named {
        Some(named) if named != ip => {
            let problem = format!("hostname IP address conflicts with given IP address: '{named}' != '{ip}'");
            Err(Rejection::invalid("IPAddress", problem))
        }
        Some(_) | None => Ok(ip.to_string()),
    }
}

/// An address with or without a port, and its text in shortest form.
fn numeric(text: &str) -> Option<(IpAddr, String)> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        return Some((ip, ip.to_string()));
    }
    let with_port: SocketAddr = text.parse().ok()?;
    let ip = with_port.ip().to_canonical();
    Some((ip, SocketAddr::new(ip, with_port.port()).to_string()))
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(['.', '/', ' '])
}

/// It becomes part of URLs.
fn check_host(field: &str, text: &str) -> Result<(), Rejection> {
    check_text(field, text, NAME_BYTES_MAX)?;
    let accepted = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    match trimmed(text).chars().find(|c| !accepted(*c)) {
        Some(other) => {
            let problem = format!(
                "it holds '{}'; write a host name or an address",
                other.escape_default()
            );
            Err(Rejection::invalid(field, problem))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(parts: [&str; 4]) -> Result<[String; 4], String> {
        let [hostname, domain, fqdn, ip] = parts;
        EndpointAddress::resolve("x0c0s0b0", hostname, domain, fqdn, ip)
            .map(|found| [found.hostname, found.domain, found.fqdn, found.ip_address])
            .map_err(|rejection| rejection.to_string())
    }

    /// Hostname, domain, FQDN, address: what is given, and what is stored.
    #[test]
    fn what_is_not_given_follows_from_the_rest() {
        let cases = [
            (["", "", "", ""], ["", "", "x0c0s0b0", ""]),
            (["", "lab", "", ""], ["", "lab", "x0c0s0b0.lab", ""]),
            (
                ["bmc1", "lab.example", "", ""],
                ["bmc1", "lab.example", "bmc1.lab.example", ""],
            ),
            (
                ["", "", "bmc1.lab.example", ""],
                ["bmc1", "lab.example", "bmc1.lab.example", ""],
            ),
            (
                ["bmc1", "", "bmc1.lab.example", "10.0.0.1"],
                ["bmc1", "lab.example", "bmc1.lab.example", "10.0.0.1"],
            ),
            (["", "", "10.0.0.1", ""], ["10.0.0.1", "", "10.0.0.1", "10.0.0.1"]),
            (
                ["", "", "10.0.0.1:8443", ""],
                ["10.0.0.1:8443", "", "10.0.0.1:8443", "10.0.0.1"],
            ),
            (
                ["10.0.0.1", "", "", "10.0.0.1"],
                ["10.0.0.1", "", "10.0.0.1", "10.0.0.1"],
            ),
            (
                ["", "", "FD00:0:0::0011", ""],
                ["fd00::11", "", "fd00::11", "fd00::11"],
            ),
            (["", "", "bmc1.lab./", ""], ["bmc1", "lab", "bmc1.lab", ""]),
            (
                ["", "", "x0c0s0b0", "10.0.0.1"],
                ["x0c0s0b0", "", "x0c0s0b0", "10.0.0.1"],
            ),
        ];
        for (given, stored) in cases {
            assert_eq!(resolve(given), Ok(stored.map(str::to_owned)), "{given:?}");
        }
    }

    /// The texts are those of SMD.
    #[test]
    fn contradictions_are_refused() {
        let cases = [
            (
                ["", "", "10.0.0.1", "10.0.0.2"],
                "hostname IP address conflicts with given IP address",
            ),
            (
                ["10.0.0.1", "", "", "10.0.0.2"],
                "hostname IP address conflicts with given IP address",
            ),
            (["bmc1.lab", "", "", ""], "Hostname is not a basename"),
            (
                ["bmc1", "", "bmc2.lab", ""],
                "host/domain conflicts with FQDN: 'bmc1' != 'bmc2.lab'",
            ),
            (
                ["bmc1", "lab", "bmc1.other", ""],
                "host/domain conflicts with FQDN",
            ),
            (
                ["", "", "", "10.0.0"],
                "IPAddress is not a valid IP address: '10.0.0'",
            ),
            (["", "", "bmc 1", ""], "FQDN: it holds ' '"),
            (["", "", "https://bmc1", ""], "FQDN: it holds '/'"),
            (["", "la\nb", "", ""], "Domain: "),
        ];
        for (given, problem) in cases {
            let refused = resolve(given).unwrap_err();
            assert!(refused.contains(problem), "{given:?}: {refused}");
        }
    }
}
