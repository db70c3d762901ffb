//! `chamois image list`.

use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::boot_file::v1::{ImageFile, ImageStatus, ListImageStatusesRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Format};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = ImageServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let all = ListImageStatusesRequest::default();
    let answer = client.list_image_statuses(all).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.boot_file.v1.ListImageStatusesResponse", &answer),
        Format::Table => output::print(render(&answer.statuses)),
    }
}

/// One row per image.
pub(super) fn render(statuses: &[ImageStatus]) -> comfy_table::Table {
    let mut table = output::table(["NAME", "ARCH", "PARTS", "BYTES", "MEMBERS", "BOOTABLE", "PINNED"]);
    for status in statuses {
        let image = status.image.clone().unwrap_or_default();
        let files: Vec<ImageFile> = status.files.iter().filter_map(|file| file.file.clone()).collect();
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        let parts: Vec<&str> = files.iter().map(part_name).collect();
        let members: Vec<String> = status.whole_members.iter().map(u64::to_string).collect();
        let bootable = match status.bootable {
            true => "yes".to_owned(),
            false => format!("no: {}", status.reason),
        };
        table.add_row([
            image.name,
            image.arch,
            parts.join(", "),
            bytes.to_string(),
            members.join(", "),
            bootable,
            if image.pinned { "yes" } else { "" }.to_owned(),
        ]);
    }
    table
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
        let text = render(&[good, bad]).to_string();
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
