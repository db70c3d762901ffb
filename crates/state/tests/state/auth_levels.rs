//! Members of an earlier release know nothing of identities and rights: as long as there are some, nothing of it is in log or rows.

use model::Rejection;
use proto::auth::v1::AuthCommand;
use proto::auth::v1::auth_command::{Change, DeletePolicy, EndSigningKeys, ForgetEnded};
use proto::cluster::v1::cluster_command::SetFeatureLevel;
use proto::raft::v1::entry::Command;
use state::State;
use state::cluster::FEATURE_LEVEL_AUTH;

use crate::auth_support::{
    ID, add, api_token, approve, authority, create_token, first_keys, grant, granted, login, open, policy,
    provider, put, put_provider, put_role, refresh, revoke,
};
use crate::create_components::{component, create};
use crate::support::{IntoCommand, Log};

/// Of members of the release before.
fn before() -> Log {
    let mut log = Log::new();
    log.state = State::at_level(FEATURE_LEVEL_AUTH - 1);
    log
}

fn needs_auth(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::FeatureLevel { needed, .. } if *needed == FEATURE_LEVEL_AUTH)
}

fn commands() -> Vec<Command> {
    vec![
        put_role("reader", &["smd.read"]).into_command(),
        put(policy("p", "viewer", &["user/ada"])).into_command(),
        DeletePolicy { name: "p".into() }.into_command(),
        first_keys('a', 'b').into_command(),
        EndSigningKeys {}.into_command(),
        create_token(api_token(ID, "user/ada")).into_command(),
        open(login(ID, "user/ada")).into_command(),
        refresh(ID, 1, 2).into_command(),
        approve("BCDFGHJK", "user/ada").into_command(),
        revoke("jti/a", 0).into_command(),
        put_provider(provider("site")).into_command(),
        add(authority()).into_command(),
        ForgetEnded {}.into_command(),
    ]
}

#[test]
fn below_level_6_no_command_is_taken() {
    let mut log = before();
    for command in commands() {
        assert!(
            needs_auth(&log.state.check_level(&command).unwrap_err()),
            "{command:?}"
        );
        assert!(needs_auth(&log.refused(command.clone())), "{command:?}");
    }
    assert_eq!(log.state.auth.policies().count(), 0);
}

/// A member of the release before would not see it, and do what this one refuses.
#[test]
fn below_level_6_no_grant_is_taken() {
    let mut log = before();
    let create = || create(vec![component("x0c0s0b0n0")]);
    let refused = granted(&mut log, "user/ada", grant("smd.write", &["p"]), create());
    assert!(needs_auth(&refused.unwrap_err()));
    log.ok(create());
}

#[test]
fn from_level_6_on_both_are() {
    let mut log = before();
    log.ok(SetFeatureLevel {
        level: FEATURE_LEVEL_AUTH,
    });
    for command in commands().into_iter().filter(|command| !is_deletion(command)) {
        log.ok(command);
    }
    let create = create(vec![component("x0c0s0b0n0")]);
    let refused = granted(&mut log, "user/ada", grant("smd.write", &["p"]), create);
    assert!(
        matches!(refused, Err(Rejection::Denied { .. })),
        "a viewer writes nothing: {refused:?}"
    );
}

fn is_deletion(command: &Command) -> bool {
    matches!(
        command,
        Command::Auth(AuthCommand {
            change: Some(Change::DeletePolicy(_))
        })
    )
}

/// A command that says nothing.
#[test]
fn an_empty_command_is_refused() {
    let mut log = Log::latest();
    let nothing = Command::Auth(AuthCommand { change: None });
    assert_eq!(log.invalid(nothing).0, "command");
}
