//! `chamois image verify`.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use model::ImageName;
use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::boot_file::v1::verified_copy::Result as Verdict;
use proto::boot_file::v1::{
    GetImageRequest, Image, ImageFile, VerifiedCopy, VerifyImageRequest, VerifyImageResponse,
};

use super::add::image_name;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois image verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois image verify debian-12

Every member reads its copies and compares their SHA-256, at some 500 MB/s, one file after the other, for at most 280 s each. A wrong
copy is dropped and fetched again from another member by itself. Fails if any copy is not right.")]
pub struct VerifyArgs {
    /// Name of the image
    #[arg(value_parser = image_name)]
    pub name: ImageName,
}

pub(super) async fn run(global: &GlobalArgs, args: VerifyArgs) -> Result<(), CliError> {
    let answer = VerifyImageResponse {
        copies: verify(global, &args.name).await?,
    };
    output::done(
        global,
        ("chamois.boot_file.v1.VerifyImageResponse", &answer),
        || render(&answer.copies),
    )?;
    let bad = answer
        .copies
        .iter()
        .filter(|copy| copy.result() != Verdict::Right)
        .count();
    match bad {
        0 => Ok(()),
        _ => {
            let text = format!(
                "{bad} of {} copies of {} are not right",
                answer.copies.len(),
                args.name
            );
            let remedy = "Members fetch what they lack by themselves: verify again in a moment.";
            Err(CliError::new(Kind::Other, text).with_remedy(remedy))
        }
    }
}

/// One call for each file: however large an image is, no call takes longer than one may. By member, then by part.
async fn verify(global: &GlobalArgs, name: &ImageName) -> Result<Vec<VerifiedCopy>, CliError> {
    let mut client = ImageServiceClient::new(connect::for_upload(global)?);
    let asked = GetImageRequest {
        name: name.to_string(),
    };
    let image = client.get_image(asked).await?.into_inner();
    let files = files_of(&image);
    let progress = ProgressBar::new(files.iter().map(|file| file.size).sum());
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {bytes}/{total_bytes}") {
        progress.set_style(style);
    }
    let mut copies = Vec::new();
    for file in files {
        progress.set_message(file.name.clone());
        let request = VerifyImageRequest {
            name: name.to_string(),
            file: file.name,
        };
        let answer = client.verify_image(request).await;
        copies.extend(answer?.into_inner().copies);
        progress.inc(file.size);
    }
    progress.finish_and_clear();
    copies.sort_by_key(|copy| copy.member); // stable: the parts stay in order
    Ok(copies)
}

/// Its boot files, each once.
fn files_of(image: &Image) -> Vec<ImageFile> {
    let parts = [
        &image.kernel,
        &image.initrd,
        &image.root_fs,
        &image.kernel_signature,
        &image.initrd_signature,
    ];
    let mut files: Vec<ImageFile> = Vec::new();
    for part in parts.into_iter().flatten() {
        if !files.iter().any(|file| file.name == part.name) {
            files.push(part.clone());
        }
    }
    files
}

/// One row per copy.
fn render(copies: &[VerifiedCopy]) -> comfy_table::Table {
    let mut table = output::table(["MEMBER", "FILE", "COPY"]);
    for copy in copies {
        let verdict = match copy.result() {
            Verdict::Right => "right".to_owned(),
            Verdict::Wrong => "wrong: dropped, is fetched again".to_owned(),
            Verdict::Missing => "missing: is fetched".to_owned(),
            Verdict::Unknown | Verdict::Unspecified => format!("unknown: {}", copy.problem),
        };
        table.add_row([copy.member.to_string(), copy.file.clone(), verdict]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is two parts is read once.
    #[test]
    fn every_file_is_read_once() {
        let file = |name: &str| {
            Some(ImageFile {
                name: name.into(),
                ..ImageFile::default()
            })
        };
        let image = Image {
            kernel: file("k"),
            initrd: file("k"),
            kernel_signature: file("k.sig"),
            ..Image::default()
        };
        let names: Vec<String> = files_of(&image).into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["k", "k.sig"]);
    }

    #[test]
    fn every_copy_is_shown_with_what_was_found() {
        let copy = |member, result: Verdict, problem: &str| VerifiedCopy {
            member,
            file: "debian/vmlinuz".into(),
            result: result.into(),
            problem: problem.into(),
        };
        let copies = [
            copy(1, Verdict::Right, ""),
            copy(2, Verdict::Wrong, ""),
            copy(3, Verdict::Missing, ""),
            copy(4, Verdict::Unknown, "member 4 is down"),
        ];
        let text = render(&copies).to_string();
        for word in [
            "debian/vmlinuz",
            "right",
            "wrong: dropped",
            "missing",
            "unknown: member 4 is down",
        ] {
            assert!(text.contains(word), "{word}\n{text}");
        }
    }
}
