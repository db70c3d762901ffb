//! `chamois image add`: the parts to the members, then the image that is made of them.

use std::path::{Path, PathBuf};
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

use super::parts::{Bytes, Choices, Parts, Role};
use super::{download, folder, list, oci};
use crate::args::GlobalArgs;
use crate::connect::{self, read_ca};
use crate::error::{CliError, Kind};
use crate::file::{LocalFile, upload};
use crate::output::{self, Format};

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

A folder has the parts as vmlinuz… or Image, initr… and ….squashfs. An OCI archive (skopeo copy docker://… oci-archive:x.tar) has
them as files with titles, as oras makes them, or in /boot of its root file system; no squashfs is made of one. Nodes fetch them
as /files/NAME/vmlinuz, /files/NAME/initrd and /files/NAME/root.squashfs. What the members have already is not sent again, so
repeat what was interrupted. The parts of an image never change: a new version is a new name.")]
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
    /// What the kernel needs to find this root, for whoever writes boot parameters
    #[arg(long, default_value = "", hide_default_value = true)]
    pub params: String,
    /// So many members must have it before it counts as bootable; 0: all that nodes boot from
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=MEMBERS_MAX))]
    pub min_members: u32,
    /// Keep it from being removed
    #[arg(long)]
    pub pin: bool,
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
    let dir = tempfile::tempdir().map_err(|e| CliError::other("cannot make a temporary directory", e))?;
    let (parts, arch) = parts(&args, dir.path()).await?;
    let mut files = Vec::new();
    for (role, Bytes { path, offset, size }) in parts {
        files.push((role, LocalFile::read_range(path, offset, size).await?));
    }
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
    let until = Instant::now() + Duration::from_secs(global.timeout);
    let status = status_until_bootable(&mut images, &args.name, until).await?;
    match global.output {
        Format::Json => output::print_json("chamois.boot_file.v1.ImageStatus", &status),
        Format::Table => output::print(list::render(&[status])),
    }
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
async fn parts(args: &AddArgs, into: &Path) -> Result<(Parts, String), CliError> {
    let mut choices = Choices {
        kernel: args.kernel.clone(),
        initrd: args.initrd.clone(),
        root_fs: args.root_fs.clone(),
        elsewhere: Vec::new(),
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
            let to = into.join(role.file_name());
            download::fetch(url, &ca, &to).await?;
            parts.push((role, Bytes::of_file(to)));
            choices.elsewhere.push(role);
        }
    }
    let (more, arch) = local_parts(args, choices, into).await?;
    parts.extend(more);
    parts.sort_by_key(|(role, _)| *role);
    Ok((parts, arch))
}

async fn local_parts(args: &AddArgs, choices: Choices, into: &Path) -> Result<(Parts, String), CliError> {
    let Some(source) = args.source.clone() else {
        return Ok((named_parts(&choices)?, args.arch.clone()));
    };
    if source.to_str().is_some_and(download::is_url) {
        let text = "a URL is one part of an image: name it with --kernel, --initrd or --root-fs";
        return Err(CliError::new(Kind::Usage, text));
    }
    let (arch, into) = (args.arch.clone(), into.join("unpacked"));
    let work = move || -> Result<(Parts, String), CliError> {
        if source.is_dir() {
            return Ok((folder::parts(&source, &choices)?, arch));
        }
        std::fs::create_dir(&into).map_err(|e| CliError::other("cannot make a temporary directory", e))?;
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
    let parts: Parts = here
        .filter_map(|role| Some((role, Bytes::of_file(choices.of(role)?.into()))))
        .collect();
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
    };
    for role in Role::ALL {
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
            source_ca: None,
        }
    }

    async fn roles(args: &AddArgs) -> Result<Vec<Role>, CliError> {
        let into = tempfile::tempdir().unwrap();
        let (parts, _) = parts(args, into.path()).await?;
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
        let names = Role::ALL.map(|role| boot_file_name(&image, role).unwrap().to_string());
        assert_eq!(
            names,
            [
                "debian-12.9/vmlinuz",
                "debian-12.9/initrd",
                "debian-12.9/root.squashfs"
            ]
        );
    }
}
