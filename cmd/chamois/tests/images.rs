//! Images on three real members: added from a folder and from an OCI archive, bootable when all have them, repaired when a copy
//! rots, and kept while somebody needs them.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Member, Single, text};
use serde_json::Value;

/// The whole story: what the README promises about images.
#[test]
fn an_image_is_bootable_repaired_and_kept() {
    let mut cluster = Cluster::start();
    let folder = cluster.folder("debian", &["vmlinuz-6.1", "initrd.img-6.1", "live.squashfs"]);

    // added: on all members, and an add that is repeated is the same image
    for _ in 0..2 {
        let (code, out, err) = cluster.ask(&["image", "add", "debian", text(&folder), "--timeout", "60"]);
        assert_eq!(code, 0, "{err}");
        for word in ["debian", "vmlinuz, initrd, root.squashfs", "1, 2, 3", "yes"] {
            assert!(out.contains(word), "{word}\n{out}");
        }
    }
    let status = cluster.status("debian");
    assert_eq!(
        (status["bootable"].clone(), status["wholeMembers"].to_string()),
        (true.into(), "[1,2,3]".into())
    );
    let kernel = status["image"]["kernel"]["sha256"].as_str().unwrap().to_owned();

    // another kernel under that name is refused before it is sent
    let other = cluster.folder("other", &["vmlinuz-7", "initrd.img-6.1", "live.squashfs"]);
    let (code, _, err) = cluster.ask(&["image", "add", "debian", text(&other)]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("never change"), "{err}");
    let another = other.join("vmlinuz-7");
    let (code, _, err) = cluster.ask(&["file", "put", "debian/vmlinuz", text(&another)]);
    assert!(
        code == 4 && err.contains("the image debian has the boot file"),
        "{err}"
    );
    cluster.signatures_and_digests();

    // a copy that rots on one member is found, named and replaced
    let copy = cluster.site.files_dir(2).join(".content").join(&kernel);
    std::fs::write(&copy, "rotten kernel").unwrap();
    let (code, out, err) = cluster.ask(&["image", "verify", "debian"]);
    assert_eq!(code, 1, "{err}");
    assert!(
        out.contains("wrong: dropped") && err.contains("1 of 9 copies"),
        "{out}\n{err}"
    );
    cluster.until("the copy is replaced", |cluster| {
        cluster.ask(&["image", "verify", "debian"]).0 == 0
    });

    // the last good one stays, and what it is made of too
    let (code, _, err) = cluster.ask(&["image", "remove", "debian"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("the last good one"), "{err}");
    let (code, _, err) = cluster.ask(&["file", "delete", "debian/vmlinuz"]);
    assert_eq!(code, 4, "{err}");

    // a second one comes in an OCI archive while a member is down, and is bootable when that one has it too
    cluster.kill(3);
    let archive = cluster.archive(&[("vmlinuz", b"kernel of the archive"), ("initrd", b"its initrd")]);
    let added = ["image", "add", "rocky", text(&archive), "--timeout", "8", "--pin"];
    let (code, out, err) = cluster.ask(&added);
    assert_eq!(code, 6, "a script must not boot from it yet: {err}");
    assert!(out.contains("no: 2 of 3 members have it whole"), "{out}");
    assert!(
        err.contains("rocky is stored, and not bootable yet: 2 of 3 members have it whole"),
        "{err}"
    );
    cluster.spawn(3);
    cluster.until("member 3 has it", |cluster| {
        cluster.status("rocky")["bootable"] == true
    });

    cluster.a_configuration_keeps_its_image();

    // removed: the pinned one by force only, the other one now that there is another
    let (code, _, err) = cluster.ask(&["image", "remove", "rocky"]);
    assert!(code == 4 && err.contains("pinned"), "{err}");
    let (code, out, err) = cluster.ask(&["image", "remove", "debian"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("removed debian with 3 boot files"), "{out}");
    let (_, out, _) = cluster.ask(&["file", "list"]);
    assert!(out.contains("rocky/vmlinuz") && !out.contains("debian"), "{out}");
}

/// Parts of the story.
impl Cluster {
    /// Signatures lie beside what they sign, are boot files like the others, and are verified with them; a part that is not as it must
    /// be is not stored.
    fn signatures_and_digests(&self) {
        let folder = self.folder("signed", &["vmlinuz", "vmlinuz.sig"]);
        let add = [
            "image",
            "add",
            "signed",
            text(&folder),
            "--signatures",
            "--timeout",
            "60",
        ];
        let wrong = format!("kernel={}", "0".repeat(64));
        let (code, _, err) = self.ask(&[&add[..], &["--sha256", &wrong]].concat());
        assert!(code == 2 && err.contains("nothing was stored"), "{err}");
        let (code, out, err) = self.ask(&add);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("vmlinuz, vmlinuz.sig"), "{out}");
        let (code, out, err) = self.ask(&["image", "verify", "signed"]);
        assert_eq!(code, 0, "{err}");
        assert_eq!(out.matches("signed/vmlinuz.sig").count(), 3, "{out}");
        let (code, _, err) = self.ask(&["image", "remove", "signed"]);
        assert_eq!(code, 0, "{err}");
    }

    /// What a boot configuration boots stays, by force too; and a change from one image to the next is seen as such.
    fn a_configuration_keeps_its_image(&self) {
        let set = |image: &str| {
            let set = ["boot", "config", "set", "all", "--default", "--image", image];
            self.ask(&set)
        };
        let (code, _, err) = set("fedora");
        assert!(
            code == 2 && err.contains("image: there is no image fedora"),
            "{err}"
        );
        for image in ["rocky", "debian"] {
            let (code, out, err) = set(image);
            assert_eq!(code, 0, "{err}");
            assert!(out.contains(image), "{out}");
        }
        let (_, out, err) = self.ask(&["boot", "diff", "config/all"]);
        assert!(out.contains("image:\n- \"rocky\"\n+ \"debian\""), "{out}{err}");
        let (code, _, err) = self.ask(&["image", "remove", "debian", "--force"]);
        assert!(
            code == 4 && err.contains("the boot configuration all boots it"),
            "{err}"
        );
        let (code, _, err) = self.ask(&["boot", "config", "delete", "all"]);
        assert_eq!(code, 0, "{err}");
    }
}

/// Three members with folders of their own.
struct Cluster {
    site: Single,
    members: Vec<Option<Member>>,
}

impl Cluster {
    fn start() -> Self {
        let site = Single::prepare_one_of(3);
        let members = (1..=3).map(|id| Some(site.spawn_member(id))).collect();
        let cluster = Self { site, members };
        // images need the feature level that the leader raises when all members have told it theirs
        cluster.until("images are known", |cluster| {
            let (_, _, err) = cluster.ask(&["image", "pin", "nothing"]);
            err.contains("no such image")
        });
        cluster
    }

    fn spawn(&mut self, id: u64) {
        self.members[id as usize - 1] = Some(self.site.spawn_member(id));
    }

    fn kill(&mut self, id: u64) {
        self.members[id as usize - 1] = None; // dropping it kills it
    }

    /// Runs a client command against any member.
    fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let mut target = self.site.client_args();
        let endpoints: Vec<String> = (1..=3)
            .map(|id| format!("{}:7441", self.site.net.member_address(id)))
            .collect();
        target[1] = endpoints.join(",");
        let mut all: Vec<&str> = args.to_vec();
        all.extend(target.iter().map(String::as_str));
        common::outcome(&common::chamois(&all))
    }

    /// The status of one image.
    fn status(&self, name: &str) -> Value {
        let (_, out, _) = self.ask(&["image", "list", "-o", "json"]);
        let listed: Value = serde_json::from_str(&out).unwrap_or_default();
        let statuses = listed["statuses"].as_array().cloned().unwrap_or_default();
        let found = statuses
            .into_iter()
            .find(|status| status["image"]["name"] == name);
        found.unwrap_or_default()
    }

    /// A folder with files that hold their own names.
    fn folder(&self, name: &str, files: &[&str]) -> PathBuf {
        let folder = self.site.dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        for file in files {
            std::fs::write(folder.join(file), file).unwrap();
        }
        folder
    }

    /// An OCI archive of a root file system in one layer, with these files in its `/boot`; made by tar and sha256sum, as a
    /// stranger would.
    fn archive(&self, boot: &[(&str, &[u8])]) -> PathBuf {
        let dir = self.site.dir.path().join("oci");
        let blobs = dir.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let root = self.site.dir.path().join("root");
        std::fs::create_dir_all(root.join("boot")).unwrap();
        for (name, bytes) in boot {
            std::fs::write(root.join("boot").join(name), bytes).unwrap();
        }
        let layer = self.site.dir.path().join("layer.tar.gz");
        run("tar", &["-czf", text(&layer), "-C", text(&root), "."]);
        let blob = |path: &Path, media_type: &str| {
            let digest = run("sha256sum", &[text(path)]);
            let digest = digest.split(' ').next().unwrap();
            std::fs::copy(path, blobs.join(digest)).unwrap();
            let size = std::fs::metadata(path).unwrap().len();
            serde_json::json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
        };
        let layer = blob(&layer, "application/vnd.oci.image.layer.v1.tar+gzip");
        let manifest = self.site.dir.path().join("manifest.json");
        let content = serde_json::json!({ "schemaVersion": 2, "layers": [layer] });
        std::fs::write(&manifest, content.to_string()).unwrap();
        let manifest = blob(&manifest, "application/vnd.oci.image.manifest.v1+json");
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
        std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
        std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let archive = self.site.dir.path().join("rocky.tar");
        run("tar", &["-cf", text(&archive), "-C", text(&dir), "."]);
        archive
    }

    /// Waits for a condition, with a bound.
    fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            let logs = || self.members.iter().flatten().map(Member::log).collect::<Vec<_>>();
            assert!(Instant::now() < deadline, "{what}:\n{}", logs().join("\n\n"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Standard output of a program that must succeed.
fn run(program: &str, args: &[&str]) -> String {
    let output = std::process::Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
