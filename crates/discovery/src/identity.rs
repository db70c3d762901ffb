//! Which place of the machine a BMC is: the rules for it, as pure functions. Whether another BMC has that xname already is not
//! known here; whoever stores it refuses a collision.

use std::cmp::Reverse;
use std::net::IpAddr;

use model::{MacAddr, Xname};
use proto::discovery::v1::xname_rule::Rule;
use proto::discovery::v1::{ExplicitXname, XnameRule};
use redfish::Address;

use crate::{Invalid, template};

/// Of rules that say none.
const PRIORITY_DEFAULT: u32 = 500;
const PRIORITY_MAX: u32 = 1_000;
const NAME_BYTES_MAX: usize = 128;
/// Longest serial number that a rule may name, bytes.
const SERIAL_BYTES_MAX: usize = 255;

/// What is known of a BMC that has no xname yet. What is not known is empty.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Where it answered.
    pub address: &'a Address,
    /// MAC of its NIC there, in any spelling.
    pub mac: &'a str,
    /// Its serial number, or that of what it is in.
    pub serial: &'a str,
    /// UUID of its service.
    pub uuid: &'a str,
}

/// The xname by the first rule that fits, the highest priority first, of equal ones the first by name. `dhcp` is what SMD's
/// Ethernet interfaces know of a BMC with that MAC or address.
#[must_use]
pub fn by_rules<'r>(
    rules: impl IntoIterator<Item = &'r XnameRule>,
    seen: &Seen<'_>,
    dhcp: &dyn Fn(&Seen<'_>) -> Option<Xname>,
) -> Option<Xname> {
    let mut rules: Vec<&XnameRule> = rules.into_iter().collect();
    let priority = |rule: &XnameRule| Reverse(rule.priority.unwrap_or(PRIORITY_DEFAULT));
    rules.sort_by(|a, b| (priority(a), &a.name).cmp(&(priority(b), &b.name)));
    rules.into_iter().find_map(|rule| match rule.rule.as_ref()? {
        Rule::Explicit(explicit) => is_meant(explicit, seen).then(|| explicit.xname.parse().ok())?,
        Rule::Template(template) => template::xname(template, seen.address.ip()?),
        Rule::Dhcp(_) => dhcp(seen).filter(|xname| xname.hms_type().is_controller()),
    })
}

fn is_meant(explicit: &ExplicitXname, seen: &Seen<'_>) -> bool {
    let ExplicitXname {
        address,
        mac,
        serial,
        uuid,
        ..
    } = explicit;
    is_at(address, seen.address)
        || same(&mac.parse::<MacAddr>().ok(), &seen.mac.trim().parse().ok())
        || same(&text(serial), &text(seen.serial))
        || same(&text(uuid), &text(seen.uuid))
}

/// What is not told is like nothing.
fn same<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
    one.is_some() && one == other
}

/// Case and blanks do not matter.
fn text(given: &str) -> Option<String> {
    let text = given.trim().to_ascii_lowercase();
    (!text.is_empty()).then_some(text)
}

fn is_at(address: &str, at: &Address) -> bool {
    match address.trim().parse::<IpAddr>() {
        Ok(address) => at
            .ip()
            .is_some_and(|at| at.to_canonical() == address.to_canonical()),
        Err(_) => same(&text(address), &text(at.host())),
    }
}

/// Checks a rule before it is stored.
///
/// # Errors
/// `Invalid` naming the field, what is accepted and what to do.
pub fn check_rule(rule: &XnameRule) -> Result<(), Invalid> {
    check_name(&rule.name)?;
    if let Some(priority) = rule.priority.filter(|priority| *priority > PRIORITY_MAX) {
        let problem =
            format!("{priority} is given; write 0 to {PRIORITY_MAX}, the highest is looked at first");
        return Err(Invalid::new("priority", problem));
    }
    match &rule.rule {
        Some(Rule::Explicit(explicit)) => check_explicit(explicit),
        Some(Rule::Template(template)) => template::check(template),
        Some(Rule::Dhcp(_)) => Ok(()),
        None => Err(Invalid::new("rule", "write one of explicit, template and dhcp")),
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    match letters && first && name.len() <= NAME_BYTES_MAX {
        true => Ok(()),
        false => Err(Invalid::new(
            "name",
            format!(
                "write 1 to {NAME_BYTES_MAX} letters, digits and -_., of which the first is a letter or a digit"
            ),
        )),
    }
}

fn check_explicit(explicit: &ExplicitXname) -> Result<(), Invalid> {
    let ExplicitXname {
        address,
        mac,
        serial,
        uuid,
        xname,
    } = explicit;
    let given = [address, mac, serial, uuid]
        .into_iter()
        .filter(|one| text(one).is_some());
    let given = given.count();
    if given != 1 {
        let problem = format!(
            "{given} of address, mac, serial and uuid are given; write one of them, and a rule for each BMC"
        );
        return Err(Invalid::new("explicit", problem));
    }
    if let Some(problem) = text(address).and_then(|address| address_problem(&address)) {
        return Err(Invalid::new("explicit.address", problem));
    }
    if text(mac).is_some() {
        let read: Result<MacAddr, _> = mac.parse();
        read.map_err(|problem| Invalid::new("explicit.mac", problem.to_string()))?;
    }
    if serial.len() > SERIAL_BYTES_MAX {
        return Err(Invalid::new(
            "explicit.serial",
            format!("it has more than {SERIAL_BYTES_MAX} bytes"),
        ));
    }
    if text(uuid).is_some_and(|uuid| !is_uuid(&uuid)) {
        let problem = "write it as the BMC does, e.g. 4c4c4544-0000-1000-8000-b42e99bade15";
        return Err(Invalid::new("explicit.uuid", problem));
    }
    check_controller("explicit.xname", xname).map(drop)
}

/// An IP address, or a host name; a port is none of both.
fn address_problem(address: &str) -> Option<&'static str> {
    let is_name = address.len() <= 253
        && address
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let is_address = address.parse::<IpAddr>().is_ok();
    (!is_name && !is_address)
        .then_some("write an address or a host name without a port, e.g. 10.1.0.7 or fd00::7")
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|b| b.is_ascii_hexdigit())
}

/// The xname of something that has a Redfish endpoint.
pub(crate) fn check_controller(field: &str, text: &str) -> Result<Xname, Invalid> {
    let xname: Xname = text
        .parse()
        .map_err(|problem: model::InvalidValue| Invalid::new(field, problem.to_string()))?;
    match xname.hms_type().is_controller() {
        true => Ok(xname),
        false => {
            let problem = format!(
                "{xname} is a {}; write the xname of a controller, e.g. x1000c0s0b0",
                xname.hms_type()
            );
            Err(Invalid::new(field, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::{DhcpHint, TemplateDigit, TemplateXname};

    use super::*;

    fn rule(name: &str, priority: u32, rule: Rule) -> XnameRule {
        XnameRule {
            name: name.into(),
            priority: Some(priority),
            rule: Some(rule),
            meta: None,
        }
    }

    fn explicit(change: impl FnOnce(&mut ExplicitXname)) -> Rule {
        let mut explicit = ExplicitXname {
            xname: "x1000c0s0b0".into(),
            ..ExplicitXname::default()
        };
        change(&mut explicit);
        Rule::Explicit(explicit)
    }

    fn template(subnet: &str, xname: &str) -> Rule {
        Rule::Template(TemplateXname {
            subnet: subnet.into(),
            xname: xname.into(),
            digits: vec![TemplateDigit {
                name: "slot".into(),
                ..TemplateDigit::default()
            }],
            ..TemplateXname::default()
        })
    }

    const BMC: (&str, &str, &str, &str) = (
        "10.1.0.7:443",
        "94:40:C9:37:D3:FC",
        "MXQ001",
        "4C4C4544-0000-1000-8000-B42E99BADE15",
    );

    fn found(rules: &[XnameRule], dhcp: Option<&str>) -> Option<String> {
        let (address, mac, serial, uuid) = BMC;
        let address: Address = address.parse().unwrap();
        let seen = Seen {
            address: &address,
            mac,
            serial,
            uuid,
        };
        let dhcp = |_: &Seen<'_>| dhcp.map(|xname| xname.parse::<Xname>().unwrap());
        by_rules(rules, &seen, &dhcp).map(|xname| xname.to_string())
    }

    #[test]
    fn a_bmc_is_recognised_by_each_of_what_is_known() {
        let by: [Rule; 4] = [
            explicit(|rule| rule.address = "::ffff:10.1.0.7".into()),
            explicit(|rule| rule.mac = "9440c937d3fc".into()),
            explicit(|rule| rule.serial = " mxq001 ".into()),
            explicit(|rule| rule.uuid = "4c4c4544-0000-1000-8000-b42e99bade15".into()),
        ];
        for one in by {
            let one = rule("r", 1, one);
            check_rule(&one).unwrap();
            assert_eq!(
                found(std::slice::from_ref(&one), None).as_deref(),
                Some("x1000c0s0b0"),
                "{one:?}"
            );
        }
        let others = [
            explicit(|rule| rule.address = "10.1.0.70".into()),
            explicit(|rule| rule.mac = "9440c937d3fd".into()),
            explicit(|rule| rule.serial = "MXQ00".into()),
            explicit(|rule| rule.uuid = "4c4c4544-0000-1000-8000-b42e99bade16".into()),
            explicit(|_| {}),
        ];
        for other in others {
            assert_eq!(found(&[rule("r", 1, other)], None), None);
        }
    }

    /// A rule for a serial number must not take every BMC that tells none.
    #[test]
    fn what_is_not_told_is_like_nothing() {
        let address: Address = "bmc-1.lab".parse().unwrap();
        let seen = Seen {
            address: &address,
            mac: "",
            serial: "",
            uuid: "",
        };
        let none = |_: &Seen<'_>| None::<Xname>;
        let rules = [
            rule("a", 1, explicit(|rule| rule.serial = "MXQ001".into())),
            rule("b", 1, explicit(|_| {})),
            rule("c", 1, template("10.1.0.0/24", "x1c0s{slot}b0")),
        ];
        assert_eq!(by_rules(&rules, &seen, &none), None);
        let by_name = [rule("d", 1, explicit(|rule| rule.address = "BMC-1.lab".into()))];
        assert!(by_rules(&by_name, &seen, &none).is_some());
    }

    #[test]
    fn the_highest_priority_wins_then_the_name() {
        let by_template = template("10.1.0.0/24", "x9c0s{slot}b0");
        let by_serial = || {
            explicit(|rule| {
                rule.serial = "MXQ001".into();
                rule.xname = "x5c0s0b0".into();
            })
        };
        let dhcp = || Rule::Dhcp(DhcpHint {});
        let all = [
            rule("b", 100, by_template.clone()),
            rule("a", 100, dhcp()),
            rule("c", 900, by_serial()),
        ];
        assert_eq!(found(&all, Some("x7c0s0b0")).as_deref(), Some("x5c0s0b0"));
        assert_eq!(found(&all[..2], Some("x7c0s0b0")).as_deref(), Some("x7c0s0b0"));
        assert_eq!(
            found(&all[..2], None).as_deref(),
            Some("x9c0s6b0"),
            "the next rule is looked at"
        );
        assert_eq!(
            found(&all[..2], Some("x7c0s0b0n0")).as_deref(),
            Some("x9c0s6b0"),
            "a node is no BMC"
        );
        let mut without = rule("z", 0, by_template);
        without.priority = None;
        let both = [rule("y", 499, by_serial()), without];
        assert_eq!(
            found(&both, None).as_deref(),
            Some("x9c0s6b0"),
            "500 is what is meant"
        );
    }

    #[test]
    fn a_rule_that_cannot_be_meant_is_refused() {
        let good = rule("rack-1", 500, explicit(|rule| rule.serial = "MXQ001".into()));
        check_rule(&good).unwrap();
        check_rule(&rule("dhcp", 0, Rule::Dhcp(DhcpHint {}))).unwrap();
        let with = |change: &dyn Fn(&mut ExplicitXname)| rule("r", 1, explicit(change));
        let long = "a".repeat(129);
        for (wrong, expected) in [
            (
                XnameRule {
                    name: String::new(),
                    ..good.clone()
                },
                "name: write 1 to 128",
            ),
            (
                XnameRule {
                    name: "-a".into(),
                    ..good.clone()
                },
                "name: ",
            ),
            (
                XnameRule {
                    name: "a b".into(),
                    ..good.clone()
                },
                "name: ",
            ),
            (
                XnameRule {
                    name: long,
                    ..good.clone()
                },
                "name: ",
            ),
            (
                XnameRule {
                    priority: Some(1_001),
                    ..good.clone()
                },
                "priority: 1001 is given; write 0 to 1000",
            ),
            (XnameRule { rule: None, ..good }, "rule: write one of"),
            (with(&|_| {}), "explicit: 0 of address"),
            (
                with(&|rule| (rule.mac, rule.serial) = ("a".into(), "b".into())),
                "explicit: 2 of address",
            ),
            (
                with(&|rule| rule.address = "10.1.0.7:443".into()),
                "explicit.address: ",
            ),
            (with(&|rule| rule.address = "a b".into()), "explicit.address: "),
            (with(&|rule| rule.mac = "94:40".into()), "explicit.mac: "),
            (with(&|rule| rule.uuid = "4c4c4544".into()), "explicit.uuid: "),
            (with(&|rule| rule.serial = "s".repeat(256)), "explicit.serial: "),
            (
                with(&|rule| (rule.serial, rule.xname) = ("s".into(), "x1c0s0b0n0".into())),
                "explicit.xname: x1c0s0b0n0 is a Node",
            ),
            (
                with(&|rule| (rule.serial, rule.xname) = ("s".into(), "rack 1".into())),
                "explicit.xname: ",
            ),
        ] {
            let refused = check_rule(&wrong).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{refused}");
        }
    }
}
