//! DHCP policies as tables.

use proto::dhcp::v1::DhcpPolicy;
use proto::dhcp::v1::dhcp_policy::DomainAppend;

use crate::args::GlobalArgs;
use crate::dhcp::raw_option;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

/// What a field is called on the command line, and what it says.
type Said = (&'static str, String);

pub(super) fn print(global: &GlobalArgs, policy: &DhcpPolicy) -> Result<(), CliError> {
    output::object(
        global,
        ("chamois.dhcp.v1.DhcpPolicy", policy),
        &policy.name,
        || one(policy),
    )
}

/// A row per policy.
pub(super) const POLICIES: Shape<DhcpPolicy> = Shape {
    message: "chamois.dhcp.v1.DhcpPolicy",
    key: |policy| policy.name.clone(),
    columns: &[
        column("NAME", |policy| policy.name.clone()),
        column("PRIORITY", |policy| {
            policy.priority.unwrap_or_default().to_string()
        }),
        column("SELECTS", |policy| match joined(selectors(policy)) {
            text if text.is_empty() => "every client".to_owned(),
            text => text,
        }),
        column("SAYS", |policy| joined(actions(policy))),
        column("THEN", |policy| then(policy).to_owned()),
        wide("DESCRIPTION", |policy| policy.description.clone()),
    ],
};

/// A row per field that is set.
fn one(policy: &DhcpPolicy) -> comfy_table::Table {
    let mut table = output::table(["FIELD", "VALUE"]);
    let head = [
        ("name", policy.name.clone()),
        ("description", policy.description.clone()),
        ("priority", policy.priority.unwrap_or_default().to_string()),
    ];
    let head = head.into_iter().filter(|(_, value)| !value.is_empty());
    for (field, value) in head.chain(selectors(policy)).chain(actions(policy)) {
        table.add_row([field.to_owned(), value]);
    }
    table.add_row(["then".to_owned(), then(policy).to_owned()]);
    table
}

fn joined(said: impl Iterator<Item = Said>) -> String {
    let parts = said.map(|(field, value)| match value.as_str() {
        "" => field.to_owned(),
        value => format!("{field} {value}"),
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn then(policy: &DhcpPolicy) -> &'static str {
    match policy.continues {
        true => "next policy",
        false => "stop",
    }
}

fn selectors(policy: &DhcpPolicy) -> impl Iterator<Item = Said> + '_ {
    let lists = [
        ("type", &policy.component_types),
        ("subnet", &policy.subnets),
        ("host", &policy.hosts),
        ("group", &policy.groups),
        ("role", &policy.roles),
        ("sub-role", &policy.sub_roles),
    ];
    let given = lists.into_iter().filter(|(_, list)| !list.is_empty());
    given.map(|(field, list)| (field, list.join(",")))
}

fn actions(policy: &DhcpPolicy) -> impl Iterator<Item = Said> + '_ {
    let number = |number: u32| match number {
        0 => String::new(),
        number => number.to_string(),
    };
    let options: Vec<String> = policy.options.iter().map(raw_option::show).collect();
    let said = [
        ("hostname", policy.hostname.clone()),
        ("domain", policy.domain.clone()),
        ("domain-append", append(policy.domain_append()).to_owned()),
        ("router", policy.routers.join(",")),
        ("prefix-length", number(policy.prefix_length)),
        ("dns", policy.dns_servers.join(",")),
        ("ntp", policy.ntp_servers.join(",")),
        ("lease-time", number(policy.lease_time_s)),
        ("mtu", number(policy.mtu)),
        ("option", options.join(" ")),
    ];
    let said = said.into_iter().filter(|(_, value)| !value.is_empty());
    let ignore = policy.ignore.then(|| ("ignore", String::new()));
    ignore.into_iter().chain(said)
}

fn append(append: DomainAppend) -> &'static str {
    match append {
        DomainAppend::Unspecified => "",
        DomainAppend::None => "none",
        DomainAppend::Either => "either",
        DomainAppend::Subnet => "subnet",
        DomainAppend::Policy => "policy",
        DomainAppend::SubnetPolicy => "subnet-policy",
        DomainAppend::PolicySubnet => "policy-subnet",
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use proto::dhcp::v1::RawOption;

    use super::super::put::Append;
    use super::*;

    fn policy() -> DhcpPolicy {
        DhcpPolicy {
            name: "nodes".into(),
            priority: Some(700),
            component_types: vec!["Node".into()],
            groups: vec!["compute".into(), "login".into()],
            hostname: "nid{04d}".into(),
            lease_time_s: 600,
            options: vec![RawOption {
                code: 43,
                hex: "0104".into(),
                ..RawOption::default()
            }],
            continues: true,
            ..DhcpPolicy::default()
        }
    }

    #[test]
    fn a_list_says_whom_a_policy_means_and_what_it_says() {
        let ignoring = DhcpPolicy {
            name: "all".into(),
            ignore: true,
            ..DhcpPolicy::default()
        };
        let shown = output::plain(&[policy(), ignoring], &POLICIES);
        for part in [
            "700",
            "type Node; group compute,login",
            "hostname nid{04d}; lease-time 600; option 43=hex:0104",
            "next policy",
            "every client",
            "ignore",
            "stop",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(
            shown.find("nodes").unwrap() < shown.find("every client").unwrap(),
            "in the given order"
        );
    }

    #[test]
    fn one_policy_has_a_row_for_each_field_that_is_set() {
        let shown = one(&policy()).to_string();
        for field in [
            "name",
            "priority",
            "type",
            "group",
            "hostname",
            "lease-time",
            "option",
            "then",
        ] {
            assert!(shown.contains(field), "{field}: {shown}");
        }
        for absent in ["description", "mtu", "subnet", "ignore"] {
            assert!(!shown.contains(absent), "{absent}: {shown}");
        }
    }

    #[test]
    fn domains_are_appended_as_they_are_shown() {
        for arg in Append::value_variants() {
            let name = arg.to_possible_value().unwrap();
            assert_eq!(name.get_name(), append(arg.wire()));
        }
    }
}
