//! Operations by the names that PCS gives them.

pub(crate) use proto::power::v1::power_transition::Operation;

/// Every operation, in the order of PCS's documents.
pub(crate) const ALL: [Operation; 7] = [
    Operation::On,
    Operation::Off,
    Operation::SoftOff,
    Operation::ForceOff,
    Operation::SoftRestart,
    Operation::HardRestart,
    Operation::Init,
];

/// As PCS writes it; empty for none.
pub(crate) fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Unspecified => "",
        Operation::On => "On",
        Operation::Off => "Off",
        Operation::SoftOff => "Soft-Off",
        Operation::ForceOff => "Force-Off",
        Operation::SoftRestart => "Soft-Restart",
        Operation::HardRestart => "Hard-Restart",
        Operation::Init => "Init",
    }
}

/// The operation of a name, in any case.
///
/// # Errors
/// What is accepted.
pub(crate) fn parse(text: &str) -> Result<Operation, String> {
    let found = ALL
        .into_iter()
        .find(|operation| name(*operation).eq_ignore_ascii_case(text.trim()));
    found.ok_or_else(|| {
        let accepted = ALL.map(name).join(", ");
        format!("`{}` is no operation; write {accepted}", text.escape_debug())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Today's `ochami` sends what its user typed.
    #[test]
    fn names_are_taken_in_any_case() {
        for operation in ALL {
            let written = name(operation);
            for text in [
                written.to_owned(),
                written.to_lowercase(),
                written.to_uppercase(),
                format!(" {written} "),
            ] {
                assert_eq!(parse(&text), Ok(operation), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_operation_is_told_with_those_that_are() {
        for wrong in ["", "reset", "SoftOff", "on,off", "Unspecified"] {
            let problem = parse(wrong).unwrap_err();
            assert!(problem.contains(&format!("`{wrong}`")), "{problem}");
            assert!(
                problem.ends_with("On, Off, Soft-Off, Force-Off, Soft-Restart, Hard-Restart, Init"),
                "{problem}"
            );
        }
    }

    #[test]
    fn every_operation_of_the_proto_is_in_the_list() {
        let known = (1..=7).map(|number| Operation::try_from(number).unwrap());
        assert!(known.into_iter().all(|operation| ALL.contains(&operation)));
        assert!(
            Operation::try_from(8).is_err(),
            "a new one needs a name and a plan"
        );
    }
}
