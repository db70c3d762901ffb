//! A member that was removed stops, and its data folder never starts again: the cluster has gone on without it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::small_file;

const FILE: &str = "removed";
/// How long the member goes on after it was told: whoever asked it for its own removal waits for the answer. Not longer,
/// since clients stay with it for as long as their connection lasts.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
const TEXT: &str = "this member was removed from its cluster";

/// Whether this member was removed.
#[derive(Debug)]
pub(crate) struct Removed {
    folder: PathBuf,
    declared: watch::Sender<bool>,
}

impl Removed {
    /// For the member whose data lie in `folder`.
    pub(crate) fn new(folder: &Path) -> Removed {
        Removed {
            folder: folder.to_owned(),
            declared: watch::Sender::new(false),
        }
    }

    /// Says at a start that there is none.
    ///
    /// # Errors
    /// `InvalidData` with what to do, if the member was removed.
    pub(crate) fn check(&self) -> io::Result<()> {
        let file = self.folder.join(FILE);
        if !fs::exists(&file)? {
            return Ok(());
        }
        let text = format!(
            "{}: {TEXT}; to take part again, give it an empty data-dir and a new identity: `chamois join` (its old id is \
             never used again)",
            file.display()
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// The leader has said so: remembered on disk, then the member ends.
    pub(crate) fn declare(&self) {
        if let Err(error) = small_file::replace(&self.folder, FILE, &format!("{TEXT}\n")) {
            tracing::warn!(%error, "that this member was removed cannot be stored");
        }
        self.declared.send_replace(true);
    }

    /// Whether the leader has said so.
    pub(crate) fn is_declared(&self) -> bool {
        *self.declared.borrow()
    }

    /// Returns a moment after the member was removed.
    pub(crate) async fn declared(&self) -> String {
        let mut declared = self.declared.subscribe();
        match declared.wait_for(|declared| *declared).await {
            Ok(_) => {}
            Err(_) => std::future::pending().await, // cannot be: this holds the sender
        }
        tokio::time::sleep(LAST_ANSWERS).await;
        format!("{TEXT}; stop its service and empty its data-dir")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// systemd starts what has ended: it must not come back as a member of yesterday's cluster.
    #[tokio::test]
    async fn what_was_removed_does_not_start_again() {
        let folder = tempfile::tempdir().unwrap();
        let removed = Removed::new(folder.path());
        removed.check().unwrap();
        assert!(!removed.is_declared());
        removed.declare();
        assert!(removed.is_declared());
        assert!(removed.declared().await.contains("removed"));
        let error = Removed::new(folder.path()).check().unwrap_err();
        assert!(error.to_string().contains("chamois join"), "{error}");
    }
}
