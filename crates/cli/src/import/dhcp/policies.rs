//! Policies of DHCP: coresmd's rules as this cluster has them. Pure.

use std::collections::BTreeMap;

use model::Ipv4Net;
use proto::dhcp::v1::DhcpPolicy;
use proto::dhcp::v1::dhcp_policy::DomainAppend;

use super::rule::{Append, Rule};
use crate::dhcp::option_args::texts;
use crate::import::diff::{Change, Diff, quoted};

/// Priority of the first rule; each that follows has one less.
const FIRST_PRIORITY: u32 = 1000;

/// Compares by name. A policy that says something else here is refused, unless `replace`.
pub(super) fn diff(rules: &[Rule], ours: &[DhcpPolicy], replace: bool) -> Diff<DhcpPolicy> {
    let mut diff = Diff::default();
    let mut seen: BTreeMap<String, &Rule> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        let policy = policy(place, rule);
        let name = quoted(&policy.name);
        if let Some(first) = seen.insert(policy.name.clone(), rule) {
            let reason = format!(
                "{}: the rule at {} has this name, too; give it another",
                rule.at, first.at
            );
            diff.refuse(name, reason);
            continue;
        }
        let known = ours.iter().find(|known| known.name == policy.name);
        match known {
            None => diff.create.push(policy),
            Some(known) if without_history(known) == policy => diff.same += 1,
            Some(_) if !replace => {
                let reason = format!(
                    "{}: a policy of this name is here and says something else; --replace takes the rule's",
                    rule.at
                );
                diff.refuse(name, reason);
            }
            Some(known) => diff.change.push(Change {
                before: known.clone(),
                after: DhcpPolicy {
                    meta: known.meta.clone(),
                    ..policy
                },
            }),
        }
    }
    diff
}

fn without_history(policy: &DhcpPolicy) -> DhcpPolicy {
    DhcpPolicy {
        meta: None,
        ..policy.clone()
    }
}

/// The rule at this place of the list, from 0.
fn policy(place: usize, rule: &Rule) -> DhcpPolicy {
    let name = match rule.name.as_str() {
        "" => format!("coresmd-{:03}", place + 1),
        name => name.to_owned(),
    };
    let place = u32::try_from(place).unwrap_or(FIRST_PRIORITY);
    // nothing goes with `ignore`, and what follows the name needs one
    let has_name = !rule.ignore && (!rule.hostname.is_empty() || rule.append != Append::Either);
    DhcpPolicy {
        name,
        description: "a rule of coresmd".to_owned(),
        priority: Some(FIRST_PRIORITY.saturating_sub(place)),
        component_types: rule.types.clone(),
        subnets: rule.subnets.iter().map(Ipv4Net::to_string).collect(),
        hosts: rule.ids.clone(),
        continues: rule.continues,
        ignore: rule.ignore,
        hostname: rule.hostname.clone(),
        domain: rule.domain.to_ascii_lowercase(),
        domain_append: if has_name { append(rule.append).into() } else { 0 },
        routers: texts(&rule.routers),
        prefix_length: rule.prefix_length.map_or(0, u32::from),
        ..DhcpPolicy::default()
    }
}

fn append(of: Append) -> DomainAppend {
    match of {
        Append::Either => DomainAppend::Either,
        Append::Global => DomainAppend::Subnet,
        Append::Rule => DomainAppend::Policy,
        Append::GlobalRule => DomainAppend::SubnetPolicy,
        Append::RuleGlobal => DomainAppend::PolicySubnet,
        Append::None => DomainAppend::None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::Place;
    use super::*;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        let at = |line| Place::new("c.yaml", line);
        let read = |(line, text): (usize, &&str)| Rule::read(&at(line + 1), text).unwrap();
        texts.iter().enumerate().map(read).collect()
    }

    #[test]
    fn the_order_of_rules_is_the_priority_of_policies() {
        let rules = rules(&[
            "type:NodeBMC,subnet:172.16.10.0/24,hostname:bmc{04d},routers:172.16.10.1,continue:true,domain_append:global|rule",
            "name:quiet,type:RouterBMC,ignore:true",
            "routers:10.0.0.1",
        ]);
        let created = diff(&rules, &[], false).create;
        let of = |place: usize| (created[place].name.as_str(), created[place].priority);
        assert_eq!(of(0), ("coresmd-001", Some(1000)));
        assert_eq!(of(1), ("quiet", Some(999)));
        assert_eq!(of(2), ("coresmd-003", Some(998)));
        let first = &created[0];
        assert_eq!((first.prefix_length, first.continues), (24, true));
        assert_eq!(first.domain_append(), DomainAppend::SubnetPolicy);
        assert_eq!(first.subnets, ["172.16.10.0/24"]);
        let quiet = (created[1].ignore, created[1].domain_append);
        assert_eq!(quiet, (true, 0), "nothing goes with ignore");
        assert_eq!(
            created[2].domain_append, 0,
            "there is no name that anything could follow"
        );
    }

    #[test]
    fn a_policy_that_says_something_else_is_kept_unless_it_is_replaced() {
        let rules = rules(&[
            "name:a,hostname:n{04d}",
            "name:b,hostname:m{04d}",
            "name:a,hostname:o{04d}",
        ]);
        let mut ours = diff(&rules[..2], &[], false).create;
        ours[0].meta = Some(proto::http::v1::ObjectMeta::default());
        ours[1].hostname = "x{04d}".into();
        let kept = diff(&rules, &ours, false);
        assert_eq!((kept.same, kept.change.len(), kept.refused.len()), (1, 0, 2));
        assert!(kept.refused[0].reason.contains("c.yaml:2: a policy of this name"));
        assert!(
            kept.refused[1]
                .reason
                .contains("the rule at c.yaml:1 has this name")
        );
        let replaced = diff(&rules[..2], &ours, true);
        assert_eq!(replaced.change[0].after.hostname, "m{04d}");
    }
}
