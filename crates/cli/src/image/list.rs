//! `chamois image list`.

use std::time::Duration;

use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::boot_file::v1::{Image, ImageFile, ImageStatus, ListImageStatusesRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// How often a watch asks.
const LOOK: Duration = Duration::from_secs(2);

pub(super) async fn run(global: &GlobalArgs, watch: WatchArg) -> Result<(), CliError> {
    let client = ImageServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let all = ListImageStatusesRequest::default();
    if watch.watch {
        // which member has which file is no change of the state
        let fetch = async || {
            Ok(client
                .list_image_statuses(all.clone())
                .await?
                .into_inner()
                .statuses)
        };
        return output::follow(global, Changes::Each(LOOK), &IMAGES, fetch).await;
    }
    let answer = client.list_image_statuses(all).await?.into_inner();
    output::list(
        global,
        ("chamois.boot_file.v1.ListImageStatusesResponse", &answer),
        &answer.statuses,
        &IMAGES,
    )
}

/// One row per image.
pub(super) const IMAGES: Shape<ImageStatus> = Shape {
    message: "chamois.boot_file.v1.ImageStatus",
    key: name,
    columns: &[
        column("NAME", name),
        column("ARCH", |status| {
            image(status).map_or_else(String::new, |image| image.arch.clone())
        }),
        column("PARTS", |status| {
            files(status).map(part_name).collect::<Vec<_>>().join(", ")
        }),
        column("BYTES", |status| {
            files(status).map(|file| file.size).sum::<u64>().to_string()
        }),
        column("MEMBERS", |status| {
            let members: Vec<String> = status.whole_members.iter().map(u64::to_string).collect();
            members.join(", ")
        }),
        column("BOOTABLE", |status| match status.bootable {
            true => "yes".to_owned(),
            false => format!("no: {}", status.reason),
        }),
        column("PINNED", |status| match image(status) {
            Some(image) if image.pinned => "yes".to_owned(),
            Some(_) | None => String::new(),
        }),
        wide("KERNEL SHA-256", |status| {
            let kernel = image(status).and_then(|image| image.kernel.as_ref());
            kernel.map_or_else(String::new, |kernel| kernel.sha256.clone())
        }),
    ],
};

fn image(status: &ImageStatus) -> Option<&Image> {
    status.image.as_ref()
}

fn name(status: &ImageStatus) -> String {
    image(status).map_or_else(String::new, |image| image.name.clone())
}

fn files(status: &ImageStatus) -> impl Iterator<Item = &ImageFile> {
    status.files.iter().filter_map(|file| file.file.as_ref())
}

fn part_name(file: &ImageFile) -> &str {
    file.name.rsplit('/').next().unwrap_or(&file.name)
}

#[cfg(test)]
mod tests {
    use proto::boot_file::v1::{Image, ImageFileStatus};

    use super::*;

    /// An image that cannot be booted must be seen to be, and why.
    #[test]
    fn where_an_image_is_and_why_it_cannot_be_booted_is_listed() {
        let file = |name: &str, size| ImageFileStatus {
            file: Some(ImageFile {
                name: name.into(),
                size,
                sha256: String::new(),
            }),
            members: vec![],
        };
        let good = ImageStatus {
            image: Some(Image {
                name: "debian-12".into(),
                arch: "x86_64".into(),
                pinned: true,
                ..Image::default()
            }),
            files: vec![file("debian-12/vmlinuz", 40), file("debian-12/initrd", 2)],
            whole_members: vec![1, 3],
            bootable: true,
            ..ImageStatus::default()
        };
        let bad = ImageStatus {
            reason: "member 2 lacks a part".into(),
            bootable: false,
            ..good.clone()
        };
        let text = output::plain(&[good, bad], &IMAGES);
        for word in [
            "debian-12",
            "x86_64",
            "vmlinuz, initrd",
            "42",
            "1, 3",
            "yes",
            "no: member 2 lacks a part",
        ] {
            assert!(text.contains(word), "{word}\n{text}");
        }
    }
}
