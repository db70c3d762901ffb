//! A cluster in memory, and who asks it, for tests.

use std::sync::{Arc, LazyLock};

use proto::auth::v1::auth_command::{Change, DeletePolicy, PutPolicy, PutRole, Revoke};
use proto::auth::v1::{AuthCommand, Policy, Revocation, Role};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, CreateComponents, CreateGroup, ReplaceGroupMembers};
use proto::smd::v1::{Component, Group, GroupMembers, SmdCommand, component};
use raft::Store;
use rpc::{Identity, Principal, Rules};

/// Whom changes are of that tests begin with.
const ADMINISTRATOR: &str = "token/admin";

pub(crate) fn rules() -> Rules {
    Rules::from_descriptor(proto::DESCRIPTOR).unwrap()
}

/// Of all methods, in the order of [`Rules::permissions`].
pub(crate) fn permissions() -> &'static [String] {
    static PERMISSIONS: LazyLock<Vec<String>> =
        LazyLock::new(|| rules().permissions().map(str::to_owned).collect());
    &PERMISSIONS
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// A policy that holds everywhere.
pub(crate) fn policy(name: &str, role: &str, principals: &[&str]) -> Policy {
    Policy {
        name: name.to_owned(),
        role: role.to_owned(),
        principals: texts(principals),
        ..Policy::default()
    }
}

pub(crate) fn in_groups(policy: Policy, groups: &[&str]) -> Policy {
    Policy {
        groups: texts(groups),
        ..policy
    }
}

pub(crate) fn on_hosts(policy: Policy, hosts: &[&str]) -> Policy {
    Policy {
        hosts: texts(hosts),
        ..policy
    }
}

pub(crate) fn principal(name: &str, groups: &[&str]) -> Principal {
    Principal {
        name: name.to_owned(),
        groups: texts(groups),
        ..Principal::default()
    }
}

pub(crate) fn known(name: &str, groups: &[&str]) -> Identity {
    Identity::Known(Arc::new(principal(name, groups)))
}

pub(crate) fn user(name: &str) -> Identity {
    Identity::User {
        name: name.to_owned(),
    }
}

pub(crate) async fn put(store: &Store, policy: Policy) {
    let policy = Some(policy);
    change(store, Change::PutPolicy(PutPolicy { policy })).await;
}

pub(crate) async fn delete(store: &Store, name: &str) {
    let name = name.to_owned();
    change(store, Change::DeletePolicy(DeletePolicy { name })).await;
}

pub(crate) async fn put_role(store: &Store, name: &str, permissions: &[&str]) {
    let role = Some(Role {
        name: name.to_owned(),
        permissions: texts(permissions),
        ..Role::default()
    });
    change(store, Change::PutRole(PutRole { role })).await;
}

/// Everything of a principal so far.
pub(crate) async fn revoke(store: &Store, principal: &str) {
    let revocation = Some(Revocation {
        id: format!("principal/{principal}"),
        before_ms: store.state().time_ms(),
        ..Revocation::default()
    });
    change(store, Change::Revoke(Revoke { revocation })).await;
}

/// The one with this SHA-256, hex.
pub(crate) async fn revoke_certificate(store: &Store, sha256: &str) {
    let revocation = Some(Revocation {
        id: format!("certificate/{sha256}"),
        ..Revocation::default()
    });
    change(store, Change::Revoke(Revoke { revocation })).await;
}

async fn change(store: &Store, change: Change) {
    let command = Command::Auth(AuthCommand { change: Some(change) });
    store.propose(ADMINISTRATOR, command, None).await.unwrap();
}

pub(crate) async fn components(store: &Store, ids: &[&str]) {
    let on = |id: &&str| Component {
        id: (*id).to_owned(),
        state: component::State::On.into(),
        ..Component::default()
    };
    let create = CreateComponents {
        components: ids.iter().map(on).collect(),
        ..CreateComponents::default()
    };
    smd(store, smd_command::Change::CreateComponents(create)).await;
}

/// A group whose members are there, too.
pub(crate) async fn group(store: &Store, label: &str, members: &[&str]) {
    if !members.is_empty() {
        components(store, members).await;
    }
    let group = Some(Group {
        label: label.to_owned(),
        members: Some(GroupMembers { ids: texts(members) }),
        ..Group::default()
    });
    smd(store, smd_command::Change::CreateGroup(CreateGroup { group })).await;
}

/// Puts others in the place of a group's members.
pub(crate) async fn members(store: &Store, label: &str, members: &[&str]) {
    components(store, members).await;
    let replace = ReplaceGroupMembers {
        label: label.to_owned(),
        ids: texts(members),
        ..ReplaceGroupMembers::default()
    };
    smd(store, smd_command::Change::ReplaceGroupMembers(replace)).await;
}

async fn smd(store: &Store, change: smd_command::Change) {
    let command = Command::Smd(SmdCommand { change: Some(change) });
    store.propose(ADMINISTRATOR, command, None).await.unwrap();
}
