//! Boot configurations and rollouts that name an image: what is refused, what a node boots then, and that the image stays.

use model::Rejection;
use proto::boot_file::v1::Image;
use proto::boot_file::v1::boot_file_command::{DeleteImage, SetImagePinned};
use proto::bss::v1::bss_command::control_boot_rollout::Action;
use proto::bss::v1::bss_command::{
    AdvanceBootRollout, ControlBootRollout, DeleteBootConfiguration, PutBootConfiguration, Rollback,
};
use proto::bss::v1::{BootConfiguration, BootRecord, BootRollout};
use proto::raft::v1::SnapshotRow;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::component::Arch;
use proto::smd::v1::smd_command::CreateComponents;
use proto::smd::v1::{Component, component};
use state::{BootChoice, RowKind, SnapshotError, State, choose};

use crate::boot_configurations::{configuration, put};
use crate::boot_files::{file, put as put_file};
use crate::boot_records;
use crate::boot_rollouts::start;
use crate::images::{image, part, put as put_image};
use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";

/// Images `debian` (of everything, signed, for x86_64) and `rocky` (a kernel alone), and one X86 node.
fn seeded() -> Log {
    let mut log = Log::latest();
    let files = ["vmlinuz", "initrd", "root.squashfs", "vmlinuz.sig", "initrd.sig"];
    for (name, digit) in files.into_iter().zip(["a", "b", "c", "d", "e"]) {
        log.ok(put_file(file(&format!("debian/{name}"), digit)));
    }
    log.ok(put_file(file("rocky/vmlinuz", "f")));
    log.ok(put_image(Image {
        initrd: Some(part("debian/initrd")),
        root_fs: Some(part("debian/root.squashfs")),
        kernel_signature: Some(part("debian/vmlinuz.sig")),
        initrd_signature: Some(part("debian/initrd.sig")),
        arch: "x86_64".into(),
        params: "root=live:http://s/r console=tty0 quiet".into(),
        ..image("debian", "debian/vmlinuz")
    }));
    log.ok(put_image(image("rocky", "rocky/vmlinuz")));
    log.ok(CreateComponents {
        components: vec![Component {
            id: NODE.into(),
            state: component::State::On.into(),
            arch: Arch::X86.into(),
            ..Component::default()
        }],
        ..CreateComponents::default()
    });
    log
}

/// Every node boots this image.
fn of_image(name: &str, image: &str) -> BootConfiguration {
    BootConfiguration {
        image: image.into(),
        kernel: String::new(),
        is_default: true,
        ..configuration(name)
    }
}

fn own(name: &str) -> BootConfiguration {
    BootConfiguration {
        hosts: vec![NODE.into()],
        merge_params: true,
        ..configuration(name)
    }
}

fn choice(log: &Log) -> BootChoice {
    let component = log.state.smd.component(&NODE.parse().unwrap()).unwrap();
    let node = log.state.boot_node(NODE, Some(&component), Arch::Unspecified);
    choose(log.state.boot_matches(&node, None)).unwrap()
}

/// Kernel, initrd, parameters.
fn boots(log: &Log) -> [String; 3] {
    let choice = choice(log);
    let booted = choice.booted();
    [
        booted.kernel().into_owned(),
        booted.initrd().into_owned(),
        choice.params().to_owned(),
    ]
}

fn remove(name: &str, force: bool) -> DeleteImage {
    DeleteImage {
        name: name.into(),
        force,
        ..DeleteImage::default()
    }
}

fn in_use(log: &mut Log, name: &str) -> String {
    let [by_force, _] = [true, false].map(|force| match log.refused(remove(name, force)) {
        Rejection::Conflict { detail } => detail,
        other => panic!("refused otherwise: {other}"),
    });
    assert!(
        by_force.starts_with(&format!("the image {name} is in use: ")),
        "{by_force}"
    );
    by_force
}

#[test]
fn an_image_stands_for_kernel_and_initrd_and_its_parameters_come_first() {
    let mut log = seeded();
    log.ok(put(BootConfiguration {
        params: "console=ttyS0 debug".into(),
        ..of_image("compute", "debian")
    }));
    let kernel_and_initrd = ["/files/debian/vmlinuz", "/files/debian/initrd"];
    let [kernel, initrd, params] = boots(&log);
    assert_eq!([&*kernel, &*initrd], kernel_and_initrd);
    assert_eq!(params, "root=live:http://s/r quiet console=ttyS0 debug");
    let choice = choice(&log);
    let of_image: Vec<bool> = choice.words().iter().map(|word| word.of_image).collect();
    assert_eq!(of_image, [true, true, false, false]);
    let booted = choice.booted();
    assert_eq!(
        [booted.kernel_signature(), booted.initrd_signature()],
        ["/files/debian/vmlinuz.sig", "/files/debian/initrd.sig"].map(|path| Some(path.to_owned()))
    );
}

/// One of both stands as it is, blanks and all; an image of a kernel alone is booted without an initrd.
#[test]
fn parameters_of_one_alone_are_not_touched() {
    let mut log = seeded();
    log.ok(put(of_image("compute", "debian")));
    assert_eq!(boots(&log)[2], "root=live:http://s/r console=tty0 quiet");
    log.ok(put(BootConfiguration {
        params: "a  b a".into(),
        ..of_image("compute", "rocky")
    }));
    assert_eq!(boots(&log), ["/files/rocky/vmlinuz", "", "a  b a"]);
    assert_eq!(choice(&log).booted().kernel_signature(), None);
}

/// What is merged with a configuration gives way to the image that is booted, and an image that is not booted says nothing.
#[test]
fn of_a_merge_the_first_image_or_kernel_is_booted() {
    let mut log = seeded();
    log.ok(put(BootConfiguration {
        params: "console=ttyS0".into(),
        ..of_image("all", "debian")
    }));
    let params_only = BootConfiguration {
        kernel: String::new(),
        params: "quiet=no debug".into(),
        ..own("mine")
    };
    log.ok(put(params_only.clone()));
    assert_eq!(
        boots(&log)[2],
        "root=live:http://s/r console=ttyS0 quiet=no debug"
    );
    log.ok(put(BootConfiguration {
        image: "rocky".into(),
        ..params_only
    }));
    assert_eq!(
        boots(&log),
        ["/files/rocky/vmlinuz", "", "console=ttyS0 quiet=no debug"]
    );
    log.ok(put(own("mine")));
    assert_eq!(boots(&log), ["http://i/k", "", "console=ttyS0"]);
}

#[test]
fn what_cannot_be_booted_is_refused_with_its_field() {
    let mut log = seeded();
    let changed = |change: fn(&mut BootConfiguration)| {
        let mut changed = of_image("compute", "debian");
        change(&mut changed);
        put(changed)
    };
    let cases: [(PutBootConfiguration, &str); 5] = [
        (
            changed(|c| c.kernel = "http://i/k".into()),
            "either an image, or kernel and initrd",
        ),
        (
            changed(|c| c.initrd = "http://i/i".into()),
            "either an image, or kernel and initrd",
        ),
        (changed(|c| c.image = "fedora".into()), "there is no image fedora"),
        (changed(|c| c.image = "a b".into()), "a b"),
        (
            changed(|c| c.set_arch(Arch::Arm)),
            "the image debian is for x86_64, and the configuration for nodes of ARM",
        ),
    ];
    for (command, expected) in cases {
        let (field, problem) = log.invalid(command);
        assert!(
            field == "image" && problem.contains(expected),
            "{field}: {problem}"
        );
    }
    log.ok(changed(|c| c.set_arch(Arch::X86)));
    log.ok(changed(|c| {
        c.image = "rocky".into();
        c.set_arch(Arch::Arm);
    }));
}

/// Not by force, and not after it is unpinned: the nodes would find nothing. Its kernel stays with another image, and still.
#[test]
fn an_image_that_a_configuration_names_stays_and_says_who_boots_it() {
    let mut log = seeded();
    log.ok(put_image(image("same-kernel", "rocky/vmlinuz")));
    log.ok(put(of_image("compute", "rocky")));
    let pin = |pinned| SetImagePinned {
        name: "rocky".into(),
        pinned,
        if_revision: None,
    };
    log.ok(pin(true));
    log.ok(pin(false));
    let text = in_use(&mut log, "rocky");
    assert!(text.contains("the boot configuration compute boots it"), "{text}");
    log.ok(DeleteBootConfiguration {
        name: "compute".into(),
        if_revision: None,
    });
    log.ok(remove("rocky", false));
}

/// The parameters of an image may name the root file system of another one.
#[test]
fn an_image_whose_file_another_ones_parameters_name_stays() {
    let mut log = seeded();
    log.ok(put_image(Image {
        params: "root=live:http://s/files/debian/root.squashfs".into(),
        ..image("rocky", "rocky/vmlinuz")
    }));
    log.clone().ok(remove("debian", false));
    log.ok(put(of_image("compute", "rocky")));
    let text = in_use(&mut log, "debian");
    assert!(
        text.contains("the boot configuration compute name debian/root.squashfs"),
        "{text}"
    );
}

/// The architecture was checked when the configuration was written.
#[test]
fn the_architecture_of_an_image_does_not_change_under_its_users() {
    let mut log = seeded();
    log.ok(put(BootConfiguration {
        arch: Arch::Arm.into(),
        ..of_image("compute", "rocky")
    }));
    let of_arch = |arch: &str| {
        put_image(Image {
            arch: arch.into(),
            ..image("rocky", "rocky/vmlinuz")
        })
    };
    let (field, problem) = log.invalid(of_arch("x86_64"));
    assert!(field == "arch" && problem.contains("compute"), "{problem}");
    log.ok(of_arch("arm64"));
}

fn rollout(image: &str) -> BootRollout {
    BootRollout {
        name: "new".into(),
        configuration: "compute".into(),
        image: image.into(),
        hosts: vec![NODE.into()],
        ..BootRollout::default()
    }
}

#[test]
fn a_rollout_gives_an_image_and_keeps_it_until_it_is_over() {
    let mut log = seeded();
    log.ok(put(of_image("compute", "rocky")));
    log.ok(start(rollout("debian")));
    assert_eq!(boots(&log)[0], "/files/debian/vmlinuz");
    let text = in_use(&mut log, "debian");
    assert!(text.contains("the rollout new boots it"), "{text}");
    in_use(&mut log, "rocky");
    let mut stopped = log.clone();
    stopped.ok(ControlBootRollout {
        name: "new".into(),
        action: Action::Stop.into(),
        if_revision: None,
    });
    assert_eq!(boots(&stopped)[0], "/files/rocky/vmlinuz");
    stopped.ok(remove("debian", false));
    // the node is up with what is new: the configuration becomes so, and now that one keeps the image
    let revision = log.state.applied_index();
    log.ok(boot_records::command(BootRecord {
        node: NODE.into(),
        boot_id: "b".into(),
        script_revision: revision,
        ..BootRecord::default()
    }));
    log.ok(AdvanceBootRollout { name: "new".into() });
    let base = log.state.bss.configuration("compute").unwrap();
    assert_eq!((base.image.as_str(), base.kernel.as_str()), ("debian", ""));
    in_use(&mut log, "debian");
    log.ok(remove("rocky", false));
}

#[test]
fn a_rollout_of_an_image_that_is_not_there_or_does_not_fit_is_refused() {
    let mut log = seeded();
    log.ok(put(of_image("compute", "rocky")));
    let (field, problem) = log.invalid(start(rollout("fedora")));
    assert!(
        field == "image" && problem.contains("no image fedora"),
        "{problem}"
    );
    let both = BootRollout {
        kernel: "http://i/k".into(),
        ..rollout("debian")
    };
    assert_eq!(log.invalid(start(both)).0, "image");
    log.ok(put_image(Image {
        arch: "arm64".into(),
        ..image("arm", "rocky/vmlinuz")
    }));
    let (field, problem) = log.invalid(start(rollout("arm")));
    assert!(
        field == "image" && problem.contains("for arm64, and x0c0s0b0n0 is not"),
        "{problem}"
    );
}

/// A way back to an image that is gone would be a way to nothing.
#[test]
fn a_rollback_needs_the_image_of_then() {
    let mut log = seeded();
    log.ok(put(of_image("compute", "rocky")));
    let then = log.state.applied_index();
    log.ok(put(of_image("compute", "debian")));
    let back = || Rollback {
        kind: RowKind::BootConfiguration as u32,
        id: "compute".into(),
        revision: then,
        if_revision: None,
    };
    let mut gone = log.clone();
    gone.ok(remove("rocky", false));
    let (field, problem) = gone.invalid(back());
    assert!(
        field == "image" && problem.contains("no image rocky"),
        "{problem}"
    );
    log.ok(back());
    assert_eq!(boots(&log)[0], "/files/rocky/vmlinuz");
}

#[test]
fn a_snapshot_with_a_configuration_of_a_missing_image_is_not_taken() {
    let mut log = seeded();
    log.ok(put(of_image("compute", "rocky")));
    let is_rocky = |row: &SnapshotRow| matches!(&row.row, Some(Row::Image(image)) if image.name == "rocky");
    let rows = log.state.rows().filter(|row| !is_rocky(row));
    let error = State::from_rows(rows).err().unwrap();
    assert!(
        matches!(&error, SnapshotError::Malformed { kind: RowKind::BootConfiguration, problem } if problem.contains("rocky")),
        "{error}"
    );
}

/// Whoever puts another kernel under the name of an image's learns it before gigabytes are sent.
#[test]
fn what_an_image_has_may_not_be_put_anew() {
    let log = seeded();
    let files = &log.state.boot_files;
    let digest = |digit: &str| Some(digit.repeat(64).parse().unwrap());
    for (size, sha256) in [(Some(8), None), (Some(7), digest("0")), (None, digest("0"))] {
        let refused = files.check_may_put("debian/vmlinuz", size, sha256).unwrap_err();
        assert!(
            matches!(&refused, Rejection::Conflict { detail } if detail.contains("the image debian has")),
            "{refused}"
        );
        files.check_may_put("debian/other", size, sha256).unwrap();
    }
    files
        .check_may_put("debian/vmlinuz", Some(7), digest("a"))
        .unwrap();
    files.check_may_put("debian/vmlinuz", None, None).unwrap();
}

/// A signature is a part: it stays as it is, goes with the image, and needs what it is of.
#[test]
fn a_signature_is_a_part_of_its_image() {
    let mut log = seeded();
    let without_initrd = Image {
        initrd_signature: Some(part("debian/initrd.sig")),
        ..image("odd", "debian/vmlinuz")
    };
    assert_eq!(log.invalid(put_image(without_initrd)).0, "initrd_signature");
    let unsigned = Image {
        kernel_signature: None,
        ..log.state.boot_files.image("debian").unwrap().as_ref().clone()
    };
    assert!(matches!(
        log.refused(put_image(unsigned)),
        Rejection::AlreadyExists { .. }
    ));
    let gone = log.ok(remove("debian", false)).deleted;
    assert!(gone.contains(&"debian/vmlinuz.sig".to_owned()), "{gone:?}");
    assert_eq!(gone.len(), 6);
}
