//! What a disk says, as an answer.

use std::io;
use std::time::Duration;

use rpc::Error;

/// When a repeat makes sense after this member's disk has failed: another one may be asked meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The answer to a caller: a full disk, or a quota, says so in its own words; the rest is this member's trouble, of
/// which its log has the cause.
pub(crate) fn disk(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Error::TooLarge {
                what: "the file".to_owned(),
                limit: format!("what can be stored: {error}"),
            }
        }
        _ => {
            tracing::error!(%error, "the disk of the boot files");
            Error::NotReady {
                retry_after: RETRY_AFTER,
                reason: "it cannot read or write its boot files now".to_owned(),
            }
        }
    }
}

/// Runs work on the disk where it delays nobody.
///
/// # Errors
/// See [`disk`].
pub(crate) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| disk(&error)),
        Err(panicked) => Err(Error::Internal(format!("work on boot files failed: {panicked}"))),
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    /// The administrator can free space; a failing disk is for the log of that member.
    #[tokio::test]
    async fn a_full_disk_is_told_apart_from_a_broken_one() {
        let full =
            on_disk::<()>(|| Err(io::Error::new(io::ErrorKind::StorageFull, "member 2: 5 bytes"))).await;
        let status = Status::from(full.unwrap_err());
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(
            status.message().contains("member 2: 5 bytes"),
            "{}",
            status.message()
        );
        let broken = on_disk::<()>(|| Err(io::Error::other("sector 7"))).await;
        let status = Status::from(broken.unwrap_err());
        assert_eq!(status.code(), Code::Unavailable, "another member may do better");
        assert!(!status.message().contains("sector 7"), "{}", status.message());
    }
}
