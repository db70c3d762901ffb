//! `chamois import dhcp`: subnets and DHCP policies as `chamois export --of dhcp` has written them, in the words of the API.

use std::collections::BTreeSet;

use clap::Args;
use indicatif::ProgressBar;
use proto::dhcp::v1::{DhcpPolicy, Subnet};
use rpc::client::ExactlyOnce;
use serde_json::{Map, Value};

use super::apply::{self, Work, list_policies, list_subnets};
use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::dhcp::policy::put::PRIORITY_DEFAULT;
use crate::error::CliError;
use crate::import::common::{self, HowArgs};
use crate::import::diff::{Change, Diff, Shown, Summary, changed_fields, quoted};
use crate::import::source::{Named, read_document};
use crate::import::source_http::DHCP;
use crate::output;

/// Keys of the parts of a document.
const SUBNETS: &str = "subnets";
const POLICIES: &str = "policies";

const SUBNET_MESSAGE: &str = "chamois.dhcp.v1.Subnet";
const POLICY_MESSAGE: &str = "chamois.dhcp.v1.DhcpPolicy";

/// `chamois import dhcp`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import dhcp dhcp.json --dry-run       what `chamois export --of dhcp` wrote
  chamois import dhcp dhcp.json --yes

First it shows what would be created, changed, left alone or refused, and why; then it asks, or goes on with --yes. Each subnet and
each policy becomes what the file says of it; those that are here and not in the file stay. What was exported, imported again,
changes nothing. Leases are not moved: a client asks again. Import the SMD first: strangers are not answered on a network before its
nodes are known.")]
pub struct OwnArgs {
    /// What was exported, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// What is done with the difference.
    #[command(flatten)]
    pub how: HowArgs,
}

pub(in crate::import) async fn run(global: &GlobalArgs, args: OwnArgs) -> Result<(), CliError> {
    let named = Named {
        source: &args.file,
        token_file: None,
        ca: None,
    };
    let (origin, document) = read_document(&named, &DHCP).await?;
    let given = Objects::read(&origin, &document)?;
    let connection = connect::to_any(global)?;
    let mut work = given.compared_with(&Objects::of_cluster(&connection).await?);
    apply::try_out(&connection, &mut work).await?;
    let mut summary = Summary::default();
    for shown in shown(&work)? {
        summary.add(shown);
    }
    let apply = async |work, progress: &ProgressBar| apply::apply(&connection, work, progress).await;
    common::carry_out(&args.how, global.output, (work, summary), apply).await
}

/// What an administrator has said to DHCP.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Objects {
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) policies: Vec<DhcpPolicy>,
}

impl Objects {
    /// What this cluster has: subnets by network, policies in the order in which they are looked at.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub(crate) async fn of_cluster(connection: &ExactlyOnce) -> Result<Objects, CliError> {
        Ok(Objects {
            subnets: list_subnets(connection).await?,
            policies: list_policies(connection).await?,
        })
    }

    /// Both parts as [`Objects::read`] reads them, without what only this cluster knows: who changed what and when, and which
    /// leases there have been.
    ///
    /// # Errors
    /// If our protos have no such messages.
    pub(crate) fn to_json(&self) -> Result<[(&'static str, Vec<Value>); 2], CliError> {
        let subnets = self.subnets.iter().map(|subnet| {
            let said = with_history_of_subnet(subnet.clone(), &Subnet::default());
            output::to_value(SUBNET_MESSAGE, &said)
        });
        let policies = self.policies.iter().map(|policy| {
            let said = with_history_of_policy(policy.clone(), &DhcpPolicy::default());
            output::to_value(POLICY_MESSAGE, &said)
        });
        Ok([
            (SUBNETS, subnets.collect::<Result<Vec<_>, CliError>>()?),
            (POLICIES, policies.collect::<Result<Vec<_>, CliError>>()?),
        ])
    }

    /// From a document with the two parts, of which one may be missing.
    ///
    /// # Errors
    /// For what is no such document, with the place of the first that does not fit.
    fn read(origin: &str, document: &Value) -> Result<Objects, CliError> {
        let parts = [SUBNETS, POLICIES];
        let known = document
            .as_object()
            .filter(|object| parts.iter().any(|part| object.contains_key(*part)));
        let Some(object) = known else {
            return Err(DHCP.not_accepted(origin, "it has neither of the keys"));
        };
        if let Some(other) = object.keys().find(|key| !parts.contains(&key.as_str())) {
            return Err(DHCP.not_accepted(origin, format_args!("{}: there is no such key", quoted(other))));
        }
        let mut policies: Vec<DhcpPolicy> = list(origin, object, POLICIES, POLICY_MESSAGE)?;
        for policy in &mut policies {
            policy.priority.get_or_insert(PRIORITY_DEFAULT);
        }
        Ok(Objects {
            subnets: list(origin, object, SUBNETS, SUBNET_MESSAGE)?,
            policies,
        })
    }

    /// What there is to do, so that `ours` is as this says.
    fn compared_with(self, ours: &Objects) -> Work {
        Work {
            subnets: diff(self.subnets, &ours.subnets, network, with_history_of_subnet),
            policies: diff(self.policies, &ours.policies, name, with_history_of_policy),
            ..Work::default()
        }
    }
}

fn list<M: prost::Message + Default>(
    origin: &str,
    object: &Map<String, Value>,
    part: &str,
    message: &str,
) -> Result<Vec<M>, CliError> {
    let list = match object.get(part) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(DHCP.not_accepted(origin, format_args!("{part}: it is no list"))),
    };
    let read = list.iter().enumerate().map(|(place, item)| {
        output::from_value(message, item)
            .map_err(|problem| DHCP.not_accepted(origin, format_args!("{part}[{place}]: {problem}")))
    });
    read.collect()
}

fn network(subnet: &Subnet) -> &str {
    &subnet.network
}

fn name(policy: &DhcpPolicy) -> &str {
    &policy.name
}

/// What is not the administrator's to say is as it is in `known`.
fn with_history_of_subnet(subnet: Subnet, known: &Subnet) -> Subnet {
    Subnet {
        meta: known.meta.clone(),
        longest_lease_time_s: known.longest_lease_time_s,
        ..subnet
    }
}

fn with_history_of_policy(policy: DhcpPolicy, known: &DhcpPolicy) -> DhcpPolicy {
    DhcpPolicy {
        meta: known.meta.clone(),
        ..policy
    }
}

fn diff<T: Clone + PartialEq>(
    given: Vec<T>,
    ours: &[T],
    key: fn(&T) -> &str,
    with_history: fn(T, &T) -> T,
) -> Diff<T> {
    let mut diff = Diff::default();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for object in given {
        if !seen.insert(key(&object).to_owned()) {
            diff.refuse(quoted(key(&object)), "the file has it twice; leave one out");
            continue;
        }
        let Some(known) = ours.iter().find(|known| key(known) == key(&object)) else {
            diff.create.push(object);
            continue;
        };
        let after = with_history(object, known);
        if after == *known {
            diff.same += 1;
        } else {
            let before = known.clone();
            diff.change.push(Change { before, after });
        }
    }
    diff
}

fn shown(work: &Work) -> Result<[Shown; 2], CliError> {
    let subnets = show(
        "subnets",
        &work.subnets,
        |subnet| subnet.network.clone(),
        |before, after| fields(SUBNET_MESSAGE, before, after),
    )?;
    let policies = show(
        "DHCP policies",
        &work.policies,
        |policy| policy.name.clone(),
        |before, after| fields(POLICY_MESSAGE, before, after),
    )?;
    Ok([subnets, policies])
}

fn fields(
    message: &str,
    before: &impl prost::Message,
    after: &impl prost::Message,
) -> Result<Vec<String>, CliError> {
    let (before, after) = (
        output::to_value(message, before)?,
        output::to_value(message, after)?,
    );
    Ok(changed_fields(&before, &after, |_| false))
}

#[cfg(test)]
mod tests {
    use proto::dhcp::v1::dhcp_policy::DomainAppend;
    use proto::dhcp::v1::subnet::UnknownClients;
    use proto::dhcp::v1::{AddressPool, RawOption};
    use proto::http::v1::ObjectMeta;
    use serde_json::json;

    use super::*;

    /// Every kind of field, as a cluster has them.
    fn ours() -> Objects {
        let option = RawOption {
            code: 100,
            text: "UTC0".into(),
            ..RawOption::default()
        };
        let pool = AddressPool {
            first: "10.98.200.1".into(),
            last: "10.98.200.100".into(),
            excluded: vec!["10.98.200.7".into()],
        };
        let subnet = Subnet {
            network: "10.98.0.0/16".into(),
            routers: vec!["10.98.0.254".into()],
            pools: vec![pool],
            unknown_clients: UnknownClients::Address.into(),
            options: vec![option.clone()],
            longest_lease_time_s: 7200,
            meta: Some(ObjectMeta::default()),
            ..Subnet::default()
        };
        let nodes = DhcpPolicy {
            name: "nodes".into(),
            priority: Some(0),
            hostname: "n{04d}".into(),
            domain_append: DomainAppend::Subnet.into(),
            options: vec![option],
            meta: Some(ObjectMeta::default()),
            ..DhcpPolicy::default()
        };
        let bmcs = DhcpPolicy {
            name: "bmcs".into(),
            priority: Some(500),
            ignore: true,
            ..DhcpPolicy::default()
        };
        Objects {
            subnets: vec![subnet],
            policies: vec![bmcs, nodes],
        }
    }

    fn document(objects: &Objects) -> Value {
        let parts = objects.to_json().unwrap();
        let parts = parts
            .into_iter()
            .map(|(part, all)| (part.to_owned(), Value::Array(all)));
        Value::Object(parts.collect())
    }

    fn read(document: &Value) -> Objects {
        Objects::read("dhcp.json", document).unwrap()
    }

    fn counts<T>(diff: &Diff<T>) -> [usize; 4] {
        [
            diff.create.len(),
            diff.change.len(),
            diff.same,
            diff.refused.len(),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_is_the_same() {
        let document = document(&ours());
        let text = document.to_string();
        assert!(!text.contains("meta") && !text.contains("longest"), "{text}");
        assert_eq!(document["policies"][1]["priority"], 0, "0 is a priority, too");
        let given = read(&document);
        assert_eq!(given.subnets[0].unknown_clients(), UnknownClients::Address);
        assert_eq!(given.policies[1].domain_append(), DomainAppend::Subnet);
        let work = given.clone().compared_with(&ours());
        assert_eq!(
            (counts(&work.subnets), counts(&work.policies)),
            ([0, 0, 1, 0], [0, 0, 2, 0])
        );
        let work = given.compared_with(&Objects::default());
        assert_eq!(
            (counts(&work.subnets), counts(&work.policies)),
            ([1, 0, 0, 0], [2, 0, 0, 0])
        );
    }

    #[test]
    fn what_differs_is_told_by_field_and_keeps_its_history() {
        let mut document = document(&ours());
        document["subnets"][0]["mtu"] = 9000.into();
        document["policies"][0]["priority"] = 700.into();
        document["policies"].as_array_mut().unwrap().pop();
        let work = read(&document).compared_with(&ours());
        let [subnets, policies] = shown(&work).unwrap();
        assert_eq!(
            subnets.change,
            [("10.98.0.0/16".to_owned(), vec!["mtu: nothing -> 9000".to_owned()])]
        );
        assert_eq!(
            policies.change,
            [("bmcs".to_owned(), vec!["priority: 500 -> 700".to_owned()])]
        );
        let after = &work.subnets.change[0].after;
        assert_eq!(
            (after.longest_lease_time_s, &after.meta),
            (7200, &ours().subnets[0].meta)
        );
        assert_eq!(
            (policies.same, policies.create.len()),
            (0, 0),
            "what is not in the file stays"
        );
    }

    /// Files are edited: what is left out has the meaning that it has in the API.
    #[test]
    fn a_policy_without_a_priority_has_the_usual_one() {
        let given = read(&json!({ "policies": [{ "name": "bmcs", "ignore": true }] }));
        let work = given.compared_with(&ours());
        assert_eq!(counts(&work.policies), [0, 0, 1, 0]);
    }

    #[test]
    fn one_name_twice_is_refused() {
        let policy = json!({ "name": "a", "ignore": true });
        let work = read(&json!({ "policies": [policy, policy] })).compared_with(&Objects::default());
        assert_eq!(counts(&work.policies), [1, 0, 0, 1]);
        assert_eq!(work.policies.refused[0].id, "a");
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place_and_what_is_accepted() {
        for (document, problem) in [
            (json!([]), "neither of the keys"),
            (json!({ "groups": [] }), "neither of the keys"),
            (
                json!({ "subnets": [], "leases": [] }),
                "leases: there is no such key",
            ),
            (json!({ "subnets": {} }), "subnets: it is no list"),
            (json!({ "policies": [{}, { "mtu": "big" }] }), "policies[1]: "),
            (json!({ "policies": [{ "colour": "red" }] }), "policies[0]: "),
            (
                json!({ "subnets": [{ "unknownClients": "YES" }] }),
                "subnets[0]: ",
            ),
        ] {
            let error = Objects::read("dhcp.json", &document).unwrap_err().to_string();
            assert!(error.contains("dhcp.json") && error.contains(problem), "{error}");
        }
    }
}
