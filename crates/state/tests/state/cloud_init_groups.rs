//! What cloud-init gives the members of a group.

use prost_types::{Struct, Value, value::Kind};
use proto::cloud_init::v1::cloud_init_command::{DeleteGroup, PutGroup};
use proto::cloud_init::v1::{Group, GroupFile};
use proto::http::v1::ObjectMeta;
use state::bounds::{CLOUD_INIT_BYTES_MAX, CLOUD_INIT_DEPTH_MAX, CLOUD_INIT_GROUPS_BYTES_MAX};
use state::cloud_init::file_bytes;

use crate::support::{IntoCommand, Log};

const CONFIG: &str = "#cloud-config\nruncmd: [date]\n";

pub fn put(group: Group) -> PutGroup {
    PutGroup {
        group: Some(group),
        must_be_new: false,
        ..Default::default()
    }
}

pub fn group(name: &str) -> Group {
    Group {
        name: name.into(),
        ..Default::default()
    }
}

fn with_file(content: &str, encoding: &str) -> Group {
    let file = GroupFile {
        content: content.into(),
        filename: "c.yaml".into(),
        encoding: encoding.into(),
    };
    Group {
        file: Some(file),
        ..group("compute")
    }
}

fn nested(levels: usize) -> Struct {
    (1..levels).fold(Struct::default(), |inner, _| {
        let kind = Some(Kind::StructValue(inner));
        Struct {
            fields: [("a".to_owned(), Value { kind })].into(),
        }
    })
}

#[test]
fn a_group_is_created_replaced_and_deleted() {
    let mut log = Log::new();
    let must_be_new = PutGroup {
        must_be_new: true,
        ..put(with_file(CONFIG, ""))
    };
    assert_eq!(log.ok(must_be_new.clone()).created, ["compute"]);
    let created = log.created();
    let stored = log.state.cloud_init.group("compute").unwrap();
    assert_eq!(
        *stored,
        Group {
            meta: created.clone(),
            ..with_file(CONFIG, "plain")
        }
    );
    let exists = log.refused(must_be_new).to_string();
    assert_eq!(
        exists,
        "cloud-init group compute exists already: use PUT to replace it"
    );

    let described = Group {
        description: "all of them".into(),
        ..group("compute")
    };
    assert_eq!(log.ok(put(described.clone())).updated, ["compute"]);
    let meta = Some(ObjectMeta {
        created: created.unwrap().created,
        modified: Some(log.last_change()),
    });
    let stored = log.state.cloud_init.group("compute").unwrap();
    assert_eq!(
        *stored,
        Group { meta, ..described },
        "a put replaces the whole group"
    );

    let delete = DeleteGroup {
        name: "compute".into(),
        ..Default::default()
    };
    let gone = log.ok(delete.clone());
    assert_eq!(
        (gone.deleted_count, gone.deleted),
        (1, vec!["compute".to_owned()])
    );
    assert_eq!(
        log.ok(delete).deleted_count,
        0,
        "gone already, as the service it replaces says"
    );
    assert_eq!(log.state.cloud_init.groups().count(), 0);
}

/// SMD's labels are lower case: another name could never be a member's.
#[test]
fn names_are_those_of_smd_s_labels() {
    let mut log = Log::new();
    log.ok(put(group("Rack-1_a:b.c")));
    assert_eq!(log.state.cloud_init.groups().next().unwrap().name, "rack-1_a:b.c");
    assert!(log.state.cloud_init.group("RACK-1_A:B.C").is_some());
    for wrong in ["", "a b", "a/b", "a\n", "a%2e", "ä", &"g".repeat(256)] {
        let (field, problem) = log.invalid(put(group(wrong)));
        assert_eq!(field, "name", "{wrong:?}: {problem}");
        assert_eq!(
            log.invalid(DeleteGroup {
                name: wrong.into(),
                ..Default::default()
            })
            .0,
            "name"
        );
    }
}

#[test]
fn a_file_is_served_as_it_was_meant() {
    // What `base64 file` writes has line ends.
    let wrapped = "I2Nsb3VkLWNv\nbmZpZwpydW5jbWQ6\r\nIFtkYXRlXQo=\n";
    for (content, encoding) in [(CONFIG, ""), (CONFIG, "plain"), (wrapped, "base64")] {
        let mut log = Log::new();
        log.ok(put(with_file(content, encoding)));
        let stored = log.state.cloud_init.group("compute").unwrap();
        let file = stored.file.as_ref().unwrap();
        assert_eq!(file_bytes(file).unwrap(), CONFIG.as_bytes(), "{encoding}");
        assert_eq!(file.content, content, "it is shown as it was given");
    }
    // Go's clients send an empty object for a group without a file.
    let mut log = Log::new();
    log.ok(put(with_file("", "")));
    assert_eq!(log.state.cloud_init.group("compute").unwrap().file, None);
}

#[test]
fn what_could_not_be_served_is_refused_by_name() {
    let big = "x".repeat(CLOUD_INIT_BYTES_MAX + 1);
    let deep = Group {
        meta_data: Some(nested(CLOUD_INIT_DEPTH_MAX + 1)),
        ..group("compute")
    };
    let long = Group {
        description: "d".repeat(1025),
        ..group("compute")
    };
    let mut named = with_file(CONFIG, "plain");
    named.file.as_mut().unwrap().filename = "a\u{1b}[2J".into();
    let cases = [
        ("file.encoding", with_file(CONFIG, "gzip")),
        ("file.content", with_file("#cloud-config", "base64")),
        ("file.content", with_file(&big, "plain")),
        ("file.filename", named),
        ("meta-data", deep),
        ("description", long),
    ];
    for (field, group) in cases {
        let (named, problem) = Log::new().invalid(put(group));
        assert_eq!(named, field, "{problem}");
    }
}

/// Every member must be able to read what the log holds, and every client what the list answers.
#[test]
fn the_deepest_accepted_meta_data_survives_the_log() {
    let mut log = Log::new();
    let deep = Group {
        meta_data: Some(nested(CLOUD_INIT_DEPTH_MAX)),
        ..group("compute")
    };
    let entry = log.entry(put(deep).into_command());
    let bytes = state::encode_exact(&entry).unwrap();
    assert_eq!(state::decode_exact(&bytes).unwrap(), entry);
    assert_eq!(state::rejection(&log.apply_entry(&entry).outcome), None);
}

#[test]
fn all_groups_together_are_bounded() {
    let mut log = Log::new();
    let fitting = CLOUD_INIT_GROUPS_BYTES_MAX / CLOUD_INIT_BYTES_MAX - 1;
    let content = "x".repeat(CLOUD_INIT_BYTES_MAX);
    let big = |n: usize| Group {
        name: format!("g{n}"),
        ..with_file(&content, "plain")
    };
    for n in 0..fitting {
        log.ok(put(big(n)));
    }
    let (field, problem) = log.invalid(put(big(fitting)));
    assert!(
        field == "file.content" && problem.contains("#include"),
        "{field}: {problem}"
    );
    log.ok(put(big(0)));
}
