//! Boot parameters: what a node, a MAC, a NID, a role or everything else boots with.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Rejection;
use prost::Message;
use prost_types::Struct;
use proto::bss::v1::bss_command::{Create, Delete, Replace, Update};
use proto::bss::v1::{BootParametersEntry, CloudInit};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::boot_key::normalise_boot_key;
use super::merge_patch::{depth, merge};
use crate::bounds::{
    CLOUD_INIT_BYTES_MAX, CLOUD_INIT_DEPTH_MAX, IDS_LISTED_MAX, IDS_PER_COMMAND_MAX, PARAMS_BYTES_MAX,
    STORED_BYTES_PER_COMMAND_MAX, URL_BYTES_MAX, check_count, check_ids, check_text,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "boot parameters";

/// Entries by key.
#[derive(Clone, Default)]
pub(super) struct BootParameters {
    pub(super) table: Table<BootParametersEntry>,
}

impl BootParameters {
    pub(super) fn get(&self, key: &str) -> Option<&Arc<BootParametersEntry>> {
        self.table.get(&key.to_owned())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<BootParametersEntry>> {
        self.table.values()
    }

    /// One key that exists refuses them all. Source: BSS `POST /boot/v1/bootparameters`.
    pub(super) fn create(
        &mut self,
        create: &Create,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let keys = normalise_keys(&create.keys)?;
        let values = checked(create.values.as_ref(), keys.len())?;
        if let Some(existing) = keys.iter().find(|key| self.get(key).is_some()) {
            let detail = "use PUT to replace or PATCH to change them".to_owned();
            return Err(Rejection::AlreadyExists {
                kind: KIND.into(),
                id: existing.clone(),
                detail,
            });
        }
        self.store(&keys, &values, at, changes)
    }

    /// Creates or replaces. Source: BSS `PUT /boot/v1/bootparameters`.
    pub(super) fn replace(
        &mut self,
        replace: &Replace,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let keys = normalise_keys(&replace.keys)?;
        let values = checked(replace.values.as_ref(), keys.len())?;
        self.store(&keys, &values, at, changes)
    }

    /// Fields that are not empty overwrite, cloud-init's data merge; the referral token stays. One key that does
    /// not exist refuses them all. Source: BSS `PATCH /boot/v1/bootparameters`.
    pub(super) fn update(
        &mut self,
        update: &Update,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let keys = normalise_keys(&update.keys)?;
        let values = checked(update.values.as_ref(), keys.len())?;
        let merged = keys
            .iter()
            .map(|key| self.merged(key, &values, at))
            .collect::<Result<Vec<_>, _>>()?;
        check_stored(merged.iter().map(Message::encoded_len).sum())?;
        for (key, entry) in keys.iter().zip(merged) {
            self.table.put(key.clone(), entry, changes);
        }
        Ok(Applied {
            updated: keys,
            ..Default::default()
        })
    }

    fn merged(
        &self,
        key: &str,
        values: &BootParametersEntry,
        at: &LogPosition<'_>,
    ) -> Result<BootParametersEntry, Rejection> {
        let before = self.get(key).ok_or_else(|| Rejection::not_found(KIND, key))?;
        let mut after = before.as_ref().clone();
        let fields = [
            (&mut after.params, &values.params),
            (&mut after.kernel, &values.kernel),
            (&mut after.initrd, &values.initrd),
        ];
        for (field, given) in fields.into_iter().filter(|(_, given)| !given.is_empty()) {
            field.clone_from(given);
        }
        if let Some(given) = &values.cloud_init {
            let cloud_init = after.cloud_init.get_or_insert_default();
            merge_into(&mut cloud_init.meta_data, given.meta_data.as_ref());
            merge_into(&mut cloud_init.user_data, given.user_data.as_ref());
            merge_into(&mut cloud_init.phone_home, given.phone_home.as_ref());
            check_cloud_init(cloud_init)?;
        }
        after.meta = at.modified(before.meta.as_ref());
        Ok(after)
    }

    /// Removes entries by key; a kernel or an initrd named here leaves every entry that boots it. Nothing is done
    /// unless everything that is named exists. Source: BSS `DELETE /boot/v1/bootparameters`.
    pub(super) fn delete(
        &mut self,
        delete: &Delete,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("keys", delete.keys.len(), IDS_PER_COMMAND_MAX)?;
        let keys = unique_keys(&delete.keys)?;
        if keys.is_empty() && delete.kernel.is_empty() && delete.initrd.is_empty() {
            return Err(Rejection::invalid(
                "keys",
                "none is given; name hosts, MACs, NIDs, a kernel or an initrd",
            ));
        }
        if let Some(missing) = keys.iter().find(|key| self.get(key).is_none()) {
            return Err(Rejection::not_found(KIND, missing));
        }
        let cleared = self.cleared(&keys, delete)?;
        let listed = cleared.iter().take(IDS_LISTED_MAX);
        let updated = listed.map(|entry| entry.key.clone()).collect();
        for mut entry in cleared {
            entry.meta = at.modified(entry.meta.as_ref());
            self.table.put(entry.key.clone(), entry, changes);
        }
        for key in &keys {
            self.table.remove(key, changes);
        }
        Ok(Applied {
            updated,
            ..deleted(keys.into_iter())
        })
    }

    /// The entries that stay and lose their kernel or initrd.
    fn cleared(&self, deleted: &[String], delete: &Delete) -> Result<Vec<BootParametersEntry>, Rejection> {
        let boots = |given: &str, has: &str| !given.is_empty() && given == has;
        if !delete.kernel.is_empty() && !self.iter().any(|entry| entry.kernel == delete.kernel) {
            return Err(Rejection::not_found("kernel", &delete.kernel));
        }
        if !delete.initrd.is_empty() && !self.iter().any(|entry| entry.initrd == delete.initrd) {
            return Err(Rejection::not_found("initrd", &delete.initrd));
        }
        let deleted: BTreeSet<&String> = deleted.iter().collect();
        let mut cleared = Vec::new();
        for entry in self.iter().filter(|entry| !deleted.contains(&entry.key)) {
            let (kernel, initrd) = (
                boots(&delete.kernel, &entry.kernel),
                boots(&delete.initrd, &entry.initrd),
            );
            if !kernel && !initrd {
                continue;
            }
            let mut entry = entry.as_ref().clone();
            if kernel {
                entry.kernel.clear();
            }
            if initrd {
                entry.initrd.clear();
            }
            cleared.push(entry);
        }
        Ok(cleared)
    }

    /// All keys get the same values and the same new referral token.
    fn store(
        &mut self,
        keys: &[String],
        values: &BootParametersEntry,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let referral_token = uuid(at.random()?);
        let mut applied = Applied {
            value: referral_token.clone(),
            ..Default::default()
        };
        for key in keys {
            let before = self.get(key).cloned();
            let meta = before
                .as_ref()
                .map_or_else(|| at.created(), |before| at.modified(before.meta.as_ref()));
            let entry = BootParametersEntry {
                key: key.clone(),
                referral_token: referral_token.clone(),
                meta,
                ..values.clone()
            };
            self.table.put(key.clone(), entry, changes);
            let list = if before.is_some() {
                &mut applied.updated
            } else {
                &mut applied.created
            };
            list.push(key.clone());
        }
        Ok(applied)
    }

    pub(super) fn load(
        &mut self,
        row: BootParametersEntry,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::BootParameters)?;
        self.table.put(key, row, changes);
        Ok(())
    }
}

fn merge_into(target: &mut Option<Struct>, patch: Option<&Struct>) {
    if let Some(patch) = patch {
        merge(target.get_or_insert_default(), patch);
    }
}

/// Keys in the order given, each once: a host may be named twice without harm.
fn normalise_keys(given: &[String]) -> Result<Vec<String>, Rejection> {
    check_ids("keys", given.len())?;
    unique_keys(given)
}

pub(super) fn unique_keys(given: &[String]) -> Result<Vec<String>, Rejection> {
    let mut seen = BTreeSet::new();
    let keys = given
        .iter()
        .map(|key| normalise_boot_key(key))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(keys.into_iter().filter(|key| seen.insert(key.clone())).collect())
}

/// The values to store under `keys` keys. Key, token and meta are not the client's to give.
pub(super) fn checked(
    values: Option<&BootParametersEntry>,
    keys: usize,
) -> Result<BootParametersEntry, Rejection> {
    let values = values.ok_or_else(|| Rejection::invalid("values", "they are missing"))?;
    check_text("params", &values.params, PARAMS_BYTES_MAX)?;
    check_text("kernel", &values.kernel, URL_BYTES_MAX)?;
    check_text("initrd", &values.initrd, URL_BYTES_MAX)?;
    if let Some(cloud_init) = &values.cloud_init {
        check_cloud_init(cloud_init)?;
    }
    check_stored(values.encoded_len().saturating_mul(keys))?;
    let (key, referral_token, meta) = (String::new(), String::new(), None);
    Ok(BootParametersEntry {
        key,
        referral_token,
        meta,
        ..values.clone()
    })
}

/// A small request must not become a large state.
pub(super) fn check_stored(bytes: usize) -> Result<(), Rejection> {
    if bytes > STORED_BYTES_PER_COMMAND_MAX {
        let problem = format!(
            "these values under all these keys take {bytes} bytes, at most {STORED_BYTES_PER_COMMAND_MAX} are \
             accepted in one request; bind them to a role or to Default, or send several requests"
        );
        return Err(Rejection::invalid("keys", problem));
    }
    Ok(())
}

fn check_cloud_init(cloud_init: &CloudInit) -> Result<(), Rejection> {
    let data = [
        &cloud_init.meta_data,
        &cloud_init.user_data,
        &cloud_init.phone_home,
    ];
    if data
        .into_iter()
        .flatten()
        .any(|data| depth(data, CLOUD_INIT_DEPTH_MAX) > CLOUD_INIT_DEPTH_MAX)
    {
        let problem = format!("it has more than {CLOUD_INIT_DEPTH_MAX} levels of nesting");
        return Err(Rejection::invalid("cloud-init", problem));
    }
    let bytes = cloud_init.encoded_len();
    if bytes > CLOUD_INIT_BYTES_MAX {
        let problem = format!("it has {bytes} bytes, at most {CLOUD_INIT_BYTES_MAX} are accepted");
        return Err(Rejection::invalid("cloud-init", problem));
    }
    Ok(())
}

/// The leader's random bytes as a UUID of version 4 (RFC 9562).
pub(super) fn uuid(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(random);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        number >> 96,
        number >> 80 & 0xffff,
        number >> 64 & 0xffff,
        number >> 48 & 0xffff,
        number & 0xffff_ffff_ffff
    )
}

impl Record for BootParametersEntry {
    type Key = String;

    fn row_key(key: &String) -> RowKey {
        RowKey::boot_parameters(key)
    }

    fn key(&self) -> Result<String, String> {
        match normalise_boot_key(&self.key) {
            Ok(key) if key == self.key => Ok(key),
            Ok(_) => Err(format!("the key `{}` is not normalised", self.key)),
            Err(rejection) => Err(rejection.to_string()),
        }
    }

    fn into_row(self) -> Row {
        Row::BootParameters(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::BootParameters(self))
    }
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn the_referral_token_is_a_random_uuid() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let counted = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(uuid(counted), "00010203-0405-4607-8809-0a0b0c0d0e0f");
    }
}
