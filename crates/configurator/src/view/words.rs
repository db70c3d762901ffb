//! SMD's words for what the state has as numbers.

use proto::smd::v1::component::{Arch, Class, Flag, State};

/// Free text where it may break no line and no placeholder.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

pub(super) fn state_word(state: State) -> &'static str {
    match state {
        State::Unspecified => "",
        State::Unknown => "Unknown",
        State::Empty => "Empty",
        State::Populated => "Populated",
        State::Off => "Off",
        State::On => "On",
        State::Standby => "Standby",
        State::Halt => "Halt",
        State::Ready => "Ready",
    }
}

pub(super) fn flag_word(flag: Flag) -> &'static str {
    match flag {
        Flag::Unspecified => "",
        Flag::Unknown => "Unknown",
        Flag::Ok => "OK",
        Flag::Warning => "Warning",
        Flag::Alert => "Alert",
        Flag::Locked => "Locked",
    }
}

pub(super) fn arch_word(arch: Arch) -> &'static str {
    match arch {
        Arch::Unspecified => "",
        Arch::X86 => "X86",
        Arch::Arm => "ARM",
        Arch::Unknown => "UNKNOWN",
        Arch::Other => "Other",
    }
}

pub(super) fn class_word(class: Class) -> &'static str {
    match class {
        Class::Unspecified => "",
        Class::River => "River",
        Class::Mountain => "Mountain",
        Class::Hill => "Hill",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_hsm() {
        assert_eq!(state_word(State::Ready), "Ready");
        assert_eq!(state_word(State::Unspecified), "");
        assert_eq!(flag_word(Flag::Ok), "OK");
        assert_eq!(
            (arch_word(Arch::Arm), arch_word(Arch::Unknown)),
            ("ARM", "UNKNOWN")
        );
        assert_eq!(class_word(Class::Mountain), "Mountain");
    }

    #[test]
    fn a_text_stays_on_its_line() {
        assert_eq!(one_line("a\r\nb\tc\u{1}\u{85}d é"), "a  b c  d é");
    }
}
