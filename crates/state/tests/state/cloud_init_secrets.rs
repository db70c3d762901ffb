//! What is secret is kept sealed, beside the objects that are shown.

use model::{Rejection, Xname};
use prost_types::{Struct, Value, value::Kind};
use proto::cloud_init::v1::cloud_init_command::{
    DeleteGroup, DeleteInstanceInfo, PatchGroup, PutGroup, PutInstanceInfo,
};
use proto::cloud_init::v1::{Group, GroupFile, InstanceInfo};
use proto::cluster::v1::SealedSecret;
use state::bounds::CLOUD_INIT_SECRET_GROUPS_MAX;
use state::cloud_init::{BOOT_TOKEN_KEY, group_meta_data_secret, group_secret, instance_secret};

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

fn patch() -> PatchGroup {
    PatchGroup {
        name: "a".into(),
        ..PatchGroup::default()
    }
}

/// A secret group with meta-data alone.
fn put_meta_data(ciphertext: &str) -> PutGroup {
    PutGroup {
        group: Some(Group {
            name: "a".into(),
            secret: true,
            ..Group::default()
        }),
        sealed_meta_data: Some(sealed(&group_meta_data_secret("a"), ciphertext)),
        ..PutGroup::default()
    }
}

/// Nobody is shown what would be merged.
#[test]
fn contents_of_a_secret_group_are_not_patched() {
    let mut log = Log::latest();
    log.ok(put("a", "x"));
    let described = PatchGroup {
        description: Some("b".into()),
        ..patch()
    };
    log.ok(described);
    let stored = log.state.cloud_init.group("a").unwrap();
    assert_eq!((stored.description.as_str(), stored.secret), ("b", true));
    for contents in [
        PatchGroup {
            meta_data: some_data(),
            ..patch()
        },
        PatchGroup {
            file: Some(GroupFile::default()),
            ..patch()
        },
    ] {
        assert!(matches!(log.refused(contents), Rejection::Conflict { .. }));
    }
    assert_eq!(ciphertext(&log, "cloud-init/group/a").unwrap(), b"x");
}

/// An administrator who has one of them at hand must not lose the other.
#[test]
fn a_write_of_one_part_keeps_the_other_and_only_a_clear_takes_it_away() {
    let mut log = Log::latest();
    log.ok(put("a", "file"));
    log.ok(put_meta_data("data"));
    let stored = log.state.cloud_init.group("a").unwrap();
    assert_eq!(stored.sealed, ["meta-data", "file"]);
    assert_eq!(stored.file.as_ref().unwrap().filename, "c.yaml");
    log.ok(put("a", "file-2"));
    assert_eq!(ciphertext(&log, "cloud-init/group/a").unwrap(), b"file-2");
    assert_eq!(ciphertext(&log, "cloud-init/group/a/meta-data").unwrap(), b"data");
    log.ok(PatchGroup {
        clear: vec!["file".into()],
        ..patch()
    });
    let stored = log.state.cloud_init.group("a").unwrap();
    assert_eq!(
        (&stored.sealed[..], stored.file.is_none()),
        (&["meta-data".to_owned()][..], true)
    );
    assert_eq!(ciphertext(&log, "cloud-init/group/a"), None);
    assert_eq!(ciphertext(&log, "cloud-init/group/a/meta-data").unwrap(), b"data");
    log.ok(DeleteGroup {
        name: "a".into(),
        if_revision: None,
    });
    assert_eq!(ciphertext(&log, "cloud-init/group/a/meta-data"), None);
    let foreign = PutGroup {
        sealed_meta_data: Some(sealed(&group_secret("a"), "x")),
        ..put_meta_data("x")
    };
    assert_eq!(log.invalid(foreign).0, "sealed_meta_data");
}

/// What a GET shows can be written back; what says otherwise of a file that nobody can see is a mistake.
#[test]
fn a_file_without_content_stands_for_the_one_that_is_sealed() {
    let mut log = Log::latest();
    log.ok(put("a", "x"));
    let again = |filename: &str, encoding: &str| {
        let mut group = put("a", "").group.unwrap();
        group.file = Some(GroupFile {
            filename: filename.into(),
            encoding: encoding.into(),
            ..GroupFile::default()
        });
        PutGroup {
            group: Some(group),
            ..PutGroup::default()
        }
    };
    for same in [again("c.yaml", "plain"), again("", ""), again("c.yaml", "")] {
        log.ok(same);
        assert_eq!(log.state.cloud_init.group("a").unwrap().sealed, ["file"]);
        assert_eq!(ciphertext(&log, "cloud-init/group/a").unwrap(), b"x");
    }
    for other in [again("d.yaml", "plain"), again("c.yaml", "base64")] {
        assert_eq!(log.invalid(other).0, "file.content");
    }
    log.ok(put_meta_data("y"));
    log.ok(PatchGroup {
        clear: vec!["file".into()],
        ..patch()
    });
    assert_eq!(
        log.invalid(again("c.yaml", "plain")).0,
        "file.content",
        "there is none"
    );
}

/// Nobody but the writer could seal what is public.
#[test]
fn what_becomes_secret_must_be_brought() {
    let mut log = Log::latest();
    let public = PutGroup {
        group: Some(Group {
            name: "a".into(),
            meta_data: some_data(),
            file: Some(GroupFile {
                content: "#cloud-config\n".into(),
                ..GroupFile::default()
            }),
            ..Group::default()
        }),
        ..PutGroup::default()
    };
    log.ok(public);
    assert_eq!(log.invalid(put_meta_data("x")).0, "file.content");
    assert_eq!(log.invalid(put("a", "x")).0, "meta-data");
    log.ok(PutGroup {
        sealed_meta_data: Some(sealed(&group_meta_data_secret("a"), "y")),
        ..put("a", "x")
    });
    let stored = log.state.cloud_init.group("a").unwrap();
    assert_eq!((stored.secret, stored.meta_data.is_none()), (true, true));
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
    let bare = InstanceInfo {
        secret: true,
        ..info(NODE)
    };
    assert_eq!(log.invalid(put(bare, None)).0, "meta-data", "it would be lost");
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
