//! What members have seen of boots becomes boot records.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Rejection, Xname};
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::bss_command::{BootSeen, RecordBootPhases};
use proto::bss::v1::{BootPhase, BootRecord};
use proto::raft::v1::outcome::Applied;

use super::boot_phases::{Loose, homes, kept_phases};
use super::boot_records::{BootRecords, began_ms};
use crate::bounds::{
    BOOT_PHASE_AHEAD_MS_MAX, BOOT_RECORDS_PER_NODE_MAX, BOOTS_SEEN_PER_COMMAND_MAX, NAME_BYTES_MAX,
    PHASES_PER_BOOT_MAX, check_count, check_text,
};
use crate::changes::Changes;
use crate::log_position::{LogPosition, created_revision};
use crate::smd::node;

impl BootRecords {
    /// Adds what was seen. Which boot an attempt is of that came without a boot id, the times of all attempts say: it may
    /// go from one record to another when a member tells late of a script. Of the keys nothing is listed: nobody waits for
    /// them, and they would be kept with the outcome.
    pub(super) fn see(
        &mut self,
        command: &RecordBootPhases,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        for seen in normalise(command, at)? {
            self.see_boot(seen, at, changes);
        }
        Ok(Applied::default())
    }

    fn see_boot(&mut self, seen: Seen, at: &LogPosition<'_>, changes: &mut Changes) {
        let Seen {
            node,
            boot_id,
            phases,
        } = seen;
        let mut boots = Boots(self.by_creation(&node).map(Boot::stored).collect());
        let mut loose = boots.take_loose();
        if boot_id.is_empty() {
            let new = |attempt| Loose {
                attempt,
                origin: None,
            };
            loose.extend(phases.into_iter().map(new));
        } else {
            boots.of_id(boot_id).phases.extend(phases);
        }
        let homes = homes(&boots.scripts(), loose);
        for (boot, attempt) in homes.of_boots {
            boots.0[boot].phases.push(attempt);
        }
        boots.place(homes.of_none, at.index);
        self.store(&node, boots, at, changes);
    }

    fn store(&mut self, node: &Xname, boots: Boots, at: &LogPosition<'_>, changes: &mut Changes) {
        let (mut records, mut gone) = (Vec::new(), Vec::new());
        for boot in boots.0 {
            let Some(key) = boot.key else { continue };
            match boot.record(node, at) {
                Some((record, is_changed)) => records.push((began_ms(&record), key, record, is_changed)),
                None => gone.push(key),
            }
        }
        records.sort_unstable_by_key(|(began_ms, key, ..)| (*began_ms, *key));
        let surplus = records.len().saturating_sub(BOOT_RECORDS_PER_NODE_MAX);
        gone.extend(records.drain(..surplus).map(|(_, key, ..)| key));
        for key in gone {
            self.table.remove(&(node.clone(), key), changes);
        }
        for (_, key, record, _) in records.into_iter().filter(|(.., is_changed)| *is_changed) {
            self.table.put((node.clone(), key), record, changes);
        }
    }
}

/// One boot of the command, checked.
struct Seen {
    node: Xname,
    boot_id: String,
    phases: Vec<BootPhase>,
}

/// A boot of a node while attempts are given to boots.
#[derive(Default)]
struct Boot {
    /// Revision of its record's creation; none for a boot that has no record yet.
    key: Option<u64>,
    before: Option<Arc<BootRecord>>,
    boot_id: String,
    phases: Vec<BootPhase>,
}

impl Boot {
    fn stored(record: &Arc<BootRecord>) -> Boot {
        Boot {
            key: Some(created_revision(record.meta.as_ref())),
            before: Some(Arc::clone(record)),
            boot_id: record.boot_id.clone(),
            phases: record.phases.clone(),
        }
    }

    /// Waits for its script.
    fn is_open(&self) -> bool {
        self.boot_id.is_empty() && !self.has_phoned_home()
    }

    fn has_phoned_home(&self) -> bool {
        self.before
            .as_ref()
            .is_some_and(|record| record.phoned_home_at_ms > 0)
    }

    fn first_script_ms(&self) -> Option<u64> {
        let scripts = self.phases.iter().filter(|seen| seen.phase() == Phase::Script);
        scripts.map(|seen| seen.at_ms).min()
    }

    /// Its record as it is now, and whether that is another one than before; none of a boot of which nothing is left.
    fn record(self, node: &Xname, at: &LogPosition<'_>) -> Option<(BootRecord, bool)> {
        let phases = kept_phases(self.phases);
        let Some(before) = self.before else {
            let record = BootRecord {
                node: node.to_string(),
                boot_id: self.boot_id,
                phases,
                meta: at.created(),
                ..BootRecord::default()
            };
            return Some((record, true));
        };
        if phases.is_empty() && self.boot_id.is_empty() && before.phoned_home_at_ms == 0 {
            return None;
        }
        let mut record = before.as_ref().clone();
        if record.phases == phases && record.boot_id == self.boot_id {
            return Some((record, false));
        }
        (record.boot_id, record.phases) = (self.boot_id, phases);
        record.meta = at.modified(before.meta.as_ref());
        Some((record, true))
    }
}

/// The boots of one node.
struct Boots(Vec<Boot>);

impl Boots {
    /// Takes out what boots were given by time.
    fn take_loose(&mut self) -> Vec<Loose> {
        let mut loose = Vec::new();
        for (place, boot) in self.0.iter_mut().enumerate() {
            // without a boot id it is another boot's no more
            if boot.boot_id.is_empty() && boot.has_phoned_home() {
                continue;
            }
            let taken = boot.phases.extract_if(.., |attempt| !attempt.told);
            loose.extend(taken.map(|attempt| Loose {
                attempt,
                origin: Some(place),
            }));
        }
        loose
    }

    fn of_id(&mut self, boot_id: String) -> &mut Boot {
        let known = self.0.iter().position(|boot| boot.boot_id == boot_id);
        let place = known.unwrap_or_else(|| {
            self.0.push(Boot {
                boot_id,
                ..Boot::default()
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    /// When boots first got their script; sorted.
    fn scripts(&self) -> Vec<(u64, usize)> {
        let boots = self.0.iter().enumerate();
        let mut scripts: Vec<_> = boots
            .filter_map(|(place, boot)| Some((boot.first_script_ms()?, place)))
            .collect();
        scripts.sort_unstable_by_key(|(at_ms, place)| (*at_ms, &self.0[*place].boot_id));
        scripts
    }

    /// Gives records to `runs` of attempts without a script, and to the boot that has none yet: it takes that of what it
    /// grew out of, or a new one.
    fn place(&mut self, runs: Vec<Vec<Loose>>, index: u64) {
        let mut open: BTreeSet<usize> = (0..self.0.len())
            .filter(|place| self.0[*place].is_open())
            .collect();
        let mut places: Vec<Option<usize>> = runs
            .iter()
            .map(|run| {
                run.iter()
                    .find_map(|loose| loose.origin.filter(|place| open.remove(place)))
            })
            .collect();
        let mut fresh = Some(index);
        if let Some(new) = self.0.iter().position(|boot| boot.key.is_none()) {
            match open.pop_first() {
                Some(place) => {
                    let Boot { key, before, .. } = std::mem::take(&mut self.0[place]);
                    (self.0[new].key, self.0[new].before) = (key, before);
                }
                None => self.0[new].key = fresh.take(),
            }
        }
        for place in places.iter_mut().filter(|place| place.is_none()) {
            *place = open.pop_first().or_else(|| {
                let key = Some(fresh.take()?);
                self.0.push(Boot {
                    key,
                    ..Boot::default()
                });
                Some(self.0.len() - 1)
            });
        }
        // an entry makes one record of a node: what would be a second one stays with the run beside it
        let mut last = places.iter().find_map(|place| *place);
        for (run, place) in runs.into_iter().zip(places) {
            last = place.or(last);
            if let Some(place) = last {
                let attempts = run.into_iter().map(|loose| loose.attempt);
                self.0[place].phases.extend(attempts);
            }
        }
    }
}

/// Everything is checked before the first change.
fn normalise(command: &RecordBootPhases, at: &LogPosition<'_>) -> Result<Vec<Seen>, Rejection> {
    check_count("boots", command.boots.len(), BOOTS_SEEN_PER_COMMAND_MAX)?;
    let mut nodes = BTreeSet::new();
    let mut boots = Vec::with_capacity(command.boots.len());
    for boot in &command.boots {
        let boot = normalise_boot(boot, at)?;
        if !nodes.insert(boot.node.clone()) {
            let problem = format!("{} is named twice; name each node once", boot.node);
            return Err(Rejection::invalid("boots.node", problem));
        }
        boots.push(boot);
    }
    Ok(boots)
}

fn normalise_boot(boot: &BootSeen, at: &LogPosition<'_>) -> Result<Seen, Rejection> {
    let node = node("boots.node", &boot.node)?;
    check_text("boots.boot_id", &boot.boot_id, NAME_BYTES_MAX)?;
    if boot.phases.is_empty() {
        return Err(Rejection::invalid(
            "boots.phases",
            "none is given; name at least one",
        ));
    }
    check_count("boots.phases", boot.phases.len(), PHASES_PER_BOOT_MAX)?;
    let told = !boot.boot_id.is_empty();
    let phases = boot.phases.iter().map(|attempt| {
        check_attempt(attempt, told, at)?;
        Ok(BootPhase { told, ..*attempt })
    });
    Ok(Seen {
        node,
        boot_id: boot.boot_id.clone(),
        phases: phases.collect::<Result<_, Rejection>>()?,
    })
}

fn check_attempt(attempt: &BootPhase, told: bool, at: &LogPosition<'_>) -> Result<(), Rejection> {
    let problem = match Phase::try_from(attempt.phase) {
        Err(_) | Ok(Phase::Unspecified) => format!("{} is no phase", attempt.phase),
        Ok(Phase::PhonedHome) => "a phone-home is a change of its own".to_owned(),
        Ok(Phase::Script) if !told => "a script has a boot id".to_owned(),
        Ok(_) if attempt.at_ms == 0 => "it has no time".to_owned(),
        Ok(_) if attempt.at_ms > at.time_ms.saturating_add(BOOT_PHASE_AHEAD_MS_MAX) => {
            format!(
                "its time {} is ahead of the cluster's, {}",
                attempt.at_ms, at.time_ms
            )
        }
        Ok(_) => return Ok(()),
    };
    Err(Rejection::invalid("boots.phases", problem))
}
