//! Documents: what a file says, read strictly. A slip is told with file, document, line and what was meant.

use std::fmt;

use model::nearest;
use openapi::Catalogue;
use serde_json::{Map, Value};
use serde_yaml_ng as yaml;

use super::kinds::{self, Kind};
use super::misfit::{self, Misfit};
use super::normal;
use crate::api::message;
use crate::error::{CliError, Kind as Class};

/// One object as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) kind: &'static Kind,
    /// As the cluster writes it.
    pub(super) name: String,
    /// Its message in JSON, without name and with the words of documents; only what was given.
    pub(super) spec: Map<String, Value>,
    pub(super) place: Place,
}

/// Where a document stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    /// From 1 on.
    pub(super) document: usize,
    /// From 1 on.
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}, line {}", self.file, self.document, self.line)
    }
}

/// A part of a file between two `---`.
struct Part<'a> {
    text: &'a str,
    place: Place,
}

/// All documents of a file, in their order; those without anything in them are none.
///
/// # Errors
/// `Usage` at the first slip.
pub(super) fn read(catalogue: &Catalogue, file: &str, text: &str) -> Result<Vec<Document>, CliError> {
    let mut documents = Vec::new();
    for part in parts(file, text) {
        let value: yaml::Value = yaml::from_str(part.text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            part.at(line).refused(&format!("no YAML: {error}"))
        })?;
        if !value.is_null() {
            documents.push(part.document(catalogue, &value)?);
        }
    }
    Ok(documents)
}

/// Cut before each line that is `---` or begins with it and a blank: in YAML no value can have one.
fn parts<'a>(file: &str, text: &'a str) -> Vec<Part<'a>> {
    let mut starts = vec![(0, 1)];
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_start = line.trim_end() == "---" || line.starts_with("--- ");
        if is_start && at > 0 {
            starts.push((at, number + 1));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let cut = starts
        .iter()
        .zip(ends)
        .map(|((start, line), end)| (&text[*start..end], *line));
    let with_something = cut.filter(|(text, _)| text.lines().any(has_something));
    with_something
        .enumerate()
        .map(|(number, (text, line))| Part {
            text,
            place: Place {
                file: file.to_owned(),
                document: number + 1,
                line,
            },
        })
        .collect()
}

fn has_something(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && line != "---" && !line.starts_with('#')
}

impl Part<'_> {
    /// A place of it, by the number of a line of its text.
    fn at(&self, line: usize) -> Place {
        Place {
            line: self.place.line + line.saturating_sub(1),
            ..self.place.clone()
        }
    }

    /// The line that has a key: of the last of the names in `path` that stands on a line of its own.
    fn line_of(&self, path: &str) -> Place {
        let mut found = 0;
        for name in path.split('.') {
            let name = name.split('[').next().unwrap_or(name);
            let mut rest = self.text.lines().enumerate().skip(found);
            let line = rest.find(|(_, line)| is_key(line, name));
            found = line.map_or(found, |(line, _)| line);
        }
        self.at(found + 1)
    }

    fn refused_at(&self, path: &str, problem: &str) -> CliError {
        self.line_of(path).refused(problem)
    }

    fn document(&self, catalogue: &Catalogue, value: &yaml::Value) -> Result<Document, CliError> {
        let value = to_json(value).map_err(|problem| self.place.refused(&problem))?;
        let Value::Object(whole) = value else {
            return Err(self.place.refused("a document has kind, metadata and spec"));
        };
        self.only(&whole, "", &["kind", "metadata", "spec"])?;
        let kind = whole.get("kind").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| self.place.refused("kind: it is missing, or no text"))?;
        let kind = kinds::find(kind).map_err(|error| self.refused_at("kind", &format!("kind: {error}")))?;
        let name = self.name(kind, &whole)?;
        let spec = match whole.get("spec") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(spec)) => spec.clone(),
            Some(other) => {
                let problem = format!("spec: {} is not accepted, a mapping is", misfit::found(other));
                return Err(self.refused_at("spec", &problem));
            }
        };
        let spec = self.spec(catalogue, kind, &name, spec)?;
        Ok(Document {
            kind,
            name,
            spec,
            place: self.place.clone(),
        })
    }

    fn name(&self, kind: &Kind, whole: &Map<String, Value>) -> Result<String, CliError> {
        let Some(Value::Object(metadata)) = whole.get("metadata") else {
            return Err(self.refused_at(
                "metadata",
                "metadata: it is missing, or no mapping; it has the name",
            ));
        };
        self.only(metadata, "metadata.", &["name"])?;
        let name = match metadata.get("name") {
            Some(Value::String(name)) if !name.is_empty() => name.clone(),
            _ => return Err(self.refused_at("metadata.name", "metadata.name: it is missing, or no text")),
        };
        let canonical = kind.canonical(&name);
        canonical.map_err(|problem| self.refused_at("metadata.name", &format!("metadata.name: {problem}")))
    }

    /// Unknown keys and those of the cluster are refused; what is left fits the message.
    fn spec(
        &self,
        catalogue: &Catalogue,
        kind: &'static Kind,
        name: &str,
        spec: Map<String, Value>,
    ) -> Result<Map<String, Value>, CliError> {
        let descriptor = kind.descriptor(catalogue)?;
        for key in spec.keys() {
            let field = descriptor.get_field_by_json_name(key);
            let field = field.or_else(|| descriptor.get_field_by_name(key));
            let own = field
                .map(|field| field.json_name().to_owned())
                .unwrap_or_default();
            if kind.given.contains(&own.as_str()) {
                let problem =
                    format!("spec.{key}: it cannot be declared, only the cluster or another command sets it");
                return Err(self.refused_at(&format!("spec.{key}"), &problem));
            }
            if kind.key_field() == Some(own.as_str()) {
                let problem = format!("spec.{key}: it stands in metadata.name");
                return Err(self.refused_at(&format!("spec.{key}"), &problem));
            }
        }
        let spec = Value::Object(spec);
        message::check_keys(&descriptor, &spec, "spec").map_err(|error| {
            let text = error.to_string();
            let path = text.split(':').next().unwrap_or_default();
            self.refused_at(path, &text)
        })?;
        let read = normal::declared(catalogue, kind, name, &spec);
        read.map_err(|whole| match misfit::find(catalogue, &descriptor, &spec) {
            Some(Misfit { path, problem }) => self.refused_at(&path, &format!("{path}: {problem}")),
            None => self.refused_at("spec", &format!("spec: {whole}")),
        })
    }

    fn only(&self, object: &Map<String, Value>, place: &str, known: &[&str]) -> Result<(), CliError> {
        let Some(unknown) = object.keys().find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let error = self.refused_at(unknown, &format!("{place}{unknown}: there is no such key"));
        Err(error.with_remedy(match nearest(unknown, known.iter().copied()) {
            Some(meant) => format!("Is it {meant}?"),
            None => format!("It has {}.", known.join(", ")),
        }))
    }
}

impl Place {
    /// `Usage` at this place.
    pub(super) fn refused(&self, problem: &str) -> CliError {
        CliError::new(Class::Usage, format!("{self}: {problem}"))
    }
}

fn is_key(line: &str, key: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("- ").map_or(line, str::trim_start);
    let rest = line.trim_start_matches(['"', '\'']).strip_prefix(key);
    rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
}

/// # Errors
/// What JSON has not.
fn to_json(value: &yaml::Value) -> Result<Value, String> {
    Ok(match value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(value) => Value::Bool(*value),
        yaml::Value::String(text) => Value::String(text.clone()),
        yaml::Value::Number(number) => serde_json::to_value(number)
            .ok()
            .filter(Value::is_number)
            .ok_or_else(|| format!("{number} is no number that JSON has"))?,
        yaml::Value::Sequence(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        yaml::Value::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let yaml::Value::String(key) = key else {
                    return Err("a key is no text; write it in quotation marks".to_owned());
                };
                object.insert(key.clone(), to_json(value)?);
            }
            Value::Object(object)
        }
        yaml::Value::Tagged(tagged) => return Err(format!("{} is a tag, which is not accepted", tagged.tag)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Result<Vec<Document>, String> {
        let catalogue = crate::api::catalogue().unwrap();
        read(&catalogue, "site.yaml", text).map_err(|error| error.to_string())
    }

    const TWO: &str = "\
# the first rack
kind: Component
metadata: {name: X1000c0s00b0n0}
spec:
  Role: Compute
  NID: 7
---
kind: boot-configuration
metadata:
  name: compute
spec:
  groups: [compute]
  kernel: /files/vmlinuz
";

    #[test]
    fn documents_are_read_in_their_order_with_the_names_of_the_cluster() {
        let read = documents(TWO).unwrap();
        let names: Vec<_> = read
            .iter()
            .map(|one| (one.kind.name, one.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [("Component", "x1000c0s0b0n0"), ("BootConfiguration", "compute")]
        );
        assert_eq!(read[1].place.to_string(), "site.yaml, document 2, line 7");
        assert_eq!(read[0].spec["NID"], 7);
    }

    #[test]
    fn a_slip_is_told_with_file_document_line_and_what_was_meant() {
        for (from, to, line, meant) in [
            (
                "Role: Compute",
                "Rolle: Compute",
                "document 1, line 5",
                "Is it Role?",
            ),
            ("kernel:", "kernl:", "document 2, line 13", "Is it kernel?"),
            (
                "spec:\n  groups",
                "sepc:\n  groups",
                "document 2, line 11",
                "Is it spec?",
            ),
            (
                "boot-configuration",
                "BootConfig",
                "document 2, line 8",
                "BootConfiguration",
            ),
            (
                "name: compute",
                "nam: compute",
                "document 2, line 10",
                "Is it name?",
            ),
            ("name: X1000", "name: rack", "document 1, line 3", "xname"),
            ("NID: 7", "NID: many", "document 1, line 6", "spec.NID: the text"),
            (
                "groups: [compute]",
                "groups: compute",
                "document 2, line 12",
                "spec.groups: the text",
            ),
            (
                "groups: [compute]",
                "groups: [a, [b]]",
                "document 2, line 12",
                "spec.groups[1]: a list",
            ),
            (
                "spec:\n  groups: [compute]\n  kernel: /files/vmlinuz",
                "spec: [compute]",
                "document 2, line 11",
                "spec: a list is not accepted, a mapping is",
            ),
            ("NID: 7", "Type: Node", "document 1, line 6", "cannot be declared"),
            ("NID: 7", "ID: x0c0s0b0n0", "document 1, line 6", "metadata.name"),
            ("NID: 7", "NID: 7\n  NID: 8", "document 1, line", "duplicate"),
            ("NID: 7", "1: 8", "document 1, line", "quotation marks"),
        ] {
            let error = documents(&TWO.replace(from, to)).unwrap_err();
            assert!(
                error.contains("site.yaml") && error.contains(line) && error.contains(meant),
                "{to}: {error}"
            );
        }
    }

    #[test]
    fn parts_without_anything_are_no_documents() {
        assert!(documents("---\n# nothing\n---\n").unwrap().is_empty());
        assert!(documents("").unwrap().is_empty());
        let error = documents("---\n- a\n").unwrap_err();
        assert!(error.contains("kind, metadata and spec"), "{error}");
    }

    #[test]
    fn what_is_no_yaml_names_its_line() {
        let error = documents("kind: Component\nmetadata: [\n").unwrap_err();
        assert!(
            error.contains("no YAML") && error.contains("document 1"),
            "{error}"
        );
    }
}
