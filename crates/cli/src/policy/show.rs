//! `chamois policy show`.

use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{GetPolicyRequest, Policy};

use super::NameArgs;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;
use crate::{connect, utc};

pub(super) async fn run(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let request = GetPolicyRequest { name: args.name };
    let policy = client.get_policy(request).await?.into_inner();
    output::object(global, ("chamois.auth.v1.Policy", &policy), &policy.name, || {
        render(&policy)
    })
}

fn render(policy: &Policy) -> comfy_table::Table {
    let mut table = output::table(["FIELD", "VALUE"]);
    let rows = [
        ("name", policy.name.clone()),
        ("description", policy.description.clone()),
        ("role", policy.role.clone()),
        ("for", policy.principals.join(", ")),
        ("where", places(policy)),
        ("until", until(policy)),
    ];
    for (field, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([field.to_owned(), value]);
    }
    table
}

/// Where a policy holds, and for which kinds of objects.
pub(super) fn places(policy: &Policy) -> String {
    let lists = [
        ("hosts", &policy.hosts),
        ("groups", &policy.groups),
        ("partitions", &policy.partitions),
    ];
    let named = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let named: Vec<String> = named
        .map(|(what, list)| format!("{what} {}", list.join(", ")))
        .collect();
    let places = match named.is_empty() {
        true => "everywhere".to_owned(),
        false => named.join("; "),
    };
    match policy.kinds.is_empty() {
        true => places,
        false => format!("{places}; kinds {}", policy.kinds.join(", ")),
    }
}

/// When it ends.
pub(super) fn until(policy: &Policy) -> String {
    match policy.expires_at_ms {
        0 => "no end".to_owned(),
        end => utc::timestamp(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_add_up_and_kinds_are_named() {
        let everywhere = Policy::default();
        assert_eq!(places(&everywhere), "everywhere");
        let part = Policy {
            hosts: vec!["x1000c0".into(), "x1000c1".into()],
            partitions: vec!["p1".into()],
            kinds: vec!["boot_configuration".into()],
            ..Policy::default()
        };
        assert_eq!(
            places(&part),
            "hosts x1000c0, x1000c1; partitions p1; kinds boot_configuration"
        );
    }

    #[test]
    fn an_end_is_a_time_and_what_is_not_said_is_not_shown() {
        let policy = Policy {
            name: "a".into(),
            expires_at_ms: 1_764_054_000_000,
            ..Policy::default()
        };
        let text = render(&policy).to_string();
        assert!(text.contains("2025-11-25T07:00:00Z"), "{text}");
        assert!(!text.contains("description"), "{text}");
    }
}
