//! The judge of one register's history.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Kind, Operation};

/// Steps of the search after which it gives up. A history of 10,000 operations of a dozen callers takes some 20,000.
const STEPS_MAX: u64 = 20_000_000;
/// The value of a register that was never written.
const NEVER_WRITTEN: u64 = 0;
/// Returned never.
const OPEN: u64 = u64::MAX;

/// What the judge found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none; the text shows where every order ends.
    NotLinearizable(String),
    /// The search was given up: neither proven nor refuted.
    Undecided,
}

/// Judges the operations on one register.
pub fn judge(operations: &[Operation]) -> Verdict {
    judge_within(operations, STEPS_MAX)
}

fn judge_within(operations: &[Operation], steps_max: u64) -> Verdict {
    let mut search = Search::new(spans(operations));
    for _ in 0..steps_max {
        match search.step() {
            Step::Going => {}
            Step::Found => return Verdict::Linearizable,
            Step::Exhausted => return Verdict::NotLinearizable(search.dead_end()),
        }
    }
    Verdict::Undecided
}

/// An operation with its end; an open write that nothing bounds ends at [`OPEN`] and need not be in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    kind: Kind,
    called: u64,
    returned: u64,
}

/// What the search is about, in the order of the calls. Open writes are made definite where that changes no verdict:
///
/// - one whose value nobody read is left out: if an order with it explains all answers, so does the order without it,
///   because nothing but another write comes between it and the next;
/// - one whose value was read, and which no other write wrote, came before the first answer with that value.
///
/// So the number of operations that may stand anywhere, which the search is exponential in, is next to nothing.
fn spans(operations: &[Operation]) -> Vec<Span> {
    let mut writes: BTreeMap<u64, usize> = BTreeMap::new();
    let mut first_read: BTreeMap<u64, u64> = BTreeMap::new();
    for operation in operations {
        match (operation.kind, operation.returned) {
            (Kind::Write(value), _) => *writes.entry(value).or_default() += 1,
            (Kind::Read(value), Some(returned)) => {
                let first = first_read.entry(value).or_insert(returned);
                *first = returned.min(*first);
            }
            (Kind::Read(_), None) => {}
        }
    }
    let span = |operation: &Operation| {
        let returned = match (operation.kind, operation.returned) {
            (_, Some(returned)) => returned,
            (Kind::Read(_), None) => return None,
            (Kind::Write(value), None) => {
                let read = *first_read.get(&value)?;
                let is_definite = writes[&value] == 1 && value != NEVER_WRITTEN && read >= operation.called;
                if is_definite { read } else { OPEN }
            }
        };
        Some(Span {
            kind: operation.kind,
            called: operation.called,
            returned,
        })
    };
    let mut spans: Vec<Span> = operations.iter().filter_map(span).collect();
    spans.sort_by_key(|span| (span.called, span.returned));
    spans
}

/// Depth-first search: the order found so far, and for each of its places what was not tried there yet.
struct Search {
    spans: Vec<Span>,
    placed: Placed,
    value: u64,
    /// Operations in order, with the value before each and the candidates left at its place.
    path: Vec<(usize, u64, Vec<usize>)>,
    candidates: Vec<usize>,
    /// Sets of placed operations with the value behind them, from which everything was tried.
    seen: HashSet<(usize, Vec<usize>, u64)>,
    deepest: (usize, String),
}

/// Which operations are in the order: all before `first`, and those of `ahead`.
#[derive(Clone, Debug, Default)]
struct Placed {
    first: usize,
    ahead: BTreeSet<usize>,
}

impl Placed {
    fn add(&mut self, place: usize) {
        self.ahead.insert(place);
        while self.ahead.remove(&self.first) {
            self.first += 1;
        }
    }

    fn remove(&mut self, place: usize) {
        if place < self.first {
            self.ahead.extend(place + 1..self.first);
            self.first = place;
        } else {
            self.ahead.remove(&place);
        }
    }
}

enum Step {
    Going,
    Found,
    Exhausted,
}

impl Search {
    fn new(spans: Vec<Span>) -> Search {
        let mut search = Search {
            spans,
            placed: Placed::default(),
            value: NEVER_WRITTEN,
            path: Vec::new(),
            candidates: Vec::new(),
            seen: HashSet::new(),
            deepest: (0, String::new()),
        };
        search.candidates = search.next();
        search
    }

    fn step(&mut self) -> Step {
        if self.is_complete() {
            return Step::Found;
        }
        let Some(chosen) = self.candidates.pop() else {
            return self.go_back();
        };
        let Some(value) = after(self.value, self.spans[chosen].kind) else {
            return Step::Going;
        };
        self.placed.add(chosen);
        let ahead = self.placed.ahead.iter().copied().collect();
        if !self.seen.insert((self.placed.first, ahead, value)) {
            self.placed.remove(chosen);
            return Step::Going;
        }
        let left = std::mem::take(&mut self.candidates);
        self.path.push((chosen, self.value, left));
        self.value = value;
        self.candidates = self.next();
        self.note_depth();
        Step::Going
    }

    fn go_back(&mut self) -> Step {
        let Some((last, value, left)) = self.path.pop() else {
            return Step::Exhausted;
        };
        self.placed.remove(last);
        self.value = value;
        self.candidates = left;
        Step::Going
    }

    /// Whether everything that must be in the order is.
    fn is_complete(&self) -> bool {
        let rest = self.spans.iter().enumerate().skip(self.placed.first);
        let mut missing =
            rest.filter(|(place, span)| !self.placed.ahead.contains(place) && span.returned != OPEN);
        missing.next().is_none()
    }

    /// What may come next: everything not placed that began before all of the rest had ended. Earlier calls are tried
    /// first.
    fn next(&self) -> Vec<usize> {
        let (mut next, mut first_end) = (Vec::new(), OPEN);
        for (place, span) in self.spans.iter().enumerate().skip(self.placed.first) {
            if span.called > first_end {
                break;
            }
            if !self.placed.ahead.contains(&place) {
                first_end = first_end.min(span.returned);
                next.push(place);
            }
        }
        next.retain(|place| self.spans[*place].called <= first_end);
        next.reverse();
        next
    }

    fn note_depth(&mut self) {
        if self.path.len() > self.deepest.0 {
            let next: Vec<&Span> = self
                .candidates
                .iter()
                .rev()
                .map(|place| &self.spans[*place])
                .collect();
            let text = format!(
                "{} of {} operations can be put in order; then the register holds {} and the next may be {next:?}",
                self.path.len(),
                self.spans.len(),
                self.value
            );
            self.deepest = (self.path.len(), text);
        }
    }

    fn dead_end(&self) -> String {
        if self.deepest.1.is_empty() {
            return format!(
                "no operation can be the first of {:?}",
                self.spans.iter().take(8).collect::<Vec<_>>()
            );
        }
        self.deepest.1.clone()
    }
}

/// The value behind an operation on a register that holds `value`; `None` if its answer is wrong there.
fn after(value: u64, kind: Kind) -> Option<u64> {
    match kind {
        Kind::Write(written) => Some(written),
        Kind::Read(read) => (read == value).then_some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{Read, Write};

    fn operation(kind: Kind, called: u64, returned: u64) -> Operation {
        Operation {
            kind,
            called,
            returned: Some(returned),
        }
    }

    fn open(value: u64, called: u64) -> Operation {
        Operation {
            kind: Write(value),
            called,
            returned: None,
        }
    }

    fn is_linearizable(operations: &[Operation]) -> bool {
        match judge(operations) {
            Verdict::Linearizable => true,
            Verdict::NotLinearizable(_) => false,
            Verdict::Undecided => panic!("undecided"),
        }
    }

    #[test]
    fn what_ran_at_once_may_be_in_either_order() {
        for value in [0, 1] {
            assert!(is_linearizable(&[
                operation(Write(1), 0, 10),
                operation(Read(value), 5, 6)
            ]));
        }
        for value in [1, 2] {
            let both = [operation(Write(1), 0, 10), operation(Write(2), 0, 10)];
            assert!(is_linearizable(&[
                both[0],
                both[1],
                operation(Read(value), 11, 12)
            ]));
        }
    }

    /// The anomalies that a broken read path shows.
    #[test]
    fn stale_lost_and_invented_values_are_found() {
        let written = [operation(Write(1), 0, 1), operation(Write(2), 2, 3)];
        let with = |reads: &[Operation]| [&written[..], reads].concat();
        assert!(!is_linearizable(&with(&[operation(Read(1), 4, 5)])), "stale");
        assert!(!is_linearizable(&with(&[operation(Read(0), 4, 5)])), "lost");
        assert!(!is_linearizable(&with(&[operation(Read(3), 4, 5)])), "invented");
        assert!(is_linearizable(&with(&[operation(Read(2), 4, 5)])));
    }

    /// A read saw the new value; one that began after its end may not see the old one, though the write goes on.
    #[test]
    fn what_was_seen_once_is_not_unseen() {
        let write = operation(Write(1), 0, 100);
        let seen = operation(Read(1), 10, 20);
        assert!(!is_linearizable(&[write, seen, operation(Read(0), 30, 40)]));
        assert!(is_linearizable(&[write, seen, operation(Read(0), 15, 40)]));
    }

    #[test]
    fn an_open_write_takes_effect_late_or_never_and_once() {
        let writes = [open(1, 0), operation(Write(2), 10, 11)];
        let with = |reads: &[Operation]| [&writes[..], reads].concat();
        assert!(is_linearizable(&with(&[operation(Read(2), 12, 13)])), "never");
        let late = [operation(Read(2), 12, 13), operation(Read(1), 1000, 1001)];
        assert!(is_linearizable(&with(&late)), "late");
        let twice = [&late[..], &[operation(Read(2), 1002, 1003)]].concat();
        assert!(
            !is_linearizable(&with(&twice)),
            "it came after 2, so 2 cannot come back"
        );
        assert!(
            !is_linearizable(&[operation(Read(1), 0, 1), open(1, 2)]),
            "before its call"
        );
    }

    /// The bound is there, and what it cuts off is not called linearizable.
    #[test]
    fn a_search_that_is_given_up_decides_nothing() {
        let operations: Vec<Operation> = (1..50).map(|value| operation(Write(value), 0, 100)).collect();
        assert_eq!(judge_within(&operations, 10), Verdict::Undecided);
    }

    #[test]
    fn the_dead_end_is_shown() {
        let operations = [operation(Write(1), 0, 1), operation(Read(7), 2, 3)];
        let Verdict::NotLinearizable(text) = judge(&operations) else {
            panic!("it is wrong")
        };
        assert!(text.contains("1 of 2") && text.contains("Read(7)"), "{text}");
    }

    #[test]
    fn operations_leave_the_order_as_they_came() {
        let mut placed = Placed::default();
        for place in [1, 0, 3, 2] {
            placed.add(place);
        }
        assert_eq!((placed.first, placed.ahead.len()), (4, 0));
        for place in [2, 3, 0] {
            placed.remove(place);
        }
        assert_eq!((placed.first, placed.ahead), (0, BTreeSet::from([1])));
    }
}
