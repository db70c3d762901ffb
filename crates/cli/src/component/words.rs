//! SMD's words for what a component is, as options take them.

use model::nearest;
use proto::smd::v1::component::{Arch, Class, Flag, State};

/// Words that are a value of an enum, in any case.
fn word<T>(what: &str, text: &str, all: &[(&'static str, T)]) -> Result<T, String>
where
    T: Copy,
{
    let known = all.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    known.map(|(_, value)| *value).ok_or_else(|| {
        let words = || all.iter().map(|(word, _)| *word);
        match nearest(text, words()) {
            Some(meant) => format!("it is no {what}; is it {meant}?"),
            None => format!("it is no {what}: {}", words().collect::<Vec<_>>().join(", ")),
        }
    })
}

/// `Ready`.
pub(super) fn state(text: &str) -> Result<State, String> {
    let all = [
        ("Unknown", State::Unknown),
        ("Empty", State::Empty),
        ("Populated", State::Populated),
        ("Off", State::Off),
        ("On", State::On),
        ("Standby", State::Standby),
        ("Halt", State::Halt),
        ("Ready", State::Ready),
    ];
    word("state", text, &all)
}

/// `OK`.
pub(super) fn flag(text: &str) -> Result<Flag, String> {
    let all = [
        ("Unknown", Flag::Unknown),
        ("OK", Flag::Ok),
        ("Warning", Flag::Warning),
        ("Alert", Flag::Alert),
        ("Locked", Flag::Locked),
    ];
    word("flag", text, &all)
}

/// `X86`.
pub(super) fn arch(text: &str) -> Result<Arch, String> {
    let all = [
        ("X86", Arch::X86),
        ("ARM", Arch::Arm),
        ("UNKNOWN", Arch::Unknown),
        ("Other", Arch::Other),
    ];
    word("architecture", text, &all)
}

/// `River`.
pub(super) fn class(text: &str) -> Result<Class, String> {
    let all = [
        ("River", Class::River),
        ("Mountain", Class::Mountain),
        ("Hill", Class::Hill),
    ];
    word("class", text, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_in_any_case_and_a_slip_names_the_nearest() {
        assert_eq!(state("ready"), Ok(State::Ready));
        assert_eq!(flag("ok"), Ok(Flag::Ok));
        assert_eq!(arch("x86"), Ok(Arch::X86));
        assert_eq!(class("HILL"), Ok(Class::Hill));
        assert!(state("Redy").unwrap_err().contains("is it Ready?"));
        assert!(
            class("Plains and more")
                .unwrap_err()
                .contains("River, Mountain, Hill")
        );
    }
}
