//! What every import takes and does: the source, the question, the bar, the last line.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::confirm;
use super::diff::Summary;
use super::source::Named;
use crate::error::{CliError, Kind};
use crate::output::{self, Format};

/// Columns of the bar on a terminal.
const BAR: &str = "{elapsed_precise} {bar:32} {pos}/{len}  {msg}";

/// Options of every import.
#[derive(Clone, Debug, Args)]
pub struct CommonArgs {
    /// URL of the live service's API, what was saved of it as JSON, or - for standard input
    #[arg(value_name = "URL|PATH")]
    pub source: String,
    /// File with a bearer token of the live service
    #[arg(long, value_name = "FILE")]
    pub source_token_file: Option<PathBuf>,
    /// Certificate that signs the live service's (PEM)
    #[arg(long, value_name = "FILE")]
    pub source_ca: Option<PathBuf>,
    /// What is done with the difference.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Whether an import is carried out.
#[derive(Clone, Debug, Args)]
pub struct HowArgs {
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do it without asking
    #[arg(long, short, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Import the rest when something is refused
    #[arg(long)]
    pub skip_refused: bool,
}

impl CommonArgs {
    /// The source as it is named.
    pub(super) fn named(&self) -> Named<'_> {
        Named {
            source: &self.source,
            token_file: self.source_token_file.as_deref(),
            ca: self.source_ca.as_deref(),
        }
    }
}

impl HowArgs {
    /// Shows the difference to people, and says whether there is anything to do that is to be done.
    ///
    /// # Errors
    /// `Conflict` if anything is refused and that was not expected.
    fn is_to_be_done(&self, format: Format, summary: &Summary) -> Result<bool, CliError> {
        if !format.is_document() {
            output::print(summary.render())?;
        }
        self.decide(summary).inspect_err(|_| {
            if format.is_document() {
                let _ = output::print(output::value_document(format, &summary.to_json(false))); // best effort: the error that matters is at hand
            }
        })
    }

    fn decide(&self, summary: &Summary) -> Result<bool, CliError> {
        let refused = summary.refused();
        if refused > 0 && !self.skip_refused {
            let (of, are) = if refused == 1 {
                ("object", "is")
            } else {
                ("objects", "are")
            };
            let text = format!("{refused} {of} of the source {are} refused; nothing was imported");
            let remedy = match first_refused(summary) {
                Some(first) => {
                    format!("The first: {first}\nCorrect the source, or leave them out with --skip-refused.")
                }
                None => String::new(),
            };
            return Err(CliError::new(Kind::Conflict, text).with_remedy(remedy));
        }
        if self.dry_run || summary.to_do() == 0 {
            return Ok(false);
        }
        match self.yes {
            true => Ok(true),
            false => confirm::ask(summary.to_do()),
        }
    }
}

fn first_refused(summary: &Summary) -> Option<String> {
    let first = summary.shown.iter().flat_map(|shown| &shown.refused).next()?;
    Some(format!("{}: {}", first.id, first.reason))
}

/// What every import does once both sides are compared: shows the difference, asks, has `apply` do it beside a bar, and says what
/// was done.
///
/// # Errors
/// As [`HowArgs::is_to_be_done`] and `apply`.
pub(super) async fn carry_out<W>(
    how: &HowArgs,
    format: Format,
    (work, summary): (W, Summary),
    apply: impl AsyncFnOnce(W, &ProgressBar) -> Result<(), CliError>,
) -> Result<(), CliError> {
    if !how.is_to_be_done(format, &summary)? {
        return conclude(format, &summary, false);
    }
    let progress = bar(summary.to_do());
    let outcome = apply(work, &progress).await;
    progress.finish_and_clear();
    outcome?;
    conclude(format, &summary, true)
}

/// The last line for people, everything for programs.
fn conclude(format: Format, summary: &Summary, applied: bool) -> Result<(), CliError> {
    match applied {
        _ if format.is_document() => output::print(output::value_document(format, &summary.to_json(applied))),
        true => output::print(format_args!("imported {} objects", summary.to_do())),
        false if summary.to_do() == 0 => output::print("everything is here already"),
        false => output::print("nothing was changed"),
    }
}

/// On a terminal only: elsewhere the diff and the last line say it all.
pub(crate) fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr_with_hz(8));
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    bar
}
