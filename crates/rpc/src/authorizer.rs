//! The decision that needs no policies: may this identity call this method? Everything that is not allowed here is denied.

use proto::http::v1::Permission;

use crate::{Error, Identity, Rule};

/// Decides whether `identity` may call the method at `path`, whose rule is `rule`.
///
/// # Errors
/// `Unauthenticated` for a caller without credentials (they may help), `Denied` for every other one.
pub fn authorize(path: &str, rule: Rule, identity: &Identity) -> Result<(), Error> {
    if is_allowed(rule, identity) {
        return Ok(());
    }
    let who = who_may(rule.permission);
    match identity {
        Identity::Anonymous | Identity::LegacyReader { .. } => Err(Error::Unauthenticated {
            reason: format!("{path} is for {who}"),
        }),
        Identity::Member(_)
        | Identity::User { .. }
        | Identity::Known(_)
        | Identity::Token { .. }
        | Identity::Node { .. } => Err(Error::Denied {
            reason: format!("{path} is for {who}, not for {identity}"),
        }),
    }
}

fn is_allowed(rule: Rule, identity: &Identity) -> bool {
    let legacy_read = rule.legacy_anonymous_read && matches!(identity, Identity::LegacyReader { .. });
    match rule.permission {
        Permission::Administrator => identity.is_administrator() || legacy_read,
        Permission::Node => {
            matches!(identity, Identity::Node { .. }) || identity.is_administrator() || legacy_read
        }
        Permission::Member => matches!(identity, Identity::Member(_)),
        Permission::Identified => identity.is_administrator() || matches!(identity, Identity::Known(_)),
        Permission::Public => true,
        Permission::Unspecified => false,
    }
}

fn who_may(permission: Permission) -> &'static str {
    match permission {
        Permission::Administrator => "administrators: send a bearer token or a user's client certificate",
        Permission::Node => "compute nodes on the node port and administrators",
        Permission::Member => "members of the cluster, on the peer port",
        Permission::Identified => "those who say who they are: send a bearer token or a client certificate",
        Permission::Public => "everyone",
        Permission::Unspecified => "nobody: its .proto gives no permission",
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tonic::{Code, Status};

    use super::*;
    use crate::Rules;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 9, 0, 1));

    fn everyone() -> Vec<Identity> {
        vec![
            Identity::Anonymous,
            Identity::Node { address: ADDRESS },
            Identity::LegacyReader { address: ADDRESS },
            Identity::User { name: "ada".into() },
            known(),
            Identity::Token {
                subject: "admin".into(),
            },
            Identity::Member(1),
        ]
    }

    fn known() -> Identity {
        Identity::Known(std::sync::Arc::new(crate::Principal {
            name: "service/sync".into(),
            ..crate::Principal::default()
        }))
    }

    /// Written down apart from the code above: who may call what, as design section 8 says it.
    fn expected(rule: Rule, identity: &Identity) -> bool {
        match (identity, rule.permission) {
            (_, Permission::Public) => true,
            (Identity::Member(_), permission) => permission == Permission::Member,
            (_, Permission::Member) => false,
            (Identity::User { .. } | Identity::Token { .. }, _) => true,
            // who acts by policies has nothing where there are none
            (Identity::Known(_), permission) => permission == Permission::Identified,
            (Identity::Node { .. }, permission) => permission == Permission::Node,
            (Identity::LegacyReader { .. }, _) => rule.legacy_anonymous_read,
            (Identity::Anonymous, _) => false,
        }
    }

    /// All methods x all kinds of caller; nothing is reachable that the table does not name.
    #[test]
    fn every_method_is_denied_by_default() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let (mut allowed, mut denied) = (0, 0);
        for (path, rule) in rules.iter() {
            for identity in everyone() {
                let decision = authorize(path, rule, &identity);
                assert_eq!(
                    decision.is_ok(),
                    expected(rule, &identity),
                    "{path} by {identity}"
                );
                if decision.is_ok() {
                    allowed += 1
                } else {
                    denied += 1
                }
            }
        }
        assert!(
            allowed > 60 && denied > 120,
            "{allowed} allowed, {denied} denied: the table is too small"
        );
    }

    /// Writes must never be part of what an anonymous legacy client gets.
    #[test]
    fn legacy_readers_reach_only_the_reads_that_ochami_sends_without_a_token() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let reader = Identity::LegacyReader { address: ADDRESS };
        let mut reachable: Vec<&str> = rules
            .iter()
            .filter(|(path, rule)| {
                rule.permission != Permission::Public && authorize(path, *rule, &reader).is_ok()
            })
            .map(|(path, _)| path.rsplit('/').next().unwrap())
            .collect();
        reachable.sort_unstable();
        assert!(
            reachable
                .iter()
                .all(|method| method.starts_with("Get") || method.starts_with("List"))
        );
        assert!(
            reachable.contains(&"ListComponents") && reachable.contains(&"GetBootScript"),
            "{reachable:?}"
        );
    }

    /// Even a rule that slipped through without a permission opens nothing.
    #[test]
    fn an_unspecified_permission_lets_nobody_in() {
        let rule = Rule {
            permission: Permission::Unspecified,
            needs: crate::PermissionId::default(),
            linearizable: false,
            legacy_anonymous_read: true,
            made_of: crate::Kinds::default(),
            names_one: false,
            can_validate_only: false,
            client_streaming: false,
            server_streaming: false,
            shows_no_component: false,
            takes_long: false,
            for_limited_tokens: false,
            needs_fresh_right: false,
            has_password: false,
        };
        for identity in everyone() {
            assert!(authorize("/a.B/C", rule, &identity).is_err(), "{identity}");
        }
    }

    /// 401 asks for credentials, 403 says that these do not help.
    #[test]
    fn callers_without_credentials_are_asked_for_them_and_others_refused() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let path = "/chamois.smd.v1.ComponentService/DeleteComponents";
        let code = |identity: &Identity| {
            Status::from(authorize(path, rules.get(path).unwrap(), identity).unwrap_err()).code()
        };
        assert_eq!(code(&Identity::Anonymous), Code::Unauthenticated);
        assert_eq!(
            code(&Identity::LegacyReader { address: ADDRESS }),
            Code::Unauthenticated
        );
        assert_eq!(code(&Identity::Node { address: ADDRESS }), Code::PermissionDenied);
        assert_eq!(code(&Identity::Member(3)), Code::PermissionDenied);
        assert_eq!(code(&known()), Code::PermissionDenied);
    }
}
