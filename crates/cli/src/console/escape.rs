//! What is typed at a terminal for the console, and what for `chamois` itself, as `ssh` has it: `~.` after a newline.

/// Reads what is typed, across the pieces that it comes in.
#[derive(Debug)]
pub(super) struct Escapes {
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    /// A `~` at the start of a line is held back.
    Tilde,
    Within,
}

impl Escapes {
    pub(super) fn new() -> Escapes {
        Escapes { at: At::LineStart }
    }

    /// What of `typed` is for the console, and whether the console is to end.
    pub(super) fn read(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len() + 1);
        for byte in typed.iter().copied() {
            match (self.at, byte) {
                (At::LineStart, b'~') => {
                    self.at = At::Tilde;
                    continue;
                }
                (At::Tilde, b'.') => return (passed, true),
                (At::Tilde, b'~') => passed.push(b'~'),
                (At::Tilde, other) => passed.extend([b'~', other]),
                (At::LineStart | At::Within, other) => passed.push(other),
            }
            self.at = match byte {
                b'\r' | b'\n' => At::LineStart,
                _ => At::Within,
            };
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&str]) -> (String, bool) {
        let (mut escapes, mut passed) = (Escapes::new(), Vec::new());
        for piece in pieces {
            let (more, ends) = escapes.read(piece.as_bytes());
            passed.extend(more);
            if ends {
                return (String::from_utf8(passed).unwrap(), true);
            }
        }
        (String::from_utf8(passed).unwrap(), false)
    }

    #[test]
    fn a_tilde_and_a_dot_end_it_at_the_start_of_a_line_only() {
        assert_eq!(all(&["~."]), (String::new(), true));
        assert_eq!(all(&["ls\r~.more"]), ("ls\r".to_owned(), true));
        assert_eq!(all(&["ls\r", "~", "."]), ("ls\r".to_owned(), true));
        assert_eq!(all(&["ls ~."]), ("ls ~.".to_owned(), false));
        assert_eq!(all(&["cd ~/x\r"]), ("cd ~/x\r".to_owned(), false));
    }

    /// Nothing that is typed is lost, and a console on a console can be ended, too.
    #[test]
    fn everything_else_goes_through() {
        assert_eq!(all(&["~~."]), ("~.".to_owned(), false));
        assert_eq!(all(&["~/bin/x\r"]), ("~/bin/x\r".to_owned(), false));
        assert_eq!(all(&["~\r~."]), ("~\r".to_owned(), true));
        assert_eq!(all(&["\x03", "\x1b[A"]), ("\x03\x1b[A".to_owned(), false));
    }
}
