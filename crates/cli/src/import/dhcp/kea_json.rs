//! Kea's JSON: with comments (`#`, `//`, `/* */`), `<?include "file"?>` and commas before a closing bracket. The one parser
//! of ours for JSON: what is wrong is told with its line, which `serde_json` does not keep; texts and numbers are read by it.

use super::files::{Files, Source};
use super::found::Place;

/// Objects and lists within each other; Kea itself needs nine.
const DEPTH_MAX: usize = 64;

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// What a configuration can hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
    Text(String),
    /// A number, `true`, `false` or `null`.
    Scalar(serde_json::Value),
}

impl Node {
    /// The members of an object; none of anything else.
    pub(super) fn members(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn elements(&self) -> &[Node] {
        match &self.value {
            Value::List(elements) => elements,
            _ => &[],
        }
    }

    /// The member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let mut members = self.members().iter();
        members.find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// A text, or a number in digits.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Scalar(serde_json::Value::Number(number)) => Some(number.to_string()),
            Value::Scalar(_) | Value::Object(_) | Value::List(_) => None,
        }
    }

    /// Whether it is `true`.
    pub(super) fn is_true(&self) -> bool {
        self.value == Value::Scalar(serde_json::Value::Bool(true))
    }
}

/// Reads a file and what it includes.
///
/// # Errors
/// The place of what is no JSON, and what is expected.
pub(super) fn read(source: &Source, files: &mut Files) -> Result<Node, String> {
    let mut reading = Reading::new(source, files);
    let node = reading.value(0)?;
    match reading.peek()? {
        None => Ok(node),
        Some(_) => Err(reading.wrong("there is something behind the end")),
    }
}

struct Reading<'a> {
    source: &'a Source,
    files: &'a mut Files,
    rest: &'a str,
    line: usize,
}

impl<'a> Reading<'a> {
    fn new(source: &'a Source, files: &'a mut Files) -> Reading<'a> {
        Reading {
            source,
            files,
            rest: source.text.trim_start_matches('\u{feff}'),
            line: 1,
        }
    }

    fn place(&self) -> Place {
        self.source.start().at_line(self.line)
    }

    fn wrong(&self, problem: &str) -> String {
        let near: String = self.rest.chars().take_while(|c| *c != '\n').collect();
        match near.is_empty() {
            true => format!("{}: {problem}", self.place()),
            false => format!(
                "{}: {problem}, at `{}`",
                self.place(),
                crate::import::diff::quoted(&near)
            ),
        }
    }

    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.line += skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
    }

    /// The next character that counts.
    fn peek(&mut self) -> Result<Option<char>, String> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.skip(blanks);
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.skip(end);
            } else if self.rest.starts_with("/*") {
                let end = self.rest.find("*/");
                let end = end.ok_or_else(|| self.wrong("this comment does not end; `*/` is missing"))?;
                self.skip(end + 2);
            } else {
                return Ok(self.rest.chars().next());
            }
        }
    }

    /// Takes this character if it is the next one that counts.
    fn take(&mut self, wanted: char) -> Result<bool, String> {
        let is_next = self.peek()? == Some(wanted);
        if is_next {
            self.skip(wanted.len_utf8());
        }
        Ok(is_next)
    }

    fn value(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("objects and lists stand more than 64 deep in each other"));
        }
        let next = self.peek()?;
        let at = self.place();
        let value = match next {
            None => return Err(self.wrong("a value is missing")),
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some('<') => return self.included(),
            Some(_) => self.scalar()?,
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.skip(1);
        let mut members = Vec::new();
        loop {
            match self.peek()? {
                Some('}') => break,
                // an include may stand for members, as Kea pastes text
                Some('<') => match self.included()?.value {
                    Value::Object(included) => members.extend(included),
                    _ => {
                        return Err(
                            self.wrong("what is included here is no object: write the members in { }")
                        );
                    }
                },
                Some('"') => {
                    let name = self.string()?;
                    if !self.take(':')? {
                        return Err(self.wrong("a `:` is missing behind a name"));
                    }
                    members.push((name, self.value(depth + 1)?));
                }
                Some(_) => return Err(self.wrong("a name in quotes, or `}`, is missing")),
                None => return Err(self.wrong("an object does not end; a `}` is missing")),
            }
            if !self.take(',')? && self.peek()? != Some('}') {
                return Err(self.wrong("a `,` or a `}` is missing"));
            }
        }
        self.skip(1);
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.skip(1);
        let mut elements = Vec::new();
        loop {
            match self.peek()? {
                Some(']') => break,
                None => return Err(self.wrong("a list does not end; a `]` is missing")),
                Some('<') => match self.included()? {
                    Node {
                        value: Value::List(included),
                        ..
                    } => elements.extend(included),
                    node => elements.push(node),
                },
                Some(_) => elements.push(self.value(depth + 1)?),
            }
            if !self.take(',')? && self.peek()? != Some(']') {
                return Err(self.wrong("a `,` or a `]` is missing"));
            }
        }
        self.skip(1);
        Ok(Value::List(elements))
    }

    fn string(&mut self) -> Result<String, String> {
        let mut is_escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let is_end = *c == '"' && !is_escaped;
            is_escaped = *c == '\\' && !is_escaped;
            is_end
        });
        let (end, _) = end.ok_or_else(|| self.wrong("this text does not end; a `\"` is missing"))?;
        let text = serde_json::from_str(&self.rest[..=end]);
        let text = text.map_err(|_| self.wrong("this is no text of JSON"))?;
        self.skip(end + 1);
        Ok(text)
    }

    fn scalar(&mut self) -> Result<Value, String> {
        let is_end =
            |c: char| c.is_whitespace() || matches!(c, ',' | ':' | ']' | '}' | '#' | '/' | '"' | '[' | '{');
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let scalar = serde_json::from_str(&self.rest[..end]);
        let scalar = scalar.map_err(|_| self.wrong("this is no value of JSON"))?;
        self.skip(end);
        Ok(Value::Scalar(scalar))
    }

    /// `<?include "file"?>`: the document in it stands here.
    fn included(&mut self) -> Result<Node, String> {
        let end = self.rest.find("?>");
        let end = end.ok_or_else(|| self.wrong("write <?include \"file\"?>"))?;
        let inside = &self.rest[..end];
        let name = inside
            .strip_prefix("<?include")
            .map(|name| name.trim().trim_matches('"'));
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| self.wrong("write <?include \"file\"?>"))?;
        let source = self.files.include(self.source, name);
        let source = source.map_err(|problem| self.wrong(&problem))?;
        let node = read_included(&source, self.files)?;
        self.skip(end + 2);
        Ok(node)
    }
}

/// A file may hold one value, or, as Kea pastes text, the members of an object or the elements of a list without brackets.
fn read_included(source: &Source, files: &mut Files) -> Result<Node, String> {
    let mut reading = Reading::new(source, files);
    match reading.peek()? {
        Some('"') => {
            let members = as_if_in(source, '{', '}');
            read(&members, files).or_else(|_| read(source, files))
        }
        _ => read(source, files)
            .or_else(|problem| read(&as_if_in(source, '[', ']'), files).map_err(|_| problem)),
    }
}

/// On the same lines as before.
fn as_if_in(source: &Source, open: char, close: char) -> Source {
    let text = format!("{open}{}\n{close}", source.text);
    let mut enclosed = source.clone();
    enclosed.text = text;
    enclosed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        super::read(&Source::of("k.json", text), &mut Files::none())
    }

    fn drawn(node: &Node) -> String {
        match &node.value {
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, node)| format!("{name}={}", drawn(node)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(" "))
            }
            Value::List(elements) => {
                format!("[{}]", elements.iter().map(drawn).collect::<Vec<_>>().join(" "))
            }
            Value::Text(text) => format!("{text:?}@{}", node.at.line),
            Value::Scalar(scalar) => format!("{scalar}@{}", node.at.line),
        }
    }

    #[test]
    fn comments_and_commas_of_kea_are_read() {
        let text = "# head\n{ // a\n \"a\": [1, 2.5,], /* {\n */ \"b\": {\"c\": \"# no // comment \\\"\",},\n\n\"d\":true }# end";
        assert_eq!(
            drawn(&read(text).unwrap()),
            "{a=[1@3 2.5@3] b={c=\"# no // comment \\\"\"@4} d=true@6}"
        );
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line() {
        for (text, error) in [
            ("", "k.json:1: a value is missing"),
            ("{\n\"a\" 1}", "k.json:2: a `:` is missing behind a name, at `1}`"),
            ("{\"a\": 1\n\"b\": 2}", "k.json:2: a `,` or a `}` is missing"),
            ("[1\n2]", "k.json:2: a `,` or a `]` is missing"),
            ("{\n\"a\": 1", "k.json:2: a `,` or a `}` is missing"),
            ("{\n\"a\": \"b\n}", "k.json:2: this text does not end"),
            ("{\n\"a\": yes}", "k.json:2: this is no value of JSON"),
            ("{}\n{}", "k.json:2: there is something behind the end"),
            ("\n/* ", "k.json:2: this comment does not end"),
            ("{,}", "k.json:1: a name in quotes, or `}`, is missing"),
            ("{<?include?>}", "k.json:1: write <?include"),
            (
                "{\"a\": <?include \"b\"?>}",
                "k.json:1: there are more than 0 files",
            ),
        ] {
            let got = read(text).unwrap_err();
            assert!(got.starts_with(error), "{text:?}: {got}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(
            read(&"[".repeat(100_000))
                .unwrap_err()
                .contains("more than 64 deep")
        );
    }

    /// Kea pastes the text: whole values, and members or elements without brackets.
    #[test]
    fn what_is_included_is_pasted() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        write("members.json", "\"x\": 1,\n\"y\": 2");
        write("elements.json", "\n{\"e\": 1},\n{\"e\": 2}");
        write("value.json", "[7]");
        write(
            "k.json",
            "{ <?include \"members.json\"?>, \"l\": [ 0, <?include \"elements.json\"?> ],\n \"v\": <?include \"value.json\"?> }",
        );
        let mut files = Files::new();
        let source = files.open(&path("k.json")).unwrap();
        let node = super::read(&source, &mut files).unwrap();
        assert_eq!(drawn(&node), "{x=1@1 y=2@2 l=[0@1 {e=1@2} {e=2@3}] v=[7@1]}");
        let element = &node.get("l").unwrap().elements()[1];
        assert!(element.at.file.ends_with("elements.json"), "{}", element.at);
    }
}
