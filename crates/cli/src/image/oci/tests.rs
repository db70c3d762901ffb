//! Archives as others make them, and as somebody who means harm would.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::super::parts::Role;
use super::*;

/// An archive in the making.
struct Making {
    /// Name in the archive and bytes, in order.
    entries: Vec<(String, Vec<u8>)>,
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    Sha256(digest.as_ref().try_into().unwrap()).to_string()
}

impl Making {
    fn new() -> Self {
        let layout = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
        Self {
            entries: vec![("oci-layout".into(), layout)],
        }
    }

    /// Adds a blob and gives its descriptor.
    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let name = sha256(bytes);
        self.entries
            .push((format!("blobs/sha256/{name}"), bytes.to_vec()));
        json!({ "mediaType": media_type, "digest": format!("sha256:{name}"), "size": bytes.len() })
    }

    fn manifest(&mut self, layers: &[Value]) -> Value {
        let manifest = json!({ "schemaVersion": 2, "layers": layers }).to_string();
        self.blob("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes())
    }

    /// The archive on disk, of these manifests.
    fn write(&mut self, dir: &Path, manifests: &[Value]) -> PathBuf {
        let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        self.entries.push(("index.json".into(), index.into_bytes()));
        let path = dir.join("image.tar");
        let entries = self
            .entries
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        std::fs::write(&path, tar_of(entries)).unwrap();
        path
    }
}

/// A tar of regular files.
fn tar_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        append(&mut tar, name, tar::EntryType::Regular, bytes);
    }
    tar.into_inner().unwrap()
}

/// With whatever name: the builder's own way refuses what is to be tested.
fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    if kind == tar::EntryType::Symlink {
        header.as_old_mut().linkname[..bytes.len()].copy_from_slice(bytes);
    }
    let bytes = if kind == tar::EntryType::Regular {
        bytes
    } else {
        &[]
    };
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn titled(mut descriptor: Value, title: &str) -> Value {
    descriptor["annotations"] = json!({ TITLE: title });
    descriptor
}

fn for_platform(mut descriptor: Value, architecture: &str) -> Value {
    descriptor["platform"] = json!({ "architecture": architecture, "os": "linux" });
    descriptor
}

/// Roles and what is in their bytes.
fn read(contents: Contents) -> Vec<(Role, String)> {
    let text = |bytes: Bytes| {
        let mut file = File::open(bytes.path).unwrap();
        file.seek(SeekFrom::Start(bytes.offset)).unwrap();
        std::io::read_to_string(file.take(bytes.size.unwrap_or(u64::MAX))).unwrap()
    };
    let parts = contents.parts.into_iter();
    parts.map(|(role, bytes)| (role, text(bytes))).collect()
}

fn of(path: &Path, arch: &str, choices: &Choices) -> Result<Contents, CliError> {
    let into = path.with_extension("unpacked");
    let _ = std::fs::create_dir(&into);
    contents(path, arch, choices, &Scratch::in_folder(&into))
}

fn refused(path: &Path) -> String {
    of(path, "", &Choices::default()).unwrap_err().to_string()
}

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

#[test]
fn an_artifact_has_files_by_their_titles() {
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let layers = [
        ("vmlinuz-6.1", "kernel"),
        ("initrd.img", "initrd"),
        ("live.squashfs", "root"),
        ("README", "x"),
    ];
    let layers = layers.map(|(title, text)| titled(making.blob(LAYER, text.as_bytes()), title));
    let manifest = making.manifest(&layers);
    let path = making.write(dir.path(), &[for_platform(manifest, "arm64")]);
    let found = of(&path, "", &Choices::default()).unwrap();
    assert_eq!(found.arch, "arm64");
    let expected = [
        (Role::Kernel, "kernel"),
        (Role::Initrd, "initrd"),
        (Role::RootFs, "root"),
    ];
    assert_eq!(read(found), expected.map(|(role, text)| (role, text.to_owned())));
}

/// A root file system in three layers, packed in every way; the uppermost one counts.
#[test]
fn a_root_file_system_gives_what_is_in_its_boot() {
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let base = tar_of([
        ("boot/vmlinuz-5.10", &b"old"[..]),
        ("boot/initrd.img-5.10", b"old"),
        ("etc/passwd", b"root"),
    ]);
    let upgrade = tar_of([
        ("./boot/.wh.vmlinuz-5.10", &b""[..]),
        ("./boot/.wh.initrd.img-5.10", b""),
        ("./boot/vmlinuz-6.1", b"kernel"),
        ("./boot/initrd.img-6.1", b"first"),
    ]);
    let rebuilt = tar_of([("boot/initrd.img-6.1", &b"initrd"[..])]);
    let layers = [
        making.blob(&format!("{LAYER}+gzip"), &gzip(&base)),
        making.blob(
            &format!("{LAYER}+zstd"),
            &zstd::encode_all(upgrade.as_slice(), 1).unwrap(),
        ),
        making.blob(LAYER, &rebuilt),
    ];
    let manifest = making.manifest(&layers);
    let path = making.write(dir.path(), &[for_platform(manifest, "amd64")]);
    let found = of(&path, "", &Choices::default()).unwrap();
    assert_eq!(found.arch, "x86_64");
    let expected = [(Role::Kernel, "kernel"), (Role::Initrd, "initrd")];
    assert_eq!(read(found), expected.map(|(role, text)| (role, text.to_owned())));
    let unpacked = std::fs::read_dir(path.with_extension("unpacked")).unwrap();
    assert_eq!(unpacked.count(), 2, "nothing else takes room");
}

/// Signatures are files like others: in `/boot`, and among titles.
#[test]
fn signatures_are_found_beside_what_they_sign() {
    let signed = Choices {
        signatures: true,
        ..Choices::default()
    };
    let expected = [
        (Role::Kernel, "kernel".to_owned()),
        (Role::KernelSignature, "signature".to_owned()),
    ];
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let root = tar_of([
        ("boot/vmlinuz", &b"kernel"[..]),
        ("boot/vmlinuz.sig", b"signature"),
    ]);
    let layer = making.blob(LAYER, &root);
    let manifest = making.manifest(&[layer]);
    let path = making.write(dir.path(), &[manifest]);
    assert_eq!(read(of(&path, "", &signed).unwrap()), expected);
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let layers = [("vmlinuz", "kernel"), ("vmlinuz.sig", "signature")];
    let layers = layers.map(|(title, text)| titled(making.blob(LAYER, text.as_bytes()), title));
    let manifest = making.manifest(&layers);
    let path = making.write(dir.path(), &[manifest]);
    assert_eq!(read(of(&path, "", &signed).unwrap()), expected);
    assert_eq!(read(of(&path, "", &Choices::default()).unwrap()), expected[..1]);
}

/// An index that names another one many times, and that one a third, would be read for hours.
#[test]
fn the_number_of_indexes_is_bounded() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let empty = json!({ "schemaVersion": 2, "manifests": [] }).to_string();
    let mut inner = making.blob(INDEX, empty.as_bytes());
    for _ in 0..2 {
        let many = vec![inner; 1000];
        let many = json!({ "schemaVersion": 2, "manifests": many }).to_string();
        inner = making.blob(INDEX, many.as_bytes());
    }
    let text = refused(&making.write(dir.path(), &[inner]));
    assert!(text.contains("more than 64 indexes"), "{text}");
}

#[test]
fn of_several_platforms_one_is_chosen() {
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let mut platform = |architecture: &str| {
        let layer = titled(making.blob(LAYER, architecture.as_bytes()), "vmlinuz");
        for_platform(making.manifest(&[layer]), architecture)
    };
    let manifests = [platform("amd64"), platform("arm64"), platform("unknown")];
    let inner = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
    let inner = making.blob("application/vnd.oci.image.index.v1+json", inner.as_bytes());
    let path = making.write(dir.path(), &[inner]);
    let text = refused(&path);
    assert!(
        text.contains("--arch") && text.contains("x86_64, arm64"),
        "{text}"
    );
    let found = of(&path, "arm64", &Choices::default()).unwrap();
    assert_eq!(read(found), [(Role::Kernel, "arm64".to_owned())]);
    assert!(of(&path, "riscv64", &Choices::default()).is_err());
}

/// Bytes that are not those of their digest are believed nowhere: not as a kernel, not as a manifest.
#[test]
fn a_blob_that_is_not_its_digest_is_refused() {
    for which in [1, 2] {
        let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
        let layer = titled(making.blob(LAYER, b"kernel"), "vmlinuz");
        let manifest = making.manifest(&[layer]);
        let bytes = &mut making.entries[which].1;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let text = refused(&making.write(dir.path(), &[manifest]));
        assert!(text.contains("not what its digest says"), "{text}");
    }
}

#[test]
fn blobs_that_are_missing_or_of_another_size_are_refused() {
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let layer = titled(making.blob(LAYER, b"kernel"), "vmlinuz");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut layer = layer.clone();
        change(&mut layer);
        layer
    };
    let missing = format!("sha256:{}", "a".repeat(64));
    let layers = [
        (with(&|layer| layer["size"] = 7.into()), "6 bytes instead of 7"),
        (
            with(&|layer| layer["digest"] = missing.clone().into()),
            "is missing",
        ),
        (
            with(&|layer| layer["digest"] = "sha512:aa".into()),
            "no SHA-256 digest",
        ),
        (
            with(&|layer| layer["digest"] = "sha256:../../x".into()),
            "no SHA-256 digest",
        ),
    ];
    for (layer, expected) in layers {
        let mut making = Making {
            entries: making.entries.clone(),
        };
        let manifest = making.manifest(&[layer]);
        let text = refused(&making.write(dir.path(), &[manifest]));
        assert!(text.contains(expected), "{text}");
    }
}

/// Wherever an archive is cut, nothing of it becomes an image.
#[test]
fn a_truncated_archive_is_refused_wherever_it_is_cut() {
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let base = gzip(&tar_of([
        ("boot/vmlinuz", &[7; 5000][..]),
        ("boot/initrd", &[8; 5000]),
    ]));
    let layer = making.blob(LAYER, &base);
    let manifest = making.manifest(&[layer]);
    making.write(dir.path(), &[manifest]);
    // the blobs last, so that a cut is in them
    making.entries.sort_by_key(|(name, _)| name.starts_with("blobs/"));
    let path = dir.path().join("sorted.tar");
    let entries = making
        .entries
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    std::fs::write(&path, tar_of(entries)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(of(&path, "", &Choices::default()).is_ok());
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in (0..end).step_by(97) {
        let cut_path = dir.path().join(format!("cut-{cut}.tar"));
        std::fs::write(&cut_path, &whole[..cut]).unwrap();
        assert!(of(&cut_path, "", &Choices::default()).is_err(), "cut at {cut}");
    }
}

/// A layer whose digest is right and whose stream is cut was made so.
#[test]
fn a_layer_that_is_cut_is_refused() {
    let whole = tar_of([("boot/vmlinuz", &[7; 5000][..])]);
    let packed = gzip(&whole);
    for bytes in [&whole[..2000], &packed[..packed.len() / 2]] {
        let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
        let layer = making.blob(LAYER, bytes);
        let manifest = making.manifest(&[layer]);
        let text = refused(&making.write(dir.path(), &[manifest]));
        assert!(text.contains("layer sha256:"), "{text}");
    }
}

/// What lies outside the folder that is unpacked into is never touched, and links are never followed.
#[test]
fn paths_that_lead_out_are_refused_and_links_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("vmlinuz");
    std::fs::write(&victim, "mine").unwrap();
    let layer_of = |entries: &[(&str, tar::EntryType, &[u8])]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, bytes) in entries {
            append(&mut tar, name, *kind, bytes);
        }
        tar.into_inner().unwrap()
    };
    let (regular, link) = (tar::EntryType::Regular, tar::EntryType::Symlink);
    let target = victim.to_str().unwrap().as_bytes();
    let cases = [
        (
            layer_of(&[("boot/../../vmlinuz", regular, b"evil")]),
            "leads out of it",
        ),
        (
            layer_of(&[("../boot/vmlinuz", regular, b"evil")]),
            "leads out of it",
        ),
        (layer_of(&[("boot/vmlinuz", link, target)]), "has no kernel"),
        (
            layer_of(&[("boot/vmlinuz", regular, b"x"), ("boot/vmlinuz", link, target)]),
            "has no kernel",
        ),
    ];
    for (layer, expected) in cases {
        let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
        let layer = making.blob(LAYER, &layer);
        let manifest = making.manifest(&[layer]);
        let path = making.write(dir.path(), &[manifest]);
        let text = refused(&path);
        assert!(text.contains(expected), "{text}");
        let mut here: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        here.sort();
        assert_eq!(here, ["image.tar", "image.unpacked"]);
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    // through a folder that is a link, as an absolute path: both are names within the layer and no more
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let folder = outside.path().to_str().unwrap().as_bytes();
    let layer = making.blob(
        LAYER,
        &layer_of(&[("boot", link, folder), ("/boot/vmlinuz", regular, b"kernel")]),
    );
    let manifest = making.manifest(&[layer]);
    let found = of(&making.write(dir.path(), &[manifest]), "", &Choices::default()).unwrap();
    assert_eq!(read(found), [(Role::Kernel, "kernel".to_owned())]);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
}

/// A title is a word to choose by, whatever it says.
#[test]
fn a_title_that_is_a_path_writes_nothing() {
    let (dir, mut making) = (tempfile::tempdir().unwrap(), Making::new());
    let layer = titled(making.blob(LAYER, b"kernel"), "../../vmlinuz");
    let manifest = making.manifest(&[layer]);
    let path = making.write(dir.path(), &[manifest]);
    let found = of(&path, "", &Choices::default()).unwrap();
    assert_eq!(read(found), [(Role::Kernel, "kernel".to_owned())]);
    assert_eq!(
        std::fs::read_dir(path.with_extension("unpacked"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn what_is_no_oci_archive_says_what_it_is_instead() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let docker = tar_of([("manifest.json", &b"[]"[..])]);
    for (path, expected) in [
        (write("docker.tar", &docker), "docker-archive"),
        (write("packed.tar", &gzip(&docker)), "gunzip"),
        (write("empty.tar", b""), "no OCI archive"),
        (dir.path().join("nothing.tar"), "nothing.tar"),
    ] {
        let text = refused(&path);
        assert!(text.contains(expected), "{text}");
    }
    let layout = |version: &str| format!(r#"{{"imageLayoutVersion":"{version}"}}"#);
    for (layout, index, expected) in [
        (layout("2.0.0"), r#"{"manifests":[]}"#.to_owned(), "version 2.0.0"),
        (
            layout("1.0.0"),
            r#"{"manifests":[]}"#.to_owned(),
            "0 of its manifests",
        ),
        (layout("1.0.0"), "{".to_owned(), "index.json"),
        (
            layout("1.0.0"),
            " ".repeat(DOCUMENT_BYTES_MAX as usize + 1),
            "more than",
        ),
    ] {
        let bytes = tar_of([
            ("oci-layout", layout.as_bytes()),
            ("index.json", index.as_bytes()),
        ]);
        let text = refused(&write("odd.tar", &bytes));
        assert!(text.contains(expected), "{text}");
    }
}
