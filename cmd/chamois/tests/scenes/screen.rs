//! What somebody sees after all that was written: lines that were overwritten, erased or moved over are as they were left last.

use crate::terminal::COLUMNS;

/// The lines, without blanks at their ends.
pub(super) fn shown(written: &str) -> String {
    let mut screen = Screen::default();
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => screen.row += 1,
            '\r' => screen.column = 0,
            '\u{8}' => screen.column = screen.column.saturating_sub(1),
            '\u{1b}' if rest.peek() == Some(&'[') => {
                rest.next();
                let mut numbers = String::new();
                // CSI: parameters, then one letter
                for c in rest.by_ref() {
                    if c.is_ascii_alphabetic() {
                        screen.control(c, &numbers);
                        break;
                    }
                    numbers.push(c);
                }
            }
            // of two characters
            '\u{1b}' => {
                rest.next();
            }
            c if c.is_control() => {}
            c => screen.put(c),
        }
    }
    screen.text()
}

#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    fn line(&mut self) -> &mut Vec<char> {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Vec::new());
        }
        &mut self.lines[self.row]
    }

    fn put(&mut self, c: char) {
        // only now: what ends with the line and a line feed takes one line
        if self.column == usize::from(COLUMNS) {
            (self.row, self.column) = (self.row + 1, 0);
        }
        let column = self.column;
        let line = self.line();
        if line.len() <= column {
            line.resize(column + 1, ' ');
        }
        line[column] = c;
        self.column += 1;
    }

    fn control(&mut self, letter: char, numbers: &str) {
        let number = numbers
            .split(';')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0_usize);
        let column = self.column;
        match (letter, number) {
            ('A', n) => self.row = self.row.saturating_sub(n.max(1)),
            ('B', n) => self.row += n.max(1),
            ('C', n) => self.column += n.max(1),
            ('D', n) => self.column = self.column.saturating_sub(n.max(1)),
            ('E', n) => (self.row, self.column) = (self.row + n.max(1), 0),
            ('F', n) => (self.row, self.column) = (self.row.saturating_sub(n.max(1)), 0),
            ('G', n) => self.column = n.saturating_sub(1),
            ('H', n) => (self.row, self.column) = (n.saturating_sub(1), 0),
            ('K', 0) => self.line().truncate(column),
            ('K', 2) => self.line().clear(),
            ('J', 0) => {
                self.line().truncate(column);
                let row = self.row;
                self.lines.truncate(row + 1);
            }
            // all of it
            ('J', 2 | 3) => self.lines.clear(),
            // colours, the cursor itself, modes
            _ => {}
        }
    }

    fn text(&self) -> String {
        let lines = self
            .lines
            .iter()
            .map(|line| line.iter().collect::<String>().trim_end().to_owned());
        let text = lines.collect::<Vec<_>>().join("\n");
        match text.trim_end() {
            "" => String::new(),
            text => format!("{text}\n"),
        }
    }
}

#[test]
fn what_is_written_over_is_what_is_seen() {
    for (written, seen) in [
        ("a\r\nb\r\n", "a\nb\n"),
        ("10 %\r100 %\r\n", "100 %\n"),
        ("one\r\ntwo\r\n\u{1b}[2A\u{1b}[2Konly\r\n", "only\ntwo\n"),
        ("one\r\ntwo\u{1b}[1;1H\u{1b}[Jx", "x\n"),
        ("\u{1b}[?25l\u{1b}[32mgreen\u{1b}[0m", "green\n"),
        ("gone\u{1b}[2J\u{1b}[Hhere", "here\n"),
    ] {
        assert_eq!(shown(written), seen, "{written:?}");
    }
}
