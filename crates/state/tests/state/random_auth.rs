//! Random changes of identities and rights, and what must hold whatever they are: a part stays a part.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proto::auth::v1::auth_command::{
    ActivateAuthority, Change, DeleteApiToken, DeletePolicy, DeleteProvider, DeleteRole, EndSession,
    EndSigningKeys, ForgetEnded, PutAuthSecret, RemoveAuthority,
};
use proto::auth::v1::certificate_authority::Stage as CaStage;
use proto::auth::v1::signing_key::Stage;
use proto::auth::v1::{ApiToken, AuthCommand, Grant, LoginSession, Policy};
use proto::raft::v1::Entry;
use proto::raft::v1::entry::Command;
use state::auth::{Part, area_of, policies_for};
use state::bounds::{LOGIN_SESSIONS_PER_PRINCIPAL_MAX, SIGNING_KEYS_MAX};
use state::{Applied, Event, RowKind, State, rejection};

use crate::auth_support::{
    MINUTE_MS, add, api_token, approve, authority, create_token, first_keys, login, open, other_authority,
    policy, provider, put, put_provider, put_role, refresh, revoke, rotate, sealed, texts,
};
use crate::support::{IntoCommand, START_MS};

/// Who makes the entries of random logs, and others.
const PRINCIPALS: [&str; 3] = ["user/admin", "user/*", "service/x"];

/// Everywhere, or somewhere among the few nodes of random logs.
fn random_policy(who: usize, what: usize, flag: bool) -> Policy {
    let role = ["operator", "admin", "r0", "boot-admin"][what];
    let base = policy(&format!("p{what}"), role, &[PRINCIPALS[who]]);
    let kinds = if flag {
        texts(&["component", "boot_parameters"])
    } else {
        vec![]
    };
    match what {
        0 => Policy {
            groups: texts(&["red"]),
            ..base
        },
        1 => Policy { kinds, ..base },
        2 => Policy {
            hosts: texts(&["x0c0s[0-2]b0n0"]),
            ..base
        },
        _ => Policy {
            partitions: texts(&["p1"]),
            kinds,
            expires_at_ms: 10 * MINUTE_MS,
            ..base
        },
    }
}

/// Times count from the entry's; see [`at`].
pub fn commands() -> impl Strategy<Value = Command> {
    (0..19_u8, 0..3_usize, 0..4_usize, any::<bool>()).prop_map(|(kind, who, what, flag)| {
        let id = format!("{what:016x}");
        let principal = ["user/admin", "user/ada", "service/x"][who];
        let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
        match kind {
            0..=2 => put(random_policy(who, what, flag)).into_command(),
            3 => DeletePolicy {
                name: format!("p{what}"),
            }
            .into_command(),
            4 if flag => DeleteRole { name: "r0".into() }.into_command(),
            4 => put_role("r0", &["*.read", "smd.write", "bss.write"]).into_command(),
            5 if flag => first_keys(letter(what), letter(what + 1)).into_command(),
            5 => EndSigningKeys {}.into_command(),
            6 => {
                let mut rotate = rotate(letter(what), letter(what + who + 2));
                rotate.urgent = true;
                rotate.distrust_active = flag;
                rotate.into_command()
            }
            7 => create_token(ApiToken {
                expires_at_ms: if flag { MINUTE_MS } else { 60 * MINUTE_MS },
                ..api_token(&id, principal)
            })
            .into_command(),
            8 => DeleteApiToken { id }.into_command(),
            9 => revoke(&format!("principal/{principal}"), 1).into_command(),
            10 => revoke(&format!("session/{id}"), 0).into_command(),
            11 | 12 => {
                let mut open = open(LoginSession {
                    expires_at_ms: 30 * MINUTE_MS,
                    ..login(&id, principal)
                });
                open.user_code = if flag { "BCDFGHJK".into() } else { String::new() };
                open.into_command()
            }
            13 => refresh(&id, u8::try_from(who).unwrap(), u8::try_from(what).unwrap()).into_command(),
            14 if flag => EndSession { id }.into_command(),
            14 => ForgetEnded {}.into_command(),
            15 => {
                let mut approve = approve("BCDFGHJK", principal);
                approve.approval.as_mut().unwrap().expires_at_ms = 10 * MINUTE_MS;
                approve.into_command()
            }
            16 if flag => DeleteProvider { name: "p0".into() }.into_command(),
            16 => put_provider(provider(&format!("p{who}"))).into_command(),
            17 => {
                let secret = Some(sealed("login-key"));
                PutAuthSecret { secret }.into_command()
            }
            _ => {
                let authority = if flag { authority() } else { other_authority() };
                let (id, urgent) = (authority.id.clone(), true);
                match what {
                    0 | 1 => add(authority).into_command(),
                    2 => ActivateAuthority { id, urgent }.into_command(),
                    _ => RemoveAuthority { id }.into_command(),
                }
            }
        }
    })
}

/// The command as it is at log time `now_ms`.
pub fn at(mut command: Command, now_ms: u64) -> Command {
    if let Command::Auth(AuthCommand { change: Some(change) }) = &mut command {
        let time = match change {
            Change::PutPolicy(put) => put.policy.as_mut().map(|policy| &mut policy.expires_at_ms),
            Change::CreateApiToken(create) => create.token.as_mut().map(|token| &mut token.expires_at_ms),
            Change::OpenSession(open) => open.session.as_mut().map(|session| &mut session.expires_at_ms),
            Change::ApproveDevice(approve) => approve
                .approval
                .as_mut()
                .map(|approval| &mut approval.expires_at_ms),
            Change::Revoke(revoke) => revoke
                .revocation
                .as_mut()
                .map(|revocation| &mut revocation.before_ms),
            _ => None,
        };
        // 0 means none
        if let Some(time) = time.filter(|time| **time > 0) {
            *time += now_ms;
        }
    }
    command
}

/// Seldom one, of an access token.
pub fn grant() -> impl Strategy<Value = Option<Grant>> {
    let permission = prop_oneof![Just("smd.write"), Just("bss.write"), Just("cloud-init.write")];
    let named = proptest::collection::btree_set(0..4_usize, 0..4);
    let grant = (permission, named).prop_map(|(permission, named)| Grant {
        permission: permission.into(),
        policies: named.into_iter().map(|n| format!("p{n}")).collect(),
        token_id: "t1".into(),
        issued_at_ms: START_MS,
        ..Grant::default()
    });
    proptest::option::weighted(0.12, grant)
}

/// What was changed by somebody who acts by policies is in the part that these select before the entry; and nobody can name
/// more than that.
pub fn check(before: &State, entry: &Entry, applied: &Applied) {
    let header = entry.header.clone().unwrap_or_default();
    let Some(grant) = header.grant.filter(|_| !applied.replayed) else {
        return;
    };
    if rejection(&applied.outcome).is_some() {
        assert!(applied.events.is_empty(), "{:?}", applied.events);
        return;
    }
    let now_ms = before.time_ms().max(header.proposed_at_ms);
    let all = policies_for(
        &before.auth,
        &header.principal,
        &grant.groups,
        &grant.permission,
        now_ms,
    );
    let named = all
        .into_iter()
        .filter(|policy| grant.policies.contains(&policy.name));
    let named: Vec<_> = named.map(Arc::clone).collect();
    assert!(!named.is_empty(), "{grant:?}");
    let own_area = grant.permission.split('.').next().unwrap_or_default();
    let part_of = |area: &str| match area == own_area {
        true => Part::of(&named, &before.smd, now_ms),
        false => {
            let permission = format!("{area}.write");
            let all = policies_for(
                &before.auth,
                &header.principal,
                &grant.groups,
                &permission,
                now_ms,
            );
            let all: Vec<_> = all.into_iter().map(Arc::clone).collect();
            Part::of(&all, &before.smd, now_ms)
        }
    };
    let is_discovery = matches!(entry.command, Some(Command::Discovery(_)));
    // what follows by itself is nobody's; whose a job is, its targets say, in the area of what it does
    let is_own = |event: &&Event| match event.key().kind() {
        RowKind::HeldAddress | RowKind::UnknownClient | RowKind::Job | RowKind::JobTarget => false,
        RowKind::BmcCredential | RowKind::FirmwareInventory => is_discovery,
        RowKind::RedfishEndpoint => !is_discovery,
        _ => true,
    };
    for event in applied.events.iter().filter(is_own) {
        let part = part_of(area_of(event.key().kind()));
        let objects = [event.before(), event.after()].into_iter().flatten();
        for object in objects {
            assert!(part.covers(object), "{object:?} is not in {part:?}");
        }
    }
}

/// One key signs, one is next, and only these have a private half; nobody has too many logins.
pub fn check_indexes(state: &State) {
    let count = |stage: Stage| {
        state
            .auth
            .signing_keys()
            .filter(|key| key.stage() == stage)
            .count()
    };
    let any = usize::from(state.auth.signing_keys().next().is_some());
    assert!(count(Stage::Active) <= 1 && count(Stage::Next) <= 1);
    assert_eq!((count(Stage::Active), count(Stage::Next)), (any, any));
    assert!(state.auth.signing_keys().count() <= SIGNING_KEYS_MAX);
    for key in state.auth.signing_keys() {
        let signs = matches!(key.stage(), Stage::Active | Stage::Next);
        assert_eq!(key.private_key.is_some(), signs, "{key:?}");
    }
    let signing = state
        .auth
        .authorities()
        .filter(|ca| ca.stage() == CaStage::Active);
    assert!(signing.count() <= 1);
    let mut logins: BTreeMap<&str, usize> = BTreeMap::new();
    for session in state.auth.sessions() {
        *logins.entry(&session.principal).or_default() += 1;
    }
    assert!(
        logins
            .values()
            .all(|logins| *logins <= LOGIN_SESSIONS_PER_PRINCIPAL_MAX)
    );
}
