//! Where things stand in a YAML file: the library that reads it does not say. They come in the order of the file, so each is
//! looked for behind the one before.

use super::files::Source;
use super::found::Place;

/// The lines of a file, and how far it has been read.
pub(super) struct Lines<'a> {
    source: &'a Source,
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: &'a Source) -> Lines<'a> {
        Lines {
            source,
            lines: source.text.lines().collect(),
            next: 0,
        }
    }

    /// Goes on behind the line of a key, if there is one.
    pub(super) fn enter(&mut self, key: &str) {
        if let Some(line) = self.find(|line| is_key(line, key)) {
            self.next = line + 1;
        }
    }

    /// The line of a key; the present one if it is written in another way.
    pub(super) fn find_key(&self, key: &str) -> Place {
        self.place(self.find(|line| is_key(line, key)))
    }

    /// The line of the next element of a list that is named so; goes on behind it.
    pub(super) fn next_item(&mut self, name: &str) -> Place {
        let found = self.find(|line| {
            let item = line.trim_start().strip_prefix('-').map(str::trim_start);
            item.is_some_and(|item| item == name || is_key(item, name))
        });
        self.next = found.map_or(self.next, |line| line + 1);
        self.place(found)
    }

    /// The next line with this text; goes on behind it.
    pub(super) fn next_text(&mut self, text: &str) -> Option<Place> {
        let text = text.trim();
        let found = self.find(|line| !text.is_empty() && line.contains(text))?;
        self.next = found + 1;
        Some(self.place(Some(found)))
    }

    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<usize> {
        let rest = self.lines.iter().enumerate().skip(self.next);
        let mut found = rest.filter(|(_, line)| wanted(line));
        found.next().map(|(place, _)| place)
    }

    fn place(&self, line: Option<usize>) -> Place {
        self.source
            .start()
            .at_line(line.unwrap_or(self.next.saturating_sub(1)) + 1)
    }
}

fn is_key(line: &str, key: &str) -> bool {
    let rest = line
        .trim_start()
        .trim_start_matches(['"', '\''])
        .strip_prefix(key);
    rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same names stand under both servers, and the same text twice in one plugin.
    #[test]
    fn each_is_found_behind_the_one_before() {
        let text = "server6:\n  plugins:\n    - dns: a\nserver4:\n  plugins:\n    - dns: b\n    -  \"coresmd\" : |\n        a=1\n        \
                    a=1\n    - dns: c\n";
        let source = Source::of("c.yaml", text);
        let mut lines = Lines::new(&source);
        assert_eq!(lines.find_key("server6").line, 1);
        lines.enter("server4");
        lines.enter("plugins");
        assert_eq!(lines.next_item("dns").line, 6);
        assert_eq!(lines.next_item("coresmd").line, 7);
        assert_eq!(lines.next_text("a=1").map(|at| at.line), Some(8));
        assert_eq!(lines.next_text(" a=1").map(|at| at.line), Some(9));
        assert_eq!(lines.next_text("a=1"), None);
        assert_eq!(lines.next_item("dns").to_string(), "c.yaml:10");
        assert_eq!(lines.next_item("none").line, 10, "no worse than where it was");
    }
}
