//! BMCs that were found: where they are, which key they have shown, which xname they have.

use std::sync::Arc;

use imbl::OrdMap;
use model::{MacAddr, Rejection, Xname};
use proto::discovery::v1::Bmc;
use proto::discovery::v1::discovery_command::{AssignXname, DeleteBmcs, PutBmcs, TrustKey};
use proto::raft::v1::outcome::{Applied, Refusal};

use super::{forms, malformed, unchanged, updated};
use crate::RowKind;
use crate::bounds::{
    BMCS_MAX, BMCS_PER_COMMAND_MAX, DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, check_count, check_ids, line,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// Word for the kind in rejections.
const KIND: &str = "BMC";
/// What a BMC speaks that does not say.
const REDFISH: &str = "redfish";
/// What PDUs may speak, too.
const JAWS: &str = "jaws";

/// By address, and the one that has each xname.
#[derive(Clone, Default)]
pub(super) struct Bmcs {
    table: Table<Bmc>,
    by_xname: OrdMap<Xname, String>,
}

impl Bmcs {
    pub(super) fn get(&self, address: &str) -> Option<&Arc<Bmc>> {
        self.table.get(&address.to_owned())
    }

    /// Sorted by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Bmc>> {
        self.table.values()
    }

    pub(super) fn of(&self, xname: &Xname) -> Option<&Arc<Bmc>> {
        self.get(self.by_xname.get(xname)?)
    }

    /// The only place where one is stored.
    fn store(&mut self, bmc: Bmc, changes: &mut Changes) {
        let address = bmc.address.clone();
        let xname = bmc.xname.parse::<Xname>();
        if let Some(before) = self.table.put(address.clone(), bmc, changes) {
            self.unindex(&before);
        }
        if let Ok(xname) = xname {
            self.by_xname.insert(xname, address);
        }
    }

    /// Another one may have the xname by now.
    fn unindex(&mut self, bmc: &Bmc) {
        if let Ok(xname) = bmc.xname.parse::<Xname>()
            && self.by_xname.get(&xname) == Some(&bmc.address)
        {
            self.by_xname.remove(&xname);
        }
    }

    /// Notes what was seen. An xname that another one has is not given, and told as refused; the rest of what was seen stands.
    pub(super) fn put(
        &mut self,
        put: &PutBmcs,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("bmcs", put.bmcs.len(), BMCS_PER_COMMAND_MAX)?;
        // all are looked at before anything changes
        let seen: Result<Vec<Bmc>, Rejection> = put.bmcs.iter().map(checked).collect();
        let mut applied = Applied::default();
        for seen in seen? {
            self.note(seen, at, changes, &mut applied);
        }
        Ok(applied)
    }

    fn note(&mut self, mut seen: Bmc, at: &LogPosition<'_>, changes: &mut Changes, applied: &mut Applied) {
        let before = self.get(&seen.address).cloned();
        if before.is_none() && self.table.len() >= BMCS_MAX {
            let reason = format!("there are {BMCS_MAX} BMCs; delete those that are gone");
            applied.refused.push(Refusal {
                id: seen.address,
                reason,
            });
            return;
        }
        if let Err(reason) = self.make_free(&seen, at, changes) {
            seen.xname.clear();
            applied.refused.push(Refusal {
                id: seen.address.clone(),
                reason,
            });
        }
        let key = seen.address.clone();
        match before {
            Some(before) => {
                let after = merged(&before, seen, at);
                if after == *before {
                    applied.unchanged.push(key);
                    return;
                }
                let meta = at.modified(before.meta.as_ref());
                self.store(Bmc { meta, ..after }, changes);
                applied.updated.push(key);
            }
            None => {
                let meta = at.created();
                let after = merged(&first_seen(&seen, at), seen, at);
                self.store(Bmc { meta, ..after }, changes);
                applied.created.push(key);
            }
        }
    }

    /// Takes the xname from the BMC that has it if that is the same one, found at another address: it has proved the same key, and says
    /// the same UUID.
    ///
    /// # Errors
    /// Why the xname is another one's, which is named.
    fn make_free(&mut self, seen: &Bmc, at: &LogPosition<'_>, changes: &mut Changes) -> Result<(), String> {
        let Ok(xname) = seen.xname.parse::<Xname>() else {
            return Ok(());
        };
        let Some(owner) = self.of(&xname).filter(|owner| owner.address != seen.address) else {
            return Ok(());
        };
        let owner = Arc::clone(owner);
        let has_same_key = !seen.key_sha256.is_empty() && seen.key_sha256 == owner.key_sha256;
        if !has_same_key || seen.uuid.is_empty() || seen.uuid != owner.uuid {
            return Err(format!("{xname} is that of the BMC at {}", owner.address));
        }
        let moved = Bmc {
            xname: String::new(),
            meta: at.modified(owner.meta.as_ref()),
            ..owner.as_ref().clone()
        };
        self.store(moved, changes);
        Ok(())
    }

    pub(super) fn assign(
        &mut self,
        assign: &AssignXname,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing(&assign.address)?;
        let xname = forms::controller("xname", &assign.xname)?;
        if before.xname == xname.as_str() {
            return Ok(unchanged(&before.address));
        }
        if let Some(owner) = self.of(&xname) {
            return Err(Rejection::AlreadyExists {
                kind: "xname".to_owned(),
                id: xname.to_string(),
                detail: format!(
                    "it is that of the BMC at {}, not {}",
                    owner.address, before.address
                ),
            });
        }
        let after = Bmc {
            xname: xname.to_string(),
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.store(after, changes);
        Ok(updated(&before.address))
    }

    /// The key that it shows now is its key.
    pub(super) fn trust(
        &mut self,
        trust: &TrustKey,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing(&trust.address)?;
        let expected = forms::key_sha256("key_sha256", &trust.key_sha256)?;
        let conflict = |detail: String| Err(Rejection::Conflict { detail });
        let shown = &before.other_key_sha256;
        if shown.is_empty() {
            return conflict(format!("the key of {} has not changed", before.address));
        }
        if !expected.is_empty() && expected != *shown {
            return conflict(format!(
                "{} shows the key {shown} now, not {expected}; look at it again",
                before.address
            ));
        }
        let after = Bmc {
            key_sha256: shown.clone(),
            other_key_sha256: String::new(),
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.store(after, changes);
        Ok(updated(&before.address))
    }

    /// All or none. What is in them stays in SMD's inventory.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteBmcs,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_ids("addresses", delete.addresses.len())?;
        let gone: Result<Vec<Arc<Bmc>>, Rejection> = delete
            .addresses
            .iter()
            .map(|address| self.existing(address))
            .collect();
        let gone = gone?;
        for bmc in &gone {
            self.table.remove(&bmc.address, changes);
            self.unindex(bmc);
        }
        Ok(deleted(gone.iter().map(|bmc| bmc.address.clone())))
    }

    fn existing(&self, address: &str) -> Result<Arc<Bmc>, Rejection> {
        let address = forms::address("address", address)?;
        let found = self.get(&address).cloned();
        found.ok_or_else(|| Rejection::not_found(KIND, &address))
    }

    pub(super) fn load(&mut self, row: Bmc, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::Bmc)?;
        let normal = checked(&row).map_err(|problem| malformed(RowKind::Bmc, problem))?;
        let is_normal = normal.address == row.address
            && normal.xname == row.xname
            && normal.key_sha256 == row.key_sha256
            && normal.other_key_sha256 == row.other_key_sha256;
        if !is_normal {
            return Err(malformed(RowKind::Bmc, "it is not in normal form"));
        }
        if let Ok(xname) = row.xname.parse::<Xname>()
            && let Some(owner) = self.of(&xname)
        {
            let problem = format!("{xname} is that of {} and of {}", owner.address, row.address);
            return Err(malformed(RowKind::Bmc, problem));
        }
        self.store(row, changes);
        Ok(())
    }
}

/// In normal form. What the BMC says of itself is cut to what is kept; times and meta are not the client's to give.
fn checked(given: &Bmc) -> Result<Bmc, Rejection> {
    let xname = match given.xname.as_str() {
        "" => String::new(),
        text => forms::controller("bmcs.xname", text)?.to_string(),
    };
    if !["", REDFISH, JAWS].contains(&given.service.as_str()) {
        let problem = format!("{:?} is none; write {REDFISH} or {JAWS}", given.service);
        return Err(Rejection::invalid("bmcs.service", problem));
    }
    let text = |text: &str| line(text, NAME_BYTES_MAX);
    let mac = given.mac.parse::<MacAddr>();
    Ok(Bmc {
        address: forms::address("bmcs.address", &given.address)?,
        service: given.service.clone(),
        xname,
        redfish_version: text(&given.redfish_version),
        uuid: text(&given.uuid).to_lowercase(),
        vendor: text(&given.vendor),
        product: text(&given.product),
        serial: text(&given.serial),
        mac: mac.map_or_else(|_| String::new(), |mac| mac.to_string()),
        key_sha256: forms::key_sha256("bmcs.key_sha256", &given.key_sha256)?,
        other_key_sha256: forms::key_sha256("bmcs.other_key_sha256", &given.other_key_sha256)?,
        crawl_status: text(&given.crawl_status),
        crawl_reason: line(&given.crawl_reason, DESCRIPTION_BYTES_MAX),
        crawl_remedy: line(&given.crawl_remedy, DESCRIPTION_BYTES_MAX),
        ..Bmc::default()
    })
}

/// What was not there before: its first key is the one that is believed.
fn first_seen(seen: &Bmc, at: &LogPosition<'_>) -> Bmc {
    Bmc {
        address: seen.address.clone(),
        service: REDFISH.to_owned(),
        first_seen_ms: at.time_ms,
        last_seen_ms: at.time_ms,
        ..Bmc::default()
    }
}

/// What was seen, over what was known. It has answered if it has shown a key or said what it speaks; a crawl that did not reach it has a
/// status only.
fn merged(before: &Bmc, seen: Bmc, at: &LogPosition<'_>) -> Bmc {
    let or = |new: String, old: &String| if new.is_empty() { old.clone() } else { new };
    let has_answered = !seen.key_sha256.is_empty() || !seen.service.is_empty();
    let was_crawled = !seen.crawl_status.is_empty();
    let (key_sha256, other_key_sha256) = keys(before, &seen);
    // how one crawl went is not mixed with how another did
    let (crawl_reason, crawl_remedy) = match was_crawled {
        true => (seen.crawl_reason, seen.crawl_remedy),
        false => (before.crawl_reason.clone(), before.crawl_remedy.clone()),
    };
    Bmc {
        address: before.address.clone(),
        service: or(seen.service, &before.service),
        xname: or(seen.xname, &before.xname),
        redfish_version: or(seen.redfish_version, &before.redfish_version),
        uuid: or(seen.uuid, &before.uuid),
        vendor: or(seen.vendor, &before.vendor),
        product: or(seen.product, &before.product),
        serial: or(seen.serial, &before.serial),
        mac: or(seen.mac, &before.mac),
        key_sha256,
        other_key_sha256,
        first_seen_ms: before.first_seen_ms,
        last_seen_ms: if has_answered {
            at.time_ms
        } else {
            before.last_seen_ms
        },
        crawl_status: or(seen.crawl_status, &before.crawl_status),
        crawl_reason,
        crawl_remedy,
        crawled_at_ms: if was_crawled {
            at.time_ms
        } else {
            before.crawled_at_ms
        },
        meta: before.meta.clone(),
    }
}

/// The key that is believed, and another one that it shows now.
fn keys(before: &Bmc, seen: &Bmc) -> (String, String) {
    let shown = match seen.other_key_sha256.as_str() {
        "" => &seen.key_sha256,
        _ => &seen.other_key_sha256,
    };
    match (before.key_sha256.as_str(), shown.as_str()) {
        (known, "") => (known.to_owned(), before.other_key_sha256.clone()),
        ("", first) => (first.to_owned(), String::new()),
        (known, same) if known == same => (known.to_owned(), String::new()),
        (known, other) => (known.to_owned(), other.to_owned()),
    }
}
