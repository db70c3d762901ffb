//! `chamois file list`.

use std::time::Duration;

use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use proto::boot_file::v1::{ListBootFilesRequest, ListedBootFile};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// How often a watch asks.
const LOOK: Duration = Duration::from_secs(2);

pub(super) async fn run(global: &GlobalArgs, watch: WatchArg) -> Result<(), CliError> {
    let client = BootFileServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    if watch.watch {
        // which member has which file is no change of the state
        let fetch = async || {
            Ok(client
                .list_boot_files(ListBootFilesRequest {})
                .await?
                .into_inner()
                .files)
        };
        return output::follow(global, Changes::Each(LOOK), &FILES, fetch).await;
    }
    let answer = client
        .list_boot_files(ListBootFilesRequest {})
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.boot_file.v1.ListBootFilesResponse", &answer),
        &answer.files,
        &FILES,
    )
}

/// One row per file.
const FILES: Shape<ListedBootFile> = Shape {
    message: "chamois.boot_file.v1.ListedBootFile",
    key: |listed| {
        listed
            .file
            .as_ref()
            .map(|file| file.name.clone())
            .unwrap_or_default()
    },
    columns: &[
        column("NAME", |listed| {
            let file = listed.file.clone().unwrap_or_default();
            file.name
        }),
        column("BYTES", |listed| {
            let file = listed.file.clone().unwrap_or_default();
            file.size.to_string()
        }),
        wide("SHA-256", |listed| {
            let file = listed.file.clone().unwrap_or_default();
            file.sha256
        }),
        column("MEMBERS", |listed| {
            let members: Vec<String> = listed.members.iter().map(u64::to_string).collect();
            members.join(", ")
        }),
    ],
};

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
        let text = output::plain(&[listed], &FILES);
        for word in ["vmlinuz", "7", &"a".repeat(64), "1, 3"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
