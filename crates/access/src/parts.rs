//! The part of the system that some policies select, as the guard asks for it: made once for a revision of policies, groups and
//! partitions, so that ten thousand components of a list are ten thousand look-ups.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use proto::auth::v1::Policy;
use state::auth::Part;
use state::smd::Smd;
use state::{RowKind, State};

use crate::table::{PolicyId, is_everywhere};

/// Sets of policies whose parts are kept; each has a bit for each component. Beyond that they are made anew.
const PARTS_MAX: usize = 256;
/// A part that was asked so often is asked by lists: it is worth to judge every component of the system once.
const ASKED_MIN: u32 = 512;

/// Components by their ids, numbered.
type Numbers = HashMap<Box<str>, u32>;

/// The parts of all callers, by the policies that select them. Readers take no lock.
#[derive(Default)]
pub(crate) struct Parts {
    by_policies: ArcSwap<HashMap<Box<[PolicyId]>, Arc<Selected>>>,
    numbers: OnceLock<Arc<Numbers>>,
}

impl Parts {
    /// The part of these policies, which `make` makes if it is asked for the first time.
    pub(crate) fn of(&self, ids: &[PolicyId], make: impl FnOnce() -> Selected) -> Arc<Selected> {
        if let Some(known) = self.by_policies.load().get(ids) {
            return Arc::clone(known);
        }
        let made = Arc::new(make());
        self.by_policies.rcu(|all| {
            let mut all = match all.len() < PARTS_MAX {
                true => HashMap::clone(all),
                false => HashMap::new(),
            };
            all.insert(ids.into(), Arc::clone(&made));
            all
        });
        made
    }

    /// Whether [`Parts::judge`] would do something.
    pub(crate) fn have_unjudged(&self) -> bool {
        let all = self.by_policies.load();
        all.values().any(|part| part.is_unjudged())
    }

    /// Judges every component that there is for the parts that lists ask: milliseconds for ten thousand. What comes later is judged
    /// when it is asked for, so nothing that is kept depends on which components there are.
    pub(crate) fn judge(&self, state: &State) {
        let all = self.by_policies.load();
        for part in all.values().filter(|part| part.is_unjudged()) {
            let numbers = self.numbers.get_or_init(|| Arc::new(numbers(state)));
            part.judged.get_or_init(|| Judged::of(numbers, &part.part));
        }
    }
}

fn numbers(state: &State) -> Numbers {
    let ids = state
        .smd
        .components()
        .map(|component| component.id.as_str().into());
    ids.zip(0..).collect()
}

/// What some policies select together.
pub(crate) struct Selected {
    part: Part,
    /// Of which it says exactly what is selected, by their numbers.
    kinds: BTreeSet<u32>,
    asked: AtomicU32,
    judged: OnceLock<Judged>,
}

/// What is in the part of all components that there were when it was made.
struct Judged {
    numbers: Arc<Numbers>,
    bits: Vec<u64>,
}

impl Selected {
    /// What these policies, which have not ended at `now_ms`, select.
    pub(crate) fn of(policies: &[Arc<Policy>], smd: &Smd, now_ms: u64) -> Selected {
        let exact = RowKind::ALL
            .into_iter()
            .filter(|kind| is_exact(policies, &kind.name()));
        Selected {
            part: Part::of(policies, smd, now_ms),
            kinds: exact.map(|kind| kind as u32).collect(),
            asked: AtomicU32::new(0),
            judged: OnceLock::new(),
        }
    }

    /// Whether nothing is left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.part.is_everything()
    }

    fn is_unjudged(&self) -> bool {
        self.asked.load(Ordering::Relaxed) >= ASKED_MIN && self.judged.get().is_none()
    }
}

impl rpc::Part for Selected {
    fn has_component(&self, id: &str) -> bool {
        let judged = self.judged.get().and_then(|judged| judged.says(id));
        judged.unwrap_or_else(|| {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.part.has_component(id)
        })
    }

    fn has_group(&self, name: &str) -> bool {
        self.part.has_group(name)
    }

    fn has_kind(&self, number: u32) -> bool {
        self.kinds.contains(&number)
    }
}

impl fmt::Debug for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selected")
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

impl Judged {
    fn of(numbers: &Arc<Numbers>, part: &Part) -> Judged {
        let mut bits = vec![0_u64; numbers.len().div_ceil(64)];
        for (id, number) in numbers.iter() {
            if let Some(word) = bits.get_mut(*number as usize / 64)
                && part.has_component(id)
            {
                *word |= 1 << (number % 64);
            }
        }
        Judged {
            numbers: Arc::clone(numbers),
            bits,
        }
    }

    /// `None` for a component that there was not.
    fn says(&self, id: &str) -> Option<bool> {
        let number = *self.numbers.get(id)?;
        let word = self.bits.get(number as usize / 64)?;
        Some((word >> (number % 64)) & 1 == 1)
    }
}

/// Whether all that the policies select together is selected of this kind, too. Beside a policy for other kinds elsewhere that is
/// not so, and the kind is not shown at all: rather too little than too much.
fn is_exact(policies: &[Arc<Policy>], kind: &str) -> bool {
    let says = |policy: &&Policy| policy.kinds.is_empty() || policy.kinds.iter().any(|named| named == kind);
    let (with, without): (Vec<&Policy>, Vec<&Policy>) = policies.iter().map(Arc::as_ref).partition(says);
    !with.is_empty() && without.iter().all(|other| is_selected_by(other, &with))
}

/// Whether some policies name every place that this one names.
fn is_selected_by(policy: &Policy, others: &[&Policy]) -> bool {
    if others.iter().any(|other| is_everywhere(other)) {
        return true;
    }
    let is_named =
        |list: usize, place: &String| others.iter().any(|other| places(other)[list].contains(place));
    let mut lists = places(policy).into_iter().enumerate();
    !is_everywhere(policy) && lists.all(|(list, own)| own.iter().all(|place| is_named(list, place)))
}

fn places(policy: &Policy) -> [&Vec<String>; 3] {
    [&policy.hosts, &policy.groups, &policy.partitions]
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
