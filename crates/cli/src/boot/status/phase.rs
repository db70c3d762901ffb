//! Phases, times and sizes as people read them.

use proto::bss::v1::boot_phase::Phase;

/// What is shown of a node that was never seen to boot.
pub(super) const NEVER: &str = "never seen";

/// As the HTTP API names it: `PHASE_META_DATA` is `meta-data`.
pub(super) fn name(phase: Phase) -> String {
    match phase {
        Phase::Unspecified => NEVER.to_owned(),
        phase => phase
            .as_str_name()
            .trim_start_matches("PHASE_")
            .to_lowercase()
            .replace('_', "-"),
    }
}

/// `42 s`, `3 min 5 s`, `2 h 7 min`, `3 d 4 h`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `17 B`, `3 KiB`, `120 MiB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// A number, or nothing for one that is not known.
pub(super) fn known(number: u64) -> String {
    match number {
        0 => String::new(),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_the_names_of_the_api() {
        assert_eq!(name(Phase::Offered), "offered");
        assert_eq!(name(Phase::NetworkConfig), "network-config");
        assert_eq!(name(Phase::PhonedHome), "phoned-home");
    }

    #[test]
    fn two_units_are_enough() {
        for (ms, text) in [
            (999, "0 s"),
            (59_000, "59 s"),
            (185_000, "3 min 5 s"),
            (7_620_000, "2 h 7 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(
            [size(17), size(4000), size(1 << 27)],
            ["17 B", "3 KiB", "128 MiB"]
        );
        assert_eq!([known(0), known(7)], ["", "7"]);
    }
}
