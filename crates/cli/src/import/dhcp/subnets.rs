//! Subnets: what of the configuration is new here, and what differs. Pure.

use model::Ipv4Net;
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::{AddressPool, RawOption, Subnet};

use super::found::FoundSubnet;
use super::options::Raw;
use crate::dhcp::option_args::texts as addresses;
use crate::import::diff::{Change, Diff};

/// Compares. What the configuration does not say stays as it is here; what is said otherwise here is refused, unless `replace`.
pub(super) fn diff(found: &[FoundSubnet], ours: &[Subnet], replace: bool) -> Diff<Subnet> {
    let mut diff = Diff::default();
    let mut before: Option<&FoundSubnet> = None;
    for given in found {
        // sorted by network, so one that overlaps another begins within one before it
        if let Some(around) = before.filter(|around| around.network.overlaps(&given.network)) {
            let reason = format!(
                "{}: it overlaps {} at {}; a client can be in one of them only, leave one out",
                given.at, around.network, around.at
            );
            diff.refuse(given.network.to_string(), reason);
            continue;
        }
        before = Some(given);
        let wanted = wanted(given);
        let known = ours.iter().find(|subnet| is_of(subnet, &given.network));
        match known {
            None => diff.create.push(wanted),
            Some(known) => match merged(known, wanted, replace) {
                Err(conflicts) => {
                    let reason = format!("{}: {conflicts}; --replace takes what the file says", given.at);
                    diff.refuse(given.network.to_string(), reason);
                }
                Ok(after) if after == *known => diff.same += 1,
                Ok(after) => {
                    let before = known.clone();
                    diff.change.push(Change { before, after });
                }
            },
        }
    }
    diff
}

/// Fields that differ, with both values.
pub(super) fn changes_in_words(before: &Subnet, after: &Subnet) -> Vec<String> {
    let fields = texts(before).into_iter().zip(texts(after));
    let changed = fields.filter(|((_, before), (_, after))| before != after);
    changed
        .map(|((name, before), (_, after))| format!("{name}: {} -> {after}", or_nothing(&before)))
        .collect()
}

fn is_of(subnet: &Subnet, network: &Ipv4Net) -> bool {
    subnet
        .network
        .parse()
        .is_ok_and(|known: Ipv4Net| known == *network)
}

/// As it would be created.
fn wanted(given: &FoundSubnet) -> Subnet {
    let options = &given.options;
    let pools = given.pools.iter().map(|pool| AddressPool {
        first: pool.start().to_string(),
        last: pool.end().to_string(),
        excluded: Vec::new(),
    });
    let raw = options.raw.iter().map(|(code, value)| raw_option(*code, value));
    // strangers of a server with one lease time have it, too
    let pool_lease_time_s = given.pool_lease_time_s.or(options.lease_time_s);
    Subnet {
        network: given.network.to_string(),
        routers: addresses(&options.routers),
        dns_servers: addresses(&options.dns_servers),
        ntp_servers: addresses(&options.ntp_servers),
        domain: options.domain.clone().unwrap_or_default().to_ascii_lowercase(),
        lease_time_s: options.lease_time_s.unwrap_or_default(),
        mtu: options.mtu.unwrap_or_default(),
        pools: pools.collect(),
        unknown_clients: given.unknown.unwrap_or_default().into(),
        pool_lease_time_s: pool_lease_time_s
            .filter(|_| !given.pools.is_empty())
            .unwrap_or_default(),
        options: raw.collect(),
        ..Subnet::default()
    }
}

pub(super) fn raw_option(code: u8, value: &Raw) -> RawOption {
    let mut option = RawOption {
        code: code.into(),
        ..RawOption::default()
    };
    match value {
        Raw::Addresses(addresses) => option.addresses = addresses.iter().map(ToString::to_string).collect(),
        Raw::Text(text) => option.text.clone_from(text),
        Raw::Hex(hex) => option.hex.clone_from(hex),
    }
    option
}

/// `before` with what is wanted of it.
///
/// # Errors
/// All fields that say something else here, with both values.
fn merged(before: &Subnet, wanted: Subnet, replace: bool) -> Result<Subnet, String> {
    let shown = (texts(before), texts(&wanted));
    let mut after = before.clone();
    let mut conflicts = Vec::new();
    let mut judge = |name: &'static str, is_kept: bool| {
        if !is_kept {
            let of = |all: &[(&'static str, String)]| {
                let found = all.iter().find(|(known, _)| *known == name);
                found.map(|(_, text)| text.clone()).unwrap_or_default()
            };
            conflicts.push(format!(
                "{name} {} here, {} in the file",
                of(&shown.0),
                of(&shown.1)
            ));
        }
    };
    judge("routers", take(&mut after.routers, wanted.routers, replace));
    judge(
        "DNS servers",
        take(&mut after.dns_servers, wanted.dns_servers, replace),
    );
    judge(
        "NTP servers",
        take(&mut after.ntp_servers, wanted.ntp_servers, replace),
    );
    judge("domain", take(&mut after.domain, wanted.domain, replace));
    judge(
        "lease time",
        take(&mut after.lease_time_s, wanted.lease_time_s, replace),
    );
    judge("MTU", take(&mut after.mtu, wanted.mtu, replace));
    judge("pools", take(&mut after.pools, wanted.pools, replace));
    judge(
        "pool lease time",
        take(&mut after.pool_lease_time_s, wanted.pool_lease_time_s, replace),
    );
    judge("options", take(&mut after.options, wanted.options, replace));
    judge(
        "unknown clients",
        take_unknown(&mut after.unknown_clients, wanted.unknown_clients, replace),
    );
    match conflicts.is_empty() {
        true => Ok(after),
        false => Err(conflicts.join("; ")),
    }
}

/// Takes what is wanted where nothing is said, or `replace`; whether the field is then as wanted.
fn take<T: PartialEq + Default>(field: &mut T, wanted: T, replace: bool) -> bool {
    if wanted == T::default() || wanted == *field {
        return true;
    }
    let is_free = *field == T::default() || replace;
    if is_free {
        *field = wanted;
    }
    is_free
}

/// Nothing said and "ignore" are the same to clients.
fn take_unknown(field: &mut i32, wanted: i32, replace: bool) -> bool {
    let ignore = i32::from(UnknownClients::Ignore);
    if wanted == ignore && *field == i32::default() {
        return true;
    }
    if *field == ignore && wanted != ignore && wanted != i32::default() && !replace {
        return false;
    }
    take(field, wanted, replace)
}

/// Every field that an import sets, for people.
fn texts(subnet: &Subnet) -> Vec<(&'static str, String)> {
    let number = |number: u32, unit: &str| match number {
        0 => String::new(),
        number => format!("{number} {unit}"),
    };
    let pools = subnet
        .pools
        .iter()
        .map(|pool| format!("{}-{}", pool.first, pool.last));
    let options = subnet.options.iter().map(|option| {
        let value = [
            option.hex.clone(),
            option.text.clone(),
            option.addresses.join(" "),
        ]
        .concat();
        format!("{}={}", option.code, crate::import::diff::quoted(&value))
    });
    let unknown = match subnet.unknown_clients() {
        UnknownClients::Unspecified => "",
        UnknownClients::Ignore => "ignore",
        UnknownClients::Address => "address",
        UnknownClients::Boot => "boot",
    };
    vec![
        ("routers", subnet.routers.join(", ")),
        ("DNS servers", subnet.dns_servers.join(", ")),
        ("NTP servers", subnet.ntp_servers.join(", ")),
        (
            "domain",
            crate::import::diff::quoted(&subnet.domain).replace("(without a name)", ""),
        ),
        ("lease time", number(subnet.lease_time_s, "s")),
        ("MTU", number(subnet.mtu, "bytes")),
        ("pools", pools.collect::<Vec<_>>().join(", ")),
        ("pool lease time", number(subnet.pool_lease_time_s, "s")),
        ("options", options.collect::<Vec<_>>().join(", ")),
        ("unknown clients", unknown.to_owned()),
    ]
}

fn or_nothing(text: &str) -> &str {
    match text {
        "" => "nothing",
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::found::Place;
    use super::super::options::Options;
    use super::*;

    fn found(network: &str, line: usize) -> FoundSubnet {
        FoundSubnet {
            at: Place::new("d.conf", line),
            network: network.parse().unwrap(),
            options: Options {
                routers: vec![Ipv4Addr::new(10, 0, 0, 254)],
                domain: Some("HPC.example".to_owned()),
                lease_time_s: Some(600),
                ..Options::default()
            },
            pools: vec![Ipv4Addr::new(10, 0, 0, 10)..=Ipv4Addr::new(10, 0, 0, 20)],
            closed: Vec::new(),
            closed_ranges: Vec::new(),
            pool_lease_time_s: None,
            unknown: Some(UnknownClients::Address),
        }
    }

    fn stored() -> Subnet {
        diff(&[found("10.0.0.0/24", 1)], &[], false).create.remove(0)
    }

    #[test]
    fn a_new_subnet_has_all_that_the_file_says() {
        let subnet = stored();
        assert_eq!((subnet.routers.len(), subnet.domain.as_str()), (1, "hpc.example"));
        assert_eq!((subnet.lease_time_s, subnet.pool_lease_time_s), (600, 600));
        assert_eq!(subnet.unknown_clients(), UnknownClients::Address);
        assert_eq!(subnet.pools[0].last, "10.0.0.20");
    }

    #[test]
    fn the_same_again_is_the_same_and_what_is_only_here_stays() {
        let here = Subnet {
            dns_servers: vec!["10.0.0.53".into()],
            static_addresses: true,
            longest_lease_time_s: 7200,
            ..stored()
        };
        let diff = diff(&[found("10.0.0.0/24", 1)], &[here], false);
        assert_eq!((diff.same, diff.change.len(), diff.refused.len()), (1, 0, 0));
    }

    #[test]
    fn what_is_not_said_here_is_filled_in() {
        let here = Subnet {
            network: "10.0.0.0/24".into(),
            mtu: 9000,
            ..Subnet::default()
        };
        let diff = diff(&[found("10.0.0.0/24", 1)], &[here], false);
        let change = &diff.change[0];
        assert_eq!((change.after.mtu, change.after.lease_time_s), (9000, 600));
        let told = changes_in_words(&change.before, &change.after).join("; ");
        assert!(
            told.contains("routers: nothing -> 10.0.0.254") && !told.contains("MTU"),
            "{told}"
        );
    }

    /// Nobody's gateway changes because a file was imported.
    #[test]
    fn what_is_said_otherwise_here_is_refused_with_both_values_unless_it_is_replaced() {
        let here = Subnet {
            routers: vec!["10.0.0.1".into()],
            unknown_clients: UnknownClients::Boot.into(),
            ..stored()
        };
        let given = [found("10.0.0.0/24", 7)];
        let refused = diff(&given, std::slice::from_ref(&here), false).refused.remove(0);
        assert_eq!(
            refused.reason,
            "d.conf:7: routers 10.0.0.1 here, 10.0.0.254 in the file; unknown clients boot here, address in the file; \
             --replace takes what the file says"
        );
        let replaced = diff(&given, &[here], true).change.remove(0).after;
        assert_eq!(replaced, stored());
    }

    /// A site may have said "ignore" on purpose.
    #[test]
    fn strangers_that_are_ignored_here_stay_so() {
        let here = Subnet {
            unknown_clients: UnknownClients::Ignore.into(),
            ..stored()
        };
        assert_eq!(diff(&[found("10.0.0.0/24", 1)], &[here], false).refused.len(), 1);
        let silent = FoundSubnet {
            unknown: Some(UnknownClients::Ignore),
            ..found("10.0.0.0/24", 1)
        };
        let here = Subnet {
            unknown_clients: 0,
            ..stored()
        };
        assert_eq!(diff(&[silent], &[here], false).same, 1);
    }

    #[test]
    fn networks_of_one_file_that_overlap_are_told_with_both_places() {
        let given = [
            found("10.0.0.0/16", 1),
            found("10.0.0.0/24", 2),
            found("10.0.9.0/24", 3),
            found("10.1.0.0/24", 4),
        ];
        let diff = diff(&given, &[], false);
        assert_eq!((diff.create.len(), diff.refused.len()), (2, 2));
        let reason = &diff.refused[1].reason;
        assert!(
            reason.starts_with("d.conf:3: it overlaps 10.0.0.0/16 at d.conf:1"),
            "{reason}"
        );
    }
}
