//! Images: what may be one, what never changes about it, and when it may go.

use model::Rejection;
use proto::boot_file::v1::boot_file_command::{DeleteBootFile, DeleteImage, PutImage, SetImagePinned};
use proto::boot_file::v1::{BootFile, Image, ImageFile};
use proto::raft::v1::SnapshotRow;
use proto::raft::v1::snapshot_row::Row;
use state::bounds::{IMAGE_MEMBERS_MAX, IMAGES_MAX};
use state::cluster::FEATURE_LEVEL_BOOT;
use state::{RowKind, SnapshotError, State};

use crate::boot_files::{file, put as put_file};
use crate::boot_parameters;
use crate::support::Log;

const KERNEL: &str = "debian/vmlinuz";
const INITRD: &str = "debian/initrd";
const ROOT: &str = "debian/root.squashfs";

/// A part that is named alone.
pub fn part(name: &str) -> ImageFile {
    ImageFile {
        name: name.into(),
        ..ImageFile::default()
    }
}

/// An image of a kernel alone.
pub fn image(name: &str, kernel: &str) -> Image {
    Image {
        name: name.into(),
        kernel: Some(part(kernel)),
        ..Image::default()
    }
}

pub fn put(image: Image) -> PutImage {
    PutImage {
        image: Some(image),
        if_revision: None,
    }
}

fn delete(name: &str) -> DeleteImage {
    DeleteImage {
        name: name.into(),
        ..DeleteImage::default()
    }
}

fn pin(name: &str, pinned: bool) -> SetImagePinned {
    SetImagePinned {
        name: name.into(),
        pinned,
        if_revision: None,
    }
}

fn debian() -> Image {
    Image {
        initrd: Some(part(INITRD)),
        root_fs: Some(part(ROOT)),
        arch: "x86_64".into(),
        params: "root=live:/files/debian/root.squashfs".into(),
        ..image("debian", KERNEL)
    }
}

/// A log with the files of [`debian`], and the image itself.
fn log() -> Log {
    let mut log = with_files();
    log.ok(put(debian()));
    log
}

fn with_files() -> Log {
    let mut log = Log::latest();
    for (name, digit) in [(KERNEL, "a"), (INITRD, "b"), (ROOT, "c")] {
        log.ok(put_file(file(name, digit)));
    }
    log
}

fn files(log: &Log) -> Vec<String> {
    log.state
        .boot_files
        .iter()
        .map(|file| file.name.clone())
        .collect()
}

fn conflict(rejection: Rejection) -> String {
    match rejection {
        Rejection::Conflict { detail } => detail,
        other => panic!("refused otherwise: {other}"),
    }
}

/// Whoever names a part alone gets what the catalogue has under that name.
#[test]
fn an_image_has_the_sizes_and_digests_of_the_catalogue() {
    let mut log = with_files();
    assert_eq!(log.ok(put(debian())).created, ["debian"]);
    let stored = log.state.boot_files.image("debian").unwrap();
    let of_catalogue = |name: &str, digit: &str| {
        let BootFile {
            name, size, sha256, ..
        } = file(name, digit);
        Some(ImageFile { name, size, sha256 })
    };
    let expected = Image {
        kernel: of_catalogue(KERNEL, "a"),
        initrd: of_catalogue(INITRD, "b"),
        root_fs: of_catalogue(ROOT, "c"),
        meta: log.created(),
        ..debian()
    };
    assert_eq!(*stored, expected);
    assert_eq!(
        log.ok(put(expected)).unchanged,
        ["debian"],
        "its own words are accepted"
    );
    assert_eq!(log.state.boot_files.images().count(), 1);
}

#[test]
fn parts_that_the_catalogue_has_otherwise_are_refused() {
    let mut log = with_files();
    let said = |name: &str, size, digit: &str| ImageFile {
        name: name.into(),
        size,
        sha256: digit.repeat(64),
    };
    let with_kernel = |kernel| {
        put(Image {
            kernel: Some(kernel),
            ..debian()
        })
    };
    for wrong in [said(KERNEL, 8, "a"), said(KERNEL, 7, "b")] {
        let detail = conflict(log.refused(with_kernel(wrong)));
        assert!(
            detail.starts_with("kernel: the boot file debian/vmlinuz has 7 bytes"),
            "{detail}"
        );
    }
    let (field, problem) = log.invalid(with_kernel(part("nothing")));
    assert!(
        field == "kernel" && problem.contains("no boot file nothing"),
        "{problem}"
    );
    log.ok(with_kernel(said(KERNEL, 7, "A")));
}

#[test]
fn wrong_images_name_their_field() {
    let mut log = with_files();
    let missing = PutImage {
        image: None,
        if_revision: None,
    };
    assert_eq!(log.invalid(missing).0, "image");
    let changed = |change: &dyn Fn(&mut Image)| {
        let mut image = debian();
        change(&mut image);
        put(image)
    };
    let cases: [(&str, PutImage); 9] = [
        ("name", changed(&|image| image.name = "a/b".into())),
        ("name", changed(&|image| image.name.clear())),
        ("kernel", changed(&|image| image.kernel = None)),
        ("kernel", changed(&|image| image.kernel = Some(part("../x")))),
        (
            "initrd",
            changed(&|image| image.initrd.as_mut().unwrap().sha256 = "zz".into()),
        ),
        (
            "root_fs",
            changed(&|image| image.root_fs.as_mut().unwrap().size = 7),
        ),
        ("arch", changed(&|image| image.arch = "pdp11".into())),
        ("params", changed(&|image| image.params = "a\nreboot".into())),
        (
            "min_members",
            changed(&|image| image.min_members = IMAGE_MEMBERS_MAX + 1),
        ),
    ];
    for (field, command) in cases {
        assert_eq!(log.invalid(command).0, field);
    }
    assert_eq!(log.state.boot_files.images().count(), 0);
}

/// A node that boots while an image is replaced would get the kernel of one and the root of another.
#[test]
fn what_an_image_is_made_of_never_changes() {
    let mut log = log();
    log.ok(put_file(file("other", "d")));
    let other = Image {
        kernel: Some(part("other")),
        ..debian()
    };
    let refused = log.refused(put(other));
    assert!(
        matches!(&refused, Rejection::AlreadyExists { id, .. } if id == "debian"),
        "{refused}"
    );
    let without = Image {
        root_fs: None,
        ..debian()
    };
    assert!(matches!(
        log.refused(put(without)),
        Rejection::AlreadyExists { .. }
    ));
    let detail = conflict(log.refused(put_file(file(INITRD, "d"))));
    assert!(
        detail.contains("the image debian has the boot file debian/initrd"),
        "{detail}"
    );
    let gone = DeleteBootFile {
        name: ROOT.into(),
        if_revision: None,
    };
    assert!(conflict(log.refused(gone)).contains("debian/root.squashfs"));
    assert_eq!(
        log.ok(put_file(file(INITRD, "b"))).unchanged,
        [INITRD],
        "the same bytes again"
    );
}

#[test]
fn what_is_said_of_an_image_changes() {
    let mut log = log();
    log.ok(pin("debian", true));
    let more = Image {
        params: "quiet".into(),
        min_members: 2,
        ..debian()
    };
    assert_eq!(log.ok(put(more)).updated, ["debian"]);
    let stored = log.state.boot_files.image("debian").unwrap();
    assert_eq!((stored.params.as_str(), stored.min_members), ("quiet", 2));
    assert!(stored.pinned, "that is another change");
}

/// Two administrators change one image; the second must learn of the first.
#[test]
fn a_revision_that_is_not_the_images_is_refused() {
    let mut log = log();
    let revision = log.last_change().revision;
    let mismatch = |expected, actual| Rejection::RevisionMismatch {
        id: "debian".into(),
        expected,
        actual,
    };
    let new = PutImage {
        if_revision: Some(0),
        ..put(debian())
    };
    assert_eq!(log.refused(new), mismatch(0, revision));
    let old = SetImagePinned {
        if_revision: Some(1),
        ..pin("debian", true)
    };
    assert_eq!(log.refused(old), mismatch(1, revision));
    let delete_at = |revision| DeleteImage {
        if_revision: Some(revision),
        ..delete("debian")
    };
    assert_eq!(log.refused(delete_at(1)), mismatch(1, revision));
    log.ok(delete_at(revision));
}

#[test]
fn a_pinned_image_goes_by_force_only() {
    let mut log = log();
    assert_eq!(log.ok(pin("debian", true)).updated, ["debian"]);
    assert_eq!(log.ok(pin("debian", true)).unchanged, ["debian"]);
    assert!(conflict(log.refused(delete("debian"))).contains("pinned"));
    assert_eq!(files(&log).len(), 3);
    let mut forced = log.clone();
    forced.ok(DeleteImage {
        force: true,
        ..delete("debian")
    });
    assert!(files(&forced).is_empty());
    log.ok(pin("debian", false));
    log.ok(delete("debian"));
    let missing = Rejection::not_found("image", "debian");
    assert_eq!(log.refused(pin("debian", true)), missing);
    assert_eq!(log.refused(delete("debian")), missing);
}

/// A kernel that two images share stays with the other one.
#[test]
fn its_files_go_with_it_unless_another_image_has_them() {
    let mut log = log();
    log.ok(put_file(file("rocky/initrd", "d")));
    let rocky = Image {
        initrd: Some(part("rocky/initrd")),
        ..image("rocky", KERNEL)
    };
    log.ok(put(rocky));
    let gone = log.ok(delete("debian"));
    assert_eq!(gone.deleted, ["debian", INITRD, ROOT]);
    assert_eq!(gone.deleted_count, 3);
    assert_eq!(files(&log), [KERNEL, "rocky/initrd"]);
    log.ok(delete("rocky"));
    assert!(files(&log).is_empty());
}

/// One file may be two parts; it goes once.
#[test]
fn a_file_that_is_two_parts_goes_once() {
    let mut log = with_files();
    let twice = Image {
        initrd: Some(part(KERNEL)),
        ..image("twice", KERNEL)
    };
    log.ok(put(twice));
    assert_eq!(log.ok(delete("twice")).deleted, ["twice", KERNEL]);
}

/// Nodes would be told of files that are not there.
#[test]
fn an_image_that_boot_parameters_name_stays_and_they_are_named() {
    for by in ["kernel", "initrd", "params"] {
        let mut log = log();
        let mut parameters = boot_parameters::create(&["Default", "x0c0s0b0n0"], "quiet");
        let values = parameters.values.as_mut().unwrap();
        let field = match by {
            "kernel" => &mut values.kernel,
            "initrd" => &mut values.initrd,
            _ => &mut values.params,
        };
        *field = "http://10.97.0.1:8081/files/debian/root.squashfs".into();
        log.ok(parameters);
        for force in [false, true] {
            let detail = conflict(log.refused(DeleteImage {
                force,
                ..delete("debian")
            }));
            for word in [
                "the image debian is in use",
                "Default name debian/root.squashfs",
                "x0c0s0b0n0",
            ] {
                assert!(detail.contains(word), "{by}: {detail}");
            }
        }
        // another image with that file: whoever names it goes on booting
        log.ok(put(image("root", ROOT)));
        log.ok(delete("debian"));
        assert_eq!(files(&log), [ROOT]);
    }
}

#[test]
fn of_many_users_the_first_are_named() {
    let mut log = log();
    let keys: Vec<String> = (0..9).map(|n| format!("x0c0s{n}b0n0")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    log.ok(boot_parameters::create(&keys, "a=/files/debian/initrd"));
    let detail = conflict(log.refused(delete("debian")));
    assert!(
        detail.contains("x0c0s4b0n0") && !detail.contains("x0c0s5b0n0"),
        "{detail}"
    );
    assert!(detail.contains("and 4 others"), "{detail}");
}

/// Two administrators remove the last two good images at once: each saw the other one.
#[test]
fn the_image_that_was_counted_on_must_still_be_there() {
    let mut log = log();
    log.ok(put(image("rocky", KERNEL)));
    let relying_on = |name: &str, remaining: &str| DeleteImage {
        remaining: remaining.into(),
        ..delete(name)
    };
    log.ok(relying_on("debian", "rocky"));
    assert!(conflict(log.refused(relying_on("rocky", "debian"))).contains("debian is gone"));
    conflict(log.refused(relying_on("rocky", "rocky")));
    log.ok(DeleteImage {
        force: true,
        ..relying_on("rocky", "debian")
    });
}

#[test]
fn the_number_of_images_is_bounded() {
    let mut log = with_files();
    log.fill((0..IMAGES_MAX).map(|n| put(image(&format!("i{n}"), KERNEL))));
    let (field, problem) = log.invalid(put(image("one-more", KERNEL)));
    assert!(field == "image" && problem.contains("1000 images"), "{problem}");
    let again = Image {
        min_members: 1,
        ..image("i7", KERNEL)
    };
    assert_eq!(log.ok(put(again)).updated, ["i7"]);
}

/// A member of an older version would stop at the entry.
#[test]
fn images_need_the_level_of_the_boot_path() {
    let mut log = Log::new();
    log.ok(put_file(file(KERNEL, "a")));
    let needs = |rejection| matches!(rejection, Rejection::FeatureLevel { needed, .. } if needed == FEATURE_LEVEL_BOOT);
    assert!(needs(log.refused(put(image("debian", KERNEL)))));
    assert!(needs(log.refused(pin("debian", true))));
    assert!(needs(log.refused(delete("debian"))));
}

/// What no `apply` wrote is not taken from a snapshot either.
#[test]
fn rows_that_no_apply_wrote_are_refused() {
    let log = log();
    let rows: Vec<SnapshotRow> = log.state.rows().collect();
    let stored = log.state.boot_files.image("debian").unwrap().as_ref().clone();
    let changed = |change: &dyn Fn(&mut Image)| {
        let mut image = stored.clone();
        change(&mut image);
        image
    };
    let bad = [
        changed(&|image| image.name = "a b".into()),
        changed(&|image| image.kernel = None),
        changed(&|image| image.kernel = Some(part(KERNEL))),
        changed(&|image| image.initrd.as_mut().unwrap().sha256 = "B".repeat(64)),
        changed(&|image| image.initrd.as_mut().unwrap().name = "nothing".into()),
        changed(&|image| image.root_fs.as_mut().unwrap().size = 8),
    ];
    for image in bad {
        let row = SnapshotRow {
            row: Some(Row::Image(image)),
        };
        let others = rows.iter().filter(|row| !matches!(row.row, Some(Row::Image(_))));
        let restored = State::from_rows(others.cloned().chain([row.clone()]));
        let error = restored.err().unwrap_or_else(|| panic!("{row:?} was taken"));
        assert!(
            matches!(
                error,
                SnapshotError::Malformed {
                    kind: RowKind::Image,
                    ..
                }
            ),
            "{error}"
        );
    }
}
