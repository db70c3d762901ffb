//! The judge against every order there is, and against histories that are right because they were made so.

use proptest::prelude::*;

use super::{Kind, Operation, Verdict, judge};

/// Tries all orders of all subsets that hold every answered operation: the definition itself.
fn has_an_order(rest: &[Operation], value: u64) -> bool {
    if rest.iter().all(|operation| operation.returned.is_none()) {
        return true;
    }
    let ends = rest.iter().filter_map(|operation| operation.returned);
    let first_end = ends.min().unwrap_or(u64::MAX);
    (0..rest.len())
        .filter(|place| rest[*place].called <= first_end)
        .any(|place| {
            let mut others = rest.to_vec();
            match others.remove(place).kind {
                Kind::Read(read) => read == value && has_an_order(&others, value),
                Kind::Write(written) => has_an_order(&others, written),
            }
        })
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let kind = (any::<bool>(), 0..4_u64);
    (kind, 0..12_u64, 0..6_u64, 0..5_u8).prop_map(|((is_write, value), called, took, open)| {
        let kind = if is_write {
            Kind::Write(value)
        } else {
            Kind::Read(value)
        };
        let is_open = is_write && open == 0;
        Operation {
            kind,
            called,
            returned: (!is_open).then_some(called + took),
        }
    })
}

/// A register that works: each operation takes effect at a moment between its call and its answer.
fn a_right_history() -> impl Strategy<Value = Vec<Operation>> {
    // effects one after the other; lead and lag overlap the neighbours
    let one = (any::<bool>(), 0..40_u64, 0..40_u64, 0..8_u8);
    prop::collection::vec(one, 1..120).prop_map(|steps| {
        let mut value = 0;
        let operation = |(number, (is_write, lead, lag, fate)): (u64, (bool, u64, u64, u8))| {
            let effect = 100 + 10 * number;
            let (called, returned) = (effect - lead, Some(effect + lag));
            if !is_write {
                return Operation {
                    kind: Kind::Read(value),
                    called,
                    returned,
                };
            }
            // some answers are lost; of those some writes never take effect
            let returned = returned.filter(|_| fate > 1);
            if fate != 0 {
                value = number + 1;
            }
            Operation {
                kind: Kind::Write(number + 1),
                called,
                returned,
            }
        };
        (0..).zip(steps).map(operation).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Values repeat here, and reads come before their writes: the shortcuts for open writes must not lie.
    #[test]
    fn the_judge_agrees_with_every_order_there_is(operations in prop::collection::vec(any_operation(), 0..7)) {
        let expected = has_an_order(&operations, 0);
        prop_assert_eq!(judge(&operations) == Verdict::Linearizable, expected);
    }

    #[test]
    fn a_register_that_works_is_never_accused(operations in a_right_history()) {
        prop_assert_eq!(judge(&operations), Verdict::Linearizable);
    }

    /// After everything a read of the first value: wrong as soon as a later write was answered before it began.
    #[test]
    fn a_stale_read_at_the_end_is_found(operations in a_right_history()) {
        let end = operations.iter().filter_map(|operation| operation.returned).max().unwrap_or(0);
        let Some(last) = operations.iter().rev().find_map(|operation| match operation.kind {
            Kind::Write(value) if operation.returned.is_some() => Some(value),
            _ => None,
        }) else { return Ok(()) };
        let stale = Operation { kind: Kind::Read(0), called: end + 1, returned: Some(end + 2) };
        let with = [&operations[..], &[stale]].concat();
        prop_assert!(matches!(judge(&with), Verdict::NotLinearizable(_)), "{last} was there");
    }
}
