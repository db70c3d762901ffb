//! dnsmasq's `dhcp-option`.

use std::net::Ipv4Addr;

use model::Ipv4Net;

use super::found::Place;
use super::options::{Options, Taken, addresses, code_of};

/// Routers.
const ROUTERS: u8 = 3;

/// An option as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenOption {
    pub(super) at: Place,
    pub(super) what: String,
    /// All of them must be set for a client.
    tags: Vec<String>,
    pub(super) code: u8,
    pub(super) value: String,
}

impl GivenOption {
    /// Whether clients of a range with these tags, in this network, are told of it.
    pub(super) fn is_for(&self, tags: &[String], network: &Ipv4Net) -> bool {
        self.tags.iter().all(|tag| tags.contains(tag)) && self.fits(network)
    }

    /// A router lies in the network that it is for; dnsmasq sends what cannot work, too.
    fn fits(&self, network: &Ipv4Net) -> bool {
        let routers = match self.code {
            ROUTERS => addresses(&self.value).unwrap_or_default(),
            _ => Vec::new(),
        };
        routers.first().is_none_or(|router| network.contains(*router))
    }
}

/// `[tag:x,][encap:…|vi-encap:…|vendor:…,]3|option:router,values`; the inner error is what is left out, and why.
///
/// # Errors
/// What is accepted.
pub(super) fn read(at: &Place, value: &str) -> Result<Result<GivenOption, &'static str>, String> {
    let mut parts = value.split(',').map(str::trim).peekable();
    let mut tags = Vec::new();
    while let Some((kind, tag)) = parts.peek().and_then(|part| part.split_once(':')) {
        match kind {
            "tag" | "net" => tags.push(tag.to_owned()),
            "encap" | "vi-encap" | "vendor" => {
                return Ok(Err(
                    "options of vendors are not sent; loaders are chosen by architecture",
                ));
            }
            "option6" => return Ok(Err(super::left_out::IPV6)),
            _ => break,
        }
        parts.next();
    }
    let name = parts.next().unwrap_or_default();
    let code = match name.strip_prefix("option:") {
        Some(name) => code_of(name),
        None => name.parse().ok(),
    };
    // one without a prefix may also be a tag, as it was written before 2.41
    let Some(code) = code else {
        let shown = crate::import::diff::quoted(name);
        return Err(format!(
            "`{shown}` is no option; write its number, or option:router, option:dns-server, option:domain-name or option:mtu"
        ));
    };
    let value: Vec<&str> = parts.collect();
    let given = GivenOption {
        at: at.clone(),
        what: format!("dhcp-option={}", value_of(&tags, name, &value)),
        tags,
        code,
        value: value.join(","),
    };
    if given.value.is_empty() {
        return Ok(Err(
            "an option without a value means: send none; that is so here unless the subnet has it",
        ));
    }
    if addresses(&given.value).is_ok_and(|all| all.contains(&Ipv4Addr::UNSPECIFIED)) {
        return Ok(Err(
            "0.0.0.0 means the host that dnsmasq runs on; write its address, or that of who does this from now on",
        ));
    }
    match Options::default().take(code, &given.value)? {
        Taken::Yes => Ok(Ok(given)),
        Taken::No(why) => Ok(Err(why)),
    }
}

fn value_of(tags: &[String], name: &str, value: &[&str]) -> String {
    let tags = tags.iter().map(|tag| format!("tag:{tag},"));
    format!("{}{name},{}", tags.collect::<String>(), value.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(value: &str) -> Result<GivenOption, &'static str> {
        read(&Place::new("d", 1), value).unwrap()
    }

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_of_the_manual_is_read() {
        for (value, code, expected) in [
            ("3,10.0.0.254", 3, "10.0.0.254"),
            ("option:router,10.0.0.254", 3, "10.0.0.254"),
            (
                "tag:red, option:dns-server, 10.0.0.1, 10.0.0.2",
                6,
                "10.0.0.1,10.0.0.2",
            ),
            ("option:mtu,9000", 26, "9000"),
        ] {
            let option = option(value).unwrap();
            assert_eq!((option.code, option.value.as_str()), (code, expected), "{value}");
        }
    }

    #[test]
    fn an_option_is_for_ranges_with_its_tags_and_its_router() {
        let red = option("tag:red,3,10.0.0.254").unwrap();
        let (tags, other) = (["red".to_owned()], ["blue".to_owned()]);
        assert!(red.is_for(&tags, &net("10.0.0.0/24")));
        assert!(!red.is_for(&other, &net("10.0.0.0/24")), "another tag");
        assert!(!red.is_for(&tags, &net("10.1.0.0/24")), "the router is not there");
        assert!(option("6,10.0.0.1").unwrap().is_for(&other, &net("10.1.0.0/24")));
    }

    #[test]
    fn what_is_left_out_says_why() {
        for (value, why) in [
            ("vendor:PXEClient,6,2b", "vendors"),
            ("option6:dns-server,[fd00::1]", "IPv4"),
            ("3", "without a value"),
            ("6,0.0.0.0", "0.0.0.0 means"),
            ("67,pxelinux.0", "boot script"),
        ] {
            assert!(option(value).unwrap_err().contains(why), "{value}");
        }
        for (value, why) in [
            ("option:gateway,10.0.0.1", "is no option"),
            ("3,gateway", "is not an IPv4 address"),
        ] {
            assert!(
                read(&Place::new("d", 1), value).unwrap_err().contains(why),
                "{value}"
            );
        }
    }
}
