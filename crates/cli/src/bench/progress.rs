//! What is seen while a benchmark runs, on standard error: a bar on a terminal, lines elsewhere.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Steps done of all steps.
pub(crate) struct Progress {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    /// Of `steps` steps.
    pub(crate) fn new(steps: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr_with_hz(8));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            lines: !std::io::stderr().is_terminal(),
        }
    }

    /// Begins a step.
    pub(crate) fn begin(&self, what: impl Display) {
        self.bar.set_message(what.to_string());
        if self.lines {
            self.note(what);
        }
    }

    /// Ends it, with its result in a line that stays.
    pub(crate) fn end(&self, result: impl Display) {
        self.bar.inc(1);
        self.note(result);
    }

    /// A line that stays. Whoever reads it may stop doing so.
    pub(crate) fn note(&self, text: impl Display) {
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
