//! The reads and writes of each register have an order that explains all answers.

use super::Evidence;
use crate::checker::{Verdict, judge};

pub(super) fn check(evidence: &mut Evidence<'_>) -> Result<(), String> {
    for (register, operations) in evidence.history.registers() {
        match judge(&operations) {
            Verdict::Linearizable => {}
            Verdict::NotLinearizable(text) => return Err(format!("{register}: {text}")),
            Verdict::Undecided => return Err(format!("{register}: the search was given up")),
        }
    }
    Ok(())
}
