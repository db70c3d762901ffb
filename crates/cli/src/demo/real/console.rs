//! The guest's serial console as lines for a terminal: without the escape sequences that firmware draws with.

use std::io::Write as _;

/// What has been shown of a console.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// Bytes of the console that are read already.
    read: usize,
    text: String,
}

impl Console {
    /// Shows the whole lines that are new in `all`, which is everything that was ever on the console.
    pub(super) fn show(&mut self, all: &str) {
        let new = all.get(self.read..).unwrap_or_default();
        let whole = new.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole;
        // the line that had no end yet comes again, longer
        self.text.truncate(self.text.rfind('\n').map_or(0, |end| end + 1));
        let mut out = std::io::stdout().lock();
        for line in new[..whole].lines() {
            let line = plain(line);
            self.text.push_str(&line);
            self.text.push('\n');
            if !line.trim().is_empty() {
                let _ = writeln!(out, "  | {}", line.trim_end());
            }
        }
        // a progress line of firmware has no end yet, but what it names counts
        self.text.push_str(&plain(&new[whole..]));
    }

    /// Whether this text has been on the console.
    pub(super) fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

/// Without escape sequences (ECMA-48: ESC, `[`, parameters, a letter) and other control characters.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next() == Some('[') {
                characters.find(|end| ('@'..='~').contains(end));
            }
        } else if !character.is_control() {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_draws_and_only_its_words_are_kept() {
        assert_eq!(plain("\u{1b}[2J\u{1b}[01;37miPXE\u{1b}[0m ok\r"), "iPXE ok");
        assert_eq!(plain("\u{1b}"), "");
        assert_eq!(plain("\u{1b}[3"), "");
    }

    /// iPXE writes the name of a file long before the line ends.
    #[test]
    fn a_line_counts_before_it_ends_and_once() {
        let mut console = Console::default();
        console.show("first\nhttp://10.97.0.1/files/vml");
        assert!(console.has("first") && !console.has("vmlinuz"));
        console.show("first\nhttp://10.97.0.1/files/vmlinuz... 10%");
        assert!(console.has("vmlinuz"));
        console.show("first\nhttp://10.97.0.1/files/vmlinuz... ok\n");
        assert_eq!(console.text, "first\nhttp://10.97.0.1/files/vmlinuz... ok\n");
    }
}
