//! The syntax of dhcpd.conf: words that end in a semicolon or in a block. What they mean is not decided here.

use super::files::{Files, Source};
use super::found::{DhcpImport, Place};

/// Blocks within blocks; dhcpd itself needs four.
const DEPTH_MAX: usize = 32;

/// `words;` or `words { block }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) at: Place,
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Statement>>,
}

impl Statement {
    /// The first words, in lower case: keywords are of any case.
    pub(super) fn keyword(&self) -> String {
        self.words
            .first()
            .map(|word| word.to_ascii_lowercase())
            .unwrap_or_default()
    }

    /// What follows the first `count` words, as it is told to people and split at commas.
    pub(super) fn rest(&self, count: usize) -> String {
        self.words.get(count..).unwrap_or_default().join(" ")
    }

    /// All words, for people.
    pub(super) fn text(&self) -> String {
        self.rest(0)
    }
}

/// Reads a file and what it includes. A file that cannot be included is told in `import`.
///
/// # Errors
/// The place of what is no statement, and what is expected.
pub(super) fn read(
    source: &Source,
    files: &mut Files,
    import: &mut DhcpImport,
) -> Result<Vec<Statement>, String> {
    let mut reading = Reading {
        tokens: tokens(source)?.into_iter(),
        source,
        files,
        import,
    };
    reading.statements(None, 0)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
    End,
}

struct Reading<'a> {
    tokens: std::vec::IntoIter<(usize, Token)>,
    source: &'a Source,
    files: &'a mut Files,
    import: &'a mut DhcpImport,
}

impl Reading<'_> {
    fn place(&self, line: usize) -> Place {
        self.source.start().at_line(line)
    }

    /// Up to the brace that ends the block, which begins at line `opened`, or the end of the file.
    fn statements(&mut self, opened: Option<usize>, depth: usize) -> Result<Vec<Statement>, String> {
        if depth > DEPTH_MAX {
            let at = self.place(opened.unwrap_or_default());
            return Err(format!(
                "{at}: blocks stand more than {DEPTH_MAX} deep in each other"
            ));
        }
        let mut statements = Vec::new();
        let mut words: Vec<(usize, String)> = Vec::new();
        while let Some((line, token)) = self.tokens.next() {
            match token {
                Token::Word(word) => words.push((line, word)),
                Token::End if words.is_empty() => {} // `};` is common
                Token::End => {
                    let statement = self.statement(std::mem::take(&mut words), None);
                    self.add(statement, &mut statements)?;
                }
                Token::Open => {
                    let head = match words.is_empty() {
                        true => vec![(line, String::new())],
                        false => std::mem::take(&mut words),
                    };
                    let block = self.statements(Some(line), depth + 1)?;
                    statements.push(self.statement(head, Some(block)));
                }
                Token::Close if opened.is_some() && words.is_empty() => return Ok(statements),
                Token::Close => return Err(self.misplaced(line, &words)),
            }
        }
        match (opened, words.first()) {
            (_, Some((line, word))) => {
                let at = self.place(*line);
                Err(format!(
                    "{at}: `{}` does not end; a semicolon is missing",
                    shown(word)
                ))
            }
            (Some(line), None) => Err(format!(
                "{}: this block does not end; a `}}` is missing",
                self.place(line)
            )),
            (None, None) => Ok(statements),
        }
    }

    fn misplaced(&self, line: usize, words: &[(usize, String)]) -> String {
        match words.first() {
            Some((line, word)) => {
                let at = self.place(*line);
                format!(
                    "{at}: `{}` does not end; a semicolon is missing before `}}`",
                    shown(word)
                )
            }
            None => format!("{}: there is a `}}` too many", self.place(line)),
        }
    }

    fn statement(&self, words: Vec<(usize, String)>, block: Option<Vec<Statement>>) -> Statement {
        let line = words.first().map_or(1, |(line, _)| *line);
        Statement {
            at: self.place(line),
            words: words.into_iter().map(|(_, word)| word).collect(),
            block,
        }
    }

    /// What is included stands where its `include` does.
    fn add(&mut self, statement: Statement, to: &mut Vec<Statement>) -> Result<(), String> {
        if statement.keyword() != "include" || statement.words.len() != 2 {
            to.push(statement);
            return Ok(());
        }
        match self.files.include(self.source, &statement.words[1]) {
            Ok(source) => to.extend(read(&source, self.files, self.import)?),
            Err(problem) => self.import.refuse(&statement.at, &statement.text(), problem),
        }
        Ok(())
    }
}

/// Commas stay at the end of their words, quotes are taken off.
fn tokens(source: &Source) -> Result<Vec<(usize, Token)>, String> {
    let mut tokens = Vec::new();
    let mut chars = source.text.chars().peekable();
    let mut line = 1;
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            ';' => tokens.push((line, Token::End)),
            '{' => tokens.push((line, Token::Open)),
            '}' => tokens.push((line, Token::Close)),
            '"' => {
                let (text, newlines) = quoted_text(&mut chars).ok_or_else(|| {
                    format!(
                        "{}: this text does not end; a `\"` is missing",
                        source.start().at_line(line)
                    )
                })?;
                tokens.push((line, Token::Word(text)));
                line += newlines;
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                let is_of_word = |c: &char| !c.is_whitespace() && !matches!(c, ';' | '{' | '}' | '"' | '#');
                while let Some(c) = chars.next_if(is_of_word) {
                    word.push(c);
                }
                tokens.push((line, Token::Word(word)));
            }
        }
    }
    Ok(tokens)
}

/// Up to the closing quote, and the line ends in it; `None` if there is no such quote.
fn quoted_text(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<(String, usize)> {
    let (mut text, mut newlines) = (String::new(), 0);
    loop {
        match chars.next()? {
            '"' => return Some((text, newlines)),
            '\\' => text.push(chars.next()?),
            c => {
                newlines += usize::from(c == '\n');
                text.push(c);
            }
        }
    }
}

fn shown(word: &str) -> String {
    crate::import::diff::quoted(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Statement>, String> {
        super::read(
            &Source::of("d.conf", text),
            &mut Files::none(),
            &mut DhcpImport::default(),
        )
    }

    /// `2 host a[3 hardware ethernet 02:…]`
    fn drawn(statements: &[Statement]) -> String {
        let drawn = statements.iter().map(|statement| {
            let block = statement.block.as_ref();
            let block = block.map(|block| format!("[{}]", drawn(block)));
            format!(
                "{} {}{}",
                statement.at.line,
                statement.words.join("|"),
                block.unwrap_or_default()
            )
        });
        drawn.collect::<Vec<_>>().join(" / ")
    }

    #[test]
    fn statements_are_read_whatever_their_spacing() {
        let text = "# comment; with {\n option  routers 10.0.0.1,10.0.0.2 ;}";
        let error = read(text).unwrap_err();
        assert_eq!(error, "d.conf:2: there is a `}` too many");
        let text = "authoritative;;\nsubnet 10.0.0.0 netmask\n 255.0.0.0{host a{hardware ethernet 02:00:00:00:00:01;}\n\n};\
                    option x \"a;{\\\"}\nb\" ; c#d\n;";
        assert_eq!(
            drawn(&read(text).unwrap()),
            "1 authoritative / 2 subnet|10.0.0.0|netmask|255.0.0.0[3 host|a[3 hardware|ethernet|02:00:00:00:00:01]] / \
             5 option|x|a;{\"}\nb / 6 c"
        );
    }

    #[test]
    fn what_does_not_end_is_told_where_it_begins() {
        for (text, error) in [
            (
                "a;\nsubnet {\n",
                "d.conf:2: this block does not end; a `}` is missing",
            ),
            (
                "a;\n\noption routers 10.0.0.1\n",
                "d.conf:3: `option` does not end; a semicolon",
            ),
            (
                "a {\n b c }",
                "d.conf:2: `b` does not end; a semicolon is missing before `}`",
            ),
            ("a;\nb \"c;\n", "d.conf:2: this text does not end"),
        ] {
            let got = read(text).unwrap_err();
            assert!(got.starts_with(error), "{got}");
        }
    }

    /// The stack is bounded, whatever a file says.
    #[test]
    fn blocks_are_bounded_in_depth() {
        let deep = "a {\n".repeat(100_000);
        assert!(read(&deep).unwrap_err().contains("more than 32 deep"));
    }

    #[test]
    fn what_is_included_stands_in_its_place_with_its_own_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(
            path("d.conf"),
            "a;\ngroup {\ninclude \"b.conf\";\n}\ninclude \"none\";",
        )
        .unwrap();
        std::fs::write(path("b.conf"), "\n\nhost b { c; }").unwrap();
        let (mut files, mut import) = (Files::new(), DhcpImport::default());
        let source = files.open(&path("d.conf")).unwrap();
        let statements = super::read(&source, &mut files, &mut import).unwrap();
        assert_eq!(drawn(&statements), "1 a / 2 group[3 host|b[3 c]]");
        let included = &statements[1].block.as_ref().unwrap()[0];
        assert!(included.at.file.ends_with("b.conf"), "{}", included.at);
        assert_eq!(import.wrong[0].what, "include none");
        assert_eq!(import.wrong[0].at.line, 5);
    }
}
