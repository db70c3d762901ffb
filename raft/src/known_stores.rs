//! The stores of the members: a member's random store id, learned at the first contact and kept on disk. A member
//! that lost its disk has another one. Under its old number it could vote twice in a term and forget what it
//! acknowledged, so it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tonic::Status;

use crate::small_file;

const FILE: &str = "peers";
const KEY: &str = "member-";

/// This member's store and those of the others.
#[derive(Debug)]
pub(crate) struct KnownStores {
    own: String,
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stores: BTreeMap<u64, String>,
    /// Members whose other store stands in the log already.
    reported: BTreeSet<u64>,
}

/// Whether `text` is a store id: 16 hex digits.
pub(crate) fn is_store_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl KnownStores {
    /// Reads what is remembered in `folder`; `own` is the id of the store in it.
    ///
    /// # Errors
    /// `InvalidData` for a file that this version did not write; whatever the file system says.
    pub(crate) fn open(folder: &Path, own: String) -> io::Result<KnownStores> {
        let unreadable = |problem: String| {
            let text = format!(
                "{problem}; if no member has lost its disk, remove the file: the members tell each other"
            );
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let stores = match small_file::read(folder, FILE) {
            Ok(text) => parse(&text).ok_or_else(|| {
                let path = folder.join(FILE);
                let problem = format!("{}: not lines of `member-<id> = \"<store id>\"`", path.display());
                unreadable(problem)
            })?,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(unreadable(error.to_string()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(KnownStores {
            own,
            folder: folder.to_owned(),
            inner: Mutex::new(Inner {
                stores,
                reported: BTreeSet::new(),
            }),
        })
    }

    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// The store of a member; empty as long as it is not known.
    pub(crate) fn of(&self, member: u64) -> String {
        self.lock().stores.get(&member).cloned().unwrap_or_default()
    }

    /// The highest id of a member that was ever met, 0 before the first.
    pub(crate) fn highest(&self) -> u64 {
        self.lock().stores.last_key_value().map_or(0, |(id, _)| *id)
    }

    /// Member `from` says that it has the store `from_store` and means the store `to_store` of member `own_id`; an
    /// empty id says nothing.
    ///
    /// # Errors
    /// `FailedPrecondition` when one of the two has lost its disk, which is also logged, once.
    pub(crate) fn check(
        &self,
        own_id: u64,
        to_store: &str,
        from: u64,
        from_store: &str,
    ) -> Result<(), Status> {
        if !to_store.is_empty() && to_store != self.own {
            return Err(self.lock().refuse(own_id));
        }
        match from_store.is_empty() {
            true => Ok(()),
            false => self.meet(from, from_store),
        }
    }

    /// Remembers the first store of a member, durably.
    ///
    /// # Errors
    /// `FailedPrecondition` for another one than the first, `InvalidArgument` for what is no id, `Internal` if it
    /// cannot be stored: what is not remembered is not answered.
    pub(crate) fn meet(&self, member: u64, store: &str) -> Result<(), Status> {
        if !is_store_id(store) {
            return Err(Status::invalid_argument("a store id has 16 hex digits"));
        }
        let mut inner = self.lock();
        match inner.stores.get(&member) {
            Some(known) if known == store => Ok(()),
            Some(_) => Err(inner.refuse(member)),
            None => {
                let mut stores = inner.stores.clone();
                stores.insert(member, store.to_owned());
                let line = |(member, store): (&u64, &String)| format!("{KEY}{member} = \"{store}\"\n");
                let text: String = stores.iter().map(line).collect();
                small_file::replace(&self.folder, FILE, &text).map_err(|error| {
                    tracing::error!(%error, member, "the id of a member's store cannot be stored");
                    Status::internal("the id of the member's store cannot be stored")
                })?;
                inner.stores = stores;
                Ok(())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn refuse(&mut self, member: u64) -> Status {
        let text = format!(
            "member {member} lost its disk (its store is another one); remove it and add it under a new id"
        );
        if self.reported.insert(member) {
            tracing::error!("{text}");
        }
        Status::failed_precondition(text)
    }
}

fn parse(text: &str) -> Option<BTreeMap<u64, String>> {
    let member = |(key, store): (&str, &str)| {
        let member = key.strip_prefix(KEY)?.parse().ok()?;
        is_store_id(store).then(|| (member, store.to_owned()))
    };
    small_file::pairs(text)?.into_iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OWN: &str = "1111111111111111";
    const FIRST: &str = "2222222222222222";
    const OTHER: &str = "3333333333333333";

    fn open(folder: &Path) -> KnownStores {
        KnownStores::open(folder, OWN.to_owned()).unwrap()
    }

    /// All members may restart between the contact and the loss of the disk.
    #[test]
    fn the_first_store_of_a_member_is_the_only_one_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let stores = open(folder.path());
        assert_eq!(stores.of(2), "");
        stores.check(1, "", 2, FIRST).unwrap();
        stores.check(1, "", 3, OTHER).unwrap();
        for stores in [stores, open(folder.path())] {
            assert_eq!((stores.of(2).as_str(), stores.of(3).as_str()), (FIRST, OTHER));
            assert_eq!(stores.highest(), 3);
            stores.check(1, OWN, 2, FIRST).unwrap();
            let refused = stores.check(1, OWN, 2, OTHER).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
            assert!(
                refused.message().starts_with("member 2 lost its disk"),
                "{refused}"
            );
            assert_eq!(stores.of(2), FIRST, "the old one is still the member's");
        }
    }

    /// The member with the new disk is told, too: it must not answer as if it had the old one.
    #[test]
    fn a_message_for_another_store_of_this_member_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let stores = open(folder.path());
        let refused = stores.check(1, OTHER, 2, FIRST).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        assert!(
            refused.message().starts_with("member 1 lost its disk"),
            "{refused}"
        );
    }

    /// A sender that does not say is one that has nothing to say, not one with an empty store.
    #[test]
    fn an_empty_id_is_accepted_and_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let stores = open(folder.path());
        stores.check(1, "", 2, "").unwrap();
        stores.check(1, "", 2, FIRST).unwrap();
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let stores = open(folder.path());
        for text in ["x", "22222222222222\"\n", "222222222222222g"] {
            let refused = stores.check(1, "", 2, text).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        }
        fs::write(folder.path().join(FILE), "member-2 = \"garbage\"\n").unwrap();
        assert!(KnownStores::open(folder.path(), OWN.to_owned()).is_err());
    }
}
