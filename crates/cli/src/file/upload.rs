//! Sending a file to be a boot file: read once to know its digest, and sent only if the member lacks it.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use model::{BootFileName, Sha256};
use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use proto::boot_file::v1::put_boot_file_request::Part;
use proto::boot_file::v1::{BootFile, PutBootFileRequest};

use crate::connect::Connection;
use crate::error::{CliError, Kind};

/// Bytes of one message.
const CHUNK_BYTES: usize = 1 << 20;
/// Messages read ahead of the network.
const AHEAD_MAX: usize = 4;

/// A file, or a part of one, that is about to be sent, with what the members check it by.
#[derive(Debug)]
pub(crate) struct LocalFile {
    file: File,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

impl LocalFile {
    /// [`LocalFile::open`] where it holds up nobody.
    pub(crate) async fn read(path: PathBuf) -> Result<Self, CliError> {
        Self::read_range(path, 0, None).await
    }

    /// Of a part of a file: from `offset` on, so many bytes or all.
    pub(crate) async fn read_range(path: PathBuf, offset: u64, size: Option<u64>) -> Result<Self, CliError> {
        tokio::task::spawn_blocking(move || LocalFile::open(&path, offset, size))
            .await
            .map_err(|e| CliError::other("cannot read the file", e))?
    }

    /// Reads it once: with its digest known beforehand nothing is sent that a member has already.
    fn open(path: &Path, offset: u64, size: Option<u64>) -> Result<Self, CliError> {
        let refused = |error: std::io::Error| {
            CliError::new(Kind::Usage, format!("cannot read {}: {error}", path.display()))
        };
        let mut file = File::open(path).map_err(refused)?;
        file.seek(SeekFrom::Start(offset)).map_err(refused)?;
        let mut context = digest::Context::new(&digest::SHA256);
        let (mut piece, mut count_all) = (vec![0; CHUNK_BYTES], 0);
        let mut rest = (&mut file).take(size.unwrap_or(u64::MAX));
        loop {
            let count = rest.read(&mut piece).map_err(refused)?;
            if count == 0 {
                break;
            }
            context.update(&piece[..count]);
            count_all += count as u64;
        }
        if size.is_some_and(|size| size != count_all) {
            return Err(refused(std::io::ErrorKind::UnexpectedEof.into()));
        }
        file.seek(SeekFrom::Start(offset)).map_err(refused)?;
        let sha256 = context.finish();
        Ok(Self {
            file,
            size: count_all,
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

/// Sends a file under a name, with a bar for people.
pub(crate) async fn upload(
    connection: Connection,
    name: &BootFileName,
    file: LocalFile,
) -> Result<BootFile, CliError> {
    let progress = ProgressBar::new(file.size);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec}") {
        progress.set_style(style);
    }
    progress.set_message(name.to_string());
    let sent = progress.clone();
    let stored = send(connection, name, file, move |bytes| sent.inc(bytes)).await;
    progress.finish_and_clear();
    stored
}

/// `sent` is told of the bytes.
async fn send(
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
        let file = LocalFile::open(&path, 0, None).unwrap();
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
        let error = LocalFile::open(Path::new("/nothing/here"), 0, None)
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("/nothing/here"), "{error}");
    }

    /// A blob of an archive is sent without its neighbours.
    #[tokio::test]
    async fn a_part_of_a_file_is_that_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "before|kernel|after").unwrap();
        let file = LocalFile::open(&path, 7, Some(6)).unwrap();
        assert_eq!(file.sha256.0, digest::digest(&digest::SHA256, b"kernel").as_ref());
        let chunks: Vec<Bytes> = file.chunks(|_| ()).collect().await;
        assert_eq!(chunks.concat(), b"kernel");
        assert!(
            LocalFile::open(&path, 7, Some(60)).is_err(),
            "it ends before that"
        );
    }
}
