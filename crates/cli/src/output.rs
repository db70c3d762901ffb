//! Answers in the form that was asked for: tables for people, documents and names for programs.

mod colour;
mod format;
mod grid;
mod message;
pub(crate) mod progress;
mod shape;
mod watched;

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

pub use self::format::Format;
use self::grid::{Canvas, Grid};
pub(crate) use self::message::{from_value, to_json, to_json_line, to_value};
use self::message::{to_yaml, value_to_yaml};
pub(crate) use self::shape::{Column, Shape, changed, column, wide};
pub(crate) use self::watched::{Changes, WatchArg, follow, follow_by};
use crate::args::GlobalArgs;
use crate::error::CliError;

/// A list in the form asked for. JSON and YAML: the whole answer, a message with its full proto name; JSON lines: a row a line; names:
/// the rows' keys; tables: the shape's columns.
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn list<T: prost::Message>(
    global: &GlobalArgs,
    answer: (&str, &impl prost::Message),
    rows: &[T],
    shape: &Shape<T>,
) -> Result<(), CliError> {
    list_by(global, answer, rows, shape, |row| {
        to_json_line(shape.message, row)
    })
}

/// The same of rows that are more than a message, or put together from several; `line` is a row as JSON.
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn list_by<T>(
    global: &GlobalArgs,
    (name, answer): (&str, &impl prost::Message),
    rows: &[T],
    shape: &Shape<T>,
    line: impl Fn(&T) -> Result<String, CliError>,
) -> Result<(), CliError> {
    match global.output {
        Format::Json => print(to_json(name, answer)?),
        Format::Yaml => print(to_yaml(name, answer)?),
        Format::Jsonl => print_lines(&rows.iter().map(line).collect::<Result<Vec<_>, _>>()?),
        Format::Name => print_lines(&rows.iter().map(shape.key).collect::<Vec<_>>()),
        Format::Table | Format::Wide => write(&tabulated(global, rows, shape)),
    }
}

/// A list of what is no message: `document` is the whole answer, `line` a row of it.
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn list_of_values<T>(
    global: &GlobalArgs,
    document: &Value,
    rows: &[T],
    shape: &Shape<T>,
    line: impl Fn(&T) -> Value,
) -> Result<(), CliError> {
    match global.output {
        Format::Json => print(document),
        Format::Yaml => print(value_to_yaml(document)?),
        Format::Jsonl => print_lines(&rows.iter().map(|row| line(row).to_string()).collect::<Vec<_>>()),
        Format::Name => print_lines(&rows.iter().map(shape.key).collect::<Vec<_>>()),
        Format::Table | Format::Wide => write(&tabulated(global, rows, shape)),
    }
}

/// One object; `key` is what it is named by, `text` the form for people.
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn object<D: Display>(
    global: &GlobalArgs,
    answer: (&str, &impl prost::Message),
    key: &str,
    text: impl FnOnce() -> D,
) -> Result<(), CliError> {
    match global.output {
        Format::Name => print(key),
        Format::Table | Format::Wide => print(text()),
        Format::Json | Format::Yaml | Format::Jsonl => document(global, answer),
    }
}

/// What came of a change: the cluster's answer for programs, a sentence for people unless they want silence.
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn done<D: Display>(
    global: &GlobalArgs,
    answer: (&str, &impl prost::Message),
    text: impl FnOnce() -> D,
) -> Result<(), CliError> {
    match global.output.is_document() {
        true => document(global, answer),
        false => told(global, text),
    }
}

/// What came of something that the cluster answers no message to.
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn done_value<D: Display>(
    global: &GlobalArgs,
    value: &Value,
    text: impl FnOnce() -> D,
) -> Result<(), CliError> {
    match global.output.is_document() {
        true => print(value_document(global.output, value)),
        false => told(global, text),
    }
}

/// One object that is no message, as [`object`].
///
/// # Errors
/// Only when standard output cannot be written.
pub(crate) fn object_value<D: Display>(
    global: &GlobalArgs,
    value: &Value,
    key: &str,
    text: impl FnOnce() -> D,
) -> Result<(), CliError> {
    match global.output {
        Format::Name => print(key),
        Format::Table | Format::Wide => print(text()),
        Format::Json | Format::Yaml | Format::Jsonl => print(value_document(global.output, value)),
    }
}

/// A message in one of the forms for programs.
fn document(global: &GlobalArgs, (name, message): (&str, &impl prost::Message)) -> Result<(), CliError> {
    print(match global.output {
        Format::Yaml => to_yaml(name, message)?,
        Format::Jsonl => to_json_line(name, message)?,
        Format::Json | Format::Table | Format::Wide | Format::Name => to_json(name, message)?,
    })
}

/// A value in one of the forms for programs; YAML for `Format::Yaml`, JSON else.
pub fn value_document(format: Format, value: &Value) -> String {
    match format {
        // a value that cannot be YAML (there is none) is still JSON, which is YAML too
        Format::Yaml => value_to_yaml(value).unwrap_or_else(|_| value.to_string()),
        _ => value.to_string(),
    }
}

fn told<D: Display>(global: &GlobalArgs, text: impl FnOnce() -> D) -> Result<(), CliError> {
    match global.quiet {
        true => Ok(()),
        // a table has the end of its last line already
        false => print(text().to_string().trim_end_matches('\n')),
    }
}

/// The rows as aligned columns, each line ended.
pub(crate) fn tabulated<T>(global: &GlobalArgs, rows: &[T], shape: &Shape<T>) -> String {
    grid(rows, shape, global.output == Format::Wide).render(canvas(global))
}

/// The columns of rows as text without colours, for sentences around it.
#[cfg(test)]
pub(crate) fn plain<T>(rows: &[T], shape: &Shape<T>) -> String {
    grid(rows, shape, true).render(Canvas::default())
}

fn grid<T>(rows: &[T], shape: &Shape<T>, is_wide: bool) -> Grid {
    let columns: Vec<&Column<T>> = shape.shown(is_wide).collect();
    let mut grid = Grid::new(columns.iter().map(|column| column.title).collect());
    for row in rows {
        for column in &columns {
            grid.cell((column.cell)(row));
        }
    }
    grid
}

/// What standard output is.
fn canvas(global: &GlobalArgs) -> Canvas {
    if !std::io::stdout().is_terminal() {
        return Canvas::default();
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    Canvas {
        width: Table::new().width().map(usize::from),
        colours: !global.no_color && !is_dumb && !is_set("NO_COLOR"),
    }
}

/// A table in the project's style, for what is no list of objects.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

/// Prints a line or a table. A closed pipe (`chamois … | head`) is not an error of ours.
pub(crate) fn print(text: impl Display) -> Result<(), CliError> {
    write(&format!("{text}\n"))
}

/// Prints lines, or nothing where there are none.
pub(crate) fn print_lines(lines: &[String]) -> Result<(), CliError> {
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    write(&text)
}

/// Writes the text as it is, at once.
pub(crate) fn write(text: &str) -> Result<(), CliError> {
    progress::end();
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::other("cannot write the answer", error))
        }
        _ => Ok(()),
    }
}

/// One of the objects that a command tells of as they come.
pub(crate) fn stream_item(format: Format, value: &Value) -> String {
    match format {
        Format::Yaml => format!("---\n{}", value_document(format, value)),
        _ => value.to_string(),
    }
}

/// Prints a line if there is one. False when nobody reads any more.
pub(crate) fn print_line(line: Option<String>) -> Result<bool, CliError> {
    let Some(line) = line else {
        return Ok(true);
    };
    progress::end();
    match writeln!(std::io::stdout().lock(), "{line}") {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::other("cannot write the answer", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape<&str> = Shape {
        message: "",
        key: |row| (*row).to_owned(),
        columns: &[
            column("ID", |row| (*row).to_owned()),
            wide("LENGTH", |row| row.len().to_string()),
        ],
    };

    #[test]
    fn a_table_shows_its_header_and_rows() {
        let mut table = table(["ID", "STATE"]);
        table.add_row(["x0c0s0b0n0", "Ready"]);
        let text = table.to_string();
        for word in ["ID", "STATE", "x0c0s0b0n0", "Ready"] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_wide_table_has_more_columns_than_a_table() {
        let shown = |output| {
            let global = GlobalArgs {
                output,
                ..GlobalArgs::default()
            };
            tabulated(&global, &["x0"], &SHAPE)
        };
        assert_eq!(shown(Format::Table), "ID\nx0\n");
        assert_eq!(shown(Format::Wide), "ID  LENGTH\nx0  2\n");
    }

    #[test]
    fn a_value_is_yaml_where_yaml_is_asked_for_and_one_line_of_json_else() {
        let value = serde_json::json!({ "id": 7, "removed": true });
        assert_eq!(value_document(Format::Yaml, &value), "id: 7\nremoved: true");
        assert_eq!(value_document(Format::Json, &value), r#"{"id":7,"removed":true}"#);
    }
}
