//! Who is answered where a network answers the components of some of SMD's groups alone (`dhcp-answer-only`). Pure.

use model::Xname;
use state::State;

/// Whether a client is answered. `labels` are those of the groups whose components alone are; none: everybody is. `component`
/// is whose interface asks, as far as it is anybody's.
pub fn is_answered(state: &State, component: Option<&Xname>, labels: &[String]) -> bool {
    if labels.is_empty() {
        return true;
    }
    let is_named = |label: &str| labels.iter().any(|named| named == label);
    component.is_some_and(|component| state.smd.group_labels_of(component).any(is_named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_groups_everybody_is_answered_and_with_them_nobody_outside() {
        let state = State::default();
        let node: Xname = "x1000c0s0b0n0".parse().unwrap();
        for component in [Some(&node), None] {
            assert!(is_answered(&state, component, &[]));
            assert!(!is_answered(&state, component, &["moved".to_owned()]));
        }
    }
}
