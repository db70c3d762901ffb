//! `chamois file list`.

use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use proto::boot_file::v1::{ListBootFilesRequest, ListedBootFile};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Format};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = BootFileServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_boot_files(ListBootFilesRequest {})
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.boot_file.v1.ListBootFilesResponse", &answer),
        Format::Table => output::print(render(&answer.files)),
    }
}

/// One row per file.
fn render(files: &[ListedBootFile]) -> comfy_table::Table {
    let mut table = output::table(["NAME", "BYTES", "SHA-256", "MEMBERS"]);
    for listed in files {
        let file = listed.file.clone().unwrap_or_default();
        let members: Vec<String> = listed.members.iter().map(u64::to_string).collect();
        table.add_row([file.name, file.size.to_string(), file.sha256, members.join(", ")]);
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::boot_file::v1::BootFile;

    use super::*;

    /// A file that is on too few members must be seen to be.
    #[test]
    fn the_members_that_have_a_file_are_listed() {
        let listed = ListedBootFile {
            file: Some(BootFile {
                name: "vmlinuz".into(),
                size: 7,
                sha256: "a".repeat(64),
                meta: None,
            }),
            members: vec![1, 3],
        };
        let text = render(&[listed]).to_string();
        for word in ["vmlinuz", "7", &"a".repeat(64), "1, 3"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
