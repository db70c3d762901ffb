//! Names as journals have them: bounded, and of characters that change nothing on a terminal or in a log of lines.

/// Characters of one name; what is longer ends with [`CUT`].
const CHARS_MAX: usize = 512;
/// Stands for the rest of a name that is too long.
const CUT: &str = "~";

/// A name that may be a stranger's. Everything but printable ASCII is written as an escape of Rust, and so is the backslash itself,
/// so that two names never look the same.
pub(crate) fn clean(name: &str) -> String {
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && c != '\\';
    if name.len() <= CHARS_MAX && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let mut cleaned = String::new();
    for (place, letter) in name.chars().enumerate() {
        if place == CHARS_MAX {
            cleaned.push_str(CUT);
            break;
        }
        match is_plain(letter) {
            true => cleaned.push(letter),
            false => cleaned.extend(letter.escape_default()),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_stay_as_they_are() {
        for name in [
            "",
            "x1000c0s0b0n0",
            "user/ada",
            "a b",
            "10.0.0.0/8",
            "{\"quoted\"}",
        ] {
            assert_eq!(clean(name), name);
        }
    }

    /// A line break would forge a line, an escape sequence a whole screen, an override of direction another name.
    #[test]
    fn what_changes_how_a_line_reads_is_escaped() {
        for (name, expected) in [
            ("a\nb", "a\\nb"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{202e}nimda", "\\u{202e}nimda"),
            ("a\0b\u{7f}", "a\\u{0}b\\u{7f}"),
            ("ä", "\\u{e4}"),
            ("a\\nb", "a\\\\nb"),
        ] {
            assert_eq!(clean(name), expected);
        }
        assert_ne!(clean("a\nb"), clean("a\\nb"));
    }

    #[test]
    fn a_name_without_end_is_cut() {
        let cleaned = clean(&"\n".repeat(1 << 20));
        assert_eq!(cleaned.len(), 2 * CHARS_MAX + 1);
        assert!(cleaned.ends_with(CUT));
        assert_eq!(clean(&"x".repeat(CHARS_MAX)).len(), CHARS_MAX);
    }
}
