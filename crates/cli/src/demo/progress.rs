//! What people read: lines and tables on standard output, and on a terminal a bar by phase on standard
//! error. With `--json` standard output belongs to programs, and the lines go to standard error too.

use std::fmt::Display;
use std::io::Write as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar and the lines above it.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Where the lines go.
    lines: Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    Stdout,
    Stderr,
}

impl Progress {
    /// A bar of `nodes` boots; hidden until the first is reported, and where nobody looks at a terminal.
    ///
    /// `json`: standard output is for a program.
    pub(crate) fn new(nodes: u32, json: bool) -> Self {
        let bar =
            ProgressBar::with_draw_target(Some(u64::from(nodes)), ProgressDrawTarget::stderr_with_hz(8));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len} booted  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let lines = if json { Lines::Stderr } else { Lines::Stdout };
        Self { bar, lines }
    }

    /// Lines that stay. Whoever reads them may stop doing so (`chamois demo | head`): the demo goes on.
    pub(crate) fn note(&self, text: impl Display) {
        self.bar.suspend(|| {
            let _ = match self.lines {
                Lines::Stdout => writeln!(std::io::stdout().lock(), "{text}"),
                Lines::Stderr => writeln!(std::io::stderr().lock(), "{text}"),
            };
        });
    }

    /// How many nodes are in which phase now.
    pub(crate) fn show(&self, booted: usize, phases: &[(&str, usize)]) {
        self.bar.set_message(phases_text(phases));
        self.bar.set_position(booted as u64);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn phases_text(phases: &[(&str, usize)]) -> String {
    let busy = phases.iter().filter(|(_, nodes)| *nodes > 0);
    busy.map(|(name, nodes)| format!("{name} {nodes}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last line of standard output is JSON or text for people, never a mixture.
    #[test]
    fn lines_for_people_leave_standard_output_to_json() {
        assert_eq!(Progress::new(1, true).lines, Lines::Stderr);
        assert_eq!(Progress::new(1, false).lines, Lines::Stdout);
    }

    #[test]
    fn only_phases_with_nodes_are_named() {
        assert_eq!(
            phases_text(&[("dhcp", 12), ("script", 0), ("kernel", 3)]),
            "dhcp 12, kernel 3"
        );
    }
}
