//! What is secret is kept sealed, beside the objects that are shown.

use model::{Rejection, Xname};
use prost_types::{Struct, Value, value::Kind};
use proto::cloud_init::v1::cloud_init_command::{
    DeleteGroup, DeleteInstanceInfo, PatchGroup, PutGroup, PutInstanceInfo,
};
use proto::cloud_init::v1::{Group, GroupFile, InstanceInfo};
use proto::cluster::v1::SealedSecret;
use state::bounds::CLOUD_INIT_SECRET_GROUPS_MAX;
use state::cloud_init::{BOOT_TOKEN_KEY, group_secret, instance_secret};

use crate::instance_info::info;
use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";

fn sealed(name: &str, ciphertext: &str) -> SealedSecret {
    SealedSecret {
        name: name.into(),
        version: 1,
        ciphertext: ciphertext.into(),
    }
}

/// A secret group with a file, as a service proposes it; the first brings the key of tokens.
pub fn put(name: &str, ciphertext: &str) -> PutGroup {
    let file = GroupFile {
        filename: "c.yaml".into(),
        ..GroupFile::default()
    };
    let group = Group {
        name: name.into(),
        file: Some(file),
        secret: true,
        ..Group::default()
    };
    PutGroup {
        group: Some(group),
        sealed: Some(sealed(&group_secret(name), ciphertext)),
        token_key: Some(sealed(BOOT_TOKEN_KEY, ciphertext)),
        ..PutGroup::default()
    }
}

fn ciphertext(log: &Log, name: &str) -> Option<Vec<u8>> {
    log.state
        .cluster
        .secret(name)
        .map(|secret| secret.ciphertext.clone())
}

fn some_data() -> Option<Struct> {
    let kind = Some(Kind::StringValue("v".into()));
    Some(Struct {
        fields: [("k".to_owned(), Value { kind })].into(),
    })
}

#[test]
fn contents_are_stored_sealed_and_stay_until_they_are_replaced_or_deleted() {
    let mut log = Log::latest();
    log.ok(put("munge", "one"));
    let stored = log.state.cloud_init.group("munge").unwrap();
    assert_eq!(stored.file.as_ref().unwrap().filename, "c.yaml");
    assert_eq!(ciphertext(&log, "cloud-init/group/munge").unwrap(), b"one");

    let described = PutGroup {
        group: Some(Group {
            name: "munge".into(),
            description: "the key".into(),
            secret: true,
            ..Group::default()
        }),
        ..PutGroup::default()
    };
    log.ok(described.clone());
    let stored = log.state.cloud_init.group("munge").unwrap();
    assert!(
        stored.file.is_some() && stored.description == "the key",
        "{stored:?}"
    );
    assert_eq!(ciphertext(&log, "cloud-init/group/munge").unwrap(), b"one");

    log.ok(put("munge", "two"));
    assert_eq!(ciphertext(&log, "cloud-init/group/munge").unwrap(), b"two");
    assert_eq!(
        ciphertext(&log, BOOT_TOKEN_KEY).unwrap(),
        b"one",
        "tokens are under way"
    );

    let mut public = described;
    public.group.as_mut().unwrap().secret = false;
    let refused = log.refused(public.clone());
    assert!(
        refused.to_string().contains("would be public"),
        "a client may not know of secrets: {refused}"
    );
    assert_eq!(ciphertext(&log, "cloud-init/group/munge").unwrap(), b"two");
    let delete = DeleteGroup {
        name: "munge".into(),
        if_revision: None,
    };
    log.ok(delete.clone());
    assert_eq!(ciphertext(&log, "cloud-init/group/munge"), None);
    log.ok(public);
    assert_eq!(log.state.cloud_init.group("munge").unwrap().file, None);
    log.ok(delete);
    log.ok(put("munge", "three"));
    log.ok(DeleteGroup {
        name: "munge".into(),
        if_revision: None,
    });
    assert_eq!(ciphertext(&log, "cloud-init/group/munge"), None);
    assert!(ciphertext(&log, BOOT_TOKEN_KEY).is_some());
}

#[test]
fn what_is_not_sealed_or_is_sealed_as_something_else_is_refused() {
    let mut log = Log::latest();
    let mut in_the_clear = put("a", "x");
    in_the_clear
        .group
        .as_mut()
        .unwrap()
        .file
        .as_mut()
        .unwrap()
        .content = "#cloud-config\n".into();
    assert_eq!(log.invalid(in_the_clear).0, "secret");
    let mut with_data = put("a", "x");
    with_data.group.as_mut().unwrap().meta_data = some_data();
    assert_eq!(log.invalid(with_data).0, "secret");
    let another = PutGroup {
        sealed: Some(sealed("cloud-init/group/b", "x")),
        ..put("a", "x")
    };
    assert_eq!(log.invalid(another).0, "sealed");
    let key = PutGroup {
        token_key: Some(sealed("bmc/x0c0s0b0", "x")),
        ..put("a", "x")
    };
    assert_eq!(log.invalid(key).0, "token_key");
    let mut public = put("a", "x");
    public.group.as_mut().unwrap().secret = false;
    assert_eq!(log.invalid(public).0, "sealed");
    assert_eq!(
        ciphertext(&log, BOOT_TOKEN_KEY),
        None,
        "nothing is left of what was refused"
    );
}

/// Nobody is shown what would be merged.
#[test]
fn a_secret_group_is_not_patched() {
    let mut log = Log::latest();
    log.ok(put("a", "x"));
    let patch = PatchGroup {
        name: "a".into(),
        description: Some("b".into()),
        ..PatchGroup::default()
    };
    assert!(matches!(log.refused(patch), Rejection::Conflict { .. }));
}

#[test]
fn meta_data_of_one_node_is_public_or_sealed() {
    let mut log = Log::latest();
    let node: Xname = NODE.parse().unwrap();
    let public = InstanceInfo {
        meta_data: some_data(),
        ..info(NODE)
    };
    let put = |info: InstanceInfo, contents: Option<&str>| PutInstanceInfo {
        info: Some(info),
        sealed: contents.map(|contents| sealed(&instance_secret(&node), contents)),
        ..PutInstanceInfo::default()
    };
    log.ok(put(public.clone(), None));
    assert_eq!(
        log.state.cloud_init.instance_info(&node).unwrap().meta_data,
        some_data()
    );
    let in_the_clear = InstanceInfo {
        secret: true,
        ..public.clone()
    };
    assert_eq!(log.invalid(put(in_the_clear, Some("x"))).0, "secret");
    assert_eq!(log.invalid(put(public, Some("x"))).0, "sealed");
    let secret = InstanceInfo {
        secret: true,
        ..info(NODE)
    };
    log.ok(put(secret.clone(), Some("x")));
    log.ok(put(secret, None));
    assert_eq!(ciphertext(&log, "cloud-init/instance/x0c0s0b0n0").unwrap(), b"x");
    log.ok(DeleteInstanceInfo {
        id: NODE.into(),
        if_revision: None,
    });
    assert_eq!(ciphertext(&log, "cloud-init/instance/x0c0s0b0n0"), None);
}

#[test]
fn secret_groups_are_bounded() {
    let mut log = Log::latest();
    log.fill((0..CLOUD_INIT_SECRET_GROUPS_MAX).map(|n| put(&format!("g{n}"), "x")));
    let (field, problem) = log.invalid(put("one-more", "x"));
    assert_eq!(field, "secret", "{problem}");
    log.ok(put("g0", "y"));
}

/// A member of an older version would drop the flag, and store the rest as if it were public.
#[test]
fn members_that_do_not_know_secrets_are_never_told_one() {
    let before = Log::new().refused(put("a", "x"));
    assert!(
        matches!(before, Rejection::FeatureLevel { needed: 4, .. }),
        "{before}"
    );
}
