//! What happened, counted by a named reason: a server writes its table of reasons once, with [`reasons!`], and has their
//! enum, the names in metrics and logs, and [`Counters`].

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// One thing worth counting. [`reasons!`] is what implements it.
pub trait Reason: Copy + 'static {
    /// Every reason with its name, in the order of the table.
    const ALL: &'static [(Self, &'static str)];

    /// Its place in [`Reason::ALL`].
    fn index(self) -> usize;
}

/// A table of reasons: below the enum's name a line for each, with the variant, its name as metrics and logs have it, and
/// what it means. Two reasons of one name do not compile.
#[macro_export]
macro_rules! reasons {
    (
        $(#[$about:meta])* $visibility:vis enum $reason:ident;
        $($variant:ident $name:literal $meaning:literal),+ $(,)?
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $reason { $(#[doc = $meaning] $variant),+ }

        impl $reason {
            /// The reason as metrics and logs name it.
            $visibility fn name(self) -> &'static str {
                match self { $($reason::$variant => $name),+ }
            }

            /// What it means, for a person.
            $visibility fn meaning(self) -> &'static str {
                match self { $($reason::$variant => $meaning),+ }
            }
        }

        impl $crate::Reason for $reason {
            const ALL: &'static [($reason, &'static str)] = &[$(($reason::$variant, $name)),+];

            fn index(self) -> usize {
                self as usize
            }
        }

        const _: () = assert!($crate::distinct(&[$($name),+]), "two reasons have the same name");
    };
}

/// How often each reason has occurred; cheap to share, never reset.
#[derive(Debug)]
pub struct Counters<R> {
    counts: Box<[AtomicU64]>,
    reasons: PhantomData<R>,
}

impl<R: Reason> Default for Counters<R> {
    fn default() -> Counters<R> {
        Counters {
            counts: R::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            reasons: PhantomData,
        }
    }
}

impl<R: Reason> Counters<R> {
    /// Counts one event.
    pub fn add(&self, what: R) {
        self.add_many(what, 1);
    }

    /// Counts `n` events, or bytes, at once.
    pub fn add_many(&self, what: R, n: u64) {
        self.counts[what.index()].fetch_add(n, Ordering::Relaxed);
    }

    /// How often `what` has happened since the start.
    pub fn get(&self, what: R) -> u64 {
        self.counts[what.index()].load(Ordering::Relaxed)
    }

    /// Every counter with its name, in the order of the table, for metrics.
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        let named = R::ALL.iter();
        named.map(|&(reason, name)| (name, self.get(reason))).collect()
    }
}

/// Whether no two of `names` are the same; [`reasons!`] asks while it is compiled.
pub const fn distinct(names: &[&str]) -> bool {
    let mut last = names.len();
    while last > 1 {
        last -= 1;
        let mut before = 0;
        while before < last {
            if same(names[before].as_bytes(), names[last].as_bytes()) {
                return false;
            }
            before += 1;
        }
    }
    true
}

/// `==`, which is not `const`.
const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut n = 0;
    while n < a.len() && n < b.len() && a[n] == b[n] {
        n += 1;
    }
    n == a.len() && n == b.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    reasons! {
        /// What becomes of a letter.
        enum Count;

        Received "received" "Letters that arrived.",
        Answered "answered" "Answered by return of post.",
        Lost "lost" "Nobody knows.",
    }

    #[test]
    fn each_reason_has_a_counter_and_a_name_of_its_own() {
        let counters = Counters::<Count>::default();
        assert_eq!(counters.all(), [("received", 0), ("answered", 0), ("lost", 0)]);
        counters.add(Count::Received);
        counters.add(Count::Lost);
        counters.add(Count::Lost);
        counters.add_many(Count::Answered, 700);
        assert_eq!(counters.get(Count::Received), 1);
        assert_eq!(counters.get(Count::Lost), 2);
        assert_eq!(counters.all(), [("received", 1), ("answered", 700), ("lost", 2)]);
    }

    /// The table is written once: what a person reads of a reason is what the metric's label says.
    #[test]
    fn names_and_meanings_are_those_of_the_table() {
        for (n, (reason, name)) in Count::ALL.iter().enumerate() {
            assert_eq!(reason.index(), n);
            assert_eq!(reason.name(), *name);
        }
        assert_eq!(Count::Lost.name(), "lost");
        assert_eq!(Count::Lost.meaning(), "Nobody knows.");
    }

    #[test]
    fn a_table_with_one_name_twice_is_noticed() {
        assert!(distinct(&[]));
        assert!(distinct(&["sent"]));
        assert!(distinct(&["sent", "sent_late", "late", "send"]));
        assert!(!distinct(&["sent", "late", "sent"]));
        assert!(!distinct(&["late", "sent", "sent"]));
        assert!(!distinct(&["", ""]));
    }

    /// Workers count without a lock, and nothing is lost.
    #[test]
    fn what_several_threads_count_adds_up() {
        let counters = Arc::<Counters<Count>>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| counters.add(Count::Received)));
            }
        });
        assert_eq!(counters.get(Count::Received), 4_000);
        assert_eq!(counters.get(Count::Answered), 0);
    }
}
