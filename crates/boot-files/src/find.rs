//! What a name under `/files/` stands for, here and now.

use std::fs::File;
use std::time::Duration;

use model::Sha256;
use rpc::Error;

use crate::BootFiles;
use crate::error::on_disk;

/// When a node that asks for a file that no reachable member has is told to come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where the bytes of a name are.
#[derive(Debug)]
pub enum Found {
    /// On this member.
    Here(Opened),
    /// On these members, and not on this one yet.
    At(Vec<u64>),
}

/// A file that can be sent.
#[derive(Debug)]
pub struct Opened {
    /// The open file.
    pub file: File,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes: the same on every member that has them.
    pub sha256: Option<Sha256>,
    /// Without it: what changes here whenever the file is written, and says nothing about other members.
    pub version: String,
}

impl BootFiles {
    /// Finds the bytes of `name`: in the catalogue first, then among the files that were put into the folder by hand.
    ///
    /// # Errors
    /// `NotFound` after a majority has confirmed that the catalogue does not have the name; `NoQuorum` without one;
    /// `NotReady` when no member that can be reached has the bytes.
    pub async fn find(&self, name: &str) -> Result<Found, Error> {
        if let Some(found) = self.find_now(name).await? {
            return Ok(found);
        }
        // This member may not have heard of it yet, and a node must not be told of a "no" that is not true.
        self.0.store.linearize().await?;
        self.find_now(name).await?.ok_or_else(|| Error::NotFound {
            kind: "file".to_owned(),
            id: name.to_owned(),
        })
    }

    async fn find_now(&self, name: &str) -> Result<Option<Found>, Error> {
        match self.0.store.state().boot_files.get(name) {
            Some(file) => {
                let sha256 = file
                    .sha256
                    .parse()
                    .map_err(|e| Error::Internal(format!("{name}: {e}")))?;
                self.find_content(name, sha256).await.map(Some)
            }
            None => {
                let (dropped, name) = (self.0.dropped.clone(), name.to_owned());
                let found = on_disk(move || dropped.file(&name)).await?;
                Ok(found.map(|found| {
                    Found::Here(Opened {
                        file: found.file,
                        size: found.size,
                        sha256: found.sha256,
                        version: found.version.to_string(),
                    })
                }))
            }
        }
    }

    async fn find_content(&self, name: &str, sha256: Sha256) -> Result<Found, Error> {
        let contents = self.0.contents.clone();
        if let Some((file, size)) = on_disk(move || contents.file(&sha256)).await? {
            return Ok(Found::Here(Opened {
                file,
                size,
                sha256: Some(sha256),
                version: String::new(),
            }));
        }
        let missing = || {
            let named = self.named().into_iter();
            let missing = named.filter(|(sha256, size)| !self.0.contents.has(sha256, *size));
            missing.map(|(sha256, _)| sha256).collect()
        };
        let ids = self.0.holders.of(sha256, missing, &self.0.members).await;
        if ids.is_empty() {
            return Err(elsewhere(name));
        }
        Ok(Found::At(ids))
    }
}

/// The answer to a node when the bytes of a file are on no member that it could be sent to.
pub fn elsewhere(name: &str) -> Error {
    let reason =
        format!("it does not have the bytes of {name} yet, and no other member that has them can be reached");
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason,
    }
}
