//! `chamois file put`: creates or replaces.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use bytes::Bytes;
use clap::Args;
use futures::{Stream, StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use model::{BootFileName, Sha256};
use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use proto::boot_file::v1::put_boot_file_request::Part;
use proto::boot_file::v1::{BootFile, PutBootFileRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, Connection};
use crate::error::{CliError, Kind};
use crate::output::{self, Format};

/// Bytes of one message.
const CHUNK_BYTES: usize = 1 << 20;
/// Messages read ahead of the network.
const AHEAD_MAX: usize = 4;

/// `chamois file put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois file put debian-12/vmlinuz /boot/vmlinuz-6.1.0-28-amd64

Nodes fetch it as http://<service address>:8081/files/debian-12/vmlinuz. It is stored when a majority of the members
has it on disk, which must be within 300 s; the others fetch it by themselves. A file may have 16 GiB: three members and
the client on 10 Gbit/s take well under 300 s for that, on 1 Gbit/s some 10 GiB fit. What takes longer is refused, and
nothing is changed.")]
pub struct PutArgs {
    /// Name under /files/
    #[arg(value_parser = name)]
    pub name: BootFileName,
    /// The file to send
    pub path: PathBuf,
}

fn name(text: &str) -> Result<BootFileName, String> {
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let connection = connect::for_upload(global)?;
    let path = args.path.clone();
    let file = tokio::task::spawn_blocking(move || LocalFile::open(&path))
        .await
        .map_err(|e| CliError::other("cannot read the file", e))??;
    let progress = ProgressBar::new(file.size);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}") {
        progress.set_style(style);
    }
    let sent = progress.clone();
    let stored = upload(connection, &args.name, file, move |bytes| sent.inc(bytes)).await;
    progress.finish_and_clear();
    let stored = stored?;
    match global.output {
        Format::Json => output::print_json("chamois.boot_file.v1.BootFile", &stored),
        Format::Table => output::print(format_args!("{}  {}", stored.sha256, stored.name)),
    }
}

/// A file that is about to be sent, with what the members check it by.
struct LocalFile {
    file: File,
    size: u64,
    sha256: Sha256,
}

impl LocalFile {
    /// Reads it once: with its digest known beforehand nothing is sent that a member has already.
    fn open(path: &Path) -> Result<Self, CliError> {
        let refused = |error: std::io::Error| {
            CliError::new(Kind::Usage, format!("cannot read {}: {error}", path.display()))
        };
        let mut file = File::open(path).map_err(refused)?;
        let mut context = digest::Context::new(&digest::SHA256);
        let (mut piece, mut size) = (vec![0; CHUNK_BYTES], 0);
        loop {
            let count = file.read(&mut piece).map_err(refused)?;
            if count == 0 {
                break;
            }
            context.update(&piece[..count]);
            size += count as u64;
        }
        let sha256 = context.finish();
        Ok(Self {
            file: File::open(path).map_err(refused)?,
            size,
            sha256: Sha256(sha256.as_ref().try_into().expect("a SHA-256 has 32 bytes")),
        })
    }

    /// The bytes, at most `size` of them, while somebody takes them.
    fn chunks(self, sent: impl Fn(u64) + Send + 'static) -> impl Stream<Item = Bytes> + Send + 'static {
        let (chunks, taken) = tokio::sync::mpsc::channel(AHEAD_MAX);
        let mut file = self.file.take(self.size);
        tokio::task::spawn_blocking(move || {
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                // A file that cannot be read on has the wrong size then, and the member says so.
                let count = file.read(&mut chunk).unwrap_or(0);
                chunk.truncate(count);
                if count == 0 || chunks.blocking_send(Bytes::from(chunk)).is_err() {
                    return;
                }
                sent(count as u64);
            }
        });
        stream::unfold(
            taken,
            |mut taken| async move { Some((taken.recv().await?, taken)) },
        )
    }
}

/// Sends a file under a name; `sent` is told of the bytes.
async fn upload(
    connection: Connection,
    name: &BootFileName,
    file: LocalFile,
    sent: impl Fn(u64) + Send + 'static,
) -> Result<BootFile, CliError> {
    let announced = BootFile {
        name: name.to_string(),
        size: file.size,
        sha256: file.sha256.to_string(),
        meta: None,
    };
    let message = |part| PutBootFileRequest {
        part: Some(part),
        if_revision: None,
    };
    let data = file.chunks(sent).map(Part::Data);
    let parts = stream::iter([Part::File(announced)]).chain(data).map(message);
    let stored = BootFileServiceClient::new(connection)
        .put_boot_file(parts)
        .await?;
    Ok(stored.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_whole_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let (path, content) = (dir.path().join("x"), vec![7; CHUNK_BYTES + 5]);
        std::fs::write(&path, &content).unwrap();
        let file = LocalFile::open(&path).unwrap();
        assert_eq!(file.size, content.len() as u64);
        assert_eq!(file.sha256.0, digest::digest(&digest::SHA256, &content).as_ref());
        let (counted, counts) = std::sync::mpsc::channel();
        let sent = move |bytes| counted.send(bytes).unwrap();
        let chunks: Vec<Bytes> = file.chunks(sent).collect().await;
        assert!(chunks.concat() == content);
        assert_eq!(counts.iter().sum::<u64>(), content.len() as u64);
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = LocalFile::open(Path::new("/nothing/here")).err().unwrap();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("/nothing/here"), "{error}");
    }
}
