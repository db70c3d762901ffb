//! Rules for the xnames of BMCs, as they are kept.

use model::Rejection;
use proto::discovery::v1::discovery_command::{DeleteXnameRule, PutXnameRule};
use proto::discovery::v1::xname_rule::Rule;
use proto::discovery::v1::{DhcpHint, ExplicitXname, XnameRule};

use crate::support::Log;

pub fn rule(name: &str, priority: Option<u32>) -> XnameRule {
    XnameRule {
        name: name.into(),
        priority,
        rule: Some(Rule::Dhcp(DhcpHint {})),
        ..XnameRule::default()
    }
}

pub fn put(rule: XnameRule) -> PutXnameRule {
    PutXnameRule {
        rule: Some(rule),
        if_revision: None,
    }
}

fn delete(name: &str) -> DeleteXnameRule {
    DeleteXnameRule { name: name.into() }
}

#[test]
fn rules_are_looked_at_by_priority_then_by_name() {
    let mut log = Log::latest();
    for (name, priority) in [
        ("c", None),
        ("last", Some(0)),
        ("a", Some(500)),
        ("first", Some(1000)),
        ("b", None),
    ] {
        log.ok(put(rule(name, priority)));
    }
    let order: Vec<&str> = log
        .state
        .discovery
        .rules()
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(order, ["first", "a", "b", "c", "last"]);
}

#[test]
fn a_rule_is_created_replaced_and_deleted() {
    let mut log = Log::latest();
    assert_eq!(log.ok(put(rule("rack", None))).created, ["rack"]);
    let created = log.created();
    let expected = XnameRule {
        meta: created.clone(),
        ..rule("rack", None)
    };
    assert_eq!(log.state.discovery.rule("rack").unwrap().as_ref(), &expected);
    let explicit = XnameRule {
        rule: Some(Rule::Explicit(ExplicitXname {
            serial: "7".into(),
            xname: "X0C0S0B0".into(),
            ..ExplicitXname::default()
        })),
        ..rule("rack", Some(7))
    };
    assert_eq!(log.ok(put(explicit)).updated, ["rack"]);
    let stored = log.state.discovery.rule("rack").unwrap();
    assert!(matches!(&stored.rule, Some(Rule::Explicit(explicit)) if explicit.xname == "x0c0s0b0"));
    assert_eq!(stored.meta.as_ref().unwrap().created, created.unwrap().created);
    assert_eq!(log.ok(delete("rack")).deleted, ["rack"]);
    assert!(matches!(log.refused(delete("rack")), Rejection::NotFound { .. }));
}

/// Two administrators at once: the second sees what the first did before it is lost.
#[test]
fn a_rule_that_was_changed_since_is_not_replaced() {
    let mut log = Log::latest();
    let at = |revision: u64| PutXnameRule {
        if_revision: Some(revision),
        ..put(rule("rack", None))
    };
    assert!(matches!(
        log.refused(at(7)),
        Rejection::RevisionMismatch { actual: 0, .. }
    ));
    log.ok(at(0));
    let revision = log.last_change().revision;
    log.ok(at(revision));
    assert!(matches!(
        log.refused(at(revision)),
        Rejection::RevisionMismatch { .. }
    ));
}

#[test]
fn what_is_no_rule_is_refused() {
    let mut log = Log::latest();
    for (field, wrong) in [
        ("name", rule("", None)),
        ("name", rule("a b", None)),
        ("priority", rule("a", Some(1001))),
        (
            "rule",
            XnameRule {
                rule: None,
                ..rule("a", None)
            },
        ),
    ] {
        assert_eq!(log.invalid(put(wrong)).0, field);
    }
    let nothing = PutXnameRule {
        rule: None,
        if_revision: None,
    };
    assert_eq!(log.invalid(nothing).0, "rule");
}
