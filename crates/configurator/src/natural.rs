//! The order in which people read names: `nid2` before `nid10`, `x9` before `x1000`.

use std::cmp::Ordering;

/// Compares two names, numbers in them by value. Names that differ in zeros alone are ordered as texts, so that the order is
/// total.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut one, mut other) = (left.as_bytes(), right.as_bytes());
    loop {
        let order = match (one.first(), other.first()) {
            (None, _) | (_, None) => return one.len().cmp(&other.len()).then_with(|| left.cmp(right)),
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (a, rest) = number(one);
                let (b, other_rest) = number(other);
                (one, other) = (rest, other_rest);
                a.len().cmp(&b.len()).then_with(|| a.cmp(b))
            }
            (Some(a), Some(b)) => {
                (one, other) = (&one[1..], &other[1..]);
                a.cmp(b)
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits that a text begins with, without zeros in front, and the rest.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let zeros = text[..digits].iter().take_while(|byte| **byte == b'0').count();
    (&text[zeros..digits], &text[digits..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_by_value() {
        let mut names = [
            "x1000c0", "nid10", "x9c10", "nid2", "x9c2", "nid", "nid010", "a", "",
        ];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            [
                "", "a", "nid", "nid2", "nid010", "nid10", "x9c2", "x9c10", "x1000c0"
            ]
        );
    }

    #[test]
    fn a_number_longer_than_any_integer_is_compared_too() {
        let (short, long) = (format!("n{}", "9".repeat(50)), format!("n1{}", "0".repeat(50)));
        assert_eq!(natural_order(&short, &long), Ordering::Less);
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "[a0-2é]{0,6}", b in "[a0-2é]{0,6}", c in "[a0-2é]{0,6}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b) == Ordering::Equal, a == b);
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le());
            }
        }
    }
}
