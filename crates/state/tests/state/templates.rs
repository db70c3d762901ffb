//! Templates of files: kept with their history, and shown passwords only as long as they are what somebody looked at.

use model::Rejection;
use proptest::prelude::*;
use proto::bss::v1::bss_command::Rollback;
use proto::cluster::v1::cluster_command::SetFeatureLevel;
use proto::configurator::v1::configurator_command::{DeleteTemplate, GrantSecrets, PutTemplate};
use proto::configurator::v1::{ConfiguratorCommand, Template};
use proto::raft::v1::entry::Command;
use proto::raft::v1::snapshot_row::Row;
use state::bounds::{REVISIONS_PER_OBJECT_MAX, TEMPLATES_MAX};
use state::cluster::{FEATURE_LEVEL_CONFIGURATOR, FEATURE_LEVEL_KNOWN};
use state::{RowKind, State};

use crate::auth_support::{self, grant as given, granted, policy};
use crate::snapshots::{assert_malformed, row};
use crate::support::{IntoCommand, Log};

pub fn template(name: &str, body: &str) -> Template {
    Template {
        name: name.into(),
        path: format!("etc/{name}"),
        body: body.into(),
        ..Template::default()
    }
}

pub fn put(template: Template) -> PutTemplate {
    PutTemplate {
        template: Some(template),
        if_revision: None,
    }
}

fn delete(name: &str) -> DeleteTemplate {
    DeleteTemplate {
        name: name.into(),
        if_revision: None,
    }
}

fn grant(name: &str, secrets: &[&str]) -> GrantSecrets {
    GrantSecrets {
        name: name.into(),
        secrets: secrets.iter().map(ToString::to_string).collect(),
        if_revision: None,
    }
}

fn back(id: &str, revision: u64) -> Rollback {
    Rollback {
        kind: RowKind::Template as u32,
        id: id.into(),
        revision,
        if_revision: None,
    }
}

/// Few templates, so that they meet each other.
pub fn commands() -> impl Strategy<Value = Command> {
    (0..4_u8, any::<bool>(), "[a-c]").prop_map(|(kind, flag, body)| {
        let name = if flag { "motd" } else { "issue" };
        match kind {
            0 => delete(name).into_command(),
            1 => grant(name, &["default"]).into_command(),
            _ => put(template(name, &body)).into_command(),
        }
    })
}

fn stored<'a>(log: &'a Log, name: &str) -> &'a Template {
    log.state.configurator.template(name).unwrap()
}

#[test]
fn a_template_is_created_replaced_and_deleted() {
    let mut log = Log::latest();
    assert_eq!(log.ok(put(template("motd", "one"))).created, ["motd"]);
    let meta = log.created();
    let expected = Template {
        meta: meta.clone(),
        ..template("motd", "one")
    };
    assert_eq!(stored(&log, "motd"), &expected);
    assert_eq!(log.ok(put(template("motd", "two"))).updated, ["motd"]);
    let changed = stored(&log, "motd").meta.as_ref().unwrap();
    assert_eq!(changed.created, meta.unwrap().created);
    assert_eq!(changed.modified, Some(log.last_change()));
    log.ok(put(template("issue", "one")));
    let names: Vec<&str> = log
        .state
        .configurator
        .templates()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["issue", "motd"]);
    assert_eq!(log.ok(delete("motd")).deleted, ["motd"]);
    assert!(matches!(log.refused(delete("motd")), Rejection::NotFound { .. }));
}

/// Files are written anew when their template changes.
#[test]
fn what_says_the_same_is_left_as_it_is() {
    let mut log = Log::latest();
    log.ok(put(template("motd", "one")));
    let before = stored(&log, "motd").clone();
    assert_eq!(log.ok(put(template("motd", "one"))).unchanged, ["motd"]);
    assert_eq!(log.ok(grant("motd", &[])).unchanged, ["motd"]);
    assert_eq!(stored(&log, "motd"), &before);
    assert_eq!(log.state.revisions.of(RowKind::Template, "motd").count(), 1);
}

#[test]
fn whoever_names_another_revision_changes_nothing() {
    let mut log = Log::latest();
    log.ok(put(template("motd", "one")));
    let revision = log.last_change().revision;
    for wrong in [0, revision + 1] {
        let if_revision = Some(wrong);
        let put = PutTemplate {
            if_revision,
            ..put(template("motd", "two"))
        };
        let delete = DeleteTemplate {
            if_revision,
            ..delete("motd")
        };
        let grant = GrantSecrets {
            if_revision,
            ..grant("motd", &["default"])
        };
        for command in [put.into_command(), delete.into_command(), grant.into_command()] {
            let refused = log.refused(command);
            assert!(
                matches!(refused, Rejection::RevisionMismatch { actual, .. } if actual == revision),
                "{refused}"
            );
        }
    }
    let at = |if_revision| PutTemplate {
        if_revision: Some(if_revision),
        ..put(template("motd", "two"))
    };
    log.ok(at(revision));
}

/// Somebody with the right to write templates could read every password by a text of his own otherwise.
#[test]
fn passwords_are_shown_to_the_text_they_were_granted_to_and_to_no_other() {
    let mut log = Log::latest();
    let asking = Template {
        secrets: vec!["default".into()],
        ..template("conman", "one")
    };
    log.ok(put(asking));
    assert!(stored(&log, "conman").secrets.is_empty(), "nobody grants himself");
    log.ok(grant("conman", &["default", "bmc:X0c0s0b0", "default"]));
    assert_eq!(stored(&log, "conman").secrets, ["bmc:x0c0s0b0", "default"]);
    let described = Template {
        description: "consoles".into(),
        ..template("conman", "one")
    };
    log.ok(put(described));
    assert_eq!(
        stored(&log, "conman").secrets.len(),
        2,
        "a word about it changes nothing"
    );
    log.ok(put(template("conman", "two")));
    assert!(stored(&log, "conman").secrets.is_empty());
    log.ok(grant("conman", &["default"]));
    let elsewhere = Template {
        path: "var/www/html/conman".into(),
        ..template("conman", "two")
    };
    log.ok(put(elsewhere));
    assert!(
        stored(&log, "conman").secrets.is_empty(),
        "nor is it written elsewhere"
    );
    assert_eq!(log.invalid(grant("conman", &["root"])).0, "secrets");
    assert!(matches!(
        log.refused(grant("motd", &[])),
        Rejection::NotFound { .. }
    ));
}

#[test]
fn a_template_goes_back_without_its_passwords() {
    let mut log = Log::latest();
    log.ok(put(template("motd", "one")));
    log.ok(grant("motd", &["default"]));
    let with_password = log.last_change().revision;
    log.ok(put(template("motd", "two")));
    log.ok(back("motd", with_password));
    let now = stored(&log, "motd");
    assert_eq!((now.body.as_str(), now.secrets.len()), ("one", 0));
    log.ok(delete("motd"));
    let gone = log.last_change().revision;
    log.ok(back("motd", 1));
    assert_eq!(stored(&log, "motd").body, "one");
    log.ok(back("motd", gone));
    assert!(log.state.configurator.template("motd").is_none());
    assert_eq!(log.state.live_revision(RowKind::Template, "motd"), 0);
    assert!(matches!(
        log.refused(back("motd", 99)),
        Rejection::NotFound { .. }
    ));
}

#[test]
fn twenty_versions_are_kept() {
    let mut log = Log::latest();
    for number in 0..REVISIONS_PER_OBJECT_MAX + 3 {
        log.ok(put(template("motd", &number.to_string())));
    }
    let kept = log.state.revisions.of(RowKind::Template, "motd").count();
    assert_eq!(kept, REVISIONS_PER_OBJECT_MAX);
}

#[test]
fn there_is_a_bound() {
    let mut log = Log::latest();
    log.fill((0..TEMPLATES_MAX).map(|number| put(template(&format!("t{number}"), "one"))));
    let refused = log.refused(put(template("more", "one")));
    assert!(refused.to_string().contains("delete one first"), "{refused}");
    log.ok(put(template("t0", "two")));
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let mut log = Log::latest();
    let wrong = |change: fn(&mut Template)| {
        let mut template = template("motd", "one");
        change(&mut template);
        put(template)
    };
    for (put, field) in [
        (wrong(|it| it.name.clear()), "name"),
        (wrong(|it| it.path = "../motd".into()), "path"),
        (wrong(|it| it.body = "\0".into()), "body"),
        (wrong(|it| it.description = "x".repeat(2000)), "description"),
    ] {
        assert_eq!(log.invalid(put).0, field);
    }
    let none = PutTemplate::default();
    assert_eq!(log.invalid(none).0, "template");
    let empty = Command::Configurator(ConfiguratorCommand { change: None });
    assert_eq!(log.invalid(empty).0, "command");
}

/// A member of the release before would stop at an entry that it does not know.
#[test]
fn below_level_8_no_command_is_taken() {
    let mut log = Log::new();
    log.state = State::at_level(FEATURE_LEVEL_CONFIGURATOR - 1);
    let commands = || {
        [
            put(template("motd", "one")).into_command(),
            grant("motd", &["default"]).into_command(),
            delete("motd").into_command(),
        ]
    };
    let needs = |no: &Rejection| matches!(no, Rejection::FeatureLevel { needed, .. } if *needed == FEATURE_LEVEL_CONFIGURATOR);
    for command in commands() {
        assert!(needs(&log.state.check_level(&command).unwrap_err()));
        assert!(needs(&log.refused(command)));
    }
    log.ok(SetFeatureLevel {
        level: FEATURE_LEVEL_CONFIGURATOR,
    });
    for command in commands() {
        log.ok(command);
    }
    assert_eq!(FEATURE_LEVEL_KNOWN, FEATURE_LEVEL_CONFIGURATOR);
}

/// The one who writes a template and the one who shows it passwords are two people, if the site wants it so.
#[test]
fn writing_and_granting_are_two_rights() {
    let mut log = Log::latest();
    log.ok(auth_support::put(policy("write", "operator", &["user/ada"])));
    log.ok(auth_support::put(policy("keys", "security-admin", &["user/kim"])));
    let ada = |permission: &str| given(permission, &["write"]);
    let kim = |permission: &str| given(permission, &["keys"]);
    granted(
        &mut log,
        "user/ada",
        ada("configurator.write"),
        put(template("a", "one")),
    )
    .unwrap();
    granted(
        &mut log,
        "user/kim",
        kim("configurator-secret.write"),
        grant("a", &["default"]),
    )
    .unwrap();
    let denied = |permission: &str| {
        Err(Rejection::Denied {
            permission: permission.into(),
        })
    };
    let taken = granted(&mut log, "user/ada", ada("configurator.write"), grant("a", &[]));
    assert_eq!(taken, denied("configurator-secret.write"));
    let written = granted(
        &mut log,
        "user/kim",
        kim("configurator-secret.write"),
        put(template("a", "two")),
    );
    assert_eq!(written, denied("configurator.write"));
    granted(
        &mut log,
        "user/ada",
        ada("configurator.write"),
        put(template("a", "two")),
    )
    .unwrap();
}

#[test]
fn templates_that_no_apply_wrote_are_refused() {
    let with = |change: fn(&mut Template)| {
        let mut template = template("motd", "one");
        change(&mut template);
        vec![row(Row::Template(template))]
    };
    assert_malformed(
        RowKind::Template,
        [
            with(|it| it.name.clear()),
            with(|it| it.path = "/etc/motd".into()),
            with(|it| it.body = "x".repeat(70_000)),
            with(|it| it.secrets = vec!["default".into(), "bmc:x0c0s0b0".into()]),
            with(|it| it.secrets = vec!["root".into()]),
        ],
    );
}
