//! `chamois image add`: the parts to the members, then the image that is made of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use model::{BootFileName, ImageName};
use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::boot_file::v1::{
    BootFile, GetImageRequest, Image, ImageFile, ImageStatus, ListImageStatusesRequest, PutImageRequest,
    SetImagePinnedRequest,
};
use rpc::client::ExactlyOnce;
use tokio::time::Instant;
use tonic::Code;

use super::expected::{self, Expected};
use super::parts::{Bytes, Choices, Parts, Role, signature_of};
use super::scratch::Scratch;
use super::{download, folder, list, oci};
use crate::args::GlobalArgs;
use crate::connect::{self, read_ca};
use crate::error::{CliError, Kind};
use crate::file::{LocalFile, upload};
use crate::output;

/// Members that an image can be asked to be on: what the cluster accepts.
const MEMBERS_MAX: i64 = 64;
/// Pause between two looks at which members have it.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// `chamois image add`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois image add debian-12 /boot --kernel vmlinuz-6.1.0-28-amd64 --initrd initrd.img-6.1.0-28-amd64
  chamois image add live /srv/live --params 'root=live:http://10.97.0.1:8081/files/live/root.squashfs'
  chamois image add rocky-9 --kernel http://mirror/vmlinuz --initrd http://mirror/initrd.img
  chamois image add compute-7 compute.tar --arch x86_64 --pin
  chamois image add rocky-9 --kernel http://mirror/vmlinuz --sha256 kernel=9f86d081… --signatures

A folder has the parts as vmlinuz… or Image, initr… and ….squashfs. An OCI archive (skopeo copy docker://… oci-archive:x.tar) has
them as files with titles, as oras makes them, or in /boot of its root file system; no squashfs is made of one. Nodes fetch them
as /files/NAME/vmlinuz, /files/NAME/initrd and /files/NAME/root.squashfs. What the members have already is not sent again, so
repeat what was interrupted. The parts of an image never change: a new version is a new name.

With --signatures kernel and initrd have detached signatures beside them, named like them with .sig behind (vmlinuz-6.1.sig,
http://mirror/vmlinuz.sig), as `openssl cms -sign -binary -noattr -outform DER` makes them. Nodes that a boot configuration gives
the image check them by iPXE's imgverify: their loader must be built with IMAGE_TRUST_CMD and trust the signer, or they never boot.

What comes from URLs and archives lies in a folder of --work-dir until it is sent; 1 GiB of that disk stays free. Fails (6) when the
image is stored and not bootable yet when --timeout has passed.")]
pub struct AddArgs {
    /// Name of the image: letters, digits, `.`, `_` and `-`
    #[arg(value_parser = image_name)]
    pub name: ImageName,
    /// A folder, or an OCI archive (a tar); not needed if options name every part
    pub source: Option<PathBuf>,
    /// The kernel: a file of the source, or a URL
    #[arg(long, value_name = "FILE|URL")]
    pub kernel: Option<String>,
    /// The initial RAM disk: a file of the source, or a URL
    #[arg(long, value_name = "FILE|URL")]
    pub initrd: Option<String>,
    /// The root file system: a file of the source, or a URL
    #[arg(long, value_name = "FILE|URL")]
    pub root_fs: Option<String>,
    /// Architecture as iPXE says it, e.g. x86_64 or arm64; of an OCI archive: which of its platforms
    #[arg(long, default_value = "", hide_default_value = true)]
    pub arch: String,
    /// What the kernel needs to find this root: these come first where a boot configuration names the image
    #[arg(long, default_value = "", hide_default_value = true)]
    pub params: String,
    /// So many members must have it before it counts as bootable; 0: all that nodes boot from
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=MEMBERS_MAX))]
    pub min_members: u32,
    /// Keep it from being removed
    #[arg(long)]
    pub pin: bool,
    /// Kernel and initrd have signatures, which nodes check
    #[arg(long)]
    pub signatures: bool,
    /// What a part must be, or nothing is stored: kernel, initrd or root-fs, and its SHA-256; may be repeated
    #[arg(long, value_name = "PART=HEX")]
    pub sha256: Vec<Expected>,
    /// Where a folder is made for what is fetched and unpacked; $TMPDIR or /tmp if it is not given
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Certificates that https:// servers are checked by (PEM), e.g. /etc/ssl/certs/ca-certificates.crt
    #[arg(long, value_name = "FILE")]
    pub source_ca: Option<PathBuf>,
}

pub(super) fn image_name(text: &str) -> Result<ImageName, String> {
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

pub(super) async fn run(global: &GlobalArgs, args: AddArgs) -> Result<(), CliError> {
    let mut images = ImageServiceClient::new(connect::to_any(global)?);
    let before = existing(&mut images, args.name.as_str()).await?;
    let dir = match &args.work_dir {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let dir = dir.map_err(|e| CliError::other("cannot make a temporary directory", e))?;
    let (files, arch) = files(&args, &Scratch::in_folder(dir.path())).await?;
    if let Some(before) = &before {
        check_same(before, &files)?;
    }
    let mut request = PutImageRequest {
        name: args.name.to_string(),
        arch,
        params: args.params,
        min_members: args.min_members,
        ..PutImageRequest::default()
    };
    if let Some(before) = before {
        keep_what_is_not_given(&mut request, before);
    }
    let connection = connect::for_upload(global)?;
    for (role, file) in files {
        let name = boot_file_name(&args.name, role)?;
        let stored = upload(connection.clone(), &name, file).await?;
        *part_mut(&mut request, role) = Some(image_file(stored));
    }
    images.put_image(request).await?;
    if args.pin {
        let pin = SetImagePinnedRequest {
            name: args.name.to_string(),
            pinned: true,
            if_revision: None,
        };
        images.set_image_pinned(pin).await?;
    }
    let until = Instant::now() + global.timeout();
    let status = status_until_bootable(&mut images, &args.name, until).await?;
    output::done(global, ("chamois.boot_file.v1.ImageStatus", &status), || {
        output::tabulated(global, std::slice::from_ref(&status), &list::IMAGES)
    })?;
    check_bootable(&args.name, &status)
}

/// The parts, read, and the architecture.
async fn files(args: &AddArgs, into: &Scratch) -> Result<(Vec<(Role, LocalFile)>, String), CliError> {
    let (parts, arch) = parts(args, into).await?;
    let mut files = Vec::new();
    for (role, Bytes { path, offset, size }) in parts {
        files.push((role, LocalFile::read_range(path, offset, size).await?));
    }
    expected::check(&args.sha256, &files)?;
    Ok((files, arch))
}

/// A script that boots nodes next must learn that it is too early.
fn check_bootable(name: &ImageName, status: &ImageStatus) -> Result<(), CliError> {
    if status.bootable {
        return Ok(());
    }
    let text = format!(
        "the image {name} is stored, and not bootable yet: {}",
        status.reason
    );
    let remedy = "It becomes so by itself when the members have fetched it: `chamois image list` shows it. \
                  With --min-members fewer of them are enough.";
    Err(CliError::new(Kind::Unavailable, text).with_remedy(remedy))
}

/// A repeat sends again what was interrupted: what its options do not say stays as it is.
fn keep_what_is_not_given(request: &mut PutImageRequest, before: Image) {
    for (given, stored) in [
        (&mut request.arch, before.arch),
        (&mut request.params, before.params),
    ] {
        if given.is_empty() {
            *given = stored;
        }
    }
    if request.min_members == 0 {
        request.min_members = before.min_members;
    }
}

async fn existing(
    images: &mut ImageServiceClient<ExactlyOnce>,
    name: &str,
) -> Result<Option<Image>, CliError> {
    let request = GetImageRequest {
        name: name.to_owned(),
    };
    match images.get_image(request).await {
        Ok(image) => Ok(Some(image.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// The parts on this host's disk, and the architecture.
async fn parts(args: &AddArgs, into: &Scratch) -> Result<(Parts, String), CliError> {
    let mut choices = Choices {
        kernel: args.kernel.clone(),
        initrd: args.initrd.clone(),
        root_fs: args.root_fs.clone(),
        elsewhere: Vec::new(),
        signatures: args.signatures,
    };
    let ca = args
        .source_ca
        .as_deref()
        .map(read_ca)
        .transpose()?
        .unwrap_or_default();
    let mut parts = Parts::new();
    for role in Role::ALL {
        if let Some(url) = choices.of(role).filter(|text| download::is_url(text)) {
            let part = download::fetch(url, &ca, into, role.file_name()).await?;
            parts.push((role, Bytes::of_file(part)));
            if let Some(signature) = role.signature().filter(|_| args.signatures) {
                let url = signature_of(url);
                let part = download::fetch(&url, &ca, into, signature.file_name()).await?;
                parts.push((signature, Bytes::of_file(part)));
            }
            choices.elsewhere.push(role);
        }
    }
    let (more, arch) = local_parts(args, choices, into).await?;
    parts.extend(more);
    parts.sort_by_key(|(role, _)| *role);
    Ok((parts, arch))
}

async fn local_parts(args: &AddArgs, choices: Choices, into: &Scratch) -> Result<(Parts, String), CliError> {
    let Some(source) = args.source.clone() else {
        return Ok((named_parts(&choices)?, args.arch.clone()));
    };
    if source.to_str().is_some_and(download::is_url) {
        let text = "a URL is one part of an image: name it with --kernel, --initrd or --root-fs";
        return Err(CliError::new(Kind::Usage, text));
    }
    let (arch, into) = (args.arch.clone(), into.clone());
    let work = move || -> Result<(Parts, String), CliError> {
        if source.is_dir() {
            return Ok((folder::parts(&source, &choices)?, arch));
        }
        let into = into.below("unpacked");
        let into = into.map_err(|e| CliError::other("cannot make a temporary directory", e))?;
        let contents = oci::contents(&source, &arch, &choices, &into)?;
        let arch = if arch.is_empty() { contents.arch } else { arch };
        Ok((contents.parts, arch))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| CliError::other("cannot read the source", e))?
}

/// Without a source the options name files of this host.
fn named_parts(choices: &Choices) -> Result<Parts, CliError> {
    let here = Role::ALL
        .into_iter()
        .filter(|role| !choices.elsewhere.contains(role));
    let mut parts = Parts::new();
    for (role, path) in here.filter_map(|role| Some((role, choices.of(role)?))) {
        parts.push((role, Bytes::of_file(path.into())));
        if let Some(signature) = role.signature().filter(|_| choices.signatures) {
            parts.push((signature, Bytes::of_file(signature_of(path).into())));
        }
    }
    let has_kernel = choices.kernel.is_some();
    if !has_kernel {
        let text = "there is no kernel: name a folder or an OCI archive, or the kernel itself with --kernel";
        return Err(CliError::new(Kind::Usage, text));
    }
    Ok(parts)
}

/// What an image is made of never changes; better said before gigabytes are sent.
fn check_same(before: &Image, files: &[(Role, LocalFile)]) -> Result<(), CliError> {
    let of_image = |role: Role| match role {
        Role::Kernel => before.kernel.as_ref(),
        Role::Initrd => before.initrd.as_ref(),
        Role::RootFs => before.root_fs.as_ref(),
        Role::KernelSignature => before.kernel_signature.as_ref(),
        Role::InitrdSignature => before.initrd_signature.as_ref(),
    };
    for role in Role::EVERY {
        let given = files.iter().find(|(given, _)| *given == role);
        let given = given.map(|(_, file)| file.sha256.to_string());
        if of_image(role).map(|file| &file.sha256) != given.as_ref() {
            let text = format!("the image {} exists already, with another {role}", before.name);
            let remedy = "The parts of an image never change: give the new one another name, or remove this one first.";
            return Err(CliError::new(Kind::Conflict, text).with_remedy(remedy));
        }
    }
    Ok(())
}

fn boot_file_name(image: &ImageName, role: Role) -> Result<BootFileName, CliError> {
    let name = format!("{image}/{}", role.file_name());
    name.parse()
        .map_err(|problem: model::InvalidValue| CliError::new(Kind::Usage, problem.to_string()))
}

fn part_mut(request: &mut PutImageRequest, role: Role) -> &mut Option<ImageFile> {
    match role {
        Role::Kernel => &mut request.kernel,
        Role::Initrd => &mut request.initrd,
        Role::RootFs => &mut request.root_fs,
        Role::KernelSignature => &mut request.kernel_signature,
        Role::InitrdSignature => &mut request.initrd_signature,
    }
}

fn image_file(stored: BootFile) -> ImageFile {
    ImageFile {
        name: stored.name,
        size: stored.size,
        sha256: stored.sha256,
    }
}

/// A majority has it; the others fetch it by themselves, which this waits for.
async fn status_until_bootable(
    images: &mut ImageServiceClient<ExactlyOnce>,
    name: &ImageName,
    until: Instant,
) -> Result<ImageStatus, CliError> {
    loop {
        let request = ListImageStatusesRequest {
            name: vec![name.to_string()],
        };
        let mut statuses = images.list_image_statuses(request).await?.into_inner().statuses;
        let Some(status) = statuses.pop() else {
            let text = format!("the image {name} was removed by someone else");
            return Err(CliError::new(Kind::Conflict, text));
        };
        if status.bootable || Instant::now() >= until {
            return Ok(status);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn args(source: Option<&Path>) -> AddArgs {
        AddArgs {
            name: "debian".parse().unwrap(),
            source: source.map(Path::to_owned),
            kernel: None,
            initrd: None,
            root_fs: None,
            arch: String::new(),
            params: String::new(),
            min_members: 0,
            pin: false,
            signatures: false,
            sha256: Vec::new(),
            work_dir: None,
            source_ca: None,
        }
    }

    async fn roles(args: &AddArgs) -> Result<Vec<Role>, CliError> {
        let into = tempfile::tempdir().unwrap();
        let (parts, _) = parts(args, &Scratch::in_folder(into.path())).await?;
        Ok(parts.into_iter().map(|(role, _)| role).collect())
    }

    #[tokio::test]
    async fn parts_come_from_a_folder_or_are_named_by_options() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["vmlinuz", "initrd", "my-kernel"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        assert_eq!(
            roles(&args(Some(dir.path()))).await.unwrap(),
            [Role::Kernel, Role::Initrd]
        );
        let named = AddArgs {
            kernel: Some(dir.path().join("my-kernel").display().to_string()),
            ..args(None)
        };
        assert_eq!(roles(&named).await.unwrap(), [Role::Kernel]);
        for (wrong, expected) in [
            (args(None), "no kernel"),
            (args(Some(Path::new("http://host/x.tar"))), "--kernel"),
            (args(Some(Path::new("/nothing/here.tar"))), "/nothing/here.tar"),
        ] {
            let error = roles(&wrong).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    /// A signature that is asked for and not there is no reason to boot without.
    #[tokio::test]
    async fn signatures_lie_beside_what_they_sign() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("k"), "kernel").unwrap();
        let signed = AddArgs {
            kernel: Some(dir.path().join("k").display().to_string()),
            signatures: true,
            ..args(None)
        };
        let into = Scratch::in_folder(dir.path());
        let missing = files(&signed, &into).await.unwrap_err();
        assert!(missing.to_string().contains("k.sig"), "{missing}");
        std::fs::write(dir.path().join("k.sig"), "signature").unwrap();
        assert_eq!(
            roles(&signed).await.unwrap(),
            [Role::Kernel, Role::KernelSignature]
        );
        let folder = AddArgs {
            kernel: Some("k".into()),
            source: Some(dir.path().to_owned()),
            ..signed.clone()
        };
        assert_eq!(
            roles(&folder).await.unwrap(),
            [Role::Kernel, Role::KernelSignature]
        );
        let unsigned = AddArgs {
            signatures: false,
            ..folder
        };
        assert_eq!(roles(&unsigned).await.unwrap(), [Role::Kernel]);
    }

    #[test]
    fn an_image_that_is_not_bootable_yet_is_a_failure_that_may_pass() {
        let name = "debian".parse().unwrap();
        let mut status = ImageStatus {
            reason: "member 3 does not answer".into(),
            ..ImageStatus::default()
        };
        let error = check_bootable(&name, &status).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.to_string().contains("member 3 does not answer"), "{error}");
        status.bootable = true;
        check_bootable(&name, &status).unwrap();
    }

    /// Whoever adds a new version under an old name learns it before gigabytes are sent.
    #[tokio::test]
    async fn another_part_than_the_image_has_is_refused_here() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz");
        std::fs::write(&path, "kernel").unwrap();
        let read = async || LocalFile::read(path.clone()).await.unwrap();
        let kernel = read().await;
        let same = Image {
            name: "debian".into(),
            kernel: Some(ImageFile {
                sha256: kernel.sha256.to_string(),
                ..ImageFile::default()
            }),
            ..Image::default()
        };
        check_same(&same, &[(Role::Kernel, kernel)]).unwrap();
        let more = [(Role::Kernel, read().await), (Role::Initrd, read().await)];
        for (image, files, part) in [
            (&same, &more[..], "initial RAM disk"),
            (&same, &more[..0], "kernel"),
            (&Image::default(), &more[..], "kernel"),
        ] {
            let error = check_same(image, files).unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(error.to_string().contains(&format!("another {part}")), "{error}");
        }
    }

    #[test]
    fn a_repeat_without_options_changes_nothing() {
        let before = Image {
            arch: "x86_64".into(),
            params: "root=live:x".into(),
            min_members: 2,
            ..Image::default()
        };
        let mut request = PutImageRequest {
            params: "quiet".into(),
            ..PutImageRequest::default()
        };
        keep_what_is_not_given(&mut request, before);
        let PutImageRequest {
            arch,
            params,
            min_members,
            ..
        } = request;
        assert_eq!(
            (arch.as_str(), params.as_str(), min_members),
            ("x86_64", "quiet", 2)
        );
    }

    #[test]
    fn nodes_fetch_the_parts_under_the_images_name() {
        let image = "debian-12.9".parse().unwrap();
        let names = Role::EVERY.map(|role| boot_file_name(&image, role).unwrap().to_string());
        assert_eq!(
            names,
            [
                "debian-12.9/vmlinuz",
                "debian-12.9/initrd",
                "debian-12.9/root.squashfs",
                "debian-12.9/vmlinuz.sig",
                "debian-12.9/initrd.sig"
            ]
        );
    }
}
