//! Boot configurations: create, replace, delete, and what is refused.

use model::Rejection;
use proto::bss::v1::BootConfiguration;
use proto::bss::v1::bss_command::{DeleteBootConfiguration, PutBootConfiguration};
use proto::smd::v1::component::Arch;
use state::RowKind;
use state::bounds::{
    BOOT_CONFIGURATIONS_MAX, CONFIGURATIONS_PER_SELECTOR_MAX, NODE_SETS_MAX, SELECTORS_PER_CONFIGURATION_MAX,
};

use crate::support::Log;

/// With a kernel, and nothing that it selects.
pub fn configuration(name: &str) -> BootConfiguration {
    BootConfiguration {
        name: name.into(),
        kernel: "http://i/k".into(),
        ..Default::default()
    }
}

fn of_host(name: &str, host: &str) -> BootConfiguration {
    BootConfiguration {
        hosts: vec![host.into()],
        ..configuration(name)
    }
}

pub fn put(configuration: BootConfiguration) -> PutBootConfiguration {
    PutBootConfiguration {
        configuration: Some(configuration),
        ..Default::default()
    }
}

fn delete(name: &str) -> DeleteBootConfiguration {
    DeleteBootConfiguration {
        name: name.into(),
        if_revision: None,
    }
}

fn stored(log: &Log, name: &str) -> BootConfiguration {
    let stored = log.state.bss.configuration(name);
    stored.unwrap_or_else(|| panic!("no {name}")).as_ref().clone()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn selectors_are_stored_in_one_form_sorted_and_each_once() {
    let mut log = Log::latest();
    let given = BootConfiguration {
        hosts: texts(&["X1c0s[3,1-2]b0n0, x01000C0S0B0N0", "x1000c0s0b0n0"]),
        macs: texts(&["02-00-00-00-00-0B", "02:00:00:00:00:0a"]),
        nids: vec![7, 3, 7],
        groups: texts(&["GPU", "gpu", "a"]),
        roles: texts(&["compute", "Site"]),
        sub_roles: texts(&["WORKER"]),
        ..configuration("c")
    };
    assert_eq!(log.ok(put(given)).created, ["c"]);
    let expected = BootConfiguration {
        hosts: texts(&["x1000c0s0b0n0", "x1c0s[1-3]b0n0"]),
        macs: texts(&["02:00:00:00:00:0a", "02:00:00:00:00:0b"]),
        nids: vec![3, 7],
        groups: texts(&["a", "gpu"]),
        roles: texts(&["Compute", "Site"]),
        sub_roles: texts(&["Worker"]),
        priority: Some(50),
        meta: log.created(),
        ..configuration("c")
    };
    assert_eq!(stored(&log, "c"), expected);
}

#[test]
fn a_put_replaces_all_but_the_creation() {
    let mut log = Log::latest();
    log.ok(put(BootConfiguration {
        description: "first".into(),
        ..of_host("c", "x0c0s0b0n0")
    }));
    let created = log.created();
    log.now_ms += 1000;
    assert_eq!(log.ok(put(of_host("c", "x0c0s1b0n0"))).updated, ["c"]);
    let now = stored(&log, "c");
    assert_eq!(
        (now.description.as_str(), &now.hosts[..]),
        ("", &texts(&["x0c0s1b0n0"])[..])
    );
    let meta = now.meta.unwrap();
    assert_eq!(meta.created, created.unwrap().created);
    assert_eq!(meta.modified, Some(log.last_change()));
}

#[test]
fn conditions_hold_or_nothing_changes() {
    let mut log = Log::latest();
    let at = |if_revision| PutBootConfiguration {
        if_revision: Some(if_revision),
        ..put(of_host("c", "x0c0s0b0n0"))
    };
    assert!(matches!(
        log.refused(at(7)),
        Rejection::RevisionMismatch { actual: 0, .. }
    ));
    log.ok(at(0));
    let revision = log.last_change().revision;
    assert!(matches!(log.refused(at(0)), Rejection::RevisionMismatch { .. }));
    let new = PutBootConfiguration {
        must_be_new: true,
        ..put(of_host("c", "x0c0s0b0n0"))
    };
    assert!(matches!(log.refused(new), Rejection::AlreadyExists { .. }));
    log.ok(at(revision));
    let stale = DeleteBootConfiguration {
        if_revision: Some(revision),
        ..delete("c")
    };
    assert!(matches!(log.refused(stale), Rejection::RevisionMismatch { .. }));
    assert_eq!(log.ok(delete("c")).deleted, ["c"]);
    assert!(matches!(log.refused(delete("c")), Rejection::NotFound { .. }));
    assert_eq!(log.state.bss.configurations().count(), 0);
}

type Change = fn(&mut BootConfiguration);

/// Each by its field, and with what is accepted.
#[test]
fn what_cannot_be_meant_is_refused_by_its_field() {
    let cases: [(&str, &str, Change); 32] = [
        ("name", "missing", |c| c.name.clear()),
        ("name", "letters", |c| c.name = "a b".into()),
        ("name", "letters", |c| c.name = "a/b".into()),
        ("name", "letters", |c| c.name = "-a".into()),
        ("name", "letters", |c| c.name = "a".repeat(129)),
        ("description", "control", |c| c.description = "a\nb".into()),
        ("hosts", "nodeset", |c| c.hosts = vec!["nowhere".into()]),
        ("hosts", "no node is in", |c| c.hosts = vec!["x0c0w1".into()]),
        ("hosts", "no node is in", |c| {
            c.hosts = vec!["x0c0s*b0n0p0".into()]
        }),
        ("hosts", "selects no node", |c| c.hosts.clear()),
        ("macs", "MAC", |c| c.macs = vec!["02:00".into()]),
        ("groups", "label", |c| c.groups = vec!["a b".into()]),
        ("roles", "missing", |c| c.roles = vec![String::new()]),
        ("roles", "blank", |c| c.roles = vec!["a b".into()]),
        ("sub_roles", "control", |c| c.sub_roles = vec!["a\0".into()]),
        ("arch", "X86", |c| c.arch = Arch::Unknown.into()),
        ("arch", "X86", |c| c.arch = 99),
        ("priority", "0 to 100", |c| c.priority = Some(101)),
        ("kernel", "missing", |c| c.kernel.clear()),
        ("kernel", "http://", |c| c.kernel = "vmlinuz".into()),
        ("kernel", "http://", |c| c.kernel = "s3://bucket/k".into()),
        ("kernel", "blank", |c| c.kernel = "http://i/a b".into()),
        ("kernel", "control", |c| c.kernel = "http://i/k\nreboot".into()),
        ("kernel", "buildarch", |c| c.kernel = "http://i/${arch}".into()),
        ("kernel", "bytes", |c| {
            c.kernel = format!("http://i/{}", "k".repeat(2048))
        }),
        ("initrd", "http://", |c| c.initrd = "i".into()),
        ("initrd", "dot", |c| c.initrd = "/files/../i".into()),
        ("initrd", "belongs to a kernel", |c| {
            (c.merge_params, c.kernel, c.initrd) = (true, String::new(), "http://i/i".into());
        }),
        ("params", "control", |c| c.params = "a\rb".into()),
        ("params", "meaning", |c| c.params = "a || reboot".into()),
        ("params", "buildarch", |c| c.params = "x=${nothing}".into()),
        ("nids", "accepted", |c| {
            c.nids = vec![1; SELECTORS_PER_CONFIGURATION_MAX + 1]
        }),
    ];
    let mut log = Log::latest();
    for (field, part, change) in cases {
        let mut wrong = of_host("c", "x0c0s0b0n0");
        change(&mut wrong);
        let (named, problem) = log.invalid(put(wrong));
        assert_eq!(named, field, "{problem}");
        assert!(problem.contains(part), "{field}: {problem}");
    }
    let (field, _) = log.invalid(PutBootConfiguration::default());
    assert_eq!(field, "configuration");
    assert_eq!(log.state.bss.configurations().count(), 0);
}

#[test]
fn places_and_nodesets_and_files_are_accepted() {
    let mut log = Log::latest();
    for host in ["x1000", "x1000c*", "x1c0s[0-7]", "x1c0s0b*", "x1c0s0b0n[0-1]v*"] {
        log.ok(put(of_host("c", host)));
    }
    let merging = BootConfiguration {
        merge_params: true,
        kernel: String::new(),
        params: "mac=${net0/mac:hexhyp}".into(),
        is_default: true,
        ..configuration("c")
    };
    log.ok(put(merging));
    log.ok(put(BootConfiguration {
        initrd: "/files/a/b".into(),
        priority: Some(0),
        ..of_host("c", "x1")
    }));
    assert_eq!(stored(&log, "c").priority, Some(0));
}

/// Each boot looks at all that have one selector, and at all nodesets.
#[test]
fn what_every_boot_looks_at_is_bounded() {
    let mut log = Log::latest();
    let of_group = |n: usize| BootConfiguration {
        groups: vec!["gpu".into()],
        ..configuration(&format!("g{n}"))
    };
    log.fill((0..CONFIGURATIONS_PER_SELECTOR_MAX).map(|n| put(of_group(n))));
    let (field, problem) = log.invalid(put(of_group(CONFIGURATIONS_PER_SELECTOR_MAX)));
    assert_eq!(field, "groups");
    assert!(problem.contains("gpu already"), "{problem}");
    log.ok(put(of_group(0)));
    log.ok(put(BootConfiguration {
        disabled: true,
        ..of_group(CONFIGURATIONS_PER_SELECTOR_MAX)
    }));
    let sets = |name: &str, sets: usize| BootConfiguration {
        hosts: (0..sets).map(|n| format!("x{n}c*s*b0n0")).collect(),
        ..configuration(name)
    };
    log.ok(put(sets("sets", NODE_SETS_MAX)));
    log.ok(put(sets("sets", NODE_SETS_MAX)));
    let (field, problem) = log.invalid(put(sets("more", 1)));
    assert_eq!(field, "hosts");
    assert!(problem.contains("256 nodesets"), "{problem}");
    log.ok(delete("sets"));
    log.ok(put(sets("more", 1)));
}

#[test]
fn the_number_of_configurations_is_bounded() {
    let mut log = Log::latest();
    let numbered = |n: usize| of_host(&format!("c{n}"), &format!("x0c0s{n}b0n0"));
    log.fill((0..BOOT_CONFIGURATIONS_MAX).map(|n| put(numbered(n))));
    let (field, _) = log.invalid(put(numbered(BOOT_CONFIGURATIONS_MAX)));
    assert_eq!(field, "name");
    log.ok(delete("c7"));
    log.ok(put(numbered(BOOT_CONFIGURATIONS_MAX)));
}

/// Members of an older version would stop at it.
#[test]
fn the_log_has_them_from_level_four_on() {
    for command in [
        crate::support::IntoCommand::into_command(put(of_host("c", "x0"))),
        crate::support::IntoCommand::into_command(delete("c")),
    ] {
        let refused = Log::new().refused(command);
        assert_eq!(
            refused,
            Rejection::FeatureLevel {
                needed: 4,
                current: 1
            }
        );
    }
}

#[test]
fn watchers_see_them_by_name() {
    let mut log = Log::latest();
    let applied = log.apply(put(of_host("c", "x0c0s0b0n0")));
    let event = applied.events.first().unwrap();
    assert_eq!(event.key().kind(), RowKind::BootConfiguration);
    let object = event.object().unwrap();
    assert_eq!((object.id().as_str(), object.component()), ("c", None));
}
