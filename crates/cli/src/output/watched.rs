//! Lists that go on (`--watch`): on a terminal redrawn in place when something changes, elsewhere the rows that changed.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::watch::v1::WatchRequest;
use proto::watch::v1::object::Kind;
use rpc::client::{Follow, Told};

use super::{Format, Shape, print_line, progress, stream_item, to_json_line, write};
use crate::args::GlobalArgs;
use crate::connect::{self, Connection};
use crate::error::{self, CliError};

/// Changes that come together are shown together.
const GATHER: Duration = Duration::from_millis(100);
/// Pause before a member is asked again when none has answered.
const RETRY: Duration = Duration::from_secs(1);
/// How often a terminal is drawn at most, per second.
const DRAWS_HZ: u8 = 10;
/// Columns that change by time alone: a row of which only they differ has not changed.
const BY_TIME: &[&str] = &["LAST ANSWER", "LAST SEEN", "BEHIND", "FOR", "ASKED"];

/// `-w` of a list.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct WatchArg {
    /// Go on: on a terminal the table is redrawn when something changes, elsewhere rows are printed as they change
    #[arg(short, long)]
    pub watch: bool,
}

/// When a list may have changed.
#[derive(Clone, Copy)]
pub(crate) enum Changes<'a> {
    /// When an object of one of these kinds has.
    Of(&'a [Kind]),
    /// Nobody tells: look each time this has passed.
    Each(Duration),
}

/// Shows a list of messages until nobody reads any more; `fetch` asks for its rows.
///
/// # Errors
/// What no other member would answer otherwise; members that come and go are waited for.
pub(crate) async fn follow<T: prost::Message>(
    global: &GlobalArgs,
    changes: Changes<'_>,
    shape: &Shape<T>,
    fetch: impl AsyncFnMut() -> Result<Vec<T>, CliError>,
) -> Result<(), CliError> {
    follow_by(
        global,
        changes,
        shape,
        |row| to_json_line(shape.message, row),
        fetch,
    )
    .await
}

/// The same of rows that are more than a message; `line` is a row as JSON in one line.
///
/// # Errors
/// As [`follow`].
pub(crate) async fn follow_by<T>(
    global: &GlobalArgs,
    changes: Changes<'_>,
    shape: &Shape<T>,
    line: impl Fn(&T) -> Result<String, CliError>,
    mut fetch: impl AsyncFnMut() -> Result<Vec<T>, CliError>,
) -> Result<(), CliError> {
    let mut view = View::of(global);
    let mut news = News::of(global, &changes)?;
    let mut is_first = true;
    loop {
        match fetch().await {
            Ok(rows) => {
                is_first = false;
                if !view.show(global, &rows, shape, &line)? {
                    return Ok(());
                }
                news.wait().await?;
                tokio::time::sleep(GATHER).await;
            }
            // members come and go; whoever is refused will be refused again
            Err(error) if is_first || error.kind() != error::Kind::Unavailable => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "no member answers now");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// What tells that something may have changed.
enum News {
    Watch(Box<Follow<Connection>>),
    Clock(Duration),
}

impl News {
    fn of(global: &GlobalArgs, changes: &Changes<'_>) -> Result<News, CliError> {
        let kinds = match changes {
            Changes::Each(pause) => return Ok(News::Clock(*pause)),
            Changes::Of(kinds) => kinds,
        };
        let request = WatchRequest {
            kinds: kinds.iter().map(|kind| i32::from(*kind)).collect(),
            ..WatchRequest::default()
        };
        let follow = Follow::new(connect::without_repeats(global)?, request);
        Ok(News::Watch(Box::new(follow)))
    }

    /// The state itself is no news, but its end is: it may be younger than the list.
    async fn wait(&mut self) -> Result<(), CliError> {
        match self {
            News::Clock(pause) => tokio::time::sleep(*pause).await,
            News::Watch(follow) => loop {
                match follow.next().await? {
                    Told::StateEnds(_) | Told::Events(_) => break,
                    Told::Begins | Told::Rows(_) | Told::Progress(_) => {}
                }
            },
        }
        Ok(())
    }
}

/// Where it is shown, and what was.
enum View {
    Terminal(ProgressBar),
    /// Each row's cells by its key; none before the first time.
    Lines(Option<BTreeMap<String, Vec<String>>>),
}

impl View {
    fn of(global: &GlobalArgs) -> View {
        let is_table = matches!(global.output, Format::Table | Format::Wide);
        if !is_table || !std::io::stdout().is_terminal() {
            return View::Lines(None);
        }
        progress::end();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout_with_hz(DRAWS_HZ));
        let style = ProgressStyle::with_template("{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        View::Terminal(bar)
    }

    /// False when nobody reads any more.
    fn show<T>(
        &mut self,
        global: &GlobalArgs,
        rows: &[T],
        shape: &Shape<T>,
        line: impl Fn(&T) -> Result<String, CliError>,
    ) -> Result<bool, CliError> {
        match self {
            View::Terminal(bar) => {
                bar.set_message(super::tabulated(global, rows, shape).trim_end().to_owned());
                Ok(true)
            }
            View::Lines(last) => {
                let is_first = last.is_none();
                let difference = Difference::between(last.get_or_insert_default(), rows, shape);
                if is_first && matches!(global.output, Format::Table | Format::Wide) {
                    write(&super::tabulated(global, rows, shape))?;
                    return Ok(true);
                }
                for row in difference.changed {
                    if !print_line(Some(changed(global.output, row, shape, &line)?))? {
                        return Ok(false);
                    }
                }
                for key in difference.gone {
                    if !print_line(Some(gone(global.output, &key)))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

/// What is not as it was.
struct Difference<'a, T> {
    changed: Vec<&'a T>,
    gone: Vec<String>,
}

impl<'a, T> Difference<'a, T> {
    /// Compares with what was `last`, which becomes what is.
    fn between(
        last: &mut BTreeMap<String, Vec<String>>,
        rows: &'a [T],
        shape: &Shape<T>,
    ) -> Difference<'a, T> {
        let lasting = || {
            shape
                .columns
                .iter()
                .filter(|column| !BY_TIME.contains(&column.title))
        };
        let mut now = BTreeMap::new();
        let mut changed = Vec::new();
        for row in rows {
            let key = (shape.key)(row);
            let cells: Vec<String> = lasting().map(|column| (column.cell)(row)).collect();
            if last.remove(&key).as_ref() != Some(&cells) {
                changed.push(row);
            }
            now.insert(key, cells);
        }
        let gone = std::mem::replace(last, now).into_keys().collect();
        Difference { changed, gone }
    }
}

/// A row that has changed, as one line; in YAML as a document.
fn changed<T>(
    format: Format,
    row: &T,
    shape: &Shape<T>,
    line: impl Fn(&T) -> Result<String, CliError>,
) -> Result<String, CliError> {
    Ok(match format {
        Format::Json | Format::Jsonl => line(row)?,
        Format::Yaml => {
            let value = serde_json::from_str(&line(row)?);
            stream_item(
                format,
                &value.map_err(|error| CliError::other("cannot write the answer", error))?,
            )
        }
        Format::Name => (shape.key)(row),
        Format::Table | Format::Wide => {
            let cells = shape
                .shown(format == Format::Wide)
                .map(|column| (column.cell)(row));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        }
    })
}

/// That something is gone. Its name alone would say that it changed.
fn gone(format: Format, key: &str) -> String {
    match format {
        Format::Table | Format::Wide => format!("{key}  gone"),
        Format::Name => format!("-{key}"),
        Format::Json | Format::Jsonl | Format::Yaml => {
            stream_item(format, &serde_json::json!({ "gone": key }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{column, wide};
    use super::*;

    type Row = (&'static str, u32, u32);

    const SHAPE: Shape<Row> = Shape {
        message: "",
        key: |row| row.0.to_owned(),
        columns: &[
            column("ID", |row| row.0.to_owned()),
            column("STATE", |row| row.1.to_string()),
            column("LAST ANSWER", |row| row.2.to_string()),
            wide("DOUBLE", |row| (2 * row.1).to_string()),
        ],
    };

    fn keys(rows: &[&Row]) -> Vec<&'static str> {
        rows.iter().map(|row| row.0).collect()
    }

    #[test]
    fn only_rows_that_changed_are_told_and_those_that_went() {
        let mut last = BTreeMap::new();
        let first = [("a", 1, 0), ("b", 1, 0)];
        assert_eq!(
            keys(&Difference::between(&mut last, &first, &SHAPE).changed),
            ["a", "b"]
        );
        let second = [("a", 1, 0), ("b", 2, 0), ("c", 1, 0)];
        let difference = Difference::between(&mut last, &second, &SHAPE);
        assert_eq!(keys(&difference.changed), ["b", "c"]);
        assert!(difference.gone.is_empty());
        let third = [("c", 1, 0)];
        let difference = Difference::between(&mut last, &third, &SHAPE);
        assert!(difference.changed.is_empty());
        assert_eq!(difference.gone, ["a", "b"]);
    }

    /// A watch of members would else print all of them each second.
    #[test]
    fn what_only_grew_older_has_not_changed() {
        let mut last = BTreeMap::new();
        Difference::between(&mut last, &[("a", 1, 12)], &SHAPE);
        assert!(
            Difference::between(&mut last, &[("a", 1, 99)], &SHAPE)
                .changed
                .is_empty()
        );
    }

    #[test]
    fn a_change_is_one_line_in_each_form() {
        let line = |row: &Row| Ok(serde_json::json!({ "id": row.0 }).to_string());
        let shown = |format| changed(format, &("a", 1, 0), &SHAPE, line).unwrap();
        assert_eq!(shown(Format::Table), "a  1  0");
        assert_eq!(shown(Format::Wide), "a  1  0  2");
        assert_eq!(shown(Format::Name), "a");
        assert_eq!(shown(Format::Json), r#"{"id":"a"}"#);
        assert_eq!(shown(Format::Jsonl), r#"{"id":"a"}"#);
        assert_eq!(shown(Format::Yaml), "---\nid: a");
        assert_eq!(gone(Format::Jsonl, "a"), r#"{"gone":"a"}"#);
        assert_eq!(gone(Format::Table, "a"), "a  gone");
    }
}
