//! What a name under `/files/` stands for, here and now.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
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
    /// On these members, and not on this one, or not yet.
    At(Vec<u64>),
}

/// A file that can be sent.
#[derive(Debug)]
pub struct Opened {
    /// The open file.
    pub file: File,
    /// Its length and times when `sha256` and `version` were true of it.
    pub meta: Box<Metadata>,
    /// SHA-256 of the bytes: the same on every member that has them.
    pub sha256: Option<Sha256>,
    /// Without it: what changes here whenever the file is written, and says nothing about other members.
    pub version: String,
}

impl BootFiles {
    /// Finds the bytes of `name`: in the catalogue first, then among the files that were put by hand into the folder
    /// of this member, and of the others.
    ///
    /// # Errors
    /// `NotFound` after a majority has confirmed that the catalogue does not have the name, and none of the others
    /// that answer has it in its folder; `NoQuorum` without a majority; `NotReady` when no member that can be
    /// reached has the bytes, or this one cannot say.
    pub async fn find(&self, name: &str) -> Result<Found, Error> {
        if let Some(found) = self.find_named(name).await? {
            return Ok(found);
        }
        let by_hand = self.find_dropped(name).await;
        if let Ok(Some(opened)) = by_hand {
            return Ok(Found::Here(opened));
        }
        // This member may not have heard of it yet, and a node must not be told of a "no" that is not true.
        let confirmed = self.0.store.linearize().await;
        if let (Ok(()), Some(found)) = (&confirmed, self.find_named(name).await?) {
            return Ok(found);
        }
        let ids = self.0.strangers.with(name, &self.0.members).await?;
        if !ids.is_empty() {
            return Ok(Found::At(ids));
        }
        confirmed.and(by_hand)?;
        Err(Error::NotFound {
            kind: "file".to_owned(),
            id: name.to_owned(),
        })
    }

    /// What the catalogue, as this member knows it, says about `name`; `None`: nothing.
    async fn find_named(&self, name: &str) -> Result<Option<Found>, Error> {
        let state = self.0.store.state();
        let Some(file) = state.boot_files.get(name) else {
            return Ok(None);
        };
        let sha256 = file
            .sha256
            .parse()
            .map_err(|e| Error::Internal(format!("{name}: {e}")))?;
        self.find_content(name, sha256, file.size).await.map(Some)
    }

    /// A file that was put into the folder by hand.
    pub(crate) async fn find_dropped(&self, name: &str) -> Result<Option<Opened>, Error> {
        let (dropped, name) = (self.0.dropped.clone(), name.to_owned());
        let found = on_disk(move || dropped.file(&name)).await?;
        Ok(found.map(|found| Opened {
            file: found.file,
            meta: Box::new(found.meta),
            sha256: found.sha256,
            version: found.version.to_string(),
        }))
    }

    async fn find_content(&self, name: &str, sha256: Sha256, size: u64) -> Result<Found, Error> {
        let contents = self.0.contents.clone();
        // A disk that fails here, or no more descriptors, is no reason why another member should not have it.
        match on_disk(move || contents.file(&sha256, size)).await {
            Ok(Some((file, meta))) => {
                return Ok(Found::Here(Opened {
                    file,
                    meta: Box::new(meta),
                    sha256: Some(sha256),
                    version: String::new(),
                }));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(name, %error, "a boot file cannot be opened here"),
        }
        let missing = || self.missing().into_keys().collect::<BTreeSet<_>>();
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
