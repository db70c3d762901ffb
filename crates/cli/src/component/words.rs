//! SMD's words for what a component is, as options take them.

use model::{HmsType, nearest};
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

/// A filter: the word may have a `!` before it. It goes to the cluster as it is.
fn filter<T>(text: &str, word: impl FnOnce(&str) -> Result<T, String>) -> Result<String, String> {
    word(text.strip_prefix('!').unwrap_or(text))?;
    Ok(text.to_owned())
}

/// `Node`, `!NodeBMC`.
pub(super) fn type_filter(text: &str) -> Result<String, String> {
    let all: Vec<(&str, ())> = HmsType::ALL.iter().map(|kind| (kind.as_str(), ())).collect();
    filter(text, |text| word("type", text, &all))
}

/// `Ready`, `!Off`.
pub(super) fn state_filter(text: &str) -> Result<String, String> {
    filter(text, state)
}

/// `OK`, `!Alert`.
pub(super) fn flag_filter(text: &str) -> Result<String, String> {
    filter(text, flag)
}

/// `X86`, `!ARM`.
pub(super) fn arch_filter(text: &str) -> Result<String, String> {
    filter(text, arch)
}

/// `River`, `!Hill`.
pub(super) fn class_filter(text: &str) -> Result<String, String> {
    filter(text, class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_words_that_may_be_negated() {
        assert_eq!(state_filter("!ready").as_deref(), Ok("!ready"));
        assert_eq!(type_filter("nodebmc").as_deref(), Ok("nodebmc"));
        for (refused, meant) in [
            (type_filter("Nod"), "is it Node?"),
            (type_filter("!NodeBCM"), "is it NodeBMC?"),
            (state_filter("!Redy"), "is it Ready?"),
            (flag_filter("Alret"), "is it Alert?"),
            (arch_filter("X68"), "is it X86?"),
            (class_filter("Hil"), "is it Hill?"),
            (class_filter(""), "River, Mountain, Hill"),
        ] {
            let problem = refused.unwrap_err();
            assert!(problem.contains(meant), "{problem}");
        }
    }

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
