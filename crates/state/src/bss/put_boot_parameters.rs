//! Boot parameters, many or conditional: entries with values of their own, and changes of one that nobody else has
//! changed since.

use std::collections::BTreeMap;

use model::Rejection;
use prost::Message;
use proto::bss::v1::BootParametersEntry;
use proto::bss::v1::bss_command::conditional::Change;
use proto::bss::v1::bss_command::{Conditional, Put};
use proto::raft::v1::outcome::Applied;

use super::boot_key::normalise_boot_key;
use super::boot_parameters::{BootParameters, check_stored, checked, unique_keys, uuid};
use crate::apply::no_command;
use crate::bounds::{check_ids, check_names_one, check_one_each};
use crate::changes::Changes;
use crate::log_position::{LogPosition, check_revision};

impl BootParameters {
    /// Creates or replaces entries, all or none. One that has the same values already keeps them, its token and its
    /// revision, so that the same request again changes nothing.
    pub(super) fn put_all(
        &mut self,
        put: &Put,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = self.given(put)?;
        let mut applied = Applied {
            value: uuid(at.random()?),
            ..Default::default()
        };
        for (key, values) in given {
            let before = self.get(&key).cloned();
            let meta = match before.as_deref() {
                Some(before) if has_values(before, &values) => {
                    applied.unchanged.push(key);
                    continue;
                }
                Some(before) => at.modified(before.meta.as_ref()),
                None => at.created(),
            };
            let entry = BootParametersEntry {
                key: key.clone(),
                referral_token: applied.value.clone(),
                meta,
                ..values
            };
            match before {
                Some(_) => applied.updated.push(key.clone()),
                None => applied.created.push(key.clone()),
            }
            self.table.put(key, entry, changes);
        }
        Ok(applied)
    }

    /// The entries of a request, checked, by key.
    fn given(&self, put: &Put) -> Result<BTreeMap<String, BootParametersEntry>, Rejection> {
        check_ids("entries", put.entries.len())?;
        check_one_each(&put.if_revisions, put.entries.len())?;
        check_stored(put.entries.iter().map(Message::encoded_len).sum())?;
        let mut given = BTreeMap::new();
        for (position, entry) in put.entries.iter().enumerate() {
            let key = normalise_boot_key(&entry.key)?;
            let before = self.get(&key).and_then(|before| before.meta.as_ref());
            check_revision(&key, put.if_revisions.get(position).copied(), before)?;
            if given.contains_key(&key) {
                let problem = format!("{key} is given twice in one request");
                return Err(Rejection::invalid(&format!("entries[{position}].key"), problem));
            }
            given.insert(key, checked(Some(entry), 1)?);
        }
        Ok(given)
    }

    /// A change of one entry that is at the revision which its author has seen.
    pub(super) fn conditional(
        &mut self,
        conditional: &Conditional,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let change = conditional.change.as_ref().ok_or_else(no_command)?;
        let keys = match change {
            Change::Replace(replace) => &replace.keys,
            Change::Update(update) => &update.keys,
            Change::Delete(delete) if !delete.kernel.is_empty() || !delete.initrd.is_empty() => {
                let problem = "it is the revision of one entry; a kernel or an initrd may be in many";
                return Err(Rejection::invalid("if_revision", problem));
            }
            Change::Delete(delete) => &delete.keys,
        };
        let keys = unique_keys(keys)?;
        check_names_one(Some(conditional.if_revision), keys.len())?;
        for key in &keys {
            let meta = self.get(key).and_then(|entry| entry.meta.as_ref());
            check_revision(key, Some(conditional.if_revision), meta)?;
        }
        match change {
            Change::Replace(replace) => self.replace(replace, at, changes),
            Change::Update(update) => self.update(update, at, changes),
            Change::Delete(delete) => self.delete(delete, at, changes),
        }
    }
}

fn has_values(entry: &BootParametersEntry, values: &BootParametersEntry) -> bool {
    entry.params == values.params
        && entry.kernel == values.kernel
        && entry.initrd == values.initrd
        && entry.cloud_init == values.cloud_init
}
